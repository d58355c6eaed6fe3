"""What a batch must keep, as Great Expectations: what its table declares, then what only people know.

Every expectation carries in ``meta`` a name that people read, what follows where it does not hold, and who knows
more. Great Expectations leaves nulls out of what it judges, except where null itself is judged: a condition that
is null for a row says nothing about that row, as in the row rules.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from great_expectations import ExpectationSuite
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.expectations.core import (  # type: ignore[attr-defined]  # exported without __all__
    ExpectColumnValueLengthsToBeBetween,
    ExpectColumnValuesToBeBetween,
    ExpectColumnValuesToBeInSet,
    ExpectColumnValuesToBeUnique,
    ExpectColumnValuesToMatchRegex,
    ExpectColumnValuesToNotBeNull,
    ExpectCompoundColumnsToBeUnique,
    ExpectTableRowCountToBeBetween,
)
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column as Row

from shoal.errors import SchemaError
from shoal.frames import sql_text
from shoal.quality.known import AS_USUAL, IS_OFFERED, IS_SHOWN, KNOWN, LIST_RULES, NEARLY_EMPTY, Expected, of_lists
from shoal.quality.rows import others_of
from shoal.tables import EVENTS, Column, Policy, Rule, Severity, Table, severity_of

IS_ACCEPTED = "is_accepted"  # helper column: the row broke no rule


def suite_of(table: Table, *, tolerance: float, extra: Sequence[Rule] = ()) -> ExpectationSuite:
    """Every expectation of ``table``, for a frame with its columns and its :func:`helper_columns`.

    Args:
        table: its columns, rules and key are judged, then what is known about it.
        tolerance: share of the rows with a value that may break its rule; of all rows that may be rejected.
        extra: further row rules, such as a feed's own, of whatever policy.

    Raises:
        SchemaError: two expectations have the same name, so that nobody could tell them apart.
    """
    # Without the last bits of binary fractions: 1 - 0.41 would ask for more than 59 of 100.
    mostly = round(1 - tolerance, 12)
    declared = [e for column in table.columns for e in _declared(table, column, mostly)]
    helped = [one.expectation for one in _helpers(table, mostly, extra)]
    return suite_named(table.name, [_any_row(table), _unique(table), *declared, *helped])


def suite_named(name: str, expectations: Sequence[Expectation]) -> ExpectationSuite:
    """A suite of these.

    Raises:
        SchemaError: as for :func:`suite_of`.
    """
    labels = map(labels_in, expectations)
    times = Counter((one.table, one.name) for one in labels)
    twice = [name for (_, name), number in times.items() if number > 1]
    if twice:
        raise SchemaError(name, [f"two expectations are named {name!r}" for name in twice])
    return ExpectationSuite(name, expectations=[*expectations])


def kept_by(table: Table, rules: Sequence[Rule], prefix: str) -> list[tuple[str, str, Expectation]]:
    """Rules of any policy but quarantine: of each a boolean column's name and SQL, and what must hold of it."""
    helpers = (
        _Helper(f"{prefix}{number}", f"({rule.condition})", _share(rule), Labels.of(table, rule))
        for number, rule in enumerate(rules, start=1)
    )
    return [(helper.column, helper.condition, helper.expectation) for helper in helpers]


def helper_columns(table: Table, extra: Sequence[Rule] = ()) -> dict[str, str]:
    """The boolean columns that :func:`suite_of` judges beside the table's own: SQL by name.

    The SQL speaks of the table's columns, of ``reasons``, the names of the rules that a row broke, and of
    ``outcomes``, what it says to the rules that reject nothing.
    """
    return {helper.column: helper.condition for helper in _helpers(table, 1.0, extra)}


def names_in(table: Table) -> set[str]:
    """The names that expectations about a table have already."""
    known = {rule.name for rule in (*of_lists({"": 1}).rules, IS_OFFERED, IS_SHOWN)}
    known |= {*LIST_RULES}
    known |= {*AS_USUAL.values(), NEARLY_EMPTY} if table is EVENTS else set()
    return known | {labels_in(e).name for e in suite_of(table, tolerance=0).expectations}


@dataclass(frozen=True)
class Labels:
    """What an expectation is called and what breaking it means."""

    table: str  # whose rows it judges
    name: str
    policy: Policy
    severity: Severity
    owner: str = ""
    reason: str = ""

    @staticmethod
    def of(table: Table, one: Rule | Expected) -> "Labels":
        """Those of a rule or an expectation about a table."""
        return Labels(table.name, one.name, one.policy, severity_of(one.policy, one.severity), one.owner, one.reason)

    @property
    def arguments(self) -> dict[str, Any]:
        """As every expectation takes them."""
        return {"severity": self.severity, "meta": asdict(self)}


def labels_of(outcome: ExpectationValidationResult) -> Labels:
    """What the expectation that was judged is called."""
    config = outcome.expectation_config
    assert config is not None, "a result carries its expectation"
    assert config.meta is not None, "every expectation is labelled"
    return Labels(**config.meta)


def labels_in(expectation: Expectation) -> Labels:
    """What an expectation is called."""
    assert expectation.meta is not None, "every expectation is labelled"
    return Labels(**expectation.meta)


def _any_row(table: Table) -> Expectation:
    labels = Labels(table.name, "the batch has at least one row", "stop", "critical")
    return ExpectTableRowCountToBeBetween(min_value=1, **labels.arguments)


def _unique(table: Table) -> Expectation:
    """No two accepted rows share their key; rejected rows may."""
    common = {
        "row_condition": Row(IS_ACCEPTED) == True,  # noqa: E712  (it builds a condition)
        **Labels(table.name, f"({', '.join(table.key)}) is unique among accepted rows", "stop", "critical").arguments,
    }
    if len(table.key) == 1:
        return ExpectColumnValuesToBeUnique(column=table.key[0], **common)
    return ExpectCompoundColumnsToBeUnique(column_list=[*table.key], **common)


def _declared(table: Table, column: Column, mostly: float) -> Iterator[Expectation]:
    """One expectation for each rule of the column, in the order and under the names of its rules."""
    rules = column.rules

    def common() -> dict[str, Any]:
        return {"column": column.name, "mostly": mostly, **Labels.of(table, next(rules)).arguments}

    if column.required:
        yield ExpectColumnValuesToNotBeNull(**common())
    if column.allowed is not None:
        yield ExpectColumnValuesToBeInSet(value_set=[*column.allowed], **common())
    if column.low is not None:
        yield ExpectColumnValuesToBeBetween(min_value=column.low, **common())
    if column.high is not None:
        yield ExpectColumnValuesToBeBetween(max_value=column.high, **common())
    if column.pattern is not None:
        yield ExpectColumnValuesToMatchRegex(regex=column.pattern, **common())
    if column.max_length is not None:
        yield ExpectColumnValueLengthsToBeBetween(max_value=column.max_length, **common())


@dataclass(frozen=True)
class _Helper:
    """A boolean column that must be true where it is not null."""

    column: str  # short, as names are sentences
    condition: str  # Spark SQL
    mostly: float
    labels: Labels

    @property
    def expectation(self) -> Expectation:
        return ExpectColumnValuesToBeInSet(
            column=self.column, value_set=[True], mostly=self.mostly, **self.labels.arguments
        )


def _helpers(table: Table, tolerated: float, extra: Sequence[Rule]) -> Iterator[_Helper]:
    def mostly(rule: Rule) -> float:
        return rule.mostly if rule.mostly is not None else tolerated

    every = Labels(table.name, "rows keep every rule", "stop", "critical")
    yield _Helper(IS_ACCEPTED, "size(reasons) = 0", tolerated, every)
    for number, rule in enumerate((rule for rule in table.rules if rule.rejects), start=1):
        yield _Helper(f"rule_{number}", rule.condition, mostly(rule), Labels.of(table, rule))
    for number, rule in enumerate((rule for rule in extra if rule.rejects), start=1):
        # It may speak of raw columns that the table does not have, so its recorded outcome is judged.
        kept = f"NOT array_contains(reasons, {sql_text(rule.name)})"
        yield _Helper(f"extra_{number}", kept, mostly(rule), Labels.of(table, rule))
    for number, rule in enumerate(others_of([*table.rules, *extra]), start=1):
        # What was rejected does not come in: it must neither spoil nor save a share.
        kept = f"CASE WHEN size(reasons) = 0 THEN outcomes[{number - 1}] END"
        yield _Helper(f"other_{number}", kept, _share(rule), Labels.of(table, rule))
    for number, rule in enumerate(KNOWN.get(table.name, ()), start=1):
        yield _Helper(f"known_{number}", rule.condition, _share(rule), Labels.of(table, rule))


def _share(rule: Rule) -> float:
    return 1.0 if rule.mostly is None else rule.mostly
