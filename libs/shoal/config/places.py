"""Places in a tree of settings: what lies there, and how a message writes them."""

from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]  # the keys, and indices of lists, that lead to a value


def holds(value: Any, part: str | int) -> bool:
    """True where a mapping has this key, or a list this index."""
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def value_at(tree: Any, at: Place) -> Any:
    """The value at this place; null where there is none."""
    for part in at:
        if not holds(tree, part):
            return None
        tree = tree[part]
    return tree


def leaves(value: Any, at: Place) -> Iterator[tuple[Place, Any]]:
    """Every value below ``at`` that is no mapping, or an empty one, with its place."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from leaves(below, (*at, key))
    else:
        yield at, value


def dotted(at: Place) -> str:
    """The place as --set takes it, such as ``ingest.inputs[1].path``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).removeprefix(".")
