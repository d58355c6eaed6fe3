"""A planned batch on its way into bronze: each step can be done again by whoever finishes it."""

from collections.abc import Sequence

from pyspark.sql import functions as F

from shoal.books import batches, feeds, ledger
from shoal.books.batches import Batch
from shoal.books.runs import Run
from shoal.errors import ConfigError, DataError
from shoal.ingest import drift
from shoal.lake import Lake
from shoal.sources import Feed
from shoal.sources.listing import find_files
from shoal.sources.readers import UNREADABLE, Columns, first_line, is_of_the_input, is_readable, is_there, raw_rows
from shoal.tables import bronze


def bring(lake: Lake, run: Run, planned: Batch) -> None:
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
        bring(lake, run, batches.plan(lake, planned.feed, whole, run.started_at, columns))


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


def is_as_planned(lake: Lake, run: Run, batch: Batch) -> bool:
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


def tell_drift(run: Run, feed: Feed, before: Sequence[Columns], now: Columns) -> None:
    """Say what is new about the columns: of the first delivery a note, afterwards a warning."""
    for sentence in drift.news(feed, before, now):
        (run.warn if before else run.note)(f"{feed.name}: {sentence}")
