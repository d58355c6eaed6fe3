"""What a batch reads of silver to find what was told before: the days that it touches."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame

from shoal.books.batches import Batch, Claim
from shoal.lake import Lake
from shoal.sources import feed_named
from shoal.tables import EVENT_VERSIONS, EVENTS, REJECTED_EVENTS
from shoal.validate import silver

FIRST = datetime(2025, 1, 1, 12, tzinfo=UTC)
DAYS = 60
MOVED = 40  # the day to which one event was moved


def event(day: int) -> dict[str, Any]:
    at = FIRST + timedelta(days=day)
    return {
        "event_id": f"e{day}", "content_hash": "a", "event_type": "view", "item_id": "mug", "event_time": at,
        "event_date": at.date(), "delivered_at": at, "is_deleted": False, "source": "shoal", "batch_id": "b",
        "previous_event_time": at - timedelta(days=1) if day == MOVED else None,
    }  # fmt: skip


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    """A lake whose events lie on many days, a file each."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("lake")))
    for table in (EVENTS, EVENT_VERSIONS, REJECTED_EVENTS):
        lake.create(table)
    lake.append(
        EVENTS,
        lake.frame(EVENTS, [event(day) for day in range(DAYS)]).repartition("event_date"),
        once="days",
        number=1,
    )
    replaced = [{**event(day), "known_from": FIRST, "known_to": FIRST} for day in range(0, DAYS, 5)]
    lake.append(EVENT_VERSIONS, lake.frame(EVENT_VERSIONS, replaced), once="days", number=1)
    return lake


def files_read(frame: DataFrame) -> int:
    """How many files the scans of a plan open when it is first carried out."""
    plan: Any = frame
    plan = plan._jdf.queryExecution().executedPlan()
    frame.collect()
    if plan.nodeName() == "AdaptiveSparkPlan":
        plan = plan.executedPlan()
    leaves = plan.collectLeaves()
    return sum(int(leaves.apply(n).metrics().apply("numFiles").value()) for n in range(leaves.size()))


@pytest.mark.long
def test_a_batch_of_three_days_reads_the_files_of_these_days_and_of_moved_events(lake):
    pins = {table.name: lake.version(table) for table in (EVENTS, EVENT_VERSIONS, REJECTED_EVENTS)}
    claim = Claim(Batch("b2", feed_named("shoal"), "ingested", (), {}), 2, pins)
    days = {date(2025, 1, 1) + timedelta(days=day) for day in (10, 30, 59)}

    events, versions, _ = silver.met_by(lake, claim, days)

    assert (files_read(events), files_read(versions)) == (4, 2)  # versions lie on every fifth day, 59 is none
    assert {row.event_date for row in events.collect()} == {*days, date(2025, 1, 1) + timedelta(days=MOVED)}
    assert files_read(lake.read(EVENTS)) == DAYS
