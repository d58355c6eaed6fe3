"""files -> bronze.*, ops.batches, ops.files, ops.feeds"""

from collections.abc import Sequence
from datetime import timedelta

from shoal.books import batches, feeds, ledger
from shoal.books.batches import Batch
from shoal.books.runs import Run
from shoal.cli import run_job
from shoal.config import Config
from shoal.config.feed_files import feed_given
from shoal.ingest import drift, intake, loading
from shoal.lake import Lake
from shoal.sources import Feed
from shoal.sources.listing import Known, SourceFile
from shoal.sources.readers import Columns, cannot_ingest, columns_of


def ingest(lake: Lake, config: Config, run: Run) -> None:
    """Bring files that are not in the book yet into bronze; first finish what a killed run has begun.

    Of a stream only what its news name is brought in, and what must be refused keeps nothing else out.
    """
    if run.news is None:
        inputs = [*run.inputs, *((given.feed, given.path) for given in config.ingest.inputs)]
        given = [(feed_given(feed), path) for feed, path in inputs]
    else:
        given = [(run.news.feeds[feed], path) for feed, path in run.inputs]
    run.rows = 0
    if run.news is None or run.news.is_first:
        _take_up(lake, run, [feed for feed, _ in given])

    book = batches.all_batches(lake)
    known = ledger.known(lake, book)
    found = [(feed, path, intake.find(lake, config, run, book, known, feed, path)) for feed, path in given]
    intake.judge_changed(config, run, book, [(feed, files) for feed, _, files in found])
    columns = _columns(lake, config, run, book, known, found)
    for place, (feed, path, listed) in enumerate(found):
        book = batches.all_batches(lake)  # inputs may overlap
        files = [f for f in intake.to_read(config, book, feed, listed) if (feed.name, f.path) in columns]
        if not files:
            run.report(f"{feed.name}: nothing new in {path}")
            continue
        there = drift.together(columns[feed.name, file.path] for file in files)
        # What comes together enters silver in the order in which it was given.
        planned = batches.plan(lake, feed, files, run.started_at + timedelta(microseconds=place), there)
        if not planned.was_never_read:
            loading.tell_drift(run, feed, drift.came_before(book, feed.name), there)
        loading.bring(lake, run, planned)
    if run.rows == 0:
        run.outcome = "nothing new"


def _take_up(lake: Lake, run: Run, given: Sequence[Feed]) -> None:
    """Accept the feeds as they are declared now, and bring in what was planned and not finished."""
    for feed in given:
        feeds.check_sql(lake.spark, feed)
    for feed in given:  # also where nothing is new: refused batches are tried again by the newest
        feeds.remember(lake, feed, run.started_at)
    book = batches.all_batches(lake)
    if run.retry_refused:
        batches.retry_refused(
            lake, [batch for batch in book if batch.was_never_read and loading.is_as_planned(lake, run, batch)]
        )
        book = batches.all_batches(lake)
    for batch in (batch for batch in book if batch.state == "planned"):
        loading.bring(lake, run, batch)


def _columns(
    lake: Lake,
    config: Config,
    run: Run,
    book: Sequence[Batch],
    known: Known,
    found: Sequence[tuple[Feed, str, Sequence[SourceFile]]],
) -> dict[tuple[str, str], Columns]:
    """The columns of the files that can come in, by feed and path; says what cannot, and what is empty."""
    columns = dict[tuple[str, str], Columns]()
    for feed, path, listed in found:
        files = intake.to_read(config, book, feed, listed)
        last = [*(drift.came_before(book, feed.name) or [{}])[-1]]
        of_files, problems = columns_of(lake.spark, feed, files, last)
        if problems:
            refusal = str(cannot_ingest(feed, problems))
            run.refuse(refusal)
            intake.keep_out(lake, run, feed, [file for file in files if file.path in problems], refusal)
        columns |= {(feed.name, at): names for at, names in of_files.items() if at not in problems}
        intake.tell_empty(run, feed, path, listed, known)
        ledger.remember(lake, known, {*listed} - {*files}, run.started_at)
    return columns


if __name__ == "__main__":
    run_job("ingest")
