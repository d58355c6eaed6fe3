"""bronze.* ->
silver.events, silver.event_versions, silver.rejected_events, silver.orders, silver.items, silver.users,
silver.identities, silver.account_aliases, silver.return_links,
silver.item_changes, silver.user_changes, silver.category_changes, silver.categories,
ops.batches, ops.claims, ops.quality, ops.days
"""

from collections.abc import Iterator
from contextlib import contextmanager

from shoal.books import batches, feeds
from shoal.books.runs import Replay, Run
from shoal.cli import run_job
from shoal.config import Config
from shoal.config.feed_files import feed_given
from shoal.errors import GateError, LakeError
from shoal.lake import WHEN_GONE, Lake
from shoal.sources.readers import UNREADABLE, first_line
from shoal.validate import judging, replays


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
                said, message = "was refused", judging.enter(of_batch, config, run, claim)
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


if __name__ == "__main__":
    run_job("validate")
