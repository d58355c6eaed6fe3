"""All layers judged: the settings, or every problem with them at once."""

import difflib
import re
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from shoal.config.layers import Layers
from shoal.config.places import Place, dotted, leaves, value_at
from shoal.config.problems import problems_of
from shoal.config.secrecy import is_secret
from shoal.config.settings import Config
from shoal.config.wording import refusal


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
            new = {at: text for at, text in problems_of(error, tree, layers.text, Config) if at not in found}
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
