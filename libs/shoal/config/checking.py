"""All layers judged: the settings, or every problem with them at once."""

import difflib
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shoal.config.layers import Layers
from shoal.config.places import Place, dotted, holds, leaves, value_at
from shoal.config.secrecy import is_secret
from shoal.config.settings import Config
from shoal.config.wording import did_you_mean, got, refusal, wanted
from shoal.params import Params


def checked(layers: Layers) -> Config:
    """The settings of all layers.

    Conditions over several settings are judged only where each of them is good, so what is wrong is replaced
    by its default and the whole judged again, until nothing new is found.

    Raises:
        ConfigError: every problem with them.
    """
    tree = deepcopy(layers.tree)
    found: dict[Place, str] = {}
    config = None
    while config is None:
        try:
            config = Config.model_validate(tree)
        except ValidationError as error:
            new = {at: text for at, text in _problems(error, tree, layers) if at not in found}
            if not new:
                break
            found |= new
            for at in new:
                _mend(tree, at, layers)
    for at, text in layers.texts():
        value = value_at(layers.tree, at)
        if at not in found and _is_odd(value, text):
            made = "it as another number" if is_secret(at) else f"{text} as {value}"
            found[at] = f"write it plainly: YAML reads {made}"
    found |= _misspelt_entries(layers)
    problems = [f"{dotted(at)}: {text}{_from(layers, at)}" for at, text in found.items()]
    if config is None or problems or layers.problems:
        raise refusal([*layers.problems, *problems])
    return config


def _misspelt_entries(layers: Layers) -> dict[Place, str]:
    """New entries whose names look like slips of packaged ones; another number, as in buys_60d, is none."""
    found: dict[Place, str] = {}
    for section in ("segments", "propensity", "recommend"):
        packaged, given = layers.default((section,)), value_at(layers.tree, (section,))
        for name in sorted({*given} - {*packaged}, key=str) if isinstance(given, dict) else ():
            for near in difflib.get_close_matches(str(name), packaged, n=1, cutoff=0.8):
                if _without_number(str(name)) != _without_number(near):
                    found[(section, name)] = f"did you mean {near}? A new entry needs a name less like it"
    return found


def _without_number(name: str) -> str:
    return re.sub("[0-9]+", "", name).strip("_")


def _from(layers: Layers, at: Place) -> str:
    """Who set the value; of a packaged mapping, whoever set something in it."""
    places = [at] if layers.origin(at) != "default" else [place for place, _ in leaves(value_at(layers.tree, at), at)]
    origins = dict.fromkeys(layers.origin(place) for place in places)
    told = [origin for origin in origins if origin != "default"]
    return f"  ({', '.join(told)})" if told else ""


def _problems(error: ValidationError, tree: Any, layers: Layers) -> Iterator[tuple[Place, str]]:
    """pydantic's errors as one problem per place, in plain English."""
    together: dict[Place, list[ErrorDetails]] = {}
    for each in error.errors(include_url=False):
        together.setdefault(_place_of(each, tree), []).append(each)
    for at, errors in together.items():
        value, kind = value_at(tree, at), errors[0]["type"]
        if kind == "extra_forbidden":
            yield at, f"unknown setting{did_you_mean(str(at[-1]), _known_names(at))}"
        elif kind == "missing" and errors[0]["loc"] == at:
            yield at, "is missing"
        elif kind == "value_error":
            yield _told(at, value, str(errors[0]["ctx"]["error"]))
        elif kind == "too_short" and len(value) >= errors[0]["ctx"]["min_length"]:
            continue  # only because pydantic left out items that are told already
        else:
            form = " or ".join(wanted(each) for each in errors)
            yield at, f"must be {form}, got {got(at, value, layers.text(at))}"


def _place_of(error: ErrorDetails, tree: Any) -> Place:
    """Where in the tree: without the names of a union's branches and of places that a list lacks."""
    at: Place = ()
    for part in error["loc"]:
        value = value_at(tree, at)
        lacks = error["type"] == "missing" and isinstance(value, dict)
        if not holds(value, part) and not lacks:
            break
        at = (*at, part)
    return at


def _told(at: Place, value: Any, message: str) -> tuple[Place, str]:
    """A stage's own sentence; where it begins with the name of a setting, it is told there."""
    first, _, rest = message.partition(" ")
    return ((*at, first), rest) if holds(value, first) else (at, message)


def _known_names(at: Place) -> list[str]:
    """The settings that exist beside the one at this place."""
    kind: Any = Config
    for part in at[:-1]:
        if isinstance(kind, type) and issubclass(kind, Params):
            kind = {f.alias or name: f.annotation for name, f in kind.model_fields.items()}[str(part)]
        else:  # a mapping or a list of settings
            inner = (each for each in get_args(kind) if isinstance(each, type))
            kind = next(each for each in inner if issubclass(each, Params))
    return [f.alias or name for name, f in kind.model_fields.items()]


def _is_odd(value: object, text: str) -> bool:
    """Numbers that YAML 1.1 reads to other bases: 0750 is octal, 12:30 counts sixties."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    octal = re.fullmatch("[-+]?0[0-7_]+", text) is not None
    return ":" in text or (octal and int(text.replace("_", "")) != value)


def _mend(tree: dict[str, Any], at: Place, layers: Layers) -> None:
    """Put the default where a value is wrong; what has none is taken away."""
    *parents, last = at[: next((i for i, part in enumerate(at) if isinstance(part, int)), len(at))]
    parent, good = value_at(tree, tuple(parents)), layers.default((*parents, last))
    if good is None:
        parent.pop(last, None)
    else:
        parent[last] = deepcopy(good)
