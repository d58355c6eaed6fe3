"""ops.days: what a batch was the first to tell of which day, once, whatever is told again; and the sum of it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, LongType, StringType

from shoal.books import batches, day_book
from shoal.books.batches import Batch, Claim
from shoal.books.verdicts import on_record
from shoal.config import load_config
from shoal.frames import rows_of
from shoal.lake import Lake
from shoal.quality.bands import DELIVERIES, Day
from shoal.sources import feed_named
from shoal.sources.listing import SourceFile
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
    return dict(day_book.brought(rows, FIRST).days)


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
    return day_book.Brought(delivered, delivered, {day(number): what for number, what in told.items()}, newest_at)


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
    assert past.delays == [8 * 24, 8 * 24 + 5], "a late file is none of the feed's newest deliveries"
    assert {at: part.events for at, part in past.largest.items()} == {day(0): 1, day(1): 2}
    assert past.largest[day(1)].delivered_at.astimezone(UTC) == FIRST + timedelta(days=9, hours=5)
    assert past.largest[day(1)].planned_at.astimezone(UTC) == FIRST + timedelta(days=9, hours=5)
    assert day_book.newest_of(lake, "shoal") == (3, day(1))
    later = day_book.past_of(lake, "shoal", before=5, since=day(1) + timedelta(days=200))
    assert later.days == {day(1): past.days[day(1)]}, "what is long past is left out"
    assert before.days == {day(0): view, day(1): Day(1, {"view": 1}, {"user_id": 1})}


def test_the_last_deliveries_of_a_feed_are_found_beside_a_busy_one(lake: Lake) -> None:
    """Three days of a daily feed, and 5,000 places of another after each; then a replay of the first."""
    for number in range(3):
        day_book.enter(lake, claim(1 + 5000 * number), batch({number: Day(1)}, number, hour=24 * number))
        day_book.enter(lake, claim(5000 + 5000 * number, "rees46"), batch({number: Day(1)}, number, hour=999))
    day_book.enter(lake, claim(20000), batch({0: Day(1)}, 0))

    past = day_book.past_of(lake, "shoal", before=30000, since=day(9))

    # Each was delivered nine days after its day, the replay with the first.
    assert past.delays == [9 * 24] * 3
    assert past.delivered_at.astimezone(UTC) == FIRST + timedelta(days=11)
    assert past.newest_at.astimezone(UTC) == FIRST + timedelta(days=2)


def row_of(sequence: int, number: int, events: int, delivered: datetime) -> dict[str, Any]:
    """What a batch told of one day."""
    return {
        "feed": "shoal", "batch_id": f"b{sequence}", "sequence": sequence, "event_date": day(number), "events": events,
        "event_types": {"view": events}, "missing": {}, "newest_event_at": FIRST, "delivered_at": delivered,
        "planned_at": delivered,
    }  # fmt: skip


def test_many_batches_cost_the_driver_a_row_per_day_and_the_newest_deliveries(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row_of(number, number % 3, 1, FIRST + timedelta(hours=number)) for number in range(1, 901)]
    lake.append(DAYS, lake.frame(DAYS, rows), once="validate", number=1)
    kept: list[int] = []
    frames = type(lake.read(DAYS))
    collect = frames.collect

    def counted(frame: DataFrame) -> list[Any]:
        found = collect(frame)
        kept.append(len(found))
        return found

    monkeypatch.setattr(frames, "collect", counted)
    past = day_book.past_of(lake, "shoal", before=901, since=day(0))

    assert {at: told.events for at, told in past.days.items()} == {day(0): 300, day(1): 300, day(2): 300}
    assert max(kept) == 3 + 2 * DELIVERIES
    assert past.delays == [float(n) for n in range(873, 901)]


def test_a_day_stops_one_batch_and_no_more(lake: Lake) -> None:
    """Four weeks and more of daily files; then a day in parts of which none is a fifth, planned an hour apart."""
    params = load_config().validation
    rows = [row_of(number + 1, number, 1000, FIRST + timedelta(days=number, hours=14)) for number in range(36)]
    lake.append(DAYS, lake.frame(DAYS, rows), once="validate", number=1)
    night = (FIRST + timedelta(days=36, hours=14)).astimezone().replace(tzinfo=None)  # as Spark's rows have it
    poor = day_book.Brought(night, night, {day(36): Day(50, {"view": 50})}, {day(36): night})

    def stops(part: Claim) -> bool:
        verdicts = day_book.judged(lake, params, part, poor, "UTC")
        on_record(lake, part, verdicts)
        return any(verdict.stops for verdict in verdicts)

    first, second, other = (
        batches.plan(
            lake,
            feed_named("rees46" if name == "other" else "shoal"),
            [SourceFile(f"/landing/{name}", "csv", 1, FIRST, name)],
            FIRST,
        )
        for name in ("one", "two", "other")
    )

    on_record(lake, Claim(other, 39, {}), day_book.judged(lake, params, Claim(first, 39, {}), poor, "UTC"))

    assert stops(Claim(first, 40, {})), "of another feed such a day was stopped"
    assert not stops(Claim(second, 41, {})), "another part comes in"
    assert stops(Claim(first, 42, {})), "the same batch, asked for again, is as poor as it was"


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
