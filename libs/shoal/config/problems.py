"""What pydantic found wrong with a tree of values, as sentences for people."""

from collections.abc import Callable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shoal.config.places import Place, holds, value_at
from shoal.config.wording import got, wanted
from shoal.errors import did_you_mean


def problems_of(
    error: ValidationError, tree: Any, text_at: Callable[[Place], str | None], model: type[BaseModel]
) -> Iterator[tuple[Place, str]]:
    """pydantic's errors as one problem per place, in plain English.

    Args:
        tree: what was judged.
        text_at: how the value at a place was written, where YAML took it for more than text.
        model: what it was judged as.
    """
    together: dict[Place, list[ErrorDetails]] = {}
    for each in error.errors(include_url=False):
        together.setdefault(_place_of(each, tree), []).append(each)
    for at, errors in together.items():
        value, kind = value_at(tree, at), errors[0]["type"]
        if kind == "extra_forbidden":
            yield at, f"unknown setting{did_you_mean(str(at[-1]), _known_names(at, model))}"
        elif kind == "missing" and isinstance(last := errors[0]["loc"][-1], str):
            yield (at if errors[0]["loc"] == at else (*at, last)), "is missing"
        elif kind == "value_error":
            yield _told(at, value, str(errors[0]["ctx"]["error"]))
        elif kind == "too_short" and len(value) >= errors[0]["ctx"]["min_length"]:
            continue  # only because pydantic left out items that are told already
        else:
            form = " or ".join(wanted(each) for each in errors)
            yield at, f"must be {form}, got {got(at, value, text_at(at))}"


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


def _known_names(at: Place, model: type[BaseModel]) -> list[str]:
    """The settings that exist beside the one at this place."""
    kind: Any = model
    for part in at[:-1]:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = {f.alias or name: f.annotation for name, f in kind.model_fields.items()}[str(part)]
        else:  # a mapping or a list of settings
            inner = (each for each in get_args(kind) if isinstance(each, type))
            kind = next(each for each in inner if issubclass(each, BaseModel))
    return [f.alias or name for name, f in kind.model_fields.items()]
