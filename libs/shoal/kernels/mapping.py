"""Factors of items that have none yet: a ridge regression of the factors of others on what is said of items."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.linalg as la

from shoal.kernels.content import sparse_matrix
from shoal.kernels.sparse import values_of

Numbers = npt.NDArray[np.float64]

MAPPED = pa.schema([("id", pa.string()), ("number", pa.int32()), ("factor", pa.list_(pa.float64()))])
_ROWS_PER_BATCH = 8192


class Mapping(NamedTuple):
    """Terms -> factors: ``intercept`` + row of terms @ ``weights``."""

    weights: Numbers  # terms x rank
    intercept: Numbers

    def of(self, terms: Any) -> Numbers:
        """The factors of items."""
        found: Numbers = terms @ self.weights + self.intercept
        return found


def fit_mapping(terms: Any, factors: Numbers, reg: float) -> Mapping:
    """The linear map with the least sum of squared errors + reg x |weights|^2; the intercept is not penalised.

    Args:
        terms: items x terms, sparse.
        factors: items x rank.
        reg: above 0.
    """
    count = max(terms.shape[0], 1)
    means, middle = np.asarray(terms.sum(axis=0)).ravel() / count, factors.sum(axis=0) / count
    gram = (terms.T @ terms).toarray() - count * np.outer(means, means)
    gram[np.diag_indices_from(gram)] += reg
    wanted = terms.T @ factors - count * np.outer(means, middle)
    weights = la.solve(gram, wanted, assume_a="pos", overwrite_a=True)
    return Mapping(weights, middle - means @ weights)


def mapped_factors(
    batches: Iterable[pa.RecordBatch], *, first: int, reg: float, least_users: int, most_terms: int
) -> Iterator[pa.RecordBatch]:
    """Factors of the items that have none, from those of the others.

    Args:
        batches: ``item_id``, ``sources`` and ``weights`` (its terms), ``factor`` (null where it has none) and
            ``users`` (how many have the item; null for none).
        first: number of the first item that is given a factor.
        reg: as for :func:`fit_mapping`.
        least_users: items with fewer teach nothing: their factors tell of these users, not of the item.
        most_terms: that are looked at, those that most items have; the cost is the cube of it.

    Yields:
        Rows of ``MAPPED`` for items without a factor of which any such term is known, numbered in byte order of
        their ids. None where no item has enough users.
    """
    held = [*batches]
    if not held:
        return
    table = pa.Table.from_batches(held).sort_by("item_id")
    terms = sparse_matrix(table)
    is_known = table["factor"].is_valid().to_numpy()
    users = np.nan_to_num(table["users"].to_numpy().astype(np.float64))
    teaches = np.flatnonzero(is_known & (users >= least_users))
    if not len(teaches) or is_known.all():
        return
    counts = np.bincount(terms[teaches].indices, minlength=terms.shape[1])
    head = np.sort(np.argsort(-counts, kind="stable")[:most_terms])
    head = head[counts[head] > 0]
    terms = terms[:, head]
    learned = table.take(pa.array(teaches))
    factors = values_of(learned, "factor").astype(np.float64).reshape(len(teaches), -1)
    found = fit_mapping(terms[teaches], factors, reg)
    new = np.flatnonzero(~is_known & (np.diff(terms.indptr) > 0))
    rows = found.of(terms[new])
    offsets = pa.array(np.arange(len(new) + 1, dtype=np.int32) * factors.shape[1])
    columns = [
        table["item_id"].take(pa.array(new)).cast(pa.string()),
        pa.array(np.arange(first, first + len(new), dtype=np.int32)),
        pa.ListArray.from_arrays(offsets, pa.array(rows.ravel())),
    ]
    yield from pa.table(columns, schema=MAPPED).to_batches(max_chunksize=_ROWS_PER_BATCH)
