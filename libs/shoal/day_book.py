"""What each batch of a feed has told of which day, ``ops.days``, and how a batch compares with those before."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from shoal.batches import Claim
from shoal.lake import Lake
from shoal.params import ValidateParams
from shoal.quality import gate
from shoal.quality.bands import DELIVERIES, Day
from shoal.quality.gate import Verdict
from shoal.quality.usual import Brought, Limits, Past, hours_between, questions
from shoal.tables import DAYS, EVENT_TYPES, EVENTS, WATCHED

# Of what came before: more than the weeks that bands are learned from, so that a feed may have paused as long.
_LOOK_BACK = timedelta(days=200)
_BATCHES = 1000  # of all feeds, among which the last deliveries of one are looked for


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
    zone = ZoneInfo(time_zone)
    since = min([batch.delivered_at.astimezone(zone).date(), *batch.days])
    past = past_of(lake, claim.batch.feed.name, before=claim.sequence, since=since)
    asked = questions(past, batch, zone, limits_of(params))
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


def past_of(lake: Lake, feed: str, *, before: int, since: date) -> Past:
    """What the batches of a feed told, in one query: its answer has a row per day and one per newer batch.

    Both limits let Delta skip the files that hold neither.

    Args:
        before: the place in the order of batches from which on they are left out.
        since: the earliest day that anything is judged of; ``_LOOK_BACK`` before it is read as well.
    """
    first_day, first_batch = since - _LOOK_BACK, before - _BATCHES
    of_feed = lake.read(DAYS).where(F.col("feed") == F.lit(feed)).where(F.col("sequence") < before)
    rows = of_feed.where((F.col("event_date") >= F.lit(first_day)) | (F.col("sequence") >= first_batch))
    sets = [[F.col("event_date")], [F.col("sequence")]]
    found = rows.groupingSets(sets, "event_date", "sequence").agg(*_totals()).collect()
    days = {row["event_date"]: _day(row) for row in found if row["event_date"] and row["event_date"] >= first_day}
    batches = [row for row in found if row["sequence"] is not None and row["sequence"] >= first_batch]
    newest, delays = None, list[float]()
    for row in sorted(batches, key=lambda row: int(row["sequence"])):
        newest = max(
            filter(None, (newest, row["newest_event_at"]))
        )  # old events that come late make no feed less fresh
        delays.append(hours_between(newest, row["delivered_at"]))
    return Past(days, newest, max((row["delivered_at"] for row in batches), default=None), delays[-DELIVERIES:])


def _totals() -> Iterator[Column]:
    """The sums over rows: the events, and those of each type and without each column; and the latest moments."""
    yield F.sum("events").alias("events")
    for numbers, keys in (("event_types", EVENT_TYPES), ("missing", WATCHED)):
        for key in keys:
            yield F.sum(F.coalesce(F.col(numbers)[key], F.lit(0))).alias(f"{numbers} {key}")
    for moment in ("newest_event_at", "delivered_at"):
        yield F.max(moment).alias(moment)


def _day(row: Row) -> Day:
    def numbers(of: str, keys: Iterable[str]) -> dict[str, int]:
        return {key: row[f"{of} {key}"] for key in keys if row[f"{of} {key}"]}

    return Day(row["events"], numbers("event_types", EVENT_TYPES), numbers("missing", WATCHED))


def newest_of(lake: Lake, feed: str) -> tuple[int, date] | None:
    """The place of the newest batch of a feed that told of a day, and the newest day; null where none did."""
    newest = lake.read(DAYS).where(F.col("feed") == F.lit(feed)).agg(F.max("sequence"), F.max("event_date")).first()
    assert newest is not None, "an aggregate has one row"
    return None if newest[0] is None else (int(newest[0]), newest[1])
