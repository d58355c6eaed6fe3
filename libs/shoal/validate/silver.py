"""What a claimed batch meets in silver, and how it enters: each step can be done again by whoever finishes it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books.batches import Claim, pinned
from shoal.lake import Lake
from shoal.params import ValidateParams
from shoal.tables import (
    AS_NEEDED,
    EVENT_VERSIONS,
    EVENTS,
    ITEM_CHANGES,
    REJECTED_EVENTS,
    SILVER,
    Rule,
    Table,
)
from shoal.transforms import contest
from shoal.validate import deriving

_IS_LISTED = "is_listed"


@dataclass(frozen=True)
class Entered:
    """What a batch has done to silver."""

    touched_days: set[date]  # whose events or orders it changed
    notes: tuple[str, ...] = ()  # sentences worth knowing


def days_of(candidates: DataFrame, time_zone: str) -> set[date]:
    """The shop-local days on which versions of a batch's events may lie: their own, and those they left."""
    days = [F.col("event_date")]
    if "previous_event_time" in candidates.columns:  # a change of a thing never moves
        days.append(F.to_date(F.from_utc_timestamp("previous_event_time", time_zone)))
    each = candidates.select(F.explode(F.array(*days)).alias("day")).where(F.col("day").isNotNull())
    return {row["day"] for row in each.distinct().collect()}


def met_by(lake: Lake, claim: Claim, days: Collection[date]) -> tuple[DataFrame, DataFrame, DataFrame]:
    """What a batch of these days may meet, as it was when the batch claimed its place.

    Returns:
        Rows of ``silver.events``, ``silver.event_versions`` and ``silver.rejected_events``; in place of the first two,
        of a feed of changes those of its target, in which every version stands, and none.
    """
    on_days = F.col("event_date").isin(sorted(days)) if days else F.lit(False)
    target = claim.batch.feed.target
    if target.is_change:
        changes = contest.as_told(pinned(lake, claim, target.table)).where(on_days)
        return changes, lake.frame(EVENT_VERSIONS, []), pinned(lake, claim, REJECTED_EVENTS)
    events = pinned(lake, claim, EVENTS)
    # A correction may have moved an event away from these days. Read apart, each condition skips files.
    moved = events.where(~on_days & F.col("previous_event_time").isNotNull())
    return (
        events.where(on_days).unionByName(moved),
        pinned(lake, claim, EVENT_VERSIONS).where(on_days),
        pinned(lake, claim, REJECTED_EVENTS),
    )


def create(lake: Lake) -> None:
    """Make the tables of silver that every shop has, also where it has no row for them yet, as one without orders."""
    for table in SILVER:
        if table not in AS_NEEDED:
            lake.create(table)


def listed(lake: Lake, claim: Claim, candidates: DataFrame) -> DataFrame:
    """Candidate events with ``is_listed``: false for goods of which no item feed had told when the batch was claimed.

    Where none has ever told of any, or the candidates are no events, they stay as they are.
    """
    if claim.batch.feed.target.is_change or ITEM_CHANGES.name not in claim.silver:
        return candidates
    known = pinned(lake, claim, ITEM_CHANGES).select("item_id", F.lit(True).alias("_is_known")).distinct()
    others = F.expr("item_id IS NULL OR is_deleted OR line_kind <> 'goods'")
    is_listed = F.coalesce("_is_known", others, F.lit(False))
    return candidates.join(known, on="item_id", how="left").withColumn(_IS_LISTED, is_listed).drop("_is_known")


def catalogue_rules(candidates: DataFrame, params: ValidateParams) -> list[Rule]:
    """What the settings ask of events beside their own rules, where :func:`listed` knows a catalogue."""
    if params.unknown_items == "keep" or _IS_LISTED not in candidates.columns:
        return []
    return [Rule("item_id is in the catalogue", _IS_LISTED)]


def enter(lake: Lake, claim: Claim, plan: DataFrame, days: set[date]) -> Entered:
    """Bring a judged batch into every table of silver.

    Args:
        plan: of :func:`shoal.transforms.contest.planned`.
        days: of :func:`days_of`.
    """
    # Whoever finishes this batch late, when others have entered since, changes nothing any more.
    order: dict[str, Any] = {"once": "validate", "number": claim.sequence}
    create(lake)
    target = claim.batch.feed.target
    if target.is_change:
        _write_changes(lake, target.table, plan, order)
        deriving.from_changes(lake, claim, plan.where(contest.NEWS), order)
        return Entered(set())
    changed = plan.where(contest.CHANGES)
    told = deriving.told_by_day(changed)
    touched = {row["event_date"] for row in told}
    _write_events(lake, plan, days | touched, order)
    days_of_orders, notes = deriving.from_events(lake, claim, changed, told, order)
    return Entered(touched | days_of_orders, notes)


def _write_changes(lake: Lake, table: Table, plan: DataFrame, order: dict[str, Any]) -> None:
    """Keep every version of what a feed says; one that was told before is delivered anew, if it counts for more now."""
    news = table.select(plan.where(contest.NEWS))
    if plan.where(f"{contest.NEWS} AND is_known").isEmpty():
        lake.append(table, news, **order)
    else:
        lake.merge(table, news, update_when="s.delivered_at > t.delivered_at", **order)
    lake.append(REJECTED_EVENTS, contest.rejected_by(plan), **order)


def _write_events(lake: Lake, plan: DataFrame, days: Collection[date], order: dict[str, Any]) -> None:
    result = contest.outcome(plan)
    if plan.where("kind = 'standing'").isEmpty():
        lake.append(EVENTS, result.upserts, **order)
    else:
        gone = result.moved.withColumn("is_gone", F.lit(True))
        bound = ", ".join(f"DATE '{day}'" for day in sorted(days))
        lake.merge(
            EVENTS, result.upserts.withColumn("is_gone", F.lit(False)).unionByName(gone),
            where=f"t.event_date IN ({bound})",
            update_when=contest.IS_NEWER, delete_when="s.is_gone", insert_when="NOT s.is_gone", **order,
        )  # fmt: skip
    lake.append(EVENT_VERSIONS, result.replaced, **order)
    lake.append(REJECTED_EVENTS, result.rejected, **order)
