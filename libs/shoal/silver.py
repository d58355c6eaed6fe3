"""What a claimed batch meets in silver, and how it enters: each step can be done again by whoever finishes it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal import facts
from shoal.batches import Claim
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.tables import (
    AS_NEEDED,
    EVENT_VERSIONS,
    EVENTS,
    IDENTITIES,
    ITEMS,
    ORDERS,
    REJECTED_EVENTS,
    RETURN_LINKS,
    SILVER,
    USERS,
    Table,
)
from shoal.transforms import contest, derived, returns

_DERIVED = {ORDERS: derived.orders, ITEMS: derived.items, USERS: derived.users}


@dataclass(frozen=True)
class Entered:
    """What a batch has done to silver."""

    touched_days: set[date]  # whose events or orders it changed
    notes: tuple[str, ...] = ()  # sentences worth knowing


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
    """Make the tables of silver that every shop has, also where it has no row for them yet, as one without orders."""
    for table in SILVER:
        if table not in AS_NEEDED:
            lake.create(table)


def enter(lake: Lake, claim: Claim, plan: DataFrame, days: set[date]) -> Entered:
    """Bring a judged batch into every table of silver.

    Args:
        plan: of :func:`shoal.transforms.contest.planned`.
        days: of :func:`days_of`.
    """
    # Whoever finishes this batch late, when others have entered since, changes nothing any more.
    order: dict[str, Any] = {"once": "validate", "number": claim.sequence}
    create(lake)
    changed = plan.where(contest.CHANGES)
    told = _told(changed)
    touched = {row["event_date"] for row in told}
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
            _merge(lake, table, differences, order)
    anew = _to_derive_anew(lake, claim)
    if IDENTITIES in anew or any(row["meetings"] for row in told):
        _enter_identities(lake, claim, events, None if IDENTITIES in anew else changed, order)
    first_day = min((row["event_date"] for row in told if row["lines"]), default=None)
    if RETURN_LINKS in anew:
        return Entered(touched, _enter_return_links(lake, claim, events, None, order))
    if first_day and (RETURN_LINKS.name in claim.silver or any(row["returns"] for row in told)):
        return Entered(touched, _enter_return_links(lake, claim, events, first_day, order))
    return Entered(touched)


def _told(changed: DataFrame) -> Sequence[Row]:
    """Per day of which a batch changes events, how many of them concern what only some shops have."""
    counted = {"meetings": derived.MEETS, "lines": returns.IS_LINE, "returns": "event_type = 'return'"}
    counts = [F.count_if(F.expr(condition)).alias(name) for name, condition in counted.items()]
    return changed.groupBy("event_date").agg(*counts).collect()


def _to_derive_anew(lake: Lake, claim: Claim) -> set[Table]:
    """The tables that an older Shoal did not have: once, they are derived from all the events that stand."""
    lacking = {table for table in (IDENTITIES, RETURN_LINKS) if table.name not in claim.silver}
    return lacking if lacking and EVENTS.name in claim.silver and facts.was_upgraded(lake) else set()


def _enter_identities(
    lake: Lake, claim: Claim, events: DataFrame, changed: DataFrame | None, order: dict[str, Any]
) -> None:
    """Derive the links of the visitors that met a user in a changed event, or of all."""
    lake.create(IDENTITIES)
    met = (events if changed is None else changed).where(derived.MEETS).select("visitor_id").distinct()
    new = derived.identities(events.join(met, on="visitor_id", how="left_semi"))
    with persisted(derived.changes(IDENTITIES, new, pinned(lake, claim, IDENTITIES), met)) as differences:
        _merge(lake, IDENTITIES, differences, order)


def _enter_return_links(
    lake: Lake, claim: Claim, events: DataFrame, since: date | None, order: dict[str, Any]
) -> tuple[str, ...]:
    """Settle the returns from a day on anew, None for all; returns what is to be said of them."""
    lake.create(RETURN_LINKS)
    old = pinned(lake, claim, RETURN_LINKS)
    is_old = F.lit(False) if since is None else F.col("linked_date") < F.lit(since)
    with persisted(returns.returned(events, since)) as back:
        if back.isEmpty():
            _merge(lake, RETURN_LINKS, old.where(~is_old).withColumn("is_gone", F.lit(True)), order)
            return ()
        with persisted(returns.return_links(back, events, old.where(is_old))) as links:
            came, linked = _pieces(back), _pieces(links)
            with persisted(derived.differences(RETURN_LINKS, links, old.where(~is_old))) as differences:
                _merge(lake, RETURN_LINKS, differences, order)
    if came == linked:
        return ()
    when = f"since {since}" if since else "so far"
    return (f"{came - linked:,} of the {came:,} pieces returned {when} belong to no purchase that is known",)


def _pieces(rows: DataFrame) -> int:
    summed = rows.agg(F.sum("pieces").alias("pieces")).first()
    assert summed is not None, "an aggregate has one row"
    return int(summed["pieces"] or 0)


def _merge(lake: Lake, table: Table, differences: DataFrame, order: dict[str, Any]) -> None:
    if not differences.isEmpty():
        lake.merge(table, differences, delete_when="s.is_gone", insert_when="NOT s.is_gone", **order)


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
