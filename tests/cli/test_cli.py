"""The command line: one clear error and its exit code, before any work where possible; help that is quick."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from shoal.cli import shoal_command
from shoal.stages import NAMES

FILE = "tests/conftest.py"  # any file that exists


def shoal(*arguments: str):
    return CliRunner().invoke(shoal_command, [*arguments])


def test_help_lists_every_stage_and_the_exit_codes():
    printed = shoal("--help").output

    for name in NAMES:
        assert f"\n  {name} " in printed
    assert "0  done" in printed
    assert "3  data was refused" in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["pipeline", "--help"],
        ["evaluate", "recommend", "--help"],
        ["config", "show"],
        ["features", "--help"],
        ["features", "as-of", "--help"],
    ],
    ids=" ".join,
)
def test_help_and_settings_start_neither_spark_nor_gx(arguments):
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom shoal.cli import shoal_command\n"
        f"result = CliRunner().invoke(shoal_command, {arguments!r})\nassert result.exit_code == 0, result.output\n"
        "print([m for m in ('pyspark', 'great_expectations', 'pandas') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pipeline", "--feed", "shoal", "--input", FILE, "--as-of", "2011-13-10"], "'2011-13-10' is no date"),
        (["pipeline", "--feed", "shoal", "--input", FILE, "--as-of", "20111210"], "'20111210' is no date"),
        (["pipeline", "--feed", "shoal", "--input", FILE], "--as-of: required from features on"),
        (["pipeline", "--feed", "shoal", "--input", "nowhere.csv", "--until", "ingest"], "nowhere.csv does not exist"),
        (["pipeline", "--feed", "shoal", "--feed", "shoal", "--input", FILE], "2 --feed and 1 --input"),
        (["ingest", "--feed", "online_retial", "--input", FILE], "did you mean online_retail?"),
        (["ingest"], "nothing to ingest"),
        (["ingest", "--feed", "shoal", "--input", FILE, "--once"], "--once: says how a stream looks; give --stream"),
        (
            ["ingest", "--feed", "shoal", "--input", FILE, "--every", "5"],
            "--every: says how a stream looks; give --str",
        ),
        (["ingest", "--stream", "--once", "--every", "5", "--feed", "shoal", "--input", FILE], "give one of them"),
        (["ingest", "--stream", "--every", "0", "--feed", "shoal", "--input", FILE], "0.0 is not in the range x>0"),
        (["ingest", "--stream", "--feed", "shoal", "--input", "nowhere.csv"], "nowhere.csv does not exist"),
        (["ingest", "--feed", "shoal", "--input", "nowhere/*.csv"], "nowhere/*.csv matches no file"),
        (["ingest", "--stream"], "nothing to ingest"),
        (["pipeline", "--until", "feature"], "'feature' is not one of"),
        (["features", "--as-of", "2025-01-01", "--set", "features.tile_bukets=2"], "did you mean tile_buckets?"),
        (["features", "--as-of", "2025-01-01", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["replay", "--batch", "b1", "--mapping", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["replay"], "Missing option '--batch'"),
        (["segments", "--as-of", "2025-01-01", "--set", "segments.default.inputs=[recency_day]"], "recency_days"),
    ],
)
def test_a_wrong_call_is_refused_before_spark_starts(arguments, said):
    code = (
        "import sys\nfrom shoal.cli import main\nimport pyspark\n"
        "pyspark.sql.SparkSession.Builder.getOrCreate = lambda self: sys.exit(99)\n"
        f"main({arguments!r})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ran.returncode == 2, ran.stderr
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_all_problems_are_named_at_once():
    ran = shoal("pipeline", "--feed", "nope", "--input", "nowhere.csv")

    assert ran.exit_code == 2
    for said in ("--as-of", "unknown feed 'nope'", "nowhere.csv does not exist"):
        assert said in ran.stderr


def test_all_problems_of_a_list_are_named_at_once():
    ran = shoal("features", "as-of", "--spine", "nowhere.csv", "--out", FILE, "--only", "spnd,view,is_suspect")

    assert ran.exit_code == 2
    for said in ("nowhere.csv does not exist", "must end in .parquet", "mean spend?", "mean views?", "is_suspect is"):
        assert said in ran.stderr


def test_two_declarations_of_one_feed_are_refused(tmp_path):
    for name, item in {"a.yaml": "x", "b.yaml": "y"}.items():
        (tmp_path / name).write_text(
            "feed: till\ncolumns: {at: time, x: text, y: text}\n"
            f"events: {{event_type: {{value: view}}, event_time: at, item_id: {item}}}\n"
        )
    given = [part for name in ("a.yaml", "b.yaml") for part in ("--feed", str(tmp_path / name), "--input", FILE)]

    ran = shoal("ingest", *given)

    assert ran.exit_code == 2
    assert "b.yaml both declare the feed till, each in its own way" in ran.stderr


def test_a_declaration_that_is_not_there_or_wrong_is_told_with_the_rest(tmp_path):
    (tmp_path / "wrong.yaml").write_text("feed: till\n")

    ran = shoal("ingest", "--feed", "nowhere.yaml", "--input", FILE, "--feed", str(tmp_path / "wrong.yaml"),
                "--input", "nowhere.csv")  # fmt: skip

    assert ran.exit_code == 2
    for said in ("nowhere.yaml: no such file", "columns: is missing", "events: is missing", "nowhere.csv does not"):
        assert said in ran.stderr


def test_the_feeds_are_listed():
    assert "online_retail" in shoal("feed", "list").output


def test_the_template_is_written_once(tmp_path):
    first = shoal("feed", "template", "--out", str(tmp_path / "example.jsonl"))
    second = shoal("feed", "template", "--out", str(tmp_path / "example.jsonl"))

    assert first.exit_code == 0
    assert (tmp_path / "example.jsonl").read_text().count("\n") == 6
    assert second.exit_code == 2


@pytest.mark.parametrize("name", ["thesis.txt", "lake/table.parquet", "shop/photo.jpg"])
def test_a_demo_keeps_out_of_a_folder_that_is_not_its_own(tmp_path, name):
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("precious")

    ran = shoal("demo", "--out", str(tmp_path))

    assert ran.exit_code == 2
    assert "no demo has made it; name a new folder with --out" in ran.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
