"""A day that came nearly empty stops before silver changes; bands survive a kill, a retry and a replayed day."""

import json
import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from shelf import SMALL, stopped_after

import shoal.running.job
from shoal.config import load_config
from shoal.errors import GateError
from shoal.quality.known import AS_USUAL, NEARLY_EMPTY
from shoal.reports.book_reports import days_report, quality_report
from shoal.reports.querying import query_lake
from shoal.tables import BATCHES, DAYS, EVENTS, QUALITY, RUNS, SILVER

pytestmark = pytest.mark.long

MONDAY = date(2025, 3, 3)
USUAL = 30  # events of a day
RULES = Path(__file__).parents[2] / "docs" / "rules.md"


class Night(datetime):
    """The clock of the runs: some minutes after the newest file was exported."""

    moment = datetime(2025, 1, 1, tzinfo=UTC)

    @classmethod
    def now(cls, tz=None):
        cls.moment += timedelta(minutes=1)
        return cls.moment.astimezone(tz)


@pytest.fixture
def landing(tmp_path, monkeypatch):
    """``landing(name, {day: events})``: a file of views, and other rows, exported in the night after its last day."""
    monkeypatch.setattr(shoal.running.job, "datetime", Night)

    def written(name, days, *more):
        path = tmp_path / f"{name}.jsonl"
        rows = [*(event(day, n) for day, events in days.items() for n in range(events)), *more]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        night = max(days) + timedelta(days=1)
        Night.moment = datetime(night.year, night.month, night.day, 3, tzinfo=UTC)
        at = Night.moment.timestamp()
        os.utime(path, (at, at))
        return path

    return written


def event(day, number):
    return {
        "event_id": f"{day} {number}", "event_type": "view", "event_time": f"{day}T10:{number % 60:02}:00Z",
        "user_id": f"u{number % 7}", "item_id": f"i{number % 5}",
    }  # fmt: skip


def history(weeks=5):
    return {MONDAY - timedelta(days=back): USUAL for back in range(1, 7 * weeks + 1)}


def told(shelf):
    """Events by day, over all batches."""
    sums = shelf.read(DAYS).groupBy("event_date").sum("events").collect()
    return {row["event_date"]: row["sum(events)"] for row in sums}


def verdicts(shelf, sequence):
    rows = shelf.read(QUALITY, f"sequence = {sequence} AND kind = 'expectation'").collect()
    return {row["name"]: row for row in rows if row["name"] in {NEARLY_EMPTY, *AS_USUAL.values()}}


def test_a_nearly_empty_day_stops_until_somebody_says_that_it_is_right(shelf, landing):
    # Days that came whole in the night after: the last two of the history, as far as anybody can tell, and two more.
    *before, saturday, sunday = sorted(history())
    shelf.run(("shoal", landing("history", dict.fromkeys(before, USUAL))), until="validate")
    for day in (saturday, sunday):
        shelf.run(("shoal", landing(f"{day}", {day: USUAL})), until="validate")
    assert told(shelf) == history()
    assert all(row["success"] for place in (1, 2, 3) for row in verdicts(shelf, place).values())
    versions = [shelf.lake.version(table) for table in (*SILVER, DAYS)]
    poor = landing("poor", {MONDAY: 3})

    with pytest.raises(GateError) as refused:
        shelf.run(("shoal", poor), until="validate")

    assert refused.value.exit_code == 3
    assert f"{NEARLY_EMPTY}: 2025-03-03 (Monday) has 3 events, 30 are usual" in str(refused.value)
    assert [shelf.lake.version(table) for table in (*SILVER, DAYS)] == versions
    stopped = verdicts(shelf, 4)[NEARLY_EMPTY]
    assert (stopped["success"], stopped["policy"], json.loads(stopped["arguments"])["min_value"]) == (False, "stop", 6)

    # In a calendar it is neither judged nor learned from.
    calendar = "validate.calendar=[{name: stocktaking, from: 2025-03-03}]"
    shelf.run(("shoal", poor), first="validate", until="validate", retry_refused=True, sets=(*SMALL, calendar))
    assert verdicts(shelf, 5) == {}
    assert told(shelf) == {**history(), MONDAY: 3}
    assert shelf.read(EVENTS, "event_date = '2025-03-03'").count() == 3

    # A kill between silver and the book of days, and a rerun: the same days, judged once.
    tuesday = landing("tuesday", {MONDAY + timedelta(days=1): USUAL})
    stopped_after("append silver.events", shelf, ("shoal", tuesday), until="validate")
    assert told(shelf) == {**history(), MONDAY: 3}
    shelf.run(("shoal", tuesday), until="validate")
    assert told(shelf) == {**history(), MONDAY: 3, MONDAY + timedelta(days=1): USUAL}
    judged = shelf.read(QUALITY, "sequence = 6").collect()
    assert len({(row["kind"], row["name"]) for row in judged}) == len(judged)

    # Many more than usual only warn.
    wednesday = landing(
        "wednesday", {MONDAY + timedelta(days=2): 10 * USUAL}, {**event(MONDAY, 99), "event_type": "teleport"}
    )
    shelf.run(("shoal", wednesday), until="validate")
    warned = max(shelf.read(RUNS, "job = 'validate'").collect(), key=lambda run: run["started_at"])["warnings"]
    assert [AS_USUAL["volume"] in sentence and "has 300 events, 30 are usual" in sentence for sentence in warned] == [
        True
    ]
    assert {batch["state"] for batch in shelf.read(BATCHES).collect()} == {"validated"}

    params = load_config(sets=(calendar,)).validation
    report = days_report(shelf.lake, params, feed="shoal")
    line = {line[:14].strip(): line for line in report.splitlines()}
    assert line["2025-03-05 Wed"].split()[2:] == ["300", "30", "13", "to", "69", "many"]
    assert line["2025-03-03 Mon"].endswith("in the calendar")
    assert AS_USUAL["volume"] in quality_report(shelf.lake, feed="shoal", batches=28)
    for query in re.findall("```sql\n(.*?)```", RULES.read_text(), re.S):  # the page's own questions
        assert len(json.loads("".join(query_lake(shelf.lake, query, "json")))) > 0, query
