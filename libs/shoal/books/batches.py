"""The book of what came in: ``ops.batches``, and ``ops.claims``, the one order in which batches enter silver.

A batch is *planned* before its files are read, *ingested* once its rows are in bronze, and *validated* or
*refused* once it was judged. Batches enter silver one after the other: a batch first claims the next place, is
judged against silver as it stands then, and is finished before the next place is given. Whoever finds a claimed
and unfinished batch finishes it: every step of it can be repeated. So no lock exists that a kill could leave behind.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from pyspark.sql import DataFrame, Row

from shoal.books import feeds
from shoal.lake import Lake
from shoal.sources import Feed
from shoal.sources.listing import SourceFile, format_of
from shoal.tables import BATCHES, CLAIMS, SILVER, Table


@dataclass(frozen=True)
class Batch:
    """A row of ``ops.batches``."""

    batch_id: str
    feed: Feed
    state: str
    files: tuple[SourceFile, ...]
    row: Mapping[str, Any]

    @property
    def rows_in(self) -> int:
        return int(self.row["rows_in"] or 0)

    @property
    def was_never_read(self) -> bool:
        """True for a batch that was refused before a row of it was in bronze."""
        return self.state == "refused" and self.row["rows_in"] is None

    @property
    def has_entered(self) -> bool:
        """True once its rows are in silver, also while a replay waits."""
        return self.row["rows_accepted"] is not None

    @property
    def replay_reasons(self) -> list[str] | None:
        """The rules whose rejected rows a replay is to judge again, none for all; None where none was asked for."""
        reasons = self.row["replay_reasons"]
        return None if reasons is None else [*reasons]

    @property
    def message(self) -> str:
        return str(self.row["message"] or "")


@dataclass(frozen=True)
class Claim:
    """A batch's place in the order, and the silver it is judged against."""

    batch: Batch
    sequence: int
    silver: Mapping[str, int]  # table name -> version; tables that did not exist are absent


def pinned(lake: Lake, claim: Claim, table: Table) -> DataFrame:
    """A table of silver as it was when the batch claimed its place."""
    version = claim.silver.get(table.name)
    return lake.read(table, version) if version is not None else lake.frame(table, [])


def all_batches(lake: Lake) -> list[Batch]:
    """Every batch, oldest first. One row per ingest call that found something new: a few thousand in years."""
    rows = lake.read(BATCHES).collect()
    find = feeds.finder(lake, rows)
    return [_batch(row, find(row)) for row in sorted(rows, key=lambda row: (row["planned_at"], row["batch_id"]))]


def unseen(batches: Iterable[Batch], feed: Feed, files: Iterable[SourceFile]) -> list[SourceFile]:
    """The files whose content this feed has not brought yet; of the same content the first, and none that is empty.

    What was refused before it was read has brought nothing: its files may come again, in better company. So may those
    of a refused batch that was read by a declaration which makes other rows of a file.
    """
    seen = {file.sha256 for file in brought(batches, feed)}
    fresh: dict[str, SourceFile] = {}
    for file in files:
        if file.sha256 not in seen and not file.is_empty:
            fresh.setdefault(file.sha256, file)
    return [*fresh.values()]


def brought(batches: Iterable[Batch], feed: Feed) -> Iterator[SourceFile]:
    """The files that this feed has brought, in the sense of :func:`unseen`."""
    for batch in batches:
        came_again = batch.state == "refused" and batch.feed.reading != feed.reading
        if batch.feed.name == feed.name and not batch.was_never_read and not came_again:
            yield from batch.files


def plan(
    lake: Lake,
    feed: Feed,
    files: Iterable[SourceFile],
    now: datetime,
    columns: Mapping[str, str | None] | None = None,  # of the files, and their types where the format has them
) -> Batch:
    """Write down what is about to be read. The same files make the same batch, whoever plans it.

    A batch that was refused before it was read stays so, unless its files lie elsewhere now.
    """
    planned = tuple(sorted(files, key=lambda file: file.sha256))
    row = _planned_row(feed, planned, now, columns or {})
    held_row = lake.insert_new(BATCHES, row)
    held = _batch(held_row, feeds.finder(lake, [held_row])(held_row))
    if held.was_never_read and {file.path for file in held.files} != {file.path for file in planned}:
        again: dict[str, Any] = {
            "message": None,
            **{name: row[name] for name in ("files", "file_columns", "feed_version")},
        }
        return replace(_update(lake, held, "planned", after=("refused",), **again), feed=feed)
    return held


def refuse_unread(lake: Lake, feed: Feed, files: Iterable[SourceFile], now: datetime, message: str) -> None:
    """Write down files that must not be read, in one commit: a kill leaves no plan by which they would be."""
    planned = tuple(sorted(files, key=lambda file: file.sha256))
    lake.insert_new(BATCHES, {**_planned_row(feed, planned, now, {}), "state": "refused", "message": message})


def mark_ingested(lake: Lake, batch: Batch, rows_by_file: Mapping[str, int]) -> Batch:
    """The rows are in bronze."""
    files = [_file_row(file, rows_by_file.get(file.path, 0)) for file in batch.files]
    return _update(lake, batch, "ingested", after=("planned",), files=files, rows_in=sum(rows_by_file.values()))


def mark_refused(lake: Lake, batch: Batch, message: str, sequence: int | None = None) -> Batch:
    """The batch was refused; it stays so until it is asked for again."""
    # Only a claim may refuse what is in bronze: another process may have read meanwhile what this one could not.
    if sequence is None:
        return _update(lake, batch, "refused", after=("planned",), message=message)
    return _update(lake, batch, "refused", after=("ingested",), before=sequence, message=message, sequence=sequence)


def mark_validated(lake: Lake, claim: Claim, counts: Mapping[str, int], touched_days: Iterable[date]) -> Batch:
    """The batch is in silver; its book balances, or the table refuses the row."""
    return _update(
        lake,
        claim.batch,
        "validated",
        after=("ingested",),
        before=claim.sequence,
        sequence=claim.sequence,
        silver_versions=silver_versions(lake),
        touched_days=sorted({*touched_days, *(claim.batch.row["touched_days"] or ())}),
        replay_reasons=None,
        **counts,
    )


def retry_refused(lake: Lake, batches: Iterable[Batch]) -> None:
    """Put refused batches back to where they can be judged, or read, again: by the newest version of their feed.

    Rows that the newest version would read otherwise stay refused: their files may come again. So do rows whose files
    have come again already.
    """
    batches = [*batches]
    brought = {(b.feed.name, file.sha256) for b in batches if b.state != "refused" for file in b.files}
    refused = [batch for batch in batches if batch.state == "refused"]
    newest = feeds.newest(lake) if any(batch.feed.version for batch in refused) else {}
    for batch in refused:
        state = "planned" if batch.row["rows_in"] is None else "ingested"
        feed = newest.get(batch.feed.name, batch.feed)
        came_again = any((feed.name, file.sha256) in brought for file in batch.files)
        if state == "ingested" and (came_again or feed.reading != batch.feed.reading):
            continue
        _update(lake, batch, state, after=("refused",), message=None, feed_version=feed.version)


def ask_replay(lake: Lake, batch: Batch, feed: Feed, reasons: Iterable[str]) -> None:
    """Have the rejected rows of a batch that is in silver judged again, by a version of its feed.

    A batch that has changed since ``batch`` was read stays as it is.
    """
    asked = {"replay_reasons": sorted({*reasons}), "feed_version": feed.version, "message": None}
    _update(lake, batch, "ingested", after=("validated",), before=int(batch.row["sequence"]) + 1, **asked)


def end_replay(lake: Lake, claim: Claim, message: str) -> None:
    """A replay could not be done: but for its place in the order the batch is what it was before."""
    place = {"sequence": claim.sequence, "silver_versions": dict(claim.silver)}
    _update(lake, claim.batch, "validated", after=("ingested",), before=claim.sequence,
            replay_reasons=None, message=message, **place)  # fmt: skip


def claim_next(lake: Lake) -> Claim | None:
    """The batch that is to enter silver now: one that was claimed and not finished, else the oldest ingested.

    Returns:
        None when nothing waits.
    """
    while True:
        batches = {batch.batch_id: batch for batch in all_batches(lake)}
        last = max(lake.read(CLAIMS).collect(), key=lambda row: row["sequence"], default=None)
        if last is not None:
            holder = batches[last["batch_id"]]
            if holder.state == "ingested" and (holder.row["sequence"] or 0) < last["sequence"]:
                return Claim(holder, last["sequence"], last["silver_versions"])
        waiting = [batch for batch in batches.values() if batch.state == "ingested"]
        if not waiting:
            return None
        # Whether this claim or another's holds the place is seen by the next turn.
        place = {
            "sequence": (last["sequence"] if last else 0) + 1,
            "batch_id": waiting[0].batch_id,
            "silver_versions": silver_versions(lake),
        }
        lake.insert_new(CLAIMS, place)


def silver_versions(lake: Lake) -> dict[str, int]:
    """Latest version of every silver table that exists."""
    found = {table.name: lake.version(table) for table in SILVER}
    return {name: version for name, version in found.items() if version is not None}


def _update(
    lake: Lake, batch: Batch, state: str, after: tuple[str, ...], before: int | None = None, **changes: Any
) -> Batch:
    """Bring a batch into a state, unless another process has brought it further already.

    Only what changes is written: the rest may be older than what the book says by now.

    Args:
        after: the states that it may come from.
        before: the place in the order that it must not have reached; a batch that is replayed has several.
    """
    row = {**batch.row, **changes, "state": state}
    states = ", ".join(f"'{name}'" for name in after)
    stands = f"t.state IN ({states})"
    if before is not None:
        stands += f" AND coalesce(t.sequence, 0) < {before}"
    lake.merge(BATCHES, lake.frame(BATCHES, [row]), update_when=stands, update=["state", *changes])
    return replace(batch, state=state, row=row)


def _batch(row: Row, feed: Feed) -> Batch:
    files = tuple(
        SourceFile(
            f["path"],
            format_of(f["path"]) or "delta",
            f["size"],
            f["modified_at"].astimezone(UTC),
            f["sha256"],
        )
        for f in row["files"]
    )
    return Batch(row["batch_id"], feed, row["state"], files, row.asDict(recursive=True))


def _planned_row(
    feed: Feed, planned: Iterable[SourceFile], now: datetime, columns: Mapping[str, str | None]
) -> dict[str, Any]:
    reading = [] if feed.reading is None else [feed.reading]
    text = "\n".join([feed.name, *reading, *(file.sha256 for file in planned)])
    return {
        "batch_id": f"{feed.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}",
        "feed": feed.name,
        "feed_version": feed.version,
        "state": "planned",
        "files": [_file_row(file, None) for file in planned],
        "file_columns": [{"name": name, "type": kind} for name, kind in columns.items()] or None,
        "planned_at": now,
    }


def _file_row(file: SourceFile, rows: int | None) -> dict[str, Any]:
    return {
        "path": file.path,
        "size": file.size,
        "modified_at": file.modified_at,
        "sha256": file.sha256,
        "rows": rows,
    }
