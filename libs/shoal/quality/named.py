"""Expectations of Great Expectations that are asked for by their names."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import great_expectations.expectations as all_expectations
from great_expectations.compatibility.pydantic import ValidationError
from great_expectations.expectations.expectation import Expectation

from shoal.errors import did_you_mean
from shoal.quality.known import Expected
from shoal.quality.suites import Labels
from shoal.tables import Table

# They compare with other data than the rows that are judged.
_ELSEWHERE = {"ExpectQueryResultsToMatchComparison", "ExpectTableRowCountToEqualOtherTable"}
CLASSES: Mapping[str, Any] = {
    name: found
    for name, found in vars(all_expectations).items()
    if name.startswith("Expect") and inspect.isclass(found) and found is not Expectation and name not in _ELSEWHERE
}
_BY_TYPE = {kind.expectation_type: kind for kind in CLASSES.values()}
# Said beside the arguments, or not for rules.
_TAKEN = {"severity", "meta", "notes", "mostly", "id", "description", "rendered_content", "windows", "batch_id",
          "result_format", "catch_exceptions"}  # fmt: skip


def expectation_of(table: Table, expected: Expected) -> Expectation:
    """The expectation itself, for one without :func:`problems`."""
    mostly = {} if expected.mostly is None else {"mostly": expected.mostly}
    made: Expectation = _kind(expected.expectation)(
        **expected.arguments, **mostly, **Labels.of(table, expected).arguments
    )
    return made


def problems(expected: Expected, columns: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with an expectation by its name and its arguments.

    Args:
        columns: of the table that it speaks of, each with its type.
    """
    name = expected.expectation
    if name not in CLASSES and name not in _BY_TYPE:
        yield f"expectation: there is no {name} to be had{_near(name)}"
        return
    kind = _kind(name)
    for taken in sorted(_TAKEN & {*expected.arguments}):
        where = "; it stands beside arguments" if taken in {"severity", "mostly"} else ""
        yield f"arguments.{taken}: is no argument of a rule{where}"
    if expected.mostly is not None and "mostly" not in kind.__fields__:
        yield f"mostly: {name} does not count rows, so no share of them can keep it"
    for argument, column in _columns_named(expected.arguments):
        if column not in columns:
            yield f"arguments.{argument}: there is no column {column}{did_you_mean(str(column), columns)}"
    try:
        kind(**{name: value for name, value in expected.arguments.items() if name not in _TAKEN})
    except ValidationError as error:
        known = [field for field in kind.__fields__ if field not in _TAKEN]
        for each in error.errors():
            at = ".".join(str(part) for part in each["loc"] if part != "__root__")
            said = re.sub(r"\s+", " ", each["msg"])
            if each["type"] == "value_error.extra":
                said = f"is no argument of {name}; there are {', '.join(known)}"
            yield f"arguments{'.' if at else ''}{at}: {said}"
    except (TypeError, ValueError) as error:
        yield f"arguments: {str(error).splitlines()[0]}"


def _columns_named(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every column that the arguments name, as far as their own names tell."""
    for argument in ("column", "column_A", "column_B", "column_list"):
        value = arguments.get(argument, [])
        for column in value if isinstance(value, list | tuple) else [value]:
            yield argument, str(column)


def _kind(name: str) -> Any:
    return CLASSES[name] if name in CLASSES else _BY_TYPE[name]


def _near(name: str) -> str:
    return did_you_mean(name, [*CLASSES, *_BY_TYPE], otherwise="; see greatexpectations.io/expectations")
