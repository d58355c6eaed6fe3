"""Pairs of user and item that come as Arrow batches, as arrays of whole numbers."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

_ROWS_AT_ONCE = 1 << 20  # that ids are looked up for: the index is built anew each time
_ROWS_PER_BATCH = 1 << 16


class Pairs(NamedTuple):
    """Pairs and the ids that their numbers stand for."""

    users: pa.Array  # ids in byte order; an id's place is its number
    items: pa.Array
    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    strength: npt.NDArray[np.float32]

    def matrix(self) -> Any:
        """Users x items in compressed rows, each ascending by item, whatever the order of the pairs."""
        shape = (len(self.users), len(self.items))
        return sp.csr_matrix((self.strength, (self.user, self.item)), shape).tocsc().tocsr()


def read_pairs(batches: Iterable[pa.RecordBatch]) -> Pairs:
    """Number the ids of pairs.

    Args:
        batches: ``user_id``, ``item_id`` (strings) and ``strength``, none of them null, one row per pair.
    """
    users, items, strengths = _Numbers(), _Numbers(), []
    for table in _tables(batches):
        users.add(table["user_id"])
        items.add(table["item_id"])
        strengths.append(table["strength"].to_numpy().astype(np.float32))
    user_ids, user = users.sorted()
    item_ids, item = items.sorted()
    return Pairs(user_ids, item_ids, user, item, np.concatenate([np.empty(0, np.float32), *strengths]))


def _tables(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= _ROWS_AT_ONCE:
            yield pa.Table.from_batches(held)
            held, rows = [], 0
    if rows:
        yield pa.Table.from_batches(held)


class _Numbers:
    """Ids in the order in which they came, and the numbers that stand for them in a column."""

    def __init__(self) -> None:
        self._ids = pa.array([], pa.large_string())  # 2 GB of ids are no limit
        self._numbers: list[npt.NDArray[np.int32]] = [np.empty(0, np.int32)]

    def add(self, column: pa.ChunkedArray) -> None:
        column = column.cast(pa.large_string())
        found = column.unique()
        new = found.filter(pc.invert(pc.is_in(found, value_set=self._ids)))
        self._ids = pa.concat_arrays([self._ids, new])
        self._numbers.append(pc.index_in(column, value_set=self._ids).to_numpy())

    def sorted(self) -> tuple[pa.Array, npt.NDArray[np.int32]]:
        """The ids in byte order, and the column as their places."""
        order = pc.sort_indices(self._ids).to_numpy()
        places = np.empty(len(order), np.int32)
        places[order] = np.arange(len(order), dtype=np.int32)
        return self._ids.take(pa.array(order)), places[np.concatenate(self._numbers)]


NUMBERED = pa.schema([
    ("user_id", pa.string()), ("user", pa.int32()), ("item_id", pa.string()), ("number", pa.int32()),
    ("weight", pa.float32()),
])  # fmt: skip


def numbered_pairs(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pairs with the numbers of their users and items, which are the places of their ids in byte order.

    Args:
        batches: as for :func:`read_pairs`.

    Yields:
        Rows of ``NUMBERED``.
    """
    pairs = read_pairs(batches)
    for at in range(0, len(pairs.strength), _ROWS_PER_BATCH):
        here = slice(at, at + _ROWS_PER_BATCH)
        user, item = pa.array(pairs.user[here]), pa.array(pairs.item[here])
        ids = pairs.users.take(user).cast(pa.string()), pairs.items.take(item).cast(pa.string())
        yield pa.RecordBatch.from_arrays([ids[0], user, ids[1], item, pa.array(pairs.strength[here])], schema=NUMBERED)
