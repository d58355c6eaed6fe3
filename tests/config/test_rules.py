"""The shop's own rules in the settings: what is refused without Spark, and how layers and `config show` treat them."""

import json

import pytest

from shoal.config import check_columns, explain, load_config, settings_hash
from shoal.errors import ConfigError
from shoal.params.ingest import _GATED
from shoal.tables import GATED

GOOD = {"name": "items have a number", "condition": "item_id RLIKE '^[0-9]+$'"}
MEAN = {"name": "mean price", "expectation": "ExpectColumnMeanToBeBetween",
        "arguments": {"column": "unit_price", "min_value": 1}, "policy": "warn"}  # fmt: skip


def given(*rules):
    return f"validate.rules={json.dumps([*rules])}"


def test_a_rule_takes_what_is_left_out_from_its_kind():
    rejecting, looking = load_config(sets=[given(GOOD, MEAN)]).validation.rules

    assert (rejecting.table, rejecting.policy, rejecting.severity) == ("silver.events", "quarantine", None)
    assert (looking.arguments, looking.mostly, looking.owner) == ({"column": "unit_price", "min_value": 1}, None, "")


def test_a_later_layer_replaces_the_rules_whole(written):
    first = written("validate: {rules: [{name: a, condition: x}, {name: b, condition: x}]}", "first.yaml")
    second = written("validate: {rules: [{name: c, condition: x}]}", "second.yaml")

    assert [rule.name for rule in load_config([first, second]).validation.rules] == ["c"]


def test_only_what_was_said_is_shown_and_it_can_be_said_again():
    shown = {setting.key: setting.value for setting in explain(sets=[given(GOOD, MEAN)])}

    assert shown["validate.rules"] == [GOOD, MEAN]
    assert load_config(sets=[given(*shown["validate.rules"])]) == load_config(sets=[given(GOOD, MEAN)])


def test_a_rule_changes_the_run():
    assert settings_hash(load_config(sets=[given(GOOD)])) != settings_hash(load_config())


def test_the_tables_with_a_gate_are_those_that_settings_know():
    assert (*GATED,) == _GATED


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"name": "x"}, "[0]: 'x' needs either condition (SQL) or expectation (of Great Expectations)"),
        ({**GOOD, **MEAN}, "[0]: 'mean price' needs either condition (SQL) or expectation"),
        ({**GOOD, "table": "gold.user"}, "[0].table: gold.user has no gate; did you mean gold.users?"),
        ({**GOOD, "table": "silver.orders"}, "[0].table: silver.orders has no gate; "),
        ({**GOOD, "table": "gold.users"}, "[0]: policy must be warn, stop or record for gold.users"),
        ({**GOOD, "table": "gold.users", "policy": "quarantine"}, "[0].policy: must be warn, stop or record for gold."),
        ({**MEAN, "policy": "quarantine"}, "[0].policy: must be warn, stop or record for an expectation: Great"),
        ({**GOOD, "arguments": {"column": "x"}}, "[0].arguments: belong to an expectation"),
        ({**GOOD, "mostly": 0}, "[0].mostly: must be above 0, got 0"),
        ({**GOOD, "mostly": 1.5}, "[0].mostly: must be at most 1, got 1.5"),
        ({**GOOD, "mostly": "most"}, '[0].mostly: must be a number, got "most"'),
        ({**GOOD, "policy": "drop"}, '[0].policy: must be quarantine, warn, stop or record, got "drop"'),
        ({**GOOD, "severity": "fatal"}, '[0].severity: must be critical, warning or info, got "fatal"'),
        ({**GOOD, "polcy": "warn"}, "[0].polcy: unknown setting; did you mean policy?"),
        ({"condition": "x"}, "[0].name: is missing"),
        ({**GOOD, "name": ""}, "[0].name: must be text that is not empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_rule_is_said_with_its_place(problems_of, rule, said):
    (problem,) = problems_of(given(rule))

    assert problem.startswith(f"validate.rules{said}")


def test_all_problems_of_all_rules_come_at_once(problems_of):
    found = problems_of(given({"name": "x"}, {**GOOD, "table": "gold.user"}, {**MEAN, "mostly": 2}))

    assert [line.split(":")[0] for line in found] == [
        "validate.rules[0]", "validate.rules[1].table", "validate.rules[2].mostly",
    ]  # fmt: skip


def test_two_rules_of_one_table_have_two_names(problems_of):
    (problem,) = problems_of(given(GOOD, {**GOOD, "condition": "true"}))
    assert problem.startswith("validate.rules: two rules of one table are named 'items have a number'")

    load_config(sets=[given(GOOD, {**GOOD, "table": "gold.users", "policy": "warn"})])  # another table, another rule


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"name": "quantity >= 1", "condition": "true"}, "[0].name: quantity >= 1 is a rule of silver.events already"),
        (
            {"name": "new", "condition": "event_date < current_date()"},
            "[0].condition: current_date says something",
        ),
        ({"name": "new", "condition": "item_id IN (SELECT 1)"}, "[0].condition: may speak of its own row only"),
    ],
)
def test_names_that_are_taken_and_moments_are_refused_before_spark_starts(rule, said):
    with pytest.raises(ConfigError) as refused:
        check_columns(load_config(sets=[given(rule)]))

    assert f"validate.rules{said}" in str(refused.value)
