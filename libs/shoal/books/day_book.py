"""What each batch of a feed has told of which day, ``ops.days``, and how a batch compares with those before."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from shoal.books.batches import Claim
from shoal.lake import Lake
from shoal.params import ValidateParams
from shoal.quality import gate
from shoal.quality.bands import DELIVERIES, Day
from shoal.quality.gate import Verdict
from shoal.quality.known import NEARLY_EMPTY
from shoal.quality.usual import Brought, DayLimits, Part, Past, Question, earliest_judged, hours_between, questions
from shoal.tables import BATCHES, DAYS, EVENT_TYPES, EVENTS, QUALITY, WATCHED

# Of what came before: more than the weeks that bands are learned from, so that a feed may have paused as long.
_LOOK_BACK = timedelta(days=200)
_NEWEST = 2 * DELIVERIES  # of a feed: with replays and late files among them enough deliveries are left


def brought(told: Sequence[Row], planned_at: datetime) -> Brought:
    """What a batch of events tells that silver did not know.

    Args:
        told: of :func:`shoal.transforms.contest.told`, of at least one row.
        planned_at: when the batch was planned.
    """
    days, newest = dict[date, Day](), dict[date, datetime]()
    for row in told:
        day, kind = row["event_date"], row["event_type"]
        if not row["events"]:
            continue
        missing = {name: row[name] for name, kinds in WATCHED.items() if kind in kinds and row[name]}
        days[day] = days.get(day, Day()) + Day(row["events"], {kind: row["events"]}, missing)
        newest[day] = max(newest.get(day, row["newest_event_at"]), row["newest_event_at"])
    return Brought(max(row["delivered_at"] for row in told), planned_at, days, newest)


def judged(lake: Lake, params: ValidateParams, claim: Claim, batch: Brought, time_zone: str) -> list[Verdict]:
    """Verdicts on the days that a batch completes, beside what the batches before it brought."""
    zone = ZoneInfo(time_zone)
    past = past_of(lake, claim.batch.feed.name, before=claim.sequence, since=earliest_judged(batch, zone))
    asked = questions(past, batch, zone, limits_of(params))
    asked = [one for one in asked if one.holds or not _has_stopped(lake, claim, one)]
    return gate.judge_few(EVENTS, asked)


def _has_stopped(lake: Lake, claim: Claim, asked: Question) -> bool:
    """Whether the day of a question has stopped another batch of the feed before, so that it comes in parts.

    A day stops one batch: parts that are refused are not in ``ops.days``, so each would stand alone for ever.
    """
    if asked.expected.name != NEARLY_EMPTY:
        return False
    of_day = F.get_json_object("arguments", f"$.{gate.FARTHEST}.day") == F.lit(str(asked.farthest["day"]))
    earlier = (F.col("batch_id") != F.lit(claim.batch.batch_id)) & (F.col("sequence") < claim.sequence)
    stopped = lake.read(QUALITY).where((F.col("name") == F.lit(NEARLY_EMPTY)) & ~F.col("success") & of_day & earlier)
    of_feed = lake.read(BATCHES).where(F.col("feed") == F.lit(claim.batch.feed.name)).select("batch_id")
    return not stopped.join(of_feed, on="batch_id", how="left_semi").isEmpty()


def limits_of(params: ValidateParams) -> DayLimits:
    """What the settings say of bands."""
    apart = frozenset(day for event in params.calendar for day in event.days)
    return DayLimits(params.band_width, params.min_volume_share, apart)


def enter(lake: Lake, claim: Claim, batch: Brought) -> None:
    """Write down what a batch has told of which day, once."""
    if not batch.days:
        return
    rows = [
        {
            "feed": claim.batch.feed.name, "batch_id": claim.batch.batch_id, "sequence": claim.sequence,
            "event_date": day, "events": told.events, "event_types": told.event_types, "missing": told.missing,
            "newest_event_at": batch.newest_at[day], "delivered_at": batch.delivered_at,
            "planned_at": batch.planned_at,
        }
        for day, told in sorted(batch.days.items())
    ]  # fmt: skip
    lake.append(DAYS, lake.frame(DAYS, rows).coalesce(1), once="validate", number=claim.sequence)


def past_of(lake: Lake, feed: str, *, before: int, since: date) -> Past:
    """What the batches of a feed told, in one query: its answer has a row per day and one for each newest delivery.

    The limit on days lets Delta skip the files that hold none of them.

    Args:
        before: the place in the order of batches from which on they are left out.
        since: the earliest day that anything is judged of; ``_LOOK_BACK`` before it is read as well.
    """
    first = since - _LOOK_BACK
    of_feed = lake.read(DAYS).where(F.col("feed") == F.lit(feed)).where(F.col("sequence") < before)
    rows = of_feed.where(F.col("event_date") >= F.lit(first))
    part = F.max(F.struct("events", "delivered_at", "planned_at")).alias("part")
    by_day = rows.groupBy("event_date").agg(*_totals(), part, *_latest())
    newest = rows.groupBy("sequence").agg(*_latest()).orderBy(F.desc("sequence")).limit(_NEWEST)
    found = by_day.unionByName(newest, allowMissingColumns=True).collect()
    days = {row["event_date"]: row for row in found if row["event_date"]}
    return Past(
        {day: _day(row) for day, row in days.items()},
        {day: Part(*row["part"]) for day, row in days.items()},
        max((row["newest_event_at"] for row in days.values()), default=None),
        max((row["delivered_at"] for row in days.values()), default=None),
        _delays([row for row in found if row["sequence"] is not None])[-DELIVERIES:],
    )


def _delays(batches: Iterable[Row]) -> list[float]:
    """Hours between the newest event and each delivery, in their order.

    A delivery that is older than one before it is none of the feed's newest: a replay, or a file that lay about.
    """
    newest, latest, delays = None, None, list[float]()
    for row in sorted(batches, key=lambda row: int(row["sequence"])):
        # Old events that come late make no feed less fresh.
        newest = max(filter(None, (newest, row["newest_event_at"])))
        if latest is None or row["delivered_at"] > latest:
            latest = row["delivered_at"]
            delays.append(hours_between(newest, latest))
    return delays


def _totals() -> Iterator[Column]:
    """The sums over rows: the events, and those of each type and without each column."""
    yield F.sum("events").alias("events")
    for numbers, keys in (("event_types", EVENT_TYPES), ("missing", WATCHED)):
        for key in keys:
            yield F.sum(F.coalesce(F.col(numbers)[key], F.lit(0))).alias(f"{numbers} {key}")


def _latest() -> Iterator[Column]:
    yield from (F.max(moment).alias(moment) for moment in ("newest_event_at", "delivered_at"))


def _day(row: Row) -> Day:
    def numbers(of: str, keys: Iterable[str]) -> dict[str, int]:
        return {key: row[f"{of} {key}"] for key in keys if row[f"{of} {key}"]}

    return Day(row["events"], numbers("event_types", EVENT_TYPES), numbers("missing", WATCHED))


def newest_of(lake: Lake, feed: str) -> tuple[int, date] | None:
    """The place of the newest batch of a feed that told of a day, and the newest day; null where none did."""
    newest = lake.read(DAYS).where(F.col("feed") == F.lit(feed)).agg(F.max("sequence"), F.max("event_date")).first()
    assert newest is not None, "an aggregate has one row"
    return None if newest[0] is None else (int(newest[0]), newest[1])
