"""Secrets are used but never told: not by `shoal config show`, not in a refusal, not in what a run records."""

import json

import pytest
from click.testing import CliRunner

from shoal.cli import shoal_command
from shoal.config import explain, load_config, row_changing, settings_hash
from shoal.errors import ConfigError

KEY = "spark.hadoop.fs.s3a.secret.key"


def shown(*sets: str) -> dict[str, object]:
    return {setting.key: setting.value for setting in explain(sets=sets)}


@pytest.mark.parametrize(
    "option",
    [
        "spark.hadoop.fs.s3a.secret.key",
        "spark.hadoop.fs.s3a.access.key",
        "spark.x.accessKey",
        "spark.ssl.keyPassword",
        "spark.PASSWORD",
        "spark.hadoop.fs.azure.sas.fixed.token.account",
        "spark.x.credential",
    ],
)
def test_a_secret_is_used_but_not_shown(option):
    given = f"{option}=hunter2"

    assert load_config(sets=[given]).spark == {option: "hunter2"}
    assert shown(given)[f"spark.{option}"] == "(hidden)"


def test_an_option_with_a_secret_in_its_value_is_not_shown():
    given = "spark.driver.extraJavaOptions=-Djavax.net.ssl.trustStorePassword=hunter2"

    assert shown(given)["spark.spark.driver.extraJavaOptions"] == "(hidden)"


def test_all_else_is_shown(defaults):
    values = shown("spark.hadoop.fs.s3a.endpoint=http://minio")

    assert "(hidden)" not in values.values()
    assert values["spark.spark.hadoop.fs.s3a.endpoint"] == "http://minio"
    assert values["publish.hold_out_salt"] == defaults["publish"]["hold_out_salt"]


def test_the_name_of_an_entry_makes_no_secret(problems_of):
    assert shown("segments.token_buyers.k=5")["segments.token_buyers.k"] == 5
    assert problems_of("segments.token_buyers.seed=x") == [
        'segments.token_buyers.seed: must be a whole number, got "x"  (--set)'
    ]


def test_the_command_shows_no_secret():
    printed = CliRunner().invoke(shoal_command, ["config", "show", "--set", f"{KEY}=hunter2"])

    assert printed.exit_code == 0
    (line,) = [line for line in printed.output.splitlines() if KEY in line]
    assert line.split() == [f"spark.{KEY}", "(hidden)", "--set"]
    assert "hunter2" not in printed.output


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (f"{KEY}=[hunter2]", f"spark.{KEY}: must be text, got (hidden)  (--set)"),
        (f"{KEY}=!hunter2", f"--set {KEY}: not YAML, line 1: (hidden), as it may quote a secret"),
        (f"{KEY}=*hunter2", f"--set {KEY}: not YAML, line 1: (hidden), as it may quote a secret"),
        (f"{KEY}:hunter2", "--set spark.hadoop.fs.s3a.secret(hidden): must be written KEY.PATH=VALUE"),
        (f".{KEY}=hunter2", "--set .spark.hadoop.fs.s3a.secret(hidden): must be written KEY.PATH=VALUE"),
        (f"spark=[{{{KEY}: hunter2}}]", "spark: must be a mapping of settings, got (hidden)  (--set)"),
        (f"spark={KEY}=hunter2", "spark: must be a mapping of settings, got (hidden)  (--set)"),
        (f"spark={{{KEY}: !hunter2}}", "--set spark: not YAML, line 1: (hidden), as it may quote a secret"),
    ],
)
def test_a_refusal_tells_no_secret(problems_of, given, said):
    assert problems_of(given) == [said]


def test_a_refusal_tells_no_secret_that_another_layer_made_a_mapping(problems_of):
    found = problems_of(f"{KEY}={{a: b}}", f"{KEY}=hunter2")

    assert found[0] == f"spark.{KEY}: must be a mapping of settings, got (hidden)  (--set)"
    assert "hunter2" not in str(found)


def test_a_number_under_an_unknown_name_is_no_less_secret():
    with pytest.raises(ConfigError, match=r"database.password: write it plainly: YAML reads it as another number") as e:
        load_config(sets=["database.password=0750"])

    assert "0750" not in str(e.value)
    assert str(0o750) not in str(e.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"lake: a\nspark:\n  {KEY}:\n    *hunter2\n", "not YAML, line 4: (hidden), as it may quote a secret"),
        (f"lake: a\nspark:\n  {KEY}: !hunter2\n", "not YAML, line 3: (hidden), as it may quote a secret"),
        (f"spark.x=1\n{KEY}=hunter2\n", "must be a mapping of settings, got (hidden)"),  # as for spark-submit
        (f"lake: !mine a\nspark: {{{KEY}: hunter2}}\n",
         "not YAML, line 1: could not determine a constructor for the tag '!mine'"),
    ],
)  # fmt: skip
def test_a_file_that_is_refused_tells_no_secret(written, problems_of, content, said):
    assert problems_of(files=(written(content),)) == [f"mine.yaml: {said}"]


def test_that_a_secret_is_missing_may_be_told(problems_of):
    assert problems_of(f"{KEY}=") == [f"spark.{KEY}: must be text, got null  (--set)"]


def test_a_run_records_no_secret():
    with_secret = load_config(sets=[f"{KEY}=hunter2"])

    assert "hunter2" not in json.dumps(row_changing(with_secret))
    assert row_changing(with_secret) == row_changing(load_config())
    assert settings_hash(with_secret) == settings_hash(load_config())
