"""ops.days: what a batch was the first to tell of which day, once, whatever is told again; and the sum of it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, LongType, StringType

from shoal import day_book
from shoal.batches import Batch, Claim
from shoal.frames import rows_of
from shoal.lake import Lake
from shoal.quality.bands import Day
from shoal.sources import feed_named
from shoal.tables import DAYS, EVENT_VERSIONS, EVENTS, REJECTED_EVENTS, Column, Table
from shoal.tables.table import text
from shoal.transforms import contest

CANDIDATES = Table(
    name="bronze.candidates",
    doc="One row per candidate event.",
    key=("source_file", "position"),
    columns=(
        *EVENTS.columns, Column("reasons", ArrayType(StringType()), "rules that it broke"), text("raw", "as it came"),
        text("source_file", "file"), Column("position", LongType(), "line"),
    ),
)  # fmt: skip
FIRST = datetime(2025, 3, 3, 12, tzinfo=UTC)


def event(name: str, day: int = 0, content: str = "a", **values: Any) -> dict[str, Any]:
    at = FIRST + timedelta(days=day)
    return {
        "event_id": name, "content_hash": content, "event_type": "view", "item_id": "mug", "event_time": at,
        "event_date": at.date(), "delivered_at": FIRST + timedelta(days=9), "is_deleted": False, "source": "shoal",
        "batch_id": "b", "reasons": [], "source_file": "f", "user_id": "u", **values,
    }  # fmt: skip


class Silver:
    """What stands, batch after batch."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self.standing = rows_of(spark, EVENTS, [])

    def told_by(self, *rows: dict[str, Any]) -> list[Any]:
        none = (rows_of(self.spark, EVENT_VERSIONS, []), rows_of(self.spark, REJECTED_EVENTS, []))
        candidates = rows_of(self.spark, CANDIDATES, [{**row, "position": n} for n, row in enumerate(rows)])
        plan = contest.plan_contest(candidates, self.standing, *none).localCheckpoint()
        gone = plan.select("event_id").distinct()
        self.standing = (
            self.standing.join(gone, on="event_id", how="left_anti")
            .unionByName(EVENTS.select(plan.where("wins"))).localCheckpoint()
        )  # fmt: skip
        return contest.told(plan)


def claim(sequence: int, feed: str = "shoal") -> Claim:
    return Claim(Batch(f"{feed}-{sequence}", feed_named(feed), "ingested", (), {}), sequence, {})


def numbers(rows: list[Any]) -> dict[date, Day]:
    return dict(day_book.brought(rows).days)


def day(number: int) -> date:
    return (FIRST + timedelta(days=number)).date()


def test_an_event_counts_once_where_it_was_first_told(spark: SparkSession) -> None:
    silver = Silver(spark)
    buy = {"event_type": "purchase", "quantity": 1, "order_id": "o", "user_id": None}
    first = silver.told_by(
        event("e1"), event("e1"), event("e1", content="b"),  # a duplicate, and another version
        event("e2", 1, **buy), event("e3", 1), event("gone", 1, is_deleted=True),
        event("bad", 1, event_type="teleport", reasons=["it is bad"]),
    )  # fmt: skip

    found = numbers(first)
    assert {at: told.events for at, told in found.items()} == {day(0): 1, day(1): 2}
    assert found[day(1)].event_types == {"view": 1, "purchase": 1}
    assert found[day(1)].missing["user_id"] == 1
    assert found[day(1)].missing["unit_price"] == 1, "of the purchase; a view has none to miss"
    assert found[day(0)].missing.keys() & {"item_id", "unit_price", "user_id"} == set()
    booked = contest.book(first)
    assert (booked["rows_accepted"], booked["rows_rejected"], booked["rows_duplicate"]) == (5, 1, 1)

    # Told again, corrected, moved to another day, taken back: no event is new but one.
    second = silver.told_by(
        event("e1"), event("e2", 1, content="c", **buy), event("e3", 2, content="c", previous_event_time=FIRST),
        event("gone", 1), event("e4", 1),
    )  # fmt: skip
    assert {at: told.events for at, told in numbers(second).items()} == {day(1): 1}


def test_rejected_rows_make_one_group_whatever_they_say(spark: SparkSession) -> None:
    rows = [event(f"e{n}", n, event_type=f"kind {n}", reasons=["it is bad"]) for n in range(50)]

    (group,) = Silver(spark).told_by(*rows)

    assert (group["event_date"], group["event_type"], group["rows_rejected"]) == (None, None, 50)


def test_changes_of_things_are_booked_without_days(spark: SparkSession) -> None:
    def changes(rows: DataFrame) -> DataFrame:
        return rows.drop("event_type", "event_time", "user_id")

    candidates = rows_of(spark, CANDIDATES, [event("e1") | {"position": 1}, event("e2") | {"position": 2}])
    lake = (rows_of(spark, table, []) for table in (EVENTS, EVENT_VERSIONS, REJECTED_EVENTS))
    plan = contest.plan_contest(
        changes(candidates), *(changes(rows) if "user_id" in rows.columns else rows for rows in lake)
    )

    assert contest.book(contest.told(plan)) == {"rows_accepted": 2, "rows_rejected": 0, "rows_duplicate": 0}


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Any) -> Lake:
    return Lake(spark, str(tmp_path / "lake"))


def batch(told: dict[int, Day], newest: int, hour: int = 0) -> day_book.Brought:
    """Told of days that are counted from the first, delivered nine days after it."""
    newest_at = {day(number): FIRST + timedelta(days=min(number, newest)) for number in told}
    delivered = FIRST + timedelta(days=9, hours=hour)
    return day_book.Brought(delivered, {day(number): what for number, what in told.items()}, newest_at)


def test_the_past_is_the_sum_over_the_batches_of_a_feed_before_a_place(lake: Lake) -> None:
    view = Day(1, {"view": 1}, {"brand": 1})
    batches = {
        1: batch({0: view, 1: Day(1, {"view": 1}, {"user_id": 1})}, 1),
        2: batch({1: Day(2, {"cart": 2})}, 1, hour=5),
        3: batch({0: view}, 0),  # a late file of an old day
    }
    for sequence, told in batches.items():
        day_book.enter(lake, claim(sequence), told)
    day_book.enter(lake, claim(4, "rees46"), batches[1])
    version = lake.version(DAYS)

    day_book.enter(lake, claim(2), batches[2])  # by whoever finishes a claim late
    day_book.enter(lake, claim(5), batch({}, 0))
    assert lake.version(DAYS) == version

    past, before = (day_book.past_of(lake, "shoal", before=place, since=day(0)) for place in (5, 2))
    assert past.days == {
        day(0): Day(2, {"view": 2}, {"brand": 2}), day(1): Day(3, {"view": 1, "cart": 2}, {"user_id": 1}),
    }  # fmt: skip
    assert past.newest_at.astimezone(UTC) == FIRST + timedelta(days=1)
    assert past.delivered_at.astimezone(UTC) == FIRST + timedelta(days=9, hours=5)
    assert past.delays == [8 * 24, 8 * 24 + 5, 8 * 24], "the late file does not make the feed less fresh"
    assert day_book.newest_of(lake, "shoal") == (3, day(1))
    later = day_book.past_of(lake, "shoal", before=5, since=day(1) + timedelta(days=200))
    assert (later.days, later.delays) == ({day(1): past.days[day(1)]}, past.delays), "what is long past is left out"
    assert before.days == {day(0): view, day(1): Day(1, {"view": 1}, {"user_id": 1})}


def test_batches_in_another_order_tell_the_same_days(spark: SparkSession) -> None:
    one = [event("e1"), event("e2", 1, content="old")]
    other = [event("e2", 1, content="new", user_id=None), event("e3", 1)]

    sums = []
    for order in ([one, other], [other, one]):
        silver, days = Silver(spark), dict[date, int]()
        for rows in order:
            for at, told in numbers(silver.told_by(*rows)).items():
                days[at] = days.get(at, 0) + told.events
        sums.append(days)

    assert sums[0] == sums[1] == {day(0): 1, day(1): 2}


def test_nothing_is_written_where_nothing_is_new(lake: Lake) -> None:
    day_book.enter(lake, claim(1), batch({}, 0))

    assert not lake.exists(DAYS)
    assert day_book.past_of(lake, "shoal", before=2, since=day(0)).days == {}
    assert day_book.newest_of(lake, "shoal") is None


def test_a_hundred_days_cost_the_driver_a_hundred_rows(spark: SparkSession) -> None:
    rows = [event(f"e{n}", n % 100) for n in range(400)]

    assert len(Silver(spark).told_by(*rows)) == 100
