"""The exact best entries of products of sparse rows, for blocks that come as Arrow tables."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

Whole = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


class Rows(NamedTuple):
    """Sparse rows in compressed form."""

    indptr: Whole
    sources: Whole  # of each entry, ascending within a row
    weights: Numbers


def best_products(left: pa.Table, right: pa.Table, *, n: int, cosine: bool, shrink: float) -> pa.Table:
    """For each row of ``left`` the ``n`` targets of ``right`` with the highest inner products.

    Args:
        left: ``key`` (of any type), ``sources`` (whole numbers, ascending) and ``weights`` of them, and ``barred``,
            targets that must not come.
        right: ``target`` and ``group`` (whole numbers), ``sources`` and ``weights`` as on the left. Of a group only
            the best target comes.
        n: how many for each row.
        cosine: divide by the lengths of both rows.
        shrink: where above 0, what two rows with m sources in common have is multiplied by m / (m + shrink).

    Returns:
        ``key``, ``target``, ``score`` and ``common`` (sources that both have). Targets that share no source with a row,
        and those whose product is 0, do not come. Of equal scores the lower target comes first. Neither the order of
        rows nor how they are cut into tables changes a digit.
    """
    from shoal.kernels.sparse_rows import best_of_rows  # numba is loaded in tasks only

    right = right.sort_by("target")
    targets = right["target"].to_numpy().astype(np.int64)
    rows, columns = _rows(left, cosine=cosine), _rows(right, cosine=cosine)
    known, by_target = np.unique(columns.sources, return_inverse=True)
    matrix = sp.csr_matrix((columns.weights, by_target, columns.indptr), (len(targets), len(known))).tocsc()
    bounds, barred = lists_of(left, "barred")
    counts, places, scores, common = best_of_rows(
        rows.indptr, places_of(rows.sources, known), rows.weights,
        bounds, places_of(barred, targets),
        matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data,
        np.unique(right["group"].to_numpy(), return_inverse=True)[1].astype(np.int64), float(shrink), n,
    )  # fmt: skip
    return pa.table(
        {
            "key": left["key"].take(pa.array(np.repeat(np.arange(left.num_rows), counts))),
            "target": pa.array(targets[places].astype(np.int32)),
            "score": pa.array(scores.astype(np.float64)),
            "common": pa.array(common.astype(np.int32)),
        }
    )


def _rows(table: pa.Table, *, cosine: bool) -> Rows:
    indptr, sources = lists_of(table, "sources")
    weights = values_of(table, "weights").astype(np.float64)
    if cosine:
        row = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        lengths = np.sqrt(np.bincount(row, weights * weights, len(indptr) - 1))
        weights = weights / np.where(lengths > 0, lengths, 1)[row]
    return Rows(indptr, sources, weights)


def lists_of(table: pa.Table, name: str) -> tuple[Whole, Whole]:
    """Where the list of each row begins, and the values of all."""
    lengths = np.concatenate([[0], *(chunk.value_lengths().to_numpy() for chunk in table[name].chunks)])
    return np.cumsum(lengths).astype(np.int64), values_of(table, name).astype(np.int64)


def values_of(table: pa.Table, name: str) -> npt.NDArray[np.generic]:
    """The values of all lists of a column, one after the other."""
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in table[name].chunks]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def places_of(numbers: Whole, known: Whole) -> Whole:
    """The place of each number among the ``known`` ones, which ascend; -1 where it is none of them."""
    if not len(known):
        return np.full(len(numbers), -1, np.int64)
    places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return np.where(known[places] == numbers, places, -1)
