from dataclasses import replace

import pytest
from great_expectations import ExpectationSuite
from pyspark.sql.types import DoubleType, LongType, StringType

from shoal.errors import SchemaError
from shoal.quality.suites import KNOWN, helper_columns, suite_of
from shoal.tables import ALL, EVENTS, USERS, Column, Rule, Table

TINY = Table(
    name="silver.tiny",
    doc="One row per toy.",
    key=("id", "colour"),
    columns=(
        Column("id", LongType(), "its number", required=True),
        Column("colour", StringType(), "its colour", allowed=("red", "blue")),
        Column("price", DoubleType(), "pounds", low=1, high=9),
    ),
    rules=(Rule("red toys cost at most 5", "colour != 'red' OR price <= 5"),),
)
FEEDS_OWN = Rule("raw price is a number", "raw.price RLIKE '[0-9]+'")


def by_name(suite: ExpectationSuite) -> dict[str, object]:
    return {(expectation.meta or {})["name"]: expectation for expectation in suite.expectations}


def test_the_suite_is_the_declaration() -> None:
    found = by_name(suite_of(TINY, tolerance=0.05, extra=[FEEDS_OWN]))

    kinds = {name: type(expectation).__name__ for name, expectation in found.items()}
    assert kinds == {
        "the batch has at least one row": "ExpectTableRowCountToBeBetween",
        "(id, colour) is unique among accepted rows": "ExpectCompoundColumnsToBeUnique",
        "id is set": "ExpectColumnValuesToNotBeNull",
        "colour is one of its allowed values": "ExpectColumnValuesToBeInSet",
        "price >= 1": "ExpectColumnValuesToBeBetween",
        "price <= 9": "ExpectColumnValuesToBeBetween",
        "rows keep every rule": "ExpectColumnValuesToBeInSet",
        "red toys cost at most 5": "ExpectColumnValuesToBeInSet",
        "raw price is a number": "ExpectColumnValuesToBeInSet",
    }


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_every_rule_of_every_table_has_its_expectation(table: Table) -> None:
    expected = {rule.name for rule in table.row_rules}

    assert expected <= by_name(suite_of(table, tolerance=0.05)).keys()


def test_every_expectation_has_a_name_and_a_severity() -> None:
    known = {one.name for one in KNOWN[EVENTS.name]}

    for expectation in suite_of(EVENTS, tolerance=0.05).expectations:
        severity = "warning" if (expectation.meta or {})["name"] in known else "critical"
        assert (expectation.meta or {})["severity"] == severity
        assert expectation.severity == severity


@pytest.mark.parametrize(("tolerance", "mostly"), [(0, 1), (0.05, 0.95), (0.41, 0.59), (1, 0)])
def test_tolerance_is_the_share_that_may_break_a_rule(tolerance: float, mostly: float) -> None:
    found = by_name(suite_of(TINY, tolerance=tolerance))

    # Exactly: 1 - 0.41 is a little more than 0.59, and 41 of 100 rows would be too many.
    for name in ("id is set", "price >= 1", "rows keep every rule", "red toys cost at most 5"):
        assert found[name].mostly == mostly  # type: ignore[attr-defined]  # of every expectation about rows


def test_a_single_column_can_be_the_key() -> None:
    found = by_name(suite_of(USERS, tolerance=0.05))

    assert type(found["(user_id) is unique among accepted rows"]).__name__ == "ExpectColumnValuesToBeUnique"


def test_helpers_judge_the_tables_rules_by_condition_and_a_feeds_by_its_record() -> None:
    odd = Rule("isn't \\odd", "raw.price > 0")

    assert helper_columns(TINY, [odd]) == {
        "is_accepted": "size(reasons) = 0",
        "rule_1": "colour != 'red' OR price <= 5",
        "extra_1": r"NOT array_contains(reasons, 'isn\'t \\odd')",
    }


def test_two_expectations_of_one_name_are_refused() -> None:
    with pytest.raises(SchemaError, match="two expectations are named 'price >= 1'"):
        suite_of(TINY, tolerance=0.05, extra=[Rule("price >= 1", "raw.price >= 1")])


def test_a_helper_is_no_column_of_a_table() -> None:
    for table in ALL:
        assert not {*helper_columns(table, [FEEDS_OWN])} & {*table.names}


def test_two_suites_of_one_table_are_the_same() -> None:
    first, second = suite_of(EVENTS, tolerance=0.05), suite_of(replace(EVENTS), tolerance=0.05)

    assert first.to_json_dict() == second.to_json_dict()
