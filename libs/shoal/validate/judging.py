"""A claimed batch: mapped, judged, and brought into silver or refused."""

from collections.abc import Mapping
from contextlib import ExitStack

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books import batches, day_book
from shoal.books.batches import Batch, Claim
from shoal.books.runs import Run
from shoal.books.verdicts import on_record
from shoal.config import Config
from shoal.lake import Lake
from shoal.quality import gate, known
from shoal.quality.gate import Part, Verdict
from shoal.quality.rows import judged_by
from shoal.sources.mapping import candidate_events, count_ignored
from shoal.sources.readers import OF_A_VALUE, cannot_carry_out
from shoal.transforms import contest
from shoal.validate import rules, shop, silver


def enter(lake: Lake, config: Config, run: Run, claim: Claim) -> str | None:
    """Judge one batch against the silver it is pinned to, and write what follows; every step can be repeated.

    Returns:
        Why the batch was refused; None when it is in silver.
    """
    batch, params = claim.batch, config.validation
    raw = lake.read(batch.feed.table).where(F.col("batch_id") == batch.batch_id)
    of_bronze = verdicts_of_bronze(raw, batch)
    if unfit := gate.refusal(of_bronze):
        on_record(lake, claim, of_bronze)
        batches.mark_refused(lake, batch, unfit, claim.sequence)
        return unfit
    with ExitStack() as held:
        try:  # every expression of the feed is carried out here, on every row
            ignored = count_ignored(raw, batch.feed)
            proposal = shop.propose(lake, config.shop, batch.feed, raw)
            candidates = candidate_events(raw, batch.feed, proposal.shop, duplicate_lines=params.duplicate_lines)
            candidates = silver.listed(lake, claim, candidates)
            of_rows = rules.of_batch(config, batch.feed, proposal.shop, silver.catalogue_rules(candidates, params))
            judged = judged_by(of_rows, candidates)
            # From here on only a bad row needs to be known as it came.
            judged = judged.withColumn("raw", F.when(F.size("reasons") > 0, F.to_json("raw")))
            days = silver.days_of(candidates, proposal.shop.time_zone)
            plan = held.enter_context(contest.planned(judged, *silver.met_by(lake, claim, days)))
        except OF_A_VALUE as error:
            said = cannot_carry_out(batch.feed, error)
            batches.mark_refused(lake, batch, said, claim.sequence)
            return said
        if ignored == batch.rows_in:
            _pass_by(lake, run, claim)
            return None
        judged_now = gate.judge(
            plan.where(contest.JUDGED), batch.feed.target.table, rules=of_rows,
            expected=rules.expected_of(config, batch.feed.target.table),
            max_rejected_share=params.max_rejected_share,
        )  # fmt: skip
        told = contest.told(plan)
        of_days = None if batch.feed.target.is_change else day_book.brought(told, batch.row["planned_at"])
        if of_days is not None:
            judged_now += day_book.judged(lake, params, claim, of_days, proposal.shop.time_zone)
        verdicts = on_record(lake, claim, [*of_bronze, *judged_now])
        if refused := gate.refusal(verdicts):
            batches.mark_refused(lake, batch, refused, claim.sequence)
            return refused
        for sentence in gate.warnings(verdicts):
            run.warn(f"batch {batch.batch_id}: {sentence}")
        shop.settle(lake, proposal, run)
        counts = {**contest.book(told), "rows_ignored": ignored}
        entered = silver.enter(lake, claim, plan, days)
        if of_days is not None:
            day_book.enter(lake, claim, of_days)
    batches.mark_validated(lake, claim, counts, entered.touched_days)
    for sentence in (_balance(batch, counts), *entered.notes):
        run.report(f"batch {batch.batch_id}: {sentence}")
    if unknown := counts.get("rows_unknown_items"):
        run.report(f"batch {batch.batch_id}: {unknown:,} accepted events are of goods that no item feed has told of")
    return None


def verdicts_of_bronze(raw: DataFrame, batch: Batch) -> list[Verdict]:
    """Verdicts on the raw rows of a batch, before they are mapped."""
    more = known.of_bronze(batch.rows_in)
    return gate.judge_parts(batch.feed.table.name, [Part(batch.feed.table, raw, more.rules, more.expected)])


def _pass_by(lake: Lake, run: Run, claim: Claim) -> None:
    """Finish a batch of which every row is ignored: nothing is judged, settled or written into silver."""
    silver.create(lake)  # later stages pin its tables, also after a first batch without events
    counts = {"rows_accepted": 0, "rows_rejected": 0, "rows_duplicate": 0, "rows_ignored": claim.batch.rows_in}
    batches.mark_validated(lake, claim, counts, [])
    run.report(f"batch {claim.batch.batch_id}: {_balance(claim.batch, counts)}; "
               f"none of its rows is {claim.batch.feed.target.a_row}")  # fmt: skip


def _balance(batch: Batch, counts: Mapping[str, int]) -> str:
    """What became of the rows of a batch, in words."""
    parts = {"accepted": "rows_accepted", "rejected": "rows_rejected", "duplicates": "rows_duplicate"}
    said = [f"{counts[name]:,} {word}" for word, name in parts.items()]
    said += [f"{counts['rows_ignored']:,} ignored"] if counts["rows_ignored"] else []
    return f"{batch.rows_in:,} rows = {' + '.join(said)}"
