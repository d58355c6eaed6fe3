"""Judging rejected rows again, once a rule or a mapping was mended: from bronze, by the newest version of their feed.

What passes now enters silver as any event does; its row in ``silver.rejected_events`` stays and names the replay, so
that nothing is in both. A replay holds a place in the order of batches and can be repeated by whoever finishes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.books import batches, day_book, feeds
from shoal.books.batches import Batch, Claim
from shoal.books.runs import Replay, Run
from shoal.books.verdicts import on_record
from shoal.config import Config
from shoal.errors import ConfigError, RaceError, bulleted, did_you_mean
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.quality import gate
from shoal.quality.rows import judged_by
from shoal.sources import Feed
from shoal.sources.mapping import candidate_events, is_ignored
from shoal.sources.readers import OF_A_VALUE, cannot_carry_out
from shoal.tables import EVENTS, REJECTED_EVENTS
from shoal.transforms import contest
from shoal.validate import rules, shop, silver

IS_REJECTED = "resolved_by IS NULL"


def ask(lake: Lake, replay: Replay, mended: Sequence[Feed], now: datetime) -> list[Batch]:
    """Write down which batches are to be judged again; whoever validates next does it.

    Args:
        mended: feeds as they are declared now.

    Returns:
        The batches that have such rows; the others are left as they are.

    Raises:
        ConfigError: every batch that cannot be judged again, and every reason and mapping that fits none of them.
        RaceError: another run has replayed one of them meanwhile.
    """
    known = {batch.batch_id: batch for batch in batches.all_batches(lake)}
    newest = {**feeds.newest(lake), **{feed.name: feed for feed in mended}}
    of_batches = lake.read(REJECTED_EVENTS).where(F.col("batch_id").isin([*replay.batch_ids]))
    reasons_of = of_batches.select(
        "batch_id", F.explode("reasons").alias("reason"), F.expr(IS_REJECTED).alias("stands")
    )
    held = reasons_of.distinct().collect()
    problems = [problem for name in replay.batch_ids for problem in _problems_of(name, known, newest)]
    there = sorted({row["reason"] for row in held})
    for reason in replay.reasons:
        if reason not in there:
            problems.append(
                f"--reason {reason}: no row of these batches was rejected for it{did_you_mean(reason, there)}"
            )
    wanted_feeds = {known[name].feed.name for name in replay.batch_ids if name in known}
    for feed in mended:
        if feed.name not in wanted_feeds:
            problems.append(f"--mapping: declares the feed {feed.name}; the batches are of {', '.join(wanted_feeds)}")
    if problems:
        raise ConfigError(bulleted("cannot replay:", problems))
    for feed in mended:
        feeds.remember(lake, feed, now)
    wanted = {
        row["batch_id"] for row in held if row["stands"] and (not replay.reasons or row["reason"] in replay.reasons)
    }
    asked = [known[name] for name in dict.fromkeys(replay.batch_ids) if name in wanted]
    for batch in asked:
        batches.ask_replay(lake, batch, newest.get(batch.feed.name, batch.feed), replay.reasons)
    _require_asked(lake, asked, replay)
    return asked


def _problems_of(name: str, known: Mapping[str, Batch], newest: Mapping[str, Feed]) -> Iterator[str]:
    """Why a batch cannot be judged again."""
    batch = known.get(name)
    if batch is None:
        yield f"--batch {name}: is no batch of this lake{did_you_mean(name, known)}"
    elif not batch.has_entered:
        instead = {"refused": "--retry-refused judges all of it again", "planned": "`shoal ingest` reads it first"}
        then = instead.get(batch.state, "`shoal validate` judges it")
        yield f"--batch {name}: is {batch.state}, so no row of it was rejected alone; {then}"
    elif newest.get(batch.feed.name, batch.feed).reading != batch.feed.reading:
        yield (
            f"--batch {name}: the newest version of {batch.feed.name} has other columns, so its rows cannot be "
            "taken from bronze; deliver the file again"
        )


def _require_asked(lake: Lake, asked: Sequence[Batch], replay: Replay) -> None:
    """Make sure that what was asked for stands in the book, or is done already."""
    now = {batch.batch_id: batch for batch in batches.all_batches(lake)}
    for before in asked:
        batch = now[before.batch_id]
        is_past = batch.row["sequence"] != before.row["sequence"]
        if not is_past and batch.replay_reasons != sorted({*replay.reasons}):
            raise RaceError(f"another run has just asked for a replay of {batch.batch_id}; run the command again")


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
            # The whole batch, as the id of a row may hang on those beside it.
            candidates = candidate_events(
                raw, batch.feed, proposal.shop, duplicate_lines=config.validation.duplicate_lines
            )
            candidates = silver.listed(lake, claim, candidates)
            catalogue = silver.catalogue_rules(candidates, config.validation)
            known = rules.of_batch(config, batch.feed, proposal.shop, catalogue)
            judged = judged_by(known, candidates).withColumn("raw", F.to_json("raw"))
            place = _place(batch.feed)
            again = held.enter_context(persisted(_again(judged, rejected, place)))
            good = again.where("size(reasons) = 0").withColumn("raw", F.lit(None).cast("string"))
            days = silver.days_of(good, proposal.shop.time_zone)
            plan = held.enter_context(contest.planned(good, *silver.met_by(lake, claim, days)))
        except OF_A_VALUE as error:
            return _given_up(lake, claim, cannot_carry_out(batch.feed, error))
        still = _still_rejected(rejected, again, place)
        told = contest.told(plan)
        rows, kept, moved = rejected.count(), still.count(), contest.book(told)
        moved |= {"rows_rejected": kept - rows, "rows_ignored": _count_ignored(rejected, again, raw, batch.feed)}
        found = kept + moved["rows_accepted"] + moved["rows_duplicate"] + moved["rows_ignored"]
        if rows != found:
            said = f"of {rows:,} rejected rows {found:,} are found in bronze again; deliver their files again"
            return _given_up(lake, claim, said)
        on_record(lake, claim, gate.count_rules(again, EVENTS, known))
        shop.settle(lake, proposal, run)
        entered = silver.enter(lake, claim, plan, days)
        if told and not batch.feed.target.is_change:
            day_book.enter(lake, claim, day_book.brought(told, batch.row["planned_at"]))
        _write_down(lake, claim, rejected, still)
    counts = {name: int(batch.row[name] or 0) + change for name, change in moved.items()}
    batches.mark_validated(lake, claim, counts, entered.touched_days)
    run.note(
        f"batch {batch.batch_id}: of {rows:,} rejected rows {rows - kept:,} are rejected no more: "
        f"{moved['rows_accepted']:,} accepted, {moved['rows_duplicate']:,} duplicates, "
        f"{moved['rows_ignored']:,} ignored"
    )
    for sentence in entered.notes:
        run.note(f"batch {batch.batch_id}: {sentence}")
    return None


def _given_up(lake: Lake, claim: Claim, message: str) -> str:
    batches.end_replay(lake, claim, message)
    return message


def _count_ignored(rejected: DataFrame, again: DataFrame, raw: DataFrame, feed: Feed) -> int:
    """How many of the rejected rows are no events by now, and so make no candidate."""
    position = ["source_file", "position"]
    none_now = rejected.join(again.select(*_place(feed)), on=_place(feed), how="left_anti")
    no_events = raw.where(is_ignored(feed)).select(*position).distinct()
    return none_now.join(no_events, on=position, how="left_semi").count()


def _rejected(lake: Lake, claim: Claim) -> DataFrame:
    """The rejected rows that a claimed replay judges again, as they were when it was claimed."""
    of_batch = F.col("batch_id") == claim.batch.batch_id
    rejected = batches.pinned(lake, claim, REJECTED_EVENTS).where(IS_REJECTED).where(of_batch)
    wanted = claim.batch.replay_reasons
    if not wanted:
        return rejected
    return rejected.where(F.arrays_overlap("reasons", F.array(*(F.lit(reason) for reason in wanted))))


def _place(feed: Feed) -> list[str]:
    """What tells the rows of a batch apart; the elements of one list share their position."""
    return ["source_file", "position", *(["raw"] if feed.explode else [])]


def _again(judged: DataFrame, rejected: DataFrame, place: Sequence[str]) -> DataFrame:
    """Of all candidates of a batch those that were rejected: of alike elements of a list as many as there were."""
    wanted = rejected.groupBy(*place).agg(F.count("*").alias("_wanted"))
    alike = Window.partitionBy(*place).orderBy("event_id")
    numbered = judged.join(wanted, on=[*place], how="inner").withColumn("_number", F.row_number().over(alike))
    return numbered.where("_number <= _wanted").select(*judged.columns)


def _still_rejected(rejected: DataFrame, again: DataFrame, place: Sequence[str]) -> DataFrame:
    """The rows that break a rule still, with the reasons that hold now."""
    bad = again.where("size(reasons) > 0").groupBy(*place).agg(F.min("reasons").alias("_now"))
    return rejected.join(bad, on=[*place], how="inner").withColumn("reasons", F.col("_now")).select(*rejected.columns)


def _write_down(lake: Lake, claim: Claim, rejected: DataFrame, still: DataFrame) -> None:
    """Mark the rows that are rejected no more, and bring the reasons of the others up to date."""
    resolved = rejected.join(still.select(*REJECTED_EVENTS.key), on=[*REJECTED_EVENTS.key], how="left_anti")
    marked = resolved.withColumn("resolved_by", F.lit(claim.sequence).cast("long"))
    lake.merge(REJECTED_EVENTS, marked.unionByName(still), insert_when="false", once="replay", number=claim.sequence)
