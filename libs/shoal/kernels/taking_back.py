"""Which pieces of which purchases each return takes back, home by home; lines come and links go as Arrow batches.

A *home* holds purchases of one item by one user, or by a guest in one order, and the returns that may take them back.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LINKS = pa.schema([
    ("return_event_id", pa.string()), ("purchase_event_id", pa.string()), ("pieces", pa.int64()), ("how", pa.string()),
    ("linked_at", pa.timestamp("us", "UTC")), ("linked_date", pa.date32()), ("purchase_date", pa.date32()),
])  # fmt: skip


class Line(NamedTuple):
    """A purchase or return of a home."""

    is_return: bool
    day: int  # any number that grows with the shop-local day
    pieces: int  # of a purchase those that are left, of a return those that came back
    event_id: str
    order_id: str | None
    original_event_id: str | None  # of a return: the purchase that the feed names
    by_user: bool  # of a return: the user of this home gave it back, so that any purchase before may be meant


class Link(NamedTuple):
    """Pieces of a purchase that a return takes back; lines by their place in the home."""

    of_return: int
    of_purchase: int
    pieces: int
    how: str  # original, order or latest


def settle(lines: Sequence[Line]) -> Iterator[Link]:
    """Let each return take what it says from the purchases of its home that have pieces left.

    Returns come in the order of time, so that what comes later changes nothing. Each takes from the purchase that it
    names, then from those of its order, then from those of its user before it, the latest first. The first two may lie
    later on the same day: many feeds know the day only.

    Args:
        lines: of one home, in the order of time; at the same moment purchases before returns.
    """
    left = [0 if line.is_return else line.pieces for line in lines]
    by_id, by_order = _places(lines)
    before: list[int] = []  # purchases up to here; a used up one is taken off once it is on top
    for place, line in enumerate(lines):
        if not line.is_return:
            before.append(place)
            continue
        wanted = line.pieces
        named = by_id.get(line.original_event_id, ())
        of_order = by_order.get(line.order_id, ())
        for how, purchases in (("original", named), ("order", of_order)):
            for purchase in reversed(purchases):
                taken = min(wanted, left[purchase]) if lines[purchase].day <= line.day else 0
                if taken:
                    left[purchase] -= taken
                    wanted -= taken
                    yield Link(place, purchase, taken, how)
        while line.by_user and wanted and before:
            taken = min(wanted, left[before[-1]])
            if taken:
                left[before[-1]] -= taken
                wanted -= taken
                yield Link(place, before[-1], taken, "latest")
            if not left[before[-1]]:
                before.pop()


def _places(lines: Sequence[Line]) -> tuple[dict[str | None, list[int]], dict[str | None, list[int]]]:
    """The places of purchases by their id and by their order."""
    by_id: dict[str | None, list[int]] = {}
    by_order: dict[str | None, list[int]] = {}
    for place, line in enumerate(lines):
        if not line.is_return:
            by_id.setdefault(line.event_id, []).append(place)
            if line.order_id is not None:
                by_order.setdefault(line.order_id, []).append(place)
    return by_id, by_order


def links_of_homes(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """:func:`settle` for every home of a partition.

    Args:
        batches: ``home`` and the columns of :class:`Line` (``event_date`` for its day), with ``event_time``; sorted by
            home, and within it as ``settle`` needs them. A home may go on in the next batch.

    Yields:
        Rows of ``LINKS``.
    """
    held: pa.Table | None = None
    for batch in batches:
        here = pa.Table.from_batches([batch])
        lines = here if held is None else pa.concat_tables([held, here]).combine_chunks()
        starts = _starts(lines)
        yield from _linked(lines, starts)
        held = lines.slice(starts[-1]) if starts else lines  # the last home may go on
    if held is not None and held.num_rows:
        yield from _linked(held, [*_starts(held), held.num_rows])


def _starts(lines: pa.Table) -> list[int]:
    """Where each home begins."""
    if not lines.num_rows:
        return []
    home = lines["home"].combine_chunks()
    differs = pc.not_equal(home.slice(1), home.slice(0, len(home) - 1)).to_numpy(zero_copy_only=False)
    return [0, *(int(place) + 1 for place in np.flatnonzero(differs))]


def _linked(lines: pa.Table, bounds: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """The links of the homes between each two bounds."""
    if len(bounds) < 2:
        return
    days = lines["event_date"].cast(pa.int32())
    names = ("pieces", "event_id", "order_id", "original_event_id", "by_user")
    columns = [lines["is_return"], days, *(lines[name] for name in names)]
    every = [Line(*values) for values in zip(*(column.to_pylist() for column in columns), strict=True)]
    links = [
        (start + link.of_return, start + link.of_purchase, link.pieces, link.how)
        for start, end in pairwise(bounds)
        for link in settle(every[start:end])
    ]
    if not links:
        return
    returns, purchases, pieces, how = zip(*links, strict=True)
    given, bought = lines.take(pa.array(returns)), lines.take(pa.array(purchases))
    found = [given["event_id"], bought["event_id"], pa.array(pieces, pa.int64()), pa.array(how, pa.string()),
             given["event_time"], given["event_date"], bought["event_date"]]  # fmt: skip
    yield from pa.table(found, names=LINKS.names).cast(LINKS).to_batches()
