"""What each batch of a feed has told of which day, ``ops.days``, and how a batch compares with those before."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from shoal.batches import Claim
from shoal.lake import Lake
from shoal.params import ValidateParams
from shoal.quality import gate
from shoal.quality.bands import DELIVERIES, Day
from shoal.quality.gate import Verdict
from shoal.quality.usual import Brought, Limits, Past, hours_between, questions
from shoal.tables import DAYS, EVENT_TYPES, EVENTS, WATCHED


def brought(told: Sequence[Row]) -> Brought:
    """What a batch of events tells that silver did not know.

    Args:
        told: of :func:`shoal.transforms.contest.told`, of at least one row.
    """
    days, newest = dict[date, Day](), dict[date, datetime]()
    for row in told:
        day, kind = row["event_date"], row["event_type"]
        if not row["events"]:
            continue
        missing = {name: row[name] for name, kinds in WATCHED.items() if kind in kinds and row[name]}
        days[day] = days.get(day, Day()) + Day(row["events"], {kind: row["events"]}, missing)
        newest[day] = max(newest.get(day, row["newest_event_at"]), row["newest_event_at"])
    return Brought(max(row["delivered_at"] for row in told), days, newest)


def judged(lake: Lake, params: ValidateParams, claim: Claim, batch: Brought, time_zone: str) -> list[Verdict]:
    """Verdicts on the days that a batch completes, beside what the batches before it brought."""
    past = past_of(lake, claim.batch.feed.name, before=claim.sequence)
    asked = questions(past, batch, ZoneInfo(time_zone), limits_of(params))
    return gate.judge_few(EVENTS, asked)


def limits_of(params: ValidateParams) -> Limits:
    """What the settings say of bands."""
    apart = frozenset(day for event in params.calendar for day in event.days)
    return Limits(params.band_width, params.min_volume_share, apart)


def enter(lake: Lake, claim: Claim, batch: Brought) -> None:
    """Write down what a batch has told of which day, once."""
    if not batch.days:
        return
    rows = [
        {
            "feed": claim.batch.feed.name, "batch_id": claim.batch.batch_id, "sequence": claim.sequence,
            "event_date": day, "events": told.events, "event_types": told.event_types, "missing": told.missing,
            "newest_event_at": batch.newest_at[day], "delivered_at": batch.delivered_at,
        }
        for day, told in sorted(batch.days.items())
    ]  # fmt: skip
    lake.append(DAYS, lake.frame(DAYS, rows).coalesce(1), once="validate", number=claim.sequence)


def past_of(lake: Lake, feed: str, *, before: int | None = None) -> Past:
    """What the batches of a feed told, in one query: its answer has a row per day and some for the newest batches.

    Args:
        before: the place from which on batches are left out; None: all count.
    """
    rows = lake.read(DAYS).where(F.col("feed") == F.lit(feed))
    if before is not None:
        rows = rows.where(F.col("sequence") < before)
    found = _by_day(rows).unionByName(_by_batch(rows), allowMissingColumns=True).collect()
    days = {row["event_date"]: _day(row) for row in found if row["event_date"] is not None}
    deliveries = sorted((row for row in found if row["event_date"] is None), key=lambda row: row["sequence"])
    newest, delays = None, list[float]()
    for row in deliveries:  # one that came late with old events does not make the feed less fresh
        newest = max(filter(None, (newest, row["newest_event_at"])))
        delays.append(hours_between(newest, row["delivered_at"]))
    return Past(days, newest, max((row["delivered_at"] for row in deliveries), default=None), delays)


def _by_day(rows: DataFrame) -> DataFrame:
    """The sums over batches: of each day the events, and those of each type and without each column."""

    def total(numbers: str, key: str) -> Column:
        return F.sum(F.coalesce(F.col(numbers)[key], F.lit(0))).alias(f"{numbers} {key}")

    return rows.groupBy("event_date").agg(
        F.sum("events").alias("events"),
        *(total("event_types", kind) for kind in EVENT_TYPES),
        *(total("missing", name) for name in WATCHED),
    )


def _day(row: Row) -> Day:
    def numbers(of: str, keys: Iterable[str]) -> dict[str, int]:
        return {key: row[f"{of} {key}"] for key in keys if row[f"{of} {key}"]}

    return Day(row["events"], numbers("event_types", EVENT_TYPES), numbers("missing", WATCHED))


def _by_batch(rows: DataFrame) -> DataFrame:
    """The newest batches: when each was delivered, and its newest event."""
    newest = [F.max(name).alias(name) for name in ("newest_event_at", "delivered_at")]
    return rows.groupBy("sequence").agg(*newest).orderBy(F.desc("sequence")).limit(DELIVERIES)
