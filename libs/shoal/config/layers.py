"""Layers of settings laid over each other, and who set which value."""

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from shoal.config.places import Place, dotted, value_at
from shoal.config.reading import Layer, default_layer, file_layer, set_layer
from shoal.config.settings import NAMED
from shoal.config.wording import got
from shoal.errors import did_you_mean


class Layers:
    """The layers laid so far: the values, who set each, and what was wrong on the way."""

    def __init__(self, default: Layer) -> None:
        self.tree: dict[str, Any] = {}
        self.problems: list[str] = []
        self._default = default
        self._setters: dict[Place, Layer] = {}
        self.lay(default)

    def lay(self, layer: Layer) -> None:
        """Lay one more layer over the others."""
        self._merge(self.tree, layer.tree, (), layer)
        self.problems += layer.problems

    def default(self, at: Place) -> Any:
        """The packaged value at this place; null where there is none.

        What a packaged entry leaves out, and all of a new one, is as in the first entry of its section.
        """
        tree: Any = self._default.tree
        if len(at) > 1 and at[0] in NAMED:
            entries = tree[at[0]]
            tree, at = {**next(iter(entries.values())), **entries.get(at[1], {})}, at[2:]
        return value_at(tree, at)

    def setter(self, at: Place) -> Layer | None:
        """The layer that set the value at this place, or else what it is part of; null where nobody did."""
        found = (self._setters.get(at[:length]) for length in range(len(at), 0, -1))
        return next((layer for layer in found if layer is not None), None)

    def origin(self, at: Place) -> str:
        """Where the value at this place comes from."""
        layer = self.setter(at)
        return self._default.origin if layer is None else layer.origin

    def text(self, at: Place) -> str | None:
        """How the value at this place was written, where YAML took it for more than text."""
        layer = self.setter(at)
        return None if layer is None else layer.texts.get(at)

    def texts(self) -> Iterator[tuple[Place, str]]:
        """Every effective value that YAML took for more than text, as it was written."""
        for layer in {id(each): each for each in self._setters.values()}.values():
            yield from ((at, text) for at, text in layer.texts.items() if self.setter(at) is layer)

    def _merge(self, base: dict[str, Any], over: dict[str, Any], place: Place, layer: Layer) -> None:
        for key, value in over.items():
            at = (*place, key)
            if len(place) == 1 and place[0] in NAMED and not self._entry(base, at, value, layer):
                continue
            if place == ("spark",) and not key.startswith("spark."):
                layer.problem(f"spark: the name of an option must begin with spark., got {key}")
            elif isinstance(value, dict):
                if not isinstance(base.get(key), dict):
                    self._put(base, at, {}, layer)
                self._merge(base[key], value, at, layer)
            elif isinstance(base.get(key), dict):  # told at once, as a later layer would hide it
                made = got(at, value, layer.texts.get(at))
                layer.problem(f"{dotted(at)}: must be a mapping of settings, got {made}")
            else:
                self._put(base, at, value, layer)

    def _entry(self, entries: dict[str, Any], at: Place, value: object, layer: Layer) -> bool:
        """Make or remove the named entry at this place; false where nothing is left to merge."""
        name = str(at[-1])
        wrong = None
        if value is None and name in entries:
            del entries[name]
            self._setters = {place: s for place, s in self._setters.items() if place[:2] != at}
        elif value is None:
            wrong = f"no such entry to remove{did_you_mean(name, entries)}"
        elif not re.fullmatch("[a-z][a-z0-9_]*", name):
            wrong = "the name of an entry must begin with a-z and hold only a-z, 0-9 and _"
        elif name not in entries:
            entries[name] = deepcopy(self.default(at))
            self._setters[at] = self._default
        if wrong:
            layer.problem(f"{dotted(at)}: {wrong}")
        return value is not None and wrong is None

    def _put(self, base: dict[str, Any], at: Place, value: Any, layer: Layer) -> None:
        base[str(at[-1])] = value
        self._setters[at] = layer


def compose(files: Sequence[Path], sets: Sequence[str], lake: str | None) -> Layers:
    """All layers in their order; ``lake``, where it is not null, comes last."""
    layers = Layers(default_layer())
    for path in files:
        layers.lay(file_layer(path))
    for given in sets:
        layers.lay(set_layer(given))
    if lake is not None:
        layers.lay(Layer("--lake", {"lake": lake}))
    return layers
