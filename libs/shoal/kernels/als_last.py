"""What an earlier fit of ALS is good for: users are folded into its items, and a later fit goes on from it."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shoal.kernels.pairs import Pairs

Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.integer[Any]]

_LEAST = 1e-6  # without a penalty, directions that the items do not span are nothing but rounding


def fold_in(
    indptr: Whole, indices: Whole, strengths: npt.NDArray[np.floating[Any]], items: Floats, *, reg: float, alpha: float
) -> Floats:
    """Factors of users that make the loss of :func:`shoal.kernels.als.fit` least while those of the items stay.

    Each user is solved exactly, in double precision and alone: (Y'Y + reg n + sum_j a s_j y_j y_j') x =
    sum_j (1 + a s_j) y_j over the n items j that the user is paired with, a being ``alpha`` (Hu, Koren, Volinsky 2008,
    equation 4). So whoever else is folded in changes no digit. Cost per user: n rank^2 + rank^3.

    Args:
        indptr, indices, strengths: the users x items matrix in compressed rows.
        items: items x rank, as they were fitted.
        reg, alpha: those of that fit.

    Returns:
        users x rank; zeros for a row without pairs.
    """
    fixed = items.astype(np.float64)
    gram, rank = fixed.T @ fixed, fixed.shape[1]
    users = np.zeros((len(indptr) - 1, rank), np.float32)
    for u, (first, last) in enumerate(pairwise(indptr)):
        if first == last:
            continue
        own = fixed[indices[first:last]]
        extra = alpha * np.asarray(strengths[first:last], np.float64)
        left = gram + (own.T * extra) @ own + reg * (last - first) * np.eye(rank)
        right = (1 + extra) @ own
        users[u] = np.linalg.solve(left, right) if reg else np.linalg.lstsq(left, right, rcond=_LEAST)[0]
    return users


def fold_in_rows(users: pa.Table, items: pa.Table, *, reg: float, alpha: float) -> pa.Table:
    """:func:`fold_in` for a block of users.

    Args:
        users: ``key``, and as lists of one length ``numbers`` (of the items, ascending) and ``strengths``.
        items: ``number``, each from 0 on once, and ``factor``; in any order.

    Returns:
        ``key`` and ``factor``.
    """
    lists = users["numbers"].combine_chunks()
    indptr = np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy())]).astype(np.int64)
    indices = lists.flatten().to_numpy()
    strengths = users["strengths"].combine_chunks().flatten().to_numpy()
    fixed = _rows_of(items["factor"])[np.argsort(items["number"].to_numpy())]
    folded = fold_in(indptr, indices, strengths, fixed, reg=reg, alpha=alpha)
    offsets = np.arange(len(folded) + 1, dtype=np.int32) * folded.shape[1]
    factor = pa.ListArray.from_arrays(offsets, folded.astype(np.float64).ravel())
    return pa.table({"key": users["key"].combine_chunks(), "factor": factor})


class Last:
    """Factors of an earlier fit that come among the pairs of a later one.

    Rows with a ``side`` are factors: ``side``, ``id`` and ``factor``. All others are pairs; batches without
    that column hold nothing else.
    """

    def __init__(self) -> None:
        self._found: dict[str, list[pa.RecordBatch]] = {"user": [], "item": []}

    def taken_from(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The pairs alone; factors are kept."""
        for batch in batches:
            if "side" not in batch.schema.names:
                yield batch
                continue
            side = batch.column("side")
            for name, found in self._found.items():
                rows = batch.filter(pc.fill_null(pc.equal(side, name), False)).select(["id", "factor"])
                if rows.num_rows:
                    found.append(rows)
            pairs = batch.filter(pc.is_null(side)).select(["user_id", "item_id", "strength"])
            if pairs.num_rows:
                yield pairs

    def start(self, pairs: Pairs, matrix: Any, *, rank: int, reg: float, alpha: float) -> tuple[Floats, Floats] | None:
        """Where a fit goes on: items as they were, new ones 0; users as they were, new ones folded in.

        Args:
            pairs: what is learned from now.
            matrix: the same in compressed rows.
            rank, reg, alpha: those of both fits.

        Returns:
            users x rank and items x rank; None where no item of these was known.
        """
        items, known = _aligned(self._found["item"], pairs.items, rank)
        if not known.any():
            return None
        users, known = _aligned(self._found["user"], pairs.users, rank)
        new = matrix[~known]
        users[~known] = fold_in(new.indptr, new.indices, new.data, items, reg=reg, alpha=alpha)
        return users, items


def _aligned(found: list[pa.RecordBatch], ids: pa.Array, rank: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Factors in the order of ids, zeros where there are none, and which there are."""
    factors, known = np.zeros((len(ids), rank), np.float32), np.zeros(len(ids), np.bool_)
    for rows in found:
        places = pc.index_in(rows["id"].cast(ids.type), value_set=ids)
        is_there = pc.is_valid(places).to_numpy(zero_copy_only=False)
        places = places.drop_null().to_numpy()
        factors[places], known[places] = _rows_of(rows["factor"])[is_there], True
    return factors, known


def _rows_of(factors: pa.Array | pa.ChunkedArray) -> Floats:
    """Lists of one length as rows."""
    values = (factors.combine_chunks() if isinstance(factors, pa.ChunkedArray) else factors).flatten().to_numpy()
    rows: Floats = values.reshape(len(factors), -1).astype(np.float32)
    return rows
