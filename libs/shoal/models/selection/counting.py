"""The two passes over the users."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.kernels.tallies import Book, Numbers, Sums, value_counts
from shoal.models.selection.codebooks import Values

_PARTS = 16  # at most: each ends as sums of all pairs of features, some 4 MB


def count_values(rows: DataFrame, columns: int) -> list[Values]:
    """How often each value comes, to three digits.

    The driver sees at most some thousand values per column, however many users there are.

    Args:
        rows: ``values``, an array with one number or null per column.
        columns: how many there are.
    """
    parts = rows.select("values").coalesce(_PARTS).mapInArrow(
        partial(_counted, columns=columns), "place int, value double, users long"
    )  # fmt: skip
    found = parts.groupBy("place", "value").agg(F.sum("users").alias("users")).toPandas()
    listed = []
    for place in range(columns):
        of_column = found[found["place"] == place].sort_values("value")
        known = of_column["value"].notna()
        listed.append(Values(
            of_column["value"][known].to_numpy(np.float64),
            of_column["users"][known].to_numpy(np.int64),
            int(of_column["users"][~known].sum()),
        ))  # fmt: skip
    return listed


def sum_pairs(rows: DataFrame, books: Sequence[Book], labels: int) -> Sums:
    """Sums over all pairs of features, and counts of each feature's bins by those of each label.

    Args:
        rows: of :func:`count_values`.
        books: per column; the labels come last.
        labels: how many of them there are.
    """
    features = len(books) - labels
    most = [1 + max((int(book.bins.max(initial=0)) for book in part), default=0)
            for part in (books[:features], books[features:])]  # fmt: skip
    shape = (features, labels, most[0], max(most[1] - 1, 1))
    parts = rows.select("values").coalesce(_PARTS).mapInArrow(
        partial(_summed, books=[*books], shape=shape), "sums binary"
    )  # fmt: skip
    sums = Sums.empty(*shape)
    for part in parts.collect():
        sums.add_packed(bytes(part["sums"]))
    return sums


def _counted(batches: Iterable[pa.RecordBatch], columns: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if batch.num_rows:
            places, values, users = value_counts(_matrix(batch, columns))
            yield pa.RecordBatch.from_arrays(
                [pa.array(places, pa.int32()), pa.array(values, from_pandas=True), pa.array(users, pa.int64())],
                ["place", "value", "users"],
            )


def _summed(
    batches: Iterable[pa.RecordBatch], books: Sequence[Book], shape: tuple[int, int, int, int]
) -> Iterator[pa.RecordBatch]:
    sums = Sums.empty(*shape)
    for batch in batches:
        if batch.num_rows:
            sums.add(_matrix(batch, len(books)), books)
    yield pa.RecordBatch.from_arrays([pa.array([sums.packed()], pa.binary())], ["sums"])


def _matrix(batch: pa.RecordBatch, columns: int) -> Numbers:
    """Rows by columns; NaN for null."""
    flat = batch.column(0).flatten()
    return np.asarray(flat.to_numpy(zero_copy_only=False), np.float64).reshape(-1, columns)
