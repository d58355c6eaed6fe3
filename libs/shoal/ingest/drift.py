"""How the columns of a feed's files have changed from batch to batch; kept in ``ops.batches``."""

from collections.abc import Iterable, Sequence
from datetime import UTC
from itertools import groupby

from shoal.books.batches import Batch, all_batches
from shoal.errors import ConfigError
from shoal.lake import Lake
from shoal.sources import Feed
from shoal.sources.nested import nested_paths
from shoal.sources.readers import Columns
from shoal.sources.renames import advice, undeclared

_MOST_NAMES = 12
_NO_CHANGE, _NOT_KEPT = "no change", "columns were not kept yet"


def together(files: Iterable[Columns]) -> Columns:
    """The columns of files that come together, in the order of the first that has each; all types of one together."""
    types: dict[str, set[str]] = {}
    for file in files:
        for name, kind in file.items():
            types.setdefault(name, set()).update([kind] if kind else [])
    return {name: " | ".join(sorted(kinds)) or None for name, kinds in types.items()}


def came_before(book: Iterable[Batch], feed: str) -> list[Columns]:
    """The columns of each batch of a feed that was read, oldest first; batches of older lakes may not say theirs."""
    mine = (batch for batch in book if batch.feed.name == feed and not batch.was_never_read)
    return [columns for batch in mine if (columns := _columns_of(batch))]


def news(feed: Feed, before: Sequence[Columns], now: Columns) -> list[str]:
    """What a person should know of the columns of a delivery. Each is said once: afterwards it is as it was before.

    Args:
        before: the columns of the batches before, oldest first.
    """
    known, last = {name for columns in before for name in columns}, before[-1] if before else {}
    new = [name for name in undeclared(feed, [*now]) if name not in known]
    holds = {name: path.top for name, path in nested_paths(feed).items()}
    optional = {c.file_name: {c.file_name, holds.get(c.file_name)} for c in feed.columns if not c.required}
    gone = [name for name, places in optional.items() if places & last.keys() and not places & now.keys()]
    retyped = _retyped(before, now)
    return [
        *([f"not declared, kept in extra: {_few(new)}"] if new else []),
        *([f"delivered before and missing now, null from here on: {_few(gone)}"] if gone else []),
        *advice(feed, gone, [*now]),
        *([f"of another type now, rows that do not convert are rejected: {_few(retyped)}"] if retyped else []),
    ]


def history(lake: Lake, feed: str) -> list[str]:
    """What has changed with each batch of a feed, oldest first.

    Raises:
        ConfigError: no batch of it was ever read; names the feeds of which there are some.
    """
    read = [batch for batch in all_batches(lake) if not batch.was_never_read]
    mine = [batch for batch in read if batch.feed.name == feed]
    if not mine:
        there = ", ".join(sorted({batch.feed.name for batch in read})) or "none"
        raise ConfigError(f"the feed {feed} has brought nothing to {lake.location} yet; feeds that have: {there}")
    lines, before = [], list[Columns]()
    for batch in mine:
        now = _columns_of(batch)
        lines.append((batch, _difference(before, now)))
        before += [now] if now else []
    told = []
    for said, group in groupby(lines, key=lambda line: line[1]):
        alike = [batch for batch, _ in group]
        if said in (_NOT_KEPT, _NO_CHANGE):
            told.append(f"{said} in {_counted(len(alike))}")
        else:
            told += [f"{b.row['planned_at'].astimezone(UTC):%Y-%m-%d %H:%M} UTC  {b.batch_id}  {said}" for b in alike]
    return [f"{feed}: {_counted(len(mine))}", *told]


def _difference(before: Sequence[Columns], now: Columns | None) -> str:
    """What has changed since the batch before."""
    if now is None:
        return _NOT_KEPT
    if not before:
        return f"first: {_few([f'{name} {kind}' if kind else name for name, kind in now.items()])}"
    added = [name for name in now if name not in before[-1]]
    gone = [name for name in before[-1] if name not in now]
    parts = {"added": added, "gone": gone, "changed": _retyped(before, now)}
    return "; ".join(f"{what} {_few(names)}" for what, names in parts.items() if names) or _NO_CHANGE


def _retyped(before: Iterable[Columns], now: Columns) -> list[str]:
    """Columns whose type is another than when they last had one: text files have none."""
    types = {name: kind for columns in before for name, kind in columns.items() if kind}
    return [
        f"{name} {types[name]} -> {kind}"
        for name, kind in now.items()
        if kind and name in types and types[name] != kind
    ]


def _columns_of(batch: Batch) -> Columns | None:
    kept = batch.row["file_columns"]
    return None if kept is None else {column["name"]: column["type"] for column in kept}


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _counted(batches: int) -> str:
    return "1 batch" if batches == 1 else f"{batches:,} batches"
