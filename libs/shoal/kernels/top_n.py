"""The exact best columns of score matrices, and the same for blocks of factors that come as Arrow batches."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Scores = npt.NDArray[np.float32]
Whole = npt.NDArray[np.integer[Any]]

NEVER = np.float32(-np.inf)  # the score of what must not be chosen

BEST = pa.schema([("user", pa.int32()), ("item", pa.int32()), ("score", pa.float64())])


def top_n(scores: Scores, n: int) -> Whole:
    """The columns of each row's ``n`` highest scores, best first; of equal scores the lower column first.

    Args:
        scores: rows x columns, without NaN. Forbidden entries are ``-inf``: they come last, and the caller
            drops them.
        n: at least 1; more than there are columns gives them all.

    Returns:
        rows x min(n, columns).
    """
    rows, columns = scores.shape
    if n >= columns:
        return np.argsort(-scores, axis=1, kind="stable")
    last = np.partition(scores, columns - n, axis=1)[:, columns - n, None]  # each row's n-th best score
    above = scores > last
    level = scores == last
    room = n - above.sum(axis=1)
    crowded = np.flatnonzero(level.sum(axis=1) > room)  # rows in which more columns tie for the last place
    level[crowded] &= np.cumsum(level[crowded], axis=1) <= room[crowded, None]
    chosen = np.nonzero(above | level)[1].reshape(rows, n)  # ascending, so that a stable sort settles ties
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


def keep_best_variants(scores: Scores, groups: Whole) -> None:
    """Forbid, in place, all but each row's best column of every group; of equal ones the lower stays.

    Args:
        scores: rows x columns.
        groups: the group of each column.
    """
    order = np.argsort(groups, kind="stable")  # columns by group, then ascending
    ordered = groups[order]
    is_first = np.r_[True, ordered[1:] != ordered[:-1]][: len(order)]
    group = np.cumsum(is_first) - 1
    place = np.arange(len(order)) - np.flatnonzero(is_first)[group]
    if not place.any():
        return  # a shop without variants
    best = np.repeat(order[None, is_first], len(scores), axis=0)
    for p in range(1, place.max() + 1):
        at = place == p
        rivals, holders = order[None, at], best[:, group[at]]
        wins = scores[:, order[at]] > np.take_along_axis(scores, holders, axis=1)
        best[:, group[at]] = np.where(wins, rivals, holders)
        np.put_along_axis(scores, np.where(wins, holders, rivals), NEVER, axis=1)


def best_of_blocks(batches: Iterator[pa.RecordBatch], n: int) -> Iterator[pa.RecordBatch]:
    """For each pair of a user block and an item block, each user's ``n`` best items of that block.

    Args:
        batches: one row per pair, with ``users``: list of {number, factor, owned} and ``items``: list of
            {number, factor, group_number}, both ascending by number. ``owned`` are numbers of items that
            the user must not get.
        n: items per user.

    Yields:
        Rows of ``BEST``; fewer than ``n`` per user where the block has fewer item groups for it.
    """
    for batch in batches:
        for row in range(batch.num_rows):
            users = batch.column("users")[row].values
            items = batch.column("items")[row].values
            yield _best_of_pair(users, items, n)


def _best_of_pair(users: pa.StructArray, items: pa.StructArray, n: int) -> pa.RecordBatch:
    user_numbers, item_numbers = _whole(users.field("number")), _whole(items.field("number"))
    # Products in double precision, then rounded: what BLAS does differently for another shape of the block
    # is lost, so equal items tie and the tie is settled by number.
    scores = (_factors(users) @ _factors(items).T).astype(np.float32)
    _forbid(scores, users.field("owned"), item_numbers)
    keep_best_variants(scores, _whole(items.field("group_number")))
    columns = top_n(scores, n)
    best = np.take_along_axis(scores, columns, axis=1)
    rows, places = np.nonzero(best > NEVER)
    arrays = [
        pa.array(user_numbers[rows], pa.int32()),
        pa.array(item_numbers[columns[rows, places]], pa.int32()),
        pa.array(best[rows, places].astype(np.float64)),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=BEST)


def _forbid(scores: Scores, owned: pa.ListArray, item_numbers: Whole) -> None:
    """Forbid, in place, each row's ``owned`` items; those of other blocks are passed over."""
    numbers = _whole(owned.flatten())
    if not len(numbers):
        return
    rows = np.repeat(np.arange(len(owned)), _whole(owned.value_lengths()))
    columns = np.minimum(np.searchsorted(item_numbers, numbers), len(item_numbers) - 1)
    here = item_numbers[columns] == numbers
    scores[rows[here], columns[here]] = NEVER


def _factors(rows: pa.StructArray) -> npt.NDArray[np.float64]:
    """The rows' factors as a matrix."""
    flat = rows.field("factor").flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float64).reshape(len(rows), -1)


def _whole(values: pa.Array) -> Whole:
    return np.asarray(values.to_numpy(zero_copy_only=False))
