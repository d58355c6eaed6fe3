"""What files hold that need not be opened: ``ops.batches`` knows what came in, ``ops.files`` what was nothing new.

A file in the same state (path, size and modification time) as when it was looked into still holds the same. That would
be wrong of a file that was written again within one tick of the file system's clock, so a state counts only where
a tick had gone by when the file was looked into, as in git's index.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from shoal.books.batches import Batch, brought
from shoal.lake import Lake
from shoal.sources import Feed
from shoal.sources.additions import versions_of
from shoal.sources.listing import Known, SourceFile
from shoal.tables import FILES

_TICK = timedelta(seconds=2)  # the coarsest in use is FAT's; S3 and ext3 count whole seconds, HDFS and ext4 finer


def known(lake: Lake, book: Iterable[Batch]) -> Known:
    """What all files hold that were looked into, by their state. One entry per file, on the driver."""
    rows = lake.read(FILES).collect()
    return {
        **{
            (row["path"], row["size"], row["modified_at"].astimezone(UTC)): row["sha256"]
            for row in rows
            if _is_settled(row["modified_at"], row["looked_at"])
        },
        **of_batches(book),
    }


def of_batches(book: Iterable[Batch]) -> Known:
    """What the files of these batches hold; whatever became of a batch, its files were looked into."""
    return {
        file.state: file.sha256
        for batch in book
        for file in batch.files
        if _is_settled(file.modified_at, batch.row["planned_at"])
    }


def remember(lake: Lake, known: Known, files: Iterable[SourceFile], looked_at: datetime) -> None:
    """Keep what files hold that bring nothing new: copies, files that were only touched, empty ones."""
    rows = {
        file.path: {
            "path": file.path,
            "size": file.size,
            "modified_at": file.modified_at,
            "sha256": file.sha256,
            "looked_at": looked_at,
        }
        for file in files
        if file.state not in known and file.format != "delta" and _is_settled(file.modified_at, looked_at)
    }
    if rows:
        lake.merge(FILES, lake.frame(FILES, [*rows.values()]))


def changed(book: Iterable[Batch], feed: Feed, unseen: Iterable[SourceFile]) -> dict[SourceFile, SourceFile]:
    """Which of the files that this feed has not brought yet it has brought otherwise, each with what was brought last.

    What was refused is in no table that is judged: its files may be mended in place.
    """
    mine = (batch for batch in book if batch.feed.name == feed.name and batch.state != "refused")
    brought = {file.path: file for batch in mine for file in batch.files}
    return {file: brought[file.path] for file in unseen if file.path in brought}


def versions_brought(book: Iterable[Batch], feed: Feed, table_id: str) -> list[tuple[int, int]]:
    """First and last of the versions of a Delta table that a feed has brought: all up to one, or some since."""
    found = list[tuple[int, int]]()
    for file in brought(book, feed):
        content, _, version = file.sha256.rpartition("@")
        if content == table_id:
            added = versions_of(file.path)
            found.append((added.first if added else 0, int(version)))
    return found


def _is_settled(modified_at: datetime, looked_at: datetime) -> bool:
    """Whether whoever writes the file after it was looked into changes its modification time."""
    return modified_at.astimezone(UTC) + _TICK <= looked_at.astimezone(UTC)
