"""The shop's own rules: whatever cannot be judged is refused before any work, all of it at once."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from shoal.books import facts
from shoal.config import check_columns, load_config
from shoal.errors import ConfigError
from shoal.lake import Lake
from shoal.params import RuleParams
from shoal.sources import feed_named
from shoal.sources.mapping import Shop
from shoal.tables import EVENTS, QUALITY, Column, Table
from shoal.validate import rules

PRICE = {"name": "prices have no tenth of a cent", "condition": "unit_price = round(unit_price, 2)"}
MEAN = {"name": "mean", "expectation": "ExpectColumnMeanToBeBetween", "policy": "warn",
        "arguments": {"column": "unit_price", "min_value": 1}}  # fmt: skip


def settings(*given):
    return load_config(sets=[f"validate.rules={json.dumps([*given])}"])


def test_what_cannot_be_judged_is_refused_with_all_problems(spark):
    config = settings(
        PRICE,
        {"name": "a", "condition": "unit_prise > 0"},
        {"name": "b", "condition": "unit_price >"},
        {"name": "c", "condition": "sum(unit_price) > 0"},
        {"name": "d", "condition": "uuid() > user_id"},
        {"name": "e", "condition": "segment_id > distance", "table": "gold.users", "policy": "warn"},
        {"name": "event_time is after 1994", "condition": "true"},
        {**MEAN, "name": "f", "expectation": "ExpectColumnMeenToBeBetween"},
        {**MEAN, "name": "g", "arguments": {"column": "price", "min_value": 1}},
        {**MEAN, "name": "h", "mostly": 0.5},
        {**MEAN, "name": "i", "table": "gold.users", "arguments": {"column": "net_spend", "min_value": 1}},
        {**MEAN, "name": "j", "expectation": "expect_column_values_to_match_like_pattern",
         "arguments": {"column": "item_id", "like_pattern": "A%"}},
    )  # fmt: skip

    with pytest.raises(ConfigError) as refused:
        rules.check(spark, config)

    headline, *lines = str(refused.value).splitlines()
    places = [line.strip().split(":")[0] for line in lines]
    assert headline == "cannot use the settings:"
    assert places == [
        *(f"validate.rules[{number}].condition" for number in (1, 2, 3, 4, 5)), "validate.rules[6].name",
        "validate.rules[7].expectation", "validate.rules[8].arguments.column", "validate.rules[9].mostly",
        "validate.rules[11].expectation",
    ]  # fmt: skip
    assert "unit_price" in lines[0]
    assert "did you mean ExpectColumnMeanToBeBetween?" in lines[6]


def test_good_rules_are_taken_as_what_they_are(spark):
    given = {**PRICE, "policy": "stop", "severity": "warning", "mostly": 0.9, "owner": "Ann", "reason": "tills round"}
    config = settings(given, MEAN)
    rules.check(spark, config)

    (rule,) = rules.rules_of(config, EVENTS)
    (expected,) = rules.expected_of(config, EVENTS)
    said = (rule.name, rule.condition, rule.policy, rule.severity, rule.mostly, rule.owner, rule.reason)
    assert said == (*PRICE.values(), "stop", "warning", 0.9, "Ann", "tills round")
    assert (expected.name, expected.policy, expected.arguments) == ("mean", "warn", MEAN["arguments"])


def test_the_rules_of_the_page_can_be_used(spark, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
    files = [tmp_path / "rules.yaml", tmp_path / "calendar.yaml"]
    for path, written in zip(files, re.findall("```yaml\n(.*?)```", page, re.DOTALL), strict=True):
        path.write_text(written)
    config = load_config(files)

    check_columns(config)
    rules.check(spark, config)

    assert [rule.policy for rule in config.validation.rules] == ["quarantine", "warn", "stop", "warn"]
    assert [len(event.days) for event in config.validation.calendar] == [4, 1]
    named = re.findall("^\\| `(\\w+)`(?:, `(\\w+)`)? \\|", page.split("| policy |")[0], re.MULTILINE)
    assert {name for pair in named for name in pair if name} == {*RuleParams.model_fields}


def test_a_rule_of_the_feed_and_one_of_the_shop_have_two_names():
    config = settings({"name": "quantity is a whole number", "condition": "true"})

    with pytest.raises(ConfigError, match="quantity is a whole number: the feed shoal has a rule of that name too"):
        rules.of_batch(config, feed_named("shoal"), Shop("UTC", "EUR"))


def test_an_older_lake_keeps_verdicts_on_runs_too(spark, tmp_path):
    """ops.quality as schema version 3 made it, where every row had a batch."""
    before = {"batch_id", "sequence", "kind", "name", "severity", "success", "rows", "failures", "observed"}
    old = Table(
        name=QUALITY.name, doc=QUALITY.doc, key=("batch_id", "sequence", "kind", "name"),
        columns=[
            Column(c.name, c.type, c.doc, required=c.required or c.name in {"batch_id", "sequence"}, low=c.low)
            for c in QUALITY.columns if c.name in before
        ],
    )  # fmt: skip
    lake = Lake(spark, str(tmp_path / "lake"))
    of_batch = {"kind": "expectation", "name": "n", "severity": "critical", "success": True}
    lake.record(old, [{**of_batch, "batch_id": "b", "sequence": 1}])
    facts.settle(lake, {"schema_version": ("3", "made by this version")})

    facts.upgrade(lake, [QUALITY])
    lake.record(QUALITY, [{**of_batch, "run_id": "r"}])

    assert {(row["batch_id"], row["run_id"]) for row in lake.read(QUALITY).collect()} == {("b", None), (None, "r")}


def test_dates_in_arguments_are_dates():
    latest = "expectation: ExpectColumnMaxToBeBetween, arguments: {column: event_date, max_value: 2026-01-01}"
    (rule,) = load_config(sets=[f"validate.rules=[{{name: d, policy: warn, {latest}}}]"]).validation.rules

    assert rule.arguments["max_value"] == date(2026, 1, 1)
