"""What a batch must keep, as Great Expectations: what its table declares, then what only people know.

Every expectation carries its severity and, in ``meta``, a name that people read. Great Expectations leaves
nulls out of what it judges, except where null itself is judged: a condition that is null for a row says
nothing about that row, as in the row rules.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from great_expectations import ExpectationSuite
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.expectations.core import (  # type: ignore[attr-defined]  # exported without __all__
    ExpectColumnValuesToBeBetween,
    ExpectColumnValuesToBeInSet,
    ExpectColumnValuesToBeUnique,
    ExpectColumnValuesToNotBeNull,
    ExpectCompoundColumnsToBeUnique,
    ExpectTableRowCountToBeBetween,
)
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column as Row

from shoal.errors import SchemaError
from shoal.frames import sql_text
from shoal.tables import EVENTS, Column, Rule, Table

Severity = Literal["critical", "warning"]

IS_ACCEPTED = "is_accepted"  # helper column: the row broke no rule


@dataclass(frozen=True)
class Known:
    """What people know about healthy data, beyond what any single row can show."""

    rule: Rule  # its condition is null for the rows that it says nothing about
    share: float  # of the rows that it speaks of, at least so many keep it


KNOWN: dict[str, tuple[Known, ...]] = {
    EVENTS.name: (
        # Fashion by mail takes back half of what it sells; beyond that, a feed mixes up the two types, or
        # brings returns without the purchases they belong to.
        Known(
            Rule(
                "returns are at most half as many as purchases",
                "CASE WHEN event_type IN ('purchase', 'return') THEN event_type = 'purchase' END",
            ),
            share=2 / 3,
        ),
        # Online Retail, a wholesaler, has 25 % of guests. Who is not known gets no segment and no propensity.
        Known(
            Rule(
                "at least 40 % of purchases have a user_id",
                "CASE WHEN event_type = 'purchase' THEN user_id IS NOT NULL END",
            ),
            share=0.4,
        ),
        # Samples and gifts are free, but a price column that was lost on the way often arrives as zeros.
        Known(
            Rule(
                "at most 10 % of priced purchases are free",
                "CASE WHEN event_type = 'purchase' THEN amount_base > 0 END",
            ),
            share=0.9,
        ),
        # Clocks that were never set and empty date fields arrive as 1970 or 1900. No limit moves with the
        # clock: shops load their whole past, and a rerun must judge the same.
        Known(Rule("event_time is after 1994", "event_time >= TIMESTAMP'1995-01-01 00:00:00Z'"), share=1.0),
        # An export that lost its source lists everything as deleted; readers would see an empty shop.
        Known(Rule("at most half of the events are taken back", "NOT is_deleted"), share=0.5),
    )
}


def suite_of(table: Table, *, tolerance: float, extra: Sequence[Rule] = ()) -> ExpectationSuite:
    """Every expectation of ``table``, for a frame with its columns and its :func:`helper_columns`.

    Args:
        table: its columns, rules and key are judged, then what is known about it.
        tolerance: share of the rows with a value that may break its rule; of all rows that may be rejected.
        extra: further row rules, such as a feed's own.

    Raises:
        SchemaError: two expectations have the same name, so that nobody could tell them apart.
    """
    # Without the last bits of binary fractions: 1 - 0.41 would ask for more than 59 of 100.
    mostly = round(1 - tolerance, 12)
    declared = [e for column in table.columns for e in _declared(column, mostly)]
    helped = [
        ExpectColumnValuesToBeInSet(
            column=one.column, value_set=[True], mostly=one.mostly, **_labels(one.name, one.severity)
        )
        for one in _helpers(table, mostly, extra)
    ]
    expectations = [_any_row(), _unique(table), *declared, *helped]
    names = [e.meta["name"] for e in expectations if e.meta]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise SchemaError(table.name, [f"two expectations are named {name!r}" for name in twice])
    return ExpectationSuite(table.name, expectations=expectations)


def helper_columns(table: Table, extra: Sequence[Rule] = ()) -> dict[str, str]:
    """The boolean columns that :func:`suite_of` judges beside the table's own: SQL by name.

    The SQL speaks of the table's columns and of ``reasons``, the names of the rules that a row broke.
    """
    return {helper.column: helper.condition for helper in _helpers(table, 1.0, extra)}


@dataclass(frozen=True)
class Labels:
    """What an expectation is called and what breaking it means."""

    name: str
    severity: Severity
    mostly: float  # the share of the judged rows that must keep it


def labels_of(outcome: ExpectationValidationResult) -> Labels:
    """What :func:`suite_of` called the expectation that was judged."""
    config = outcome.expectation_config
    assert config is not None, "a result carries its expectation"
    assert config.meta is not None, "suite_of labels every expectation"
    return Labels(config.meta["name"], config.meta["severity"], config.kwargs.get("mostly", 1.0))


def _labels(name: str, severity: Severity) -> dict[str, Any]:
    return {"severity": severity, "meta": {"name": name, "severity": severity}}


def _any_row() -> Expectation:
    labels = _labels("the batch has at least one row", "critical")
    return ExpectTableRowCountToBeBetween(min_value=1, **labels)


def _unique(table: Table) -> Expectation:
    """No two accepted rows share their key; rejected rows may."""
    common = {
        "row_condition": Row(IS_ACCEPTED) == True,  # noqa: E712  (it builds a condition)
        **_labels(f"({', '.join(table.key)}) is unique among accepted rows", "critical"),
    }
    if len(table.key) == 1:
        return ExpectColumnValuesToBeUnique(column=table.key[0], **common)
    return ExpectCompoundColumnsToBeUnique(column_list=[*table.key], **common)


def _declared(column: Column, mostly: float) -> Iterator[Expectation]:
    """One expectation for each rule of the column, in the order and under the names of its rules."""
    names = iter([rule.name for rule in column.rules])

    def common() -> dict[str, Any]:
        return {"column": column.name, "mostly": mostly, **_labels(next(names), "critical")}

    if column.required:
        yield ExpectColumnValuesToNotBeNull(**common())
    if column.allowed is not None:
        yield ExpectColumnValuesToBeInSet(value_set=[*column.allowed], **common())
    if column.low is not None:
        yield ExpectColumnValuesToBeBetween(min_value=column.low, **common())
    if column.high is not None:
        yield ExpectColumnValuesToBeBetween(max_value=column.high, **common())


@dataclass(frozen=True)
class _Helper:
    """A boolean column that must be true where it is not null."""

    column: str  # short, as names are sentences
    name: str
    condition: str  # Spark SQL
    mostly: float
    severity: Severity = "critical"


def _helpers(table: Table, mostly: float, extra: Sequence[Rule]) -> Iterator[_Helper]:
    yield _Helper(IS_ACCEPTED, "rows keep every rule", "size(reasons) = 0", mostly)
    for number, rule in enumerate(table.rules, start=1):
        yield _Helper(f"rule_{number}", rule.name, rule.condition, mostly)
    for number, rule in enumerate(extra, start=1):
        # It may speak of raw columns that the table does not have, so its recorded outcome is judged.
        yield _Helper(f"extra_{number}", rule.name, f"NOT array_contains(reasons, {sql_text(rule.name)})", mostly)
    for number, known in enumerate(KNOWN.get(table.name, ()), start=1):
        yield _Helper(f"known_{number}", known.rule.name, known.rule.condition, known.share, "warning")
