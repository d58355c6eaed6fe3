"""Rules that reject no row, and expectations by name: what each policy does with the same findings."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql.types import DoubleType, LongType, StringType

from shoal.quality import gate, named
from shoal.quality.gate import Verdict
from shoal.quality.known import Expected
from shoal.quality.rows import judged_by
from shoal.tables import Column, Rule, Table

Frame = Callable[..., DataFrame]

TOYS = Table(
    name="silver.toys",
    doc="One row per toy.",
    key=("id",),
    columns=(
        Column("id", LongType(), "its number", required=True),
        Column("colour", StringType(), "its colour"),
        Column("price", DoubleType(), "pounds", low=0),
    ),
)
RED = Rule("most are red", "colour = 'red'", mostly=0.5, owner="Ann", reason="red sells")
COLUMNS = {column.name: column.type.simpleString() for column in TOYS.columns}


def judged(
    frame: Frame, rows: list[dict[str, Any]], *rules: Rule, expected: tuple[Expected, ...] = ()
) -> list[Verdict]:
    """Verdicts on toys, each with a number of its own."""
    known = [*TOYS.row_rules, *rules]
    toys = judged_by(known, frame(TOYS, *({"id": number, **row} for number, row in enumerate(rows))))
    return gate.judge(toys, TOYS, rules=known, max_rejected_share=0.9, expected=expected)


def found(verdicts: list[Verdict], name: str, kind: str = "expectation") -> Verdict:
    (verdict,) = [one for one in verdicts if (one.kind, one.name) == (kind, name)]
    return verdict


def test_a_policy_decides_what_follows_and_never_rejects(frame: Frame) -> None:
    # Of 5 toys that are accepted 4 have a colour, and 1 is red: a quarter of those that the rule speaks of.
    accepted: list[dict[str, Any]] = [{"colour": "red"}, *[{"colour": "blue"}] * 3, {}]
    rows = [*({**row, "price": 1.0} for row in accepted), *[{"colour": "red", "price": -1.0}] * 5]
    policies = [replace(RED, policy=policy, name=policy) for policy in ("warn", "stop", "record")]

    verdicts = judged(frame, rows, *policies)

    for policy in ("warn", "stop", "record"):
        verdict = found(verdicts, policy)
        assert (verdict.success, verdict.rows, verdict.failures, verdict.mostly) == (False, 4, 3, 0.5)
        assert (verdict.policy, verdict.owner, verdict.reason) == (policy, "Ann", "red sells")
        assert (found(verdicts, policy, "rule").rows, found(verdicts, policy, "rule").failures) == (4, 3)
    severities = [found(verdicts, policy).severity for policy in ("warn", "stop", "record")]
    assert severities == ["warning", "critical", "info"]
    said = "broken by 3 of 4 rows (75 %); at most 50 % may (because red sells; ask Ann)"
    assert gate.warnings(verdicts) == [f"warn: {said}"]
    refused = gate.refusal(verdicts)
    assert refused is not None
    assert f"stop: {said}" in refused
    assert "record" not in refused
    assert found(verdicts, "rows keep every rule").failures == 5  # only those with a price below 0
    assert "rejected most often by: price >= 0 (5)\n" in refused


def test_a_share_is_kept_up_to_its_limit(frame: Frame) -> None:
    verdicts = judged(frame, [{"colour": "red"}] * 2 + [{"colour": "blue"}] * 2, replace(RED, policy="stop"))

    assert found(verdicts, RED.name).success
    assert gate.refusal(verdicts) is None


def test_a_rule_that_rejects_may_have_a_share_of_its_own(frame: Frame) -> None:
    rows = [{"colour": "red"}] * 60 + [{"colour": "blue"}] * 90

    tolerated = judged(frame, rows, replace(RED, mostly=None))
    refused = judged(frame, rows, RED)

    assert found(tolerated, RED.name).success  # max_rejected_share is 90 % here
    assert not found(refused, RED.name).success
    assert found(refused, RED.name).stops


def test_severity_is_a_word_and_does_not_change_what_follows(frame: Frame) -> None:
    verdicts = judged(frame, [{"colour": "blue"}], replace(RED, policy="warn", severity="critical"))

    assert found(verdicts, RED.name).severity == "critical"
    assert gate.refusal(verdicts) is None
    assert len(gate.warnings(verdicts)) == 1


def test_expectations_by_name_look_at_accepted_rows_and_say_what_they_found(frame: Frame) -> None:
    rows = [{"price": 2.0}, {"price": 4.0, "colour": "red"}, {"price": -100.0, "colour": "blue"}]
    limits = {"column": "price", "min_value": 1, "max_value": 2.5}
    expected = (
        Expected("mean", "ExpectColumnMeanToBeBetween", limits, "stop", owner="Ann"),
        Expected("median", "expect_column_median_to_be_between", {"column": "price", "min_value": 1}),
        Expected("colours", "ExpectColumnDistinctValuesToBeInSet", {"column": "colour", "value_set": ["red"]}),
        Expected("coloured", "ExpectColumnValuesToNotBeNull", {"column": "colour"}, "record", mostly=0.5),
    )

    verdicts = judged(frame, rows, expected=expected)

    mean = found(verdicts, "mean")
    assert (mean.success, mean.observed, mean.stops) == (False, "found 3; at least 1 and at most 2.5 is allowed", True)
    assert mean.expectation == "expect_column_mean_to_be_between"
    assert json.loads(mean.arguments or "") == limits
    assert found(verdicts, "median").success
    assert found(verdicts, "colours").success  # blue is rejected
    coloured = found(verdicts, "coloured")
    assert (coloured.success, coloured.rows, coloured.failures, coloured.mostly) == (True, 2, 1, 0.5)


@pytest.mark.parametrize(
    ("expectation", "arguments", "mostly", "said"),
    [
        ("ExpectColumnMeenToBeBetween", {}, None, "did you mean ExpectColumnMeanToBeBetween?"),
        ("expect_column_maen_to_be_between", {}, None, "did you mean expect_column_mean_to_be_between?"),
        ("Nothing", {}, None, "there is no Nothing to be had"),
        ("ExpectTableRowCountToEqualOtherTable", {"other_table_name": "x"}, None, "there is no ExpectTableRowCountToE"),
        ("ExpectColumnMeanToBeBetween", {"column": "prise", "min_value": 1}, None, "did you mean price?"),
        ("ExpectColumnMeanToBeBetween", {"min_value": 1}, None, "arguments.column: field required"),
        ("ExpectColumnMeanToBeBetween", {"column": "price", "min": 1}, None, "arguments.min: is no argument of"),
        ("ExpectColumnMeanToBeBetween", {"column": "price", "min_value": "x"}, None, "arguments.min_value: "),
        ("ExpectColumnMeanToBeBetween", {"column": "price", "min_value": 1}, 0.9, "mostly: ExpectColumnMeanToBe"),
        ("ExpectColumnValuesToNotBeNull", {"column": "id", "mostly": 0.9}, None, "arguments.mostly: is no argument"),
        ("ExpectColumnPairValuesToBeEqual", {"column_A": "id", "column_B": "ids"}, None, "arguments.column_B: ther"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_expectation_is_said(
    expectation: str, arguments: dict[str, Any], mostly: float | None, said: str
) -> None:
    problems = [*named.problems(Expected("x", expectation, arguments, mostly=mostly), COLUMNS)]

    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("expectation", "arguments"),
    [
        ("ExpectColumnMeanToBeBetween", {"column": "price", "min_value": 1}),
        ("expect_column_values_to_match_regex", {"column": "colour", "regex": "^r"}),
        ("ExpectCompoundColumnsToBeUnique", {"column_list": ["id", "colour"]}),
        ("ExpectTableRowCountToBeBetween", {"min_value": 1}),
    ],
)
def test_a_good_expectation_has_no_problem(expectation: str, arguments: dict[str, Any]) -> None:
    assert [*named.problems(Expected("x", expectation, arguments), COLUMNS)] == []
