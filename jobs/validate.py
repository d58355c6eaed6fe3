"""bronze.* ->
silver.events, silver.event_versions, silver.rejected_events, silver.orders, silver.items, silver.users,
silver.identities, silver.account_aliases, silver.return_links,
silver.item_changes, silver.user_changes, silver.category_changes, silver.categories
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from pyspark.sql import functions as F

from shoal import batches, boundaries, day_book, feeds, replays, rules, shop, silver
from shoal.batches import Batch, Claim
from shoal.cli import run_job
from shoal.config import Config
from shoal.config.feed_files import feed_given
from shoal.errors import GateError, LakeError
from shoal.lake import WHEN_GONE, Lake
from shoal.quality import gate
from shoal.quality.rows import judged_by
from shoal.runs import Replay, Run
from shoal.sources.mapping import candidate_events, count_ignored
from shoal.sources.readers import OF_A_VALUE, UNREADABLE, cannot_carry_out, first_line
from shoal.transforms import contest
from shoal.verdicts import on_record


def validate(lake: Lake, config: Config, run: Run) -> None:
    """Judge every batch that waits, one after the other, and bring the good rows into silver."""
    book = batches.all_batches(lake)
    if run.retry_refused:
        batches.retry_refused(lake, (batch for batch in book if not batch.was_never_read))  # ingest reads those
    elif run.news is None or run.news.is_first:
        for batch in (b for b in book if b.state == "refused"):
            run.warn(f"batch {batch.batch_id} stays refused (--retry-refused judges it again): {batch.message}")
    run.rows = 0
    claims, refused = _enter_all(lake, config, run)
    if run.replay is not None:  # after what waits, which may be a replay that was begun and died
        _ask_replay(lake, run, run.replay)
        more, also_refused = _enter_all(lake, config, run)
        claims, refused = claims + more, refused + also_refused
    if refused:
        raise GateError("\n".join(refused))
    if claims == 0:
        run.nothing_new("no other batch waits" if run.warnings else "no batch waits")


def _enter_all(lake: Lake, config: Config, run: Run) -> tuple[int, list[str]]:
    """Judge what waits; returns how many batches that were, and what was refused."""
    claims, refused = 0, []
    while claim := batches.claim_next(lake):
        claims += 1
        of_batch = lake.stamped(batch_id=claim.batch.batch_id)
        with _lake_is_whole(lake):
            if claim.batch.replay_reasons is not None:
                said, message = "could not be replayed", replays.carry_out(of_batch, config, run, claim)
            else:
                run.rows = (run.rows or 0) + claim.batch.rows_in
                said, message = "was refused", _enter(of_batch, config, run, claim)
        if message:
            refused.append(f"batch {claim.batch.batch_id} {said}: {message}")
    return claims, refused


@contextmanager
def _lake_is_whole(lake: Lake) -> Iterator[None]:
    """Tell of a file that the lake has lost as a fault of the lake: neither a feed nor another try can mend it."""
    try:
        yield
    except UNREADABLE as error:
        if "FILE_NOT_EXIST" not in str(error):
            raise
        raise LakeError(
            f"the lake {lake.location} lacks a file of a version that a batch which was begun has to go on from: "
            f"{first_line(error)}; {WHEN_GONE}"
        ) from error


def _ask_replay(lake: Lake, run: Run, replay: Replay) -> None:
    """Write down what a person wants to be judged again, and by which mended mappings."""
    mended = [feed_given(mapping) for mapping in replay.mappings]
    for feed in mended:
        feeds.check_sql(lake.spark, feed)
    if not replays.ask(lake, replay, mended, run.started_at):
        run.note("these batches have no such row left")


def _enter(lake: Lake, config: Config, run: Run, claim: Claim) -> str | None:
    """Judge one batch against the silver it is pinned to, and write what follows; every step can be repeated.

    Returns:
        Why the batch was refused; None when it is in silver.
    """
    batch, params = claim.batch, config.validation
    raw = lake.read(batch.feed.table).where(F.col("batch_id") == batch.batch_id)
    of_bronze = boundaries.of_bronze(raw, batch)
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
            known = rules.of_batch(config, batch.feed, proposal.shop, silver.catalogue_rules(candidates, params))
            judged = judged_by(known, candidates)
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
            plan.where(contest.JUDGED), batch.feed.target.table, rules=known,
            expected=rules.expected_of(config, batch.feed.target.table),
            max_rejected_share=params.max_rejected_share,
        )  # fmt: skip
        told = contest.told(plan)
        of_days = None if batch.feed.target.is_change else day_book.brought(told)
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


if __name__ == "__main__":
    run_job("validate")
