"""What may be tuned: the settings of a model and of the pairs that it learns from, as values worth trying."""

import dataclasses
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from shoal.evaluation.lists import Setting
from shoal.evaluation.pairs import Strength
from shoal.models.recommend.recommender import Recommender

Space = Mapping[str, tuple[Any, ...]]  # model.NAME, weights.EVENT or a field of Strength -> values, in an order
Configuration = Mapping[str, Any]  # the same names -> one value each; what is left out stays as it is

_WEIGHTS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
_RATINGS = ("ignored", "log", "as_given")
_CAPS = (1.0, 3.0, None)
_SPANS = (1 / 32, 1 / 8, 1 / 2)  # half-lives tried, of the days that train spans
_MOST_EVENTS = 8  # types of events whose weights are tuned; with more, each draw says too little of each


@dataclass(frozen=True)
class Known:
    """What is known of train, which decides what can be tuned."""

    events: tuple[str, ...]  # types of events, in order; empty where the table has none
    has_rating: bool
    has_repeats: bool  # pairs with several rows
    span_days: float  # from the first row to the last; 0 where there are no times


def strength_space(known: Known, fixed: Iterable[str]) -> dict[str, tuple[Any, ...]]:
    """The values worth trying for what makes pairs strong.

    Args:
        known: of train.
        fixed: fields of :class:`Strength` that were given, and are not tuned.
    """
    space = dict[str, tuple[Any, ...]]()
    if 2 <= len(known.events) <= _MOST_EVENTS:
        space |= {f"weights.{event}": _WEIGHTS for event in known.events}
    if known.has_rating:
        space["rating"] = _RATINGS
    if lives := tuple(dict.fromkeys(days for share in _SPANS if (days := round(known.span_days * share)) >= 1)):
        space["half_life_days"] = (*lives, None)
    if known.has_repeats and not known.has_rating:
        space["cap"] = _CAPS
    return {name: values for name, values in space.items() if name.partition(".")[0] not in {*fixed}}


def model_space(model: Recommender) -> dict[str, tuple[Any, ...]]:
    """The values worth trying for the model's own settings, as its class declares them."""
    declared: Space = getattr(model, "SPACE", {})
    return {f"model.{name}": tuple(values) for name, values in sorted(declared.items())}


def applied(setting: Setting, configuration: Configuration) -> Setting:
    """The setting with these values in it."""
    own = {name.removeprefix("model."): value for name, value in configuration.items() if name.startswith("model.")}
    weights = {name.removeprefix("weights."): v for name, v in configuration.items() if name.startswith("weights.")}
    others = {name: value for name, value in configuration.items() if "." not in name}
    strength: Strength = dataclasses.replace(
        setting.strength, **others, weights={**setting.strength.weights, **weights}
    )
    model: Any = setting.model
    return Setting(dataclasses.replace(model, **own) if own else model, strength)


def drawn(space: Space, count: int, seed: str) -> list[dict[str, Any]]:
    """Different configurations: the one that changes nothing, and others drawn evenly from the space.

    All of the space where it holds no more than ``count``. At least one weight is above 0.

    Args:
        space: what may be drawn.
        count: how many at most.
        seed: same seed and space, same draws.
    """
    found: list[dict[str, Any]] = [{}]
    rng = random.Random(seed)
    tries = 50 * min(count, prod(len(values) for values in space.values()))  # a small space is soon drawn whole
    for _ in range(tries if space else 0):
        if len(found) >= count:
            break
        one = {name: rng.choice(values) for name, values in space.items()}
        if one not in found and _weighs(one):
            found.append(one)
    return found[:count]


def neighbour(
    configuration: Configuration, defaults: Configuration, space: Space, rng: random.Random
) -> dict[str, Any]:
    """The configuration with one value moved a step along the space's order, or to any where it is in none."""
    name = rng.choice([*space])
    values = space[name]
    now = configuration.get(name, defaults.get(name))
    if now in values:
        place = values.index(now)
        near = [values[other] for other in (place - 1, place + 1) if 0 <= other < len(values)]
    else:
        near = [*values]
    moved = {**configuration, name: rng.choice(near or [now])}
    return moved if _weighs({**defaults, **moved}) else dict(configuration)


def defaults_of(setting: Setting, space: Space) -> dict[str, Any]:
    """What a setting has now, under the names of the space."""
    found = dict[str, Any]()
    for name in space:
        part, dot, own = name.partition(".")
        if not dot:
            found[name] = getattr(setting.strength, name)
        elif part == "weights":
            found[name] = setting.strength.weights.get(own, 1.0)
        else:
            found[name] = getattr(setting.model, own)
    return found


def _weighs(configuration: Configuration) -> bool:
    """Whether any event weighs something."""
    weights = [value for name, value in configuration.items() if name.startswith("weights.")]
    return not weights or any(weights)
