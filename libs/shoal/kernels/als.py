"""Implicit ALS in one process: factors of users and items whose products say who wants what.

The loss is that of Hu, Koren, Volinsky 2008 with the penalty of Zhou et al. 2008, and so the one that MLlib minimises:
the sum over all users u and items i of c_ui (p_ui - x_u y_i)^2, and ``reg`` times the sum over users and items of
(number of pairs) x |factor|^2, where for a pair p = 1 and c = 1 + alpha x strength, and otherwise p = 0 and c = 1.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from shoal.kernels.als_last import Last
from shoal.kernels.pairs import read_pairs

Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.integer[Any]]

STEPS = 2  # of conjugate gradients per row and iteration; more bring no lower loss, as rows go on where they ended
FACTORS = pa.schema([
    ("side", pa.string()), ("id", pa.string()), ("number", pa.int32()), ("factor", pa.list_(pa.float64())),
])  # fmt: skip
_WORK_PER_PART = 1 << 17  # pairs that a thread takes at once; parts depend on the pairs alone, as sums do on parts
_WORK_PER_ROW = 16  # what a row costs beside its pairs, in pairs
_ROWS_PER_BATCH = 8192
_PAIRS_AT_ONCE = 1 << 18


def fit(
    indptr: Whole,
    indices: Whole,
    strengths: npt.NDArray[np.floating[Any]],
    items: int,
    *,
    rank: int,
    iterations: int,
    reg: float,
    alpha: float,
    seed: int,
    steps: int = STEPS,
    threads: int = 1,
    start: tuple[Floats, Floats] | None = None,
) -> tuple[Floats, Floats]:
    """Factors of users and items that make the loss small.

    In each iteration the items are improved while the users stay, then the users while the items stay: each row by
    ``steps`` of preconditioned conjugate gradients from where it was. Before either, both sides are turned to the
    eigenvectors of the Gram matrix of the side that stays, which changes no product and makes all that is dense in the
    equations diagonal. The order of the pairs within a row and the number of threads change nothing.

    Args:
        indptr: of the users x items matrix in compressed rows: the pairs of user u lie at indptr[u] to indptr[u + 1].
        indices: of each pair, the item; no item twice for a user.
        strengths: of each pair, above 0.
        items: how many there are.
        rank: length of the factors.
        iterations: at least 1.
        reg: penalty, times the number of pairs of the row.
        alpha: confidence per unit of strength.
        seed: of the users' first factors, random unit vectors as MLlib's.
        steps: of conjugate gradients; ``rank`` of them solve each row, but for rounding.
        threads: that share the rows.
        start: factors of users and items to go on from, in place of random ones.

    Returns:
        users x rank and items x rank; zeros for a row without pairs.
    """
    by_user = _in_order(sp.csr_matrix((np.asarray(strengths, np.float32), indices, indptr), (len(indptr) - 1, items)))
    by_item = _in_order(by_user.T)
    users_x, items_y = _first(by_user.shape, rank, seed) if start is None else (_copy(start[0]), _copy(start[1]))
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(iterations):
            _improve(pool, by_item, items_y, users_x, reg, alpha, steps)
            _improve(pool, by_user, users_x, items_y, reg, alpha, steps)
    return users_x, items_y


def _in_order(matrix: Any) -> Any:
    """The matrix in compressed rows, each ascending by column: two transpositions, no sorting."""
    return matrix.tocsc().tocsr()


def _copy(factors: Floats) -> Floats:
    return np.array(factors, np.float32, order="C")


def _first(shape: tuple[int, int], rank: int, seed: int) -> tuple[Floats, Floats]:
    users = np.random.default_rng(seed).standard_normal((shape[0], rank), np.float32)
    users /= np.maximum(np.linalg.norm(users, axis=1, keepdims=True), np.float32(1e-9))
    return users, np.zeros((shape[1], rank), np.float32)


def _improve(pool: Executor, pairs: Any, rows: Floats, fixed: Floats, reg: float, alpha: float, steps: int) -> None:
    """Improve ``rows``, to which the rows of ``pairs`` belong, while ``fixed`` stays but for a rotation of both."""
    from shoal.kernels.als_rows import improve_rows  # numba is loaded in tasks only

    blocks = [slice(at, at + _ROWS_PER_BATCH) for at in range(0, len(fixed), _ROWS_PER_BATCH)]
    gram = np.zeros((fixed.shape[1], fixed.shape[1]))
    for part in pool.map(lambda block: fixed[block].T @ fixed[block], blocks):
        gram += part
    eigen, basis = np.linalg.eigh(gram)
    eigen, basis = np.maximum(eigen, 0).astype(np.float32), basis.astype(np.float32)

    indptr = pairs.indptr.astype(np.int64)  # scipy takes 32 bits where they are enough; loops are compiled for one type

    def turn(block: slice) -> None:
        fixed[block] = fixed[block] @ basis

    def improve(part: tuple[int, int]) -> None:
        first, last = part
        rows[first:last] = rows[first:last] @ basis
        improve_rows(indptr, pairs.indices, pairs.data, eigen, fixed, rows, first, last, reg, alpha, steps)

    list(pool.map(turn, blocks))
    list(pool.map(improve, _parts(indptr)))


def _parts(indptr: Whole) -> list[tuple[int, int]]:
    """Ranges of rows that cost about the same."""
    work = np.asarray(indptr, np.int64) + _WORK_PER_ROW * np.arange(len(indptr))
    bounds = np.searchsorted(work, np.arange(0, work[-1], _WORK_PER_PART))
    return [*pairwise(np.unique([*bounds, len(indptr) - 1]).tolist())]


def loss(
    indptr: Whole,
    indices: Whole,
    strengths: npt.NDArray[np.floating[Any]],
    users: Floats,
    items: Floats,
    *,
    reg: float,
    alpha: float,
) -> float:
    """What :func:`fit` makes small, in double precision."""
    counts = np.diff(indptr)
    x, y = users.astype(np.float64), items.astype(np.float64)
    of_item = np.bincount(indices, minlength=len(items))
    total = ((x.T @ x) * (y.T @ y)).sum()  # every product is far from 0 by itself
    total += reg * ((counts * (x * x).sum(axis=1)).sum() + (of_item * (y * y).sum(axis=1)).sum())
    rows = np.repeat(np.arange(len(users)), counts)
    for at in range(0, len(rows), _PAIRS_AT_ONCE):
        here = slice(at, at + _PAIRS_AT_ONCE)
        product = np.einsum("ij,ij->i", x[rows[here]], y[indices[here]])
        confidence = 1 + alpha * np.asarray(strengths[here], np.float64)
        total += (confidence * (1 - product) ** 2 - product**2).sum()
    return float(total)


def factors_of_pairs(batches: Iterable[pa.RecordBatch], *, threads: int, **settings: Any) -> Iterator[pa.RecordBatch]:
    """:func:`fit` for pairs that come as Arrow batches.

    Args:
        batches: ``user_id``, ``item_id`` and ``strength``, one row per pair, in any order; among them, where the fit is
            to go on from an earlier one, its factors as of :class:`shoal.kernels.als_last.Last`.
        threads: that share the rows.
        settings: those of :func:`fit`.

    Yields:
        Rows of ``FACTORS``: for each id its number, in byte order of the ids, and its factor. None without pairs.
    """
    last = Last()
    pairs = read_pairs(last.taken_from(batches))
    if not len(pairs.strength):
        return
    matrix = pairs.matrix()
    start = last.start(pairs, matrix, **{name: settings[name] for name in ("rank", "reg", "alpha")})
    fitted = fit(matrix.indptr, matrix.indices, matrix.data, len(pairs.items), threads=threads, start=start, **settings)
    for side, ids, factors in zip(("user", "item"), (pairs.users, pairs.items), fitted, strict=True):
        for at in range(0, len(ids), _ROWS_PER_BATCH):
            yield _factor_rows(side, ids, factors, at, min(at + _ROWS_PER_BATCH, len(ids)))


def _factor_rows(side: str, ids: pa.Array, factors: Floats, first: int, last: int) -> pa.RecordBatch:
    values = pa.array(factors[first:last].astype(np.float64).ravel())
    offsets = pa.array(np.arange(last - first + 1, dtype=np.int32) * factors.shape[1])
    columns = [
        pa.array([side] * (last - first)),
        ids.slice(first, last - first).cast(pa.string()),
        pa.array(np.arange(first, last, dtype=np.int32)),
        pa.ListArray.from_arrays(offsets, values),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=FACTORS)
