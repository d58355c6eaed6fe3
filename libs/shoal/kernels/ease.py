"""EASE: what each item says of each other one, in closed form (Steck 2019)."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.linalg import lapack

from shoal.kernels.pairs import read_pairs

COLUMNS = pa.schema([
    ("item_id", pa.string()), ("number", pa.int32()), ("sources", pa.list_(pa.int32())),
    ("weights", pa.list_(pa.float32())),
])  # fmt: skip
_COLUMNS_PER_BATCH = 256


def weights_of(gram: npt.NDArray[np.float64], reg: float) -> npt.NDArray[np.float64]:
    """The matrix B without a diagonal that minimises |X - X B|^2 + ``reg`` |B|^2.

    B = I - P / diag(P), column by column, with P the inverse of (X'X + reg I) (Steck 2019, equation 8).

    Args:
        gram: X'X, items x items; it is overwritten.
        reg: above 0.

    Returns:
        items x items; column j holds how much each item speaks for j.
    """
    gram[np.diag_indices_from(gram)] += reg
    factor, failed = lapack.dpotrf(gram, lower=1, clean=1, overwrite_a=1)
    inverse, failed_too = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise ArithmeticError(f"a Gram matrix of {len(gram)} items with reg {reg} cannot be inverted; raise reg")
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return np.asarray(weights)


def columns_of_pairs(batches: Iterable[pa.RecordBatch], *, reg: float) -> Iterator[pa.RecordBatch]:
    """:func:`weights_of` for pairs that come as Arrow batches.

    Args:
        batches: ``user_id``, ``item_id`` and ``strength``, one row per pair, in any order.
        reg: above 0.

    Yields:
        Rows of ``COLUMNS``: for each item its number, in byte order of the ids, and how much each item speaks for it.
    """
    pairs = read_pairs(batches)
    matrix: Any = pairs.matrix().astype(np.float64)
    count = len(pairs.items)
    weights = weights_of((matrix.T @ matrix).toarray(), reg).astype(np.float32) if count else np.empty((0, 0))
    every = np.arange(count, dtype=np.int32)
    for at in range(0, count, _COLUMNS_PER_BATCH):
        here = every[at : at + _COLUMNS_PER_BATCH]
        offsets = pa.array(np.arange(len(here) + 1, dtype=np.int32) * count)
        columns = [
            pairs.items.slice(at, len(here)).cast(pa.string()),
            pa.array(here),
            pa.ListArray.from_arrays(offsets, pa.array(np.tile(every, len(here)))),
            pa.ListArray.from_arrays(offsets, pa.array(weights[:, here].T.ravel())),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=COLUMNS)
