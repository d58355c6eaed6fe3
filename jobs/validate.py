"""bronze.* ->
silver.events, silver.event_versions, silver.rejected_events, silver.orders, silver.items, silver.users
"""

from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal import batches, shop
from shoal.batches import Claim
from shoal.cli import run_job
from shoal.config import Config
from shoal.errors import GateError
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.quality import gate
from shoal.quality.gate import Verdict
from shoal.quality.rows import reasons
from shoal.runs import Run
from shoal.sources.mapping import candidate_events, row_rules
from shoal.tables import EVENT_VERSIONS, EVENTS, ITEMS, ORDERS, QUALITY, REJECTED_EVENTS, SILVER, USERS, Table
from shoal.transforms import contest, derived

_DERIVED = {ORDERS: derived.orders, ITEMS: derived.items, USERS: derived.users}


def validate(lake: Lake, config: Config, run: Run) -> None:
    """Judge every batch that waits, one after the other, and bring the good rows into silver."""
    book = batches.all_batches(lake)
    if run.retry_refused:
        batches.retry_refused(lake, (batch for batch in book if not batch.was_never_read))  # ingest reads those
    else:
        for batch in (b for b in book if b.state == "refused"):
            run.warn(f"batch {batch.batch_id} stays refused (--retry-refused judges it again): {batch.message}")
    run.rows = 0
    refused = []
    while claim := batches.claim_next(lake):
        run.rows += claim.batch.rows_in
        if message := _enter(lake.stamped(batch_id=claim.batch.batch_id), config, run, claim):
            refused.append(f"batch {claim.batch.batch_id} was refused: {message}")
    if refused:
        raise GateError("\n".join(refused))
    if run.rows == 0:
        run.nothing_new("no other batch waits" if run.warnings else "no batch waits")


def _enter(lake: Lake, config: Config, run: Run, claim: Claim) -> str | None:
    """Judge one batch against the silver it is pinned to, and write what follows; every step can be repeated.

    Returns:
        Why the batch was refused; None when it is in silver.
    """
    batch, params = claim.batch, config.validation
    raw = lake.read(batch.feed.table).where(F.col("batch_id") == batch.batch_id)
    proposal = shop.propose(lake, config.shop, batch.feed, raw)
    rules = row_rules(batch.feed, proposal.shop)
    candidates = candidate_events(raw, batch.feed, proposal.shop, duplicate_lines=params.duplicate_lines)
    judged = candidates.withColumn("reasons", reasons(rules))
    # From here on only a bad row needs to be known as it came.
    judged = judged.withColumn("raw", F.when(F.size("reasons") > 0, F.to_json("raw")))
    days = _days(candidates, proposal.shop.time_zone)
    with contest.planned(judged, *_silver(lake, claim, days)) as plan:
        judged_now = gate.judge(
            plan.where(contest.JUDGED), EVENTS, rules=rules,
            max_rejected_share=params.max_rejected_share,
        )  # fmt: skip
        verdicts = _on_record(lake, claim, judged_now)
        if refused := gate.refusal(verdicts):
            batches.mark_refused(lake, batch, refused, claim.sequence)
            return refused
        for sentence in gate.warnings(verdicts):
            run.warn(f"batch {batch.batch_id}: {sentence}")
        shop.settle(lake, proposal, run)
        counts = contest.book(plan)
        touched = _write(lake, claim, plan, days)
    batches.mark_validated(lake, claim, counts, touched)
    run.note(
        f"batch {batch.batch_id}: {batch.rows_in:,} rows = {counts['rows_accepted']:,} accepted + "
        f"{counts['rows_rejected']:,} rejected + {counts['rows_duplicate']:,} duplicates"
    )
    return None


def _on_record(lake: Lake, claim: Claim, verdicts: list[Verdict]) -> list[Verdict]:
    """Write the verdicts down, and return those of whoever first judged this claim: they hold.

    A rerun with other settings must not refuse a batch of which rows already stand in silver.
    """
    of_claim = {"batch_id": claim.batch.batch_id, "sequence": claim.sequence}
    rows = lake.frame(QUALITY, [{**of_claim, **vars(verdict)} for verdict in verdicts])
    lake.append(QUALITY, rows, once=f"quality/{claim.batch.batch_id}/{claim.sequence}")
    held = lake.read(QUALITY).where((F.col("batch_id") == claim.batch.batch_id) & (F.col("sequence") == claim.sequence))
    names = [column for column in QUALITY.names if column not in of_claim]
    return [Verdict(**row.asDict()) for row in held.select(*names).collect()]


def _days(candidates: DataFrame, time_zone: str) -> set[date]:
    """The shop-local days on which versions of the batch's events may lie: their own, and those they left."""
    left = F.to_date(F.from_utc_timestamp("previous_event_time", time_zone))
    days = candidates.select(F.explode(F.array("event_date", left)).alias("day")).where(F.col("day").isNotNull())
    return {row["day"] for row in days.distinct().collect()}


def _silver(lake: Lake, claim: Claim, days: set[date]) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Current and replaced versions that the batch may meet, and rejected rows, as they were when it claimed."""
    on_days = F.col("event_date").isin(sorted(days)) if days else F.lit(False)
    events = _pinned(lake, claim, EVENTS)
    # A correction may have moved an event away from these days. Read apart, each condition skips files.
    moved = events.where(~on_days & F.col("previous_event_time").isNotNull())
    return (
        events.where(on_days).unionByName(moved),
        _pinned(lake, claim, EVENT_VERSIONS).where(on_days),
        _pinned(lake, claim, REJECTED_EVENTS),
    )


def _pinned(lake: Lake, claim: Claim, table: Table) -> DataFrame:
    """A table as it was when the batch claimed its place."""
    version = claim.silver.get(table.name)
    return lake.read(table, version) if version is not None else lake.frame(table, [])


def _order_days(differences: DataFrame, old: DataFrame) -> set[date]:
    """The days on which changed orders begin, and those on which they began."""
    left = old.join(differences.select("order_id"), on="order_id", how="left_semi")
    days = differences.select("order_date").unionByName(left.select("order_date")).distinct()
    return {row["order_date"] for row in days.collect()}


def _write(lake: Lake, claim: Claim, plan: DataFrame, days: set[date]) -> set[date]:
    """Bring a judged batch into silver; returns the days whose events or orders it changed."""
    result = contest.outcome(plan)
    # Whoever finishes this batch late, when others have entered since, changes nothing any more.
    order: dict[str, Any] = {"once": "validate", "number": claim.sequence}
    for table in SILVER:
        lake.create(table)  # also where this shop has no row for it yet, such as one without orders
    changed = plan.where(contest.CHANGES)
    touched = {row["event_date"] for row in changed.select("event_date").distinct().collect()}
    if plan.where("kind = 'standing'").isEmpty():
        lake.append(EVENTS, result.upserts, **order)
    else:
        gone = result.moved.withColumn("is_gone", F.lit(True))
        bound = ", ".join(f"DATE '{day}'" for day in sorted(days | touched))
        lake.merge(
            EVENTS, result.upserts.withColumn("is_gone", F.lit(False)).unionByName(gone),
            where=f"t.event_date IN ({bound})",
            update_when=contest.IS_NEWER, delete_when="s.is_gone", insert_when="NOT s.is_gone", **order,
        )  # fmt: skip
    lake.append(EVENT_VERSIONS, result.replaced, **order)
    lake.append(REJECTED_EVENTS, result.rejected, **order)
    events = lake.read(EVENTS)
    for table, summarise in _DERIVED.items():
        key = table.key[0]
        names = changed.where(F.col(key).isNotNull()).select(key).distinct()
        new = summarise(events.join(names, on=key, how="left_semi"))
        old = _pinned(lake, claim, table)  # as it was, so that a rerun finds the same differences
        with persisted(derived.changes(table, new, old, names)) as differences:
            if table is ORDERS:
                touched |= _order_days(differences, old)
            if not differences.isEmpty():
                lake.merge(table, differences, delete_when="s.is_gone", insert_when="NOT s.is_gone", **order)
    return touched


if __name__ == "__main__":
    run_job("validate")
