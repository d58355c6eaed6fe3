"""files -> bronze.*, ops.batches, ops.files, ops.feeds"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial

from pyspark.sql import functions as F

from shoal import batches, drift, feeds, ledger
from shoal.batches import Batch
from shoal.cli import run_job
from shoal.config import Config
from shoal.config.feed_files import feed_given
from shoal.errors import ConfigError, DataError, bulleted
from shoal.lake import Lake
from shoal.runs import Run
from shoal.sources import Feed
from shoal.sources.additions import find_additions
from shoal.sources.listing import Known, SourceFile, find_files, find_news, is_table
from shoal.sources.readers import (
    UNREADABLE,
    Columns,
    cannot_ingest,
    columns_of,
    first_line,
    is_of_the_input,
    is_readable,
    is_there,
    raw_rows,
)
from shoal.tables import bronze

_CHANGED = "files have changed since they were ingested"


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
    found = [(feed, path, _find(lake, config, run, book, known, feed, path)) for feed, path in given]
    _judge_changed(config, run, book, [(feed, files) for feed, _, files in found])
    columns = dict[tuple[str, str], Columns]()  # by feed and path
    for feed, path, everything in found:
        files = _to_read(config, book, feed, everything)
        last = [*(drift.came_before(book, feed.name) or [{}])[-1]]
        of_files, problems = columns_of(lake.spark, feed, files, last)
        if problems:
            refusal = str(cannot_ingest(feed, problems))
            run.refuse(refusal)
            _keep_out(lake, run, feed, [file for file in files if file.path in problems], refusal)
        columns |= {(feed.name, at): names for at, names in of_files.items() if at not in problems}
        _tell_empty(run, feed, path, everything, known)
        ledger.remember(lake, known, {*everything} - {*files}, run.started_at)
    for place, (feed, path, everything) in enumerate(found):
        book = batches.all_batches(lake)  # inputs may overlap
        files = [f for f in _to_read(config, book, feed, everything) if (feed.name, f.path) in columns]
        if not files:
            run.report(f"{feed.name}: nothing new in {path}")
            continue
        there = drift.together(columns[feed.name, file.path] for file in files)
        # What comes together enters silver in the order in which it was given.
        planned = batches.plan(lake, feed, files, run.started_at + timedelta(microseconds=place), there)
        if not planned.was_never_read:
            _tell_drift(run, feed, drift.came_before(book, feed.name), there)
        _bring(lake, run, planned)
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
            lake, [batch for batch in book if batch.was_never_read and _is_as_planned(lake, run, batch)]
        )
        book = batches.all_batches(lake)
    for batch in (batch for batch in book if batch.state == "planned"):
        _bring(lake, run, batch)


def _find(
    lake: Lake, config: Config, run: Run, book: Sequence[Batch], known: Known, feed: Feed, path: str
) -> list[SourceFile]:
    """The files of an input that are to be looked at."""
    if run.news is None:
        return find_files(lake.spark, path, known)
    if run.news.names is not None and not run.news.names:
        return []
    try:
        if is_table(lake.spark, path):
            covered = partial(ledger.versions_brought, book, feed)
            files, run.is_cut = find_additions(lake.spark, path, covered, config.ingest.max_files)
            return files
        files, problems = find_news(lake.spark, path, run.news.names, known, config.ingest.max_files)
        run.is_cut = run.news.names is None and len(files) == config.ingest.max_files
    except DataError as refusal:
        run.refuse(str(refusal))
        return []
    if problems:
        run.refuse(bulleted(f"cannot ingest {path}:", problems))
    return files


def _keep_out(lake: Lake, run: Run, feed: Feed, files: Sequence[SourceFile], refusal: str) -> None:
    """Have files known that a stream is not told of again; they may come again once they hold something else."""
    if kept := [file for file in files if file.format != "delta"]:  # a table's log is read again from here
        batches.refuse_unread(lake, feed, kept, run.started_at, refusal)


def _bring(lake: Lake, run: Run, planned: Batch) -> None:
    """Load a planned batch; where it cannot be read, a stream loads those of its files that can."""
    if planned.was_never_read:
        run.warn(f"batch {planned.batch_id} stays refused (--retry-refused reads it again): {planned.message}")
    else:
        try:
            batch = _load(lake, planned)
        except DataError as refusal:
            run.refuse(str(refusal))
        else:
            run.rows, run.files, run.batches = (
                (run.rows or 0) + batch.rows_in,
                run.files + len(batch.files),
                run.batches + 1,
            )
            run.report(
                f"{batch.feed.name}: {batch.rows_in:,} rows from {len(batch.files):,} files as batch {batch.batch_id}"
            )
            return
    if run.news is None or len(planned.files) == 1:
        return
    # Nobody tells a stream of these files again.
    whole = [file for file in planned.files if is_readable(lake.spark, planned.feed, file)]
    if 0 < len(whole) < len(planned.files):
        columns = {column["name"]: column["type"] for column in planned.row["file_columns"] or ()}
        _bring(lake, run, batches.plan(lake, planned.feed, whole, run.started_at, columns))


def _judge_changed(
    config: Config, run: Run, book: Sequence[Batch], found: Iterable[tuple[Feed, Sequence[SourceFile]]]
) -> None:
    """Say which files hold something else than when they were ingested, and what becomes of them.

    Raises:
        DataError: there are some, and the settings refuse them; all of them listed.
    """
    problems = []
    for feed, files in found:
        changed = ledger.changed(book, feed, batches.unseen(book, feed, files))
        problems += [f"{feed.name}: {was.path} ({was.size:,} -> {now.size:,} bytes)" for now, was in changed.items()]
    if problems and config.ingest.changed_files == "refuse":
        raise DataError(bulleted(f"{_CHANGED}; --set ingest.changed_files=ingest takes them as they are:", problems))
    if problems:
        then = "come in" if config.ingest.changed_files == "ingest" else "are left out"
        run.warn(bulleted(f"{_CHANGED} and {then} as they are now:", problems))


def _to_read(config: Config, book: Sequence[Batch], feed: Feed, files: Sequence[SourceFile]) -> list[SourceFile]:
    """What the feed has not brought yet; what has changed only where the settings take it."""
    fresh = batches.unseen(book, feed, files)
    if config.ingest.changed_files == "ingest":
        return fresh
    changed = ledger.changed(book, feed, fresh)
    return [file for file in fresh if file not in changed]


def _tell_empty(run: Run, feed: Feed, path: str, files: Sequence[SourceFile], known: Known) -> None:
    """Say once that empty files are left out."""
    empty = [file.path for file in files if file.is_empty and file.state not in known]
    if empty:
        more = f" and {len(empty) - 1:,} more" if empty[1:] else ""
        run.note(f"{feed.name}: left out of {path} as empty: {empty[0]}{more}")


def _tell_drift(run: Run, feed: Feed, before: Sequence[Columns], now: Columns) -> None:
    """Say what is new about the columns: of the first delivery a note, afterwards a warning."""
    for sentence in drift.news(feed, before, now):
        (run.warn if before else run.note)(f"{feed.name}: {sentence}")


def _load(lake: Lake, batch: Batch) -> Batch:
    """Append a planned batch to bronze, however often it was begun before."""
    if counts := _stored(lake, batch):  # a killed run got as far as this: its files are not needed any more
        return batches.mark_ingested(lake, batch, counts)
    if problem := _changed(lake, batch):
        batches.mark_refused(lake, batch, problem)
        raise DataError(problem)
    try:
        feeds.make_room(lake, batch.feed)
        rows = raw_rows(lake.spark, batch.feed, batch.files, batch.batch_id)
        lake.append(batch.feed.table, rows, once=f"ingest/{batch.batch_id}")
    except UNREADABLE as error:
        if not is_of_the_input(error):
            raise  # the batch stays planned; the next call goes on
        message = f"{batch.feed.name}: {', '.join(f.path for f in batch.files)} cannot be read: {first_line(error)}"
        batches.mark_refused(lake, batch, message)
        raise DataError(message) from error
    counts = _stored(lake, batch)
    if not counts:
        message = f"{batch.feed.name}: {', '.join(f.path for f in batch.files)} has no rows below its header"
        batches.mark_refused(lake, batch, message)
        raise DataError(message)
    return batches.mark_ingested(lake, batch, counts)


def _stored(lake: Lake, batch: Batch) -> dict[str, int]:
    """Rows of a batch in bronze, by file; they come in one commit, so all or none."""
    # Where it came from only: the table may be an older version's, without the columns of this one.
    stored = lake.read(bronze(batch.feed.name, [])).where(F.col("batch_id") == batch.batch_id)
    return {row["source_file"]: row["count"] for row in stored.groupBy("source_file").count().collect()}


def _is_as_planned(lake: Lake, run: Run, batch: Batch) -> bool:
    """Whether a refused batch can be read again; says so where it cannot."""
    problem = _changed(lake, batch)
    if problem:
        run.warn(f"batch {batch.batch_id} stays refused: {problem}")
    return problem is None


def _changed(lake: Lake, batch: Batch) -> str | None:
    """Which file of a planned batch is no longer what was planned; None if all are."""
    known = ledger.of_batches([batch])
    for file in batch.files:
        try:
            if file.format == "delta":
                same = is_there(lake.spark, file.path)
            else:
                same = find_files(lake.spark, file.path, known)[0].sha256 == file.sha256
        except (ConfigError, DataError):
            same = False
        if not same:
            return f"{file.path} has changed or gone since it was planned; ingest it again as it is now"
    return None


if __name__ == "__main__":
    run_job("ingest")
