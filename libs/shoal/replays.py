"""Judging rejected rows again, once a rule or a mapping was mended: from bronze, by the newest version of their feed.

What passes now enters silver as any event does; its row in ``silver.rejected_events`` stays and names the replay, so
that nothing is in both. A replay holds a place in the order of batches and can be repeated by whoever finishes it.
"""

import difflib
from collections.abc import Sequence
from contextlib import ExitStack

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal import batches, feeds, shop, silver
from shoal.batches import Batch, Claim
from shoal.config import Config
from shoal.errors import ConfigError, bulleted
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.quality import gate
from shoal.quality.rows import reasons
from shoal.runs import Replay, Run
from shoal.sources import Feed
from shoal.sources.mapping import candidate_events, row_rules
from shoal.sources.readers import OF_A_VALUE, first_line
from shoal.tables import QUALITY, REJECTED_EVENTS
from shoal.transforms import contest

IS_REJECTED = "resolved_by IS NULL"


def ask(lake: Lake, replay: Replay) -> list[Batch]:
    """Write down which batches are to be judged again; whoever validates next does it.

    Returns:
        The batches that have such rows; the others are left as they are.

    Raises:
        ConfigError: every batch that cannot be judged again, and every reason that no row has.
    """
    known = {batch.batch_id: batch for batch in batches.all_batches(lake)}
    newest = feeds.newest(lake)
    rejected = lake.read(REJECTED_EVENTS).where(IS_REJECTED).where(F.col("batch_id").isin([*replay.batch_ids]))
    held = rejected.select("batch_id", F.explode("reasons").alias("reason")).distinct().collect()
    problems = []
    for name in replay.batch_ids:
        batch = known.get(name)
        if batch is None:
            problems.append(f"--batch {name}: is no batch of this lake{_near(name, [*known])}")
        elif not batch.has_entered:
            problems.append(f"--batch {name}: is {batch.state}, so no row of it was rejected alone; {_instead(batch)}")
        elif newest.get(batch.feed.name, batch.feed).reading != batch.feed.reading:
            problems.append(
                f"--batch {name}: the newest version of {batch.feed.name} has other columns, so its rows cannot be "
                "taken from bronze; deliver the file again"
            )
    there = {row["reason"] for row in held}
    for reason in replay.reasons:
        if reason not in there:
            problems.append(f"--reason {reason}: no rejected row of these batches has it{_near(reason, sorted(there))}")
    if problems:
        raise ConfigError(bulleted("cannot replay:", problems))
    wanted = {row["batch_id"] for row in held if not replay.reasons or row["reason"] in replay.reasons}
    asked = [known[name] for name in dict.fromkeys(replay.batch_ids) if name in wanted]
    for batch in asked:
        batches.ask_replay(lake, batch, newest.get(batch.feed.name, batch.feed), replay.reasons)
    return asked


def carry_out(lake: Lake, config: Config, run: Run, claim: Claim) -> str | None:
    """Judge the rows again that a claimed replay asks for; every step can be repeated.

    No gate judges them: their batch has passed it, and what still breaks a rule stays where it is.

    Returns:
        Why it could not be done; None when it is done.
    """
    batch = claim.batch
    raw = lake.read(batch.feed.table).where(F.col("batch_id") == batch.batch_id)
    rejected = _rejected(lake, claim)
    with ExitStack() as held:
        try:
            proposal = shop.propose(lake, config.shop, batch.feed, raw)
            rules = row_rules(batch.feed, proposal.shop)
            # The whole batch, as the id of a row may hang on those beside it.
            candidates = candidate_events(
                raw, batch.feed, proposal.shop, duplicate_lines=config.validation.duplicate_lines
            )
            judged = candidates.withColumn("reasons", reasons(rules)).withColumn("raw", F.to_json("raw"))
            place = _place(batch.feed)
            again = held.enter_context(persisted(judged.join(rejected.select(*place), on=place, how="left_semi")))
            good = again.where("size(reasons) = 0").withColumn("raw", F.lit(None).cast("string"))
            days = silver.days_of(good, proposal.shop.time_zone)
            plan = held.enter_context(contest.planned(good, *silver.met_by(lake, claim, days)))
        except OF_A_VALUE as error:
            said = f"the SQL of the feed {batch.feed.name} cannot be carried out on every row: {first_line(error)}"
            batches.end_replay(lake, claim, said)
            return said
        still = _still_rejected(rejected, again, place)
        verdicts = [vars(verdict) for verdict in gate.count_rules(again, rules)]
        of_claim = {"batch_id": batch.batch_id, "sequence": claim.sequence}
        lake.append(
            QUALITY, lake.frame(QUALITY, [{**of_claim, **verdict} for verdict in verdicts]),
            once=f"quality/{batch.batch_id}/{claim.sequence}",
        )  # fmt: skip
        shop.settle(lake, proposal, run)
        booked, rows, kept = contest.book(plan), rejected.count(), still.count()
        touched = silver.enter(lake, claim, plan, days)
        _write_down(lake, claim, rejected, still)
    moved = {name: booked[name] for name in ("rows_accepted", "rows_duplicate")}
    moved |= {"rows_rejected": kept - rows, "rows_ignored": rows - kept - sum(moved.values())}
    counts = {name: int(batch.row[name] or 0) + change for name, change in moved.items()}
    batches.mark_validated(lake, claim, counts, touched)
    run.note(
        f"batch {batch.batch_id}: of {rows:,} rejected rows {rows - kept:,} are rejected no more: "
        f"{moved['rows_accepted']:,} accepted, {moved['rows_duplicate']:,} duplicates, "
        f"{moved['rows_ignored']:,} ignored"
    )
    return None


def _rejected(lake: Lake, claim: Claim) -> DataFrame:
    """The rejected rows that a claimed replay judges again, as they were when it was claimed."""
    of_batch = F.col("batch_id") == claim.batch.batch_id
    rejected = silver.pinned(lake, claim, REJECTED_EVENTS).where(IS_REJECTED).where(of_batch)
    wanted = claim.batch.replay_reasons
    if not wanted:
        return rejected
    return rejected.where(F.arrays_overlap("reasons", F.array(*(F.lit(reason) for reason in wanted))))


def _place(feed: Feed) -> list[str]:
    """What tells the rows of a batch apart; the elements of one list share their position."""
    return ["source_file", "position", *(["raw"] if feed.explode else [])]


def _still_rejected(rejected: DataFrame, again: DataFrame, place: Sequence[str]) -> DataFrame:
    """The rows that break a rule still, with the reasons that hold now."""
    bad = again.where("size(reasons) > 0").groupBy(*place).agg(F.min("reasons").alias("_now"))
    return rejected.join(bad, on=[*place], how="inner").withColumn("reasons", F.col("_now")).select(*rejected.columns)


def _write_down(lake: Lake, claim: Claim, rejected: DataFrame, still: DataFrame) -> None:
    """Mark the rows that are rejected no more, and bring the reasons of the others up to date."""
    resolved = rejected.join(still.select(*REJECTED_EVENTS.key), on=[*REJECTED_EVENTS.key], how="left_anti")
    marked = resolved.withColumn("resolved_by", F.lit(claim.sequence).cast("long"))
    lake.merge(REJECTED_EVENTS, marked.unionByName(still), insert_when="false", once="replay", number=claim.sequence)


def _near(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _instead(batch: Batch) -> str:
    return "--retry-refused judges all of it again" if batch.state == "refused" else "`shoal validate` judges it"
