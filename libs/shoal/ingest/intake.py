"""Which files of the inputs come in, and what is said of the others."""

from collections.abc import Iterable, Sequence
from functools import partial

from shoal.books import batches, ledger
from shoal.books.batches import Batch
from shoal.books.runs import Run
from shoal.config import Config
from shoal.errors import DataError, bulleted
from shoal.lake import Lake
from shoal.sources import Feed
from shoal.sources.additions import find_additions
from shoal.sources.listing import Known, SourceFile, find_files, find_news, is_table

_CHANGED = "files have changed since they were ingested"


def find(
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


def judge_changed(
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


def to_read(config: Config, book: Sequence[Batch], feed: Feed, files: Sequence[SourceFile]) -> list[SourceFile]:
    """What the feed has not brought yet; what has changed only where the settings take it."""
    fresh = batches.unseen(book, feed, files)
    if config.ingest.changed_files == "ingest":
        return fresh
    changed = ledger.changed(book, feed, fresh)
    return [file for file in fresh if file not in changed]


def tell_empty(run: Run, feed: Feed, path: str, files: Sequence[SourceFile], known: Known) -> None:
    """Say once that empty files are left out."""
    empty = [file.path for file in files if file.is_empty and file.state not in known]
    if empty:
        more = f" and {len(empty) - 1:,} more" if empty[1:] else ""
        run.note(f"{feed.name}: left out of {path} as empty: {empty[0]}{more}")


def keep_out(lake: Lake, run: Run, feed: Feed, files: Sequence[SourceFile], refusal: str) -> None:
    """Have files known that a stream is not told of again; they may come again once they hold something else."""
    if kept := [file for file in files if file.format != "delta"]:  # a table's log is read again from here
        batches.refuse_unread(lake, feed, kept, run.started_at, refusal)
