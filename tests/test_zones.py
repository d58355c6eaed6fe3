"""The zone of the machine that Shoal runs on says nothing: every time is UTC."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from shoal.books import batches, ledger
from shoal.frames import few_rows
from shoal.lake import Lake
from shoal.sources import feed_named
from shoal.sources.listing import SourceFile

# Where clocks go back on 2 November 2025 at 06:00 UTC, both are half past one.
FIRST, SECOND = datetime(2025, 11, 2, 5, 30, tzinfo=UTC), datetime(2025, 11, 2, 6, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=["America/New_York", "Asia/Tokyo"])
def elsewhere(request, monkeypatch):
    """This process, as a machine of another zone has it."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_time_that_was_collected_goes_back_as_it_was(spark, elsewhere):
    schema = "at timestamp, files array<struct<at: timestamp, name: string>>, by map<string, timestamp>, day date"
    rows = [(at, [{"at": at, "name": "a"}, None], {"b": at}, at.date()) for at in (FIRST, SECOND)] + [(None,) * 4]
    once = few_rows(spark, schema, rows)
    collected = once.collect()

    twice = few_rows(spark, schema, collected)

    assert collected[0].at.tzinfo is None, "as Spark gives it"
    assert [seen(row) for row in twice.collect()] == [seen(row) for row in collected]
    micros = ["unix_micros(at)", "unix_micros(files[0].at)", "unix_micros(by['b'])"]
    assert [tuple(row) for row in twice.selectExpr(*micros).collect()[:2]] == [
        (round(at.timestamp() * 1_000_000),) * 3 for at in (FIRST, SECOND)
    ]


def seen(row):
    """A row as it was collected, with what tells the two half past ones apart."""
    return repr(row)


def test_the_book_keeps_its_times_however_often_a_batch_is_written_again(spark, tmp_path, elsewhere):
    lake, file = Lake(spark, str(tmp_path / "lake")), SourceFile("/landing/a.csv", "csv", 10, FIRST, "hash")
    planned = batches.plan(lake, feed_named("shoal"), [file], SECOND)
    batches.mark_ingested(lake, batches.all_batches(lake)[0], {file.path: 3})

    (batch,) = batches.all_batches(lake)

    assert planned.files == batch.files == (file,)
    assert batch.row["planned_at"].astimezone(UTC) == SECOND
    assert ledger.of_batches([batch]) == {file.state: "hash"}


def test_the_command_line_keeps_utc():
    code = (
        "import time\nfrom shoal.cli import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    print(time.tzname, time.localtime(0).tm_hour)"
    )
    env = {**os.environ, "TZ": "Asia/Tokyo"}
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines()[-1] == "('UTC', 'UTC') 0"
