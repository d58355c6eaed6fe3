"""Data Docs from what was kept: every verdict on its page, and no page needs a network."""

import json
import re
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from shoal.cli import shoal_command
from shoal.errors import ConfigError
from shoal.lake import Lake
from shoal.quality.docs import Judgement, pages
from shoal.quality.gate import Verdict
from shoal.quality.suites import labels_in, suite_of
from shoal.reports import data_docs
from shoal.tables import BATCHES, EVENTS, QUALITY, Rule

ODD = Rule("<b>odd</b> & $cost", "item_id > 0", policy="warn", owner="Ann", reason="it is so")
AT = datetime(2025, 3, 1, 9, tzinfo=UTC)


def kept(number, expectation):
    """A verdict on an expectation of the suite, of which every seventh does not hold."""
    config, labels = expectation.configuration, labels_in(expectation)
    arguments = {name: value for name, value in config.kwargs.items() if name not in {"result_format", "severity"}}
    broken = 1 if number % 7 == 3 else 0
    return Verdict(
        "expectation", labels.name, labels.severity, not broken, 400, 30 * broken, "broken by some",
        labels.table, labels.policy, 0.95, labels.owner or None, labels.reason or None, config.type,
        json.dumps(arguments, default=str),
    )  # fmt: skip


@pytest.fixture(scope="module")
def site():
    suite = suite_of(EVENTS, tolerance=0.05, extra=[ODD])
    verdicts = [kept(number, expectation) for number, expectation in enumerate(suite.expectations)]
    verdicts.append(Verdict("expectation", "of an older lake", "critical", True, None, None, "100 rows"))
    judged = Judgement("silver.events", "shoal-1", AT, frozenset(EVENTS.names), verdicts)
    fine = Judgement("gold.users", "2025-03-02-ab", None, frozenset(), verdicts[:1])
    return dict(pages([judged, fine])), judged


def test_every_verdict_is_on_its_page(site):
    made, judged = site
    page = made[judged.file_name]

    for verdict in judged.verdicts:
        shown = verdict.name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#x27;")
        assert shown.replace("$", "&#36;") in page, verdict.name
    assert "30 unexpected values found. 7.5% of 400 total rows." in re.sub(r"&#\d+;|\s+", " ", page).replace("≈", "")
    assert "ask Ann" in page


def test_the_index_names_what_did_not_hold(site):
    made, judged = site

    assert set(re.findall(r'href="([^"]+html)"', made["index.html"])) == {*made} - {"index.html"}
    assert "refused" in made["index.html"]
    for verdict in judged.broken:
        assert verdict.name.replace(">", "&gt;") in made["index.html"]


def test_no_page_fetches_anything(site):
    for name, html in site[0].items():
        fetched = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"|url\(([^)]*)\)|@import', html)
        assert {link for link, _ in fetched if not link.startswith("#")} <= {"data:,", *site[0]}, name
        assert "<script" not in html
        assert "http" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)


def test_pages_are_made_from_the_books(spark, tmp_path):
    lake, out = Lake(spark, str(tmp_path / "lake")), tmp_path / "docs"
    with pytest.raises(ConfigError, match="nothing was judged"):
        data_docs.build(lake, out, newest=5)
    batch = {"feed": "shoal", "state": "validated", "files": [], "planned_at": AT}
    lake.record(BATCHES, [{**batch, "batch_id": f"b{number}"} for number in (1, 2, 3)])
    row = {"kind": "expectation", "severity": "critical", "success": True, "rows": 9, "failures": 0,
           "expectation": "expect_column_values_to_not_be_null", "arguments": '{"column": "user_id"}'}  # fmt: skip
    lake.record(QUALITY, [
        *({**row, "name": "n", "batch_id": f"b{number}", "sequence": number} for number in (1, 2, 3)),
        {**row, "name": "n", "batch_id": "b3", "sequence": 4},  # refused, and judged again
        {**row, "name": "n", "batch_id": "b3", "sequence": 4, "table_name": "bronze.shoal"},
        {**row, "name": "n", "run_id": "2025-03-02-abc", "table_name": "gold.users"},
        {**row, "kind": "rule", "name": "r", "batch_id": "b3", "sequence": 4},
    ])  # fmt: skip

    said = data_docs.build(lake, out, newest=3)

    assert said.startswith("5 results; open file:///")
    assert said.endswith("/docs/index.html")
    assert {path.name for path in out.iterdir()} == {
        "index.html", "b2.silver.events.html", "b3.silver.events.html", "b3__judged_again__4_.silver.events.html",
        "b3__judged_again__4_.bronze.shoal.html", "2025-03-02-abc.gold.users.html",
    }  # fmt: skip


def test_a_place_that_cannot_be_written_is_told(spark, tmp_path):
    lake = Lake(spark, str(tmp_path / "lake"))
    row = {"kind": "expectation", "severity": "critical", "success": True, "name": "n", "run_id": "r"}
    lake.record(QUALITY, [row])
    (tmp_path / "file").write_text("mine")

    with pytest.raises(ConfigError, match=f"--out {tmp_path}/file"):
        data_docs.build(lake, tmp_path / "file", newest=3)


def test_the_command_says_what_it_takes():
    shown = CliRunner().invoke(shoal_command, ["docs", "data", "--help"]).output

    assert "--out" in shown
    assert "data-docs" in shown
