"""What a claimed batch meets in silver, and how it enters: each step can be done again by whoever finishes it."""

from collections.abc import Collection
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.batches import Claim
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.tables import EVENT_VERSIONS, EVENTS, ITEMS, ORDERS, REJECTED_EVENTS, SILVER, USERS, Table
from shoal.transforms import contest, derived

_DERIVED = {ORDERS: derived.orders, ITEMS: derived.items, USERS: derived.users}


def days_of(candidates: DataFrame, time_zone: str) -> set[date]:
    """The shop-local days on which versions of a batch's events may lie: their own, and those they left."""
    left = F.to_date(F.from_utc_timestamp("previous_event_time", time_zone))
    days = candidates.select(F.explode(F.array("event_date", left)).alias("day")).where(F.col("day").isNotNull())
    return {row["day"] for row in days.distinct().collect()}


def met_by(lake: Lake, claim: Claim, days: Collection[date]) -> tuple[DataFrame, DataFrame, DataFrame]:
    """What a batch of these days may meet, as it was when the batch claimed its place.

    Returns:
        Rows of ``silver.events``, ``silver.event_versions`` and ``silver.rejected_events``.
    """
    on_days = F.col("event_date").isin(sorted(days)) if days else F.lit(False)
    events = pinned(lake, claim, EVENTS)
    # A correction may have moved an event away from these days. Read apart, each condition skips files.
    moved = events.where(~on_days & F.col("previous_event_time").isNotNull())
    return (
        events.where(on_days).unionByName(moved),
        pinned(lake, claim, EVENT_VERSIONS).where(on_days),
        pinned(lake, claim, REJECTED_EVENTS),
    )


def create(lake: Lake) -> None:
    """Make every table of silver, also those that this shop has no row for yet, such as one without orders."""
    for table in SILVER:
        lake.create(table)


def enter(lake: Lake, claim: Claim, plan: DataFrame, days: set[date]) -> set[date]:
    """Bring a judged batch into every table of silver.

    Args:
        plan: of :func:`shoal.transforms.contest.planned`.
        days: of :func:`days_of`.

    Returns:
        The days whose events or orders it changed.
    """
    # Whoever finishes this batch late, when others have entered since, changes nothing any more.
    order: dict[str, Any] = {"once": "validate", "number": claim.sequence}
    create(lake)
    changed = plan.where(contest.CHANGES)
    touched = {row["event_date"] for row in changed.select("event_date").distinct().collect()}
    _write_events(lake, plan, days | touched, order)
    events = lake.read(EVENTS)
    for table, summarise in _DERIVED.items():
        key = table.key[0]
        names = changed.where(F.col(key).isNotNull()).select(key).distinct()
        new = summarise(events.join(names, on=key, how="left_semi"))
        old = pinned(lake, claim, table)  # as it was, so that a rerun finds the same differences
        with persisted(derived.changes(table, new, old, names)) as differences:
            if table is ORDERS:
                touched |= _order_days(differences, old)
            if not differences.isEmpty():
                lake.merge(table, differences, delete_when="s.is_gone", insert_when="NOT s.is_gone", **order)
    return touched


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


def pinned(lake: Lake, claim: Claim, table: Table) -> DataFrame:
    """A table as it was when the batch claimed its place."""
    version = claim.silver.get(table.name)
    return lake.read(table, version) if version is not None else lake.frame(table, [])


def _order_days(differences: DataFrame, old: DataFrame) -> set[date]:
    """The days on which changed orders begin, and those on which they began."""
    left = old.join(differences.select("order_id"), on="order_id", how="left_semi")
    days = differences.select("order_date").unionByName(left.select("order_date")).distinct()
    return {row["order_date"] for row in days.collect()}
