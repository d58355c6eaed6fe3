"""Sparse rows x sparse rows -> each row's best, by :func:`shoal.kernels.sparse.best_products` on a grid of blocks.

What is computed is, over all left entries, the entries of the right side with the same source.
"""

from functools import partial

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.kernels import sparse
from shoal.models.recommend.grid import best_of_grid

_LEFT_ENTRIES = 1_000_000  # per block, some 20 MB in a task
_RIGHT_ENTRIES = 8_000_000  # per block, some 200 MB in a task


def best_products(
    left: DataFrame,
    right: DataFrame,
    n: int,
    *,
    left_entries: int,
    right_entries: int,
    cosine: bool = False,
    shrink: float = 0.0,
) -> DataFrame:
    """For each row of ``left`` the ``n`` targets of ``right`` with the highest inner products, of each group the best.

    Args:
        left: ``key``, ``sources`` (array of int, ascending), ``weights`` (array of float), ``barred`` (array of int:
            targets that must not come).
        right: ``target``, ``group`` (int), ``sources``, ``weights``.
        n: how many for each key.
        left_entries: length of all sources together, about; blocks are made by it.
        right_entries: the same of the right side.
        cosine: divide by the lengths of both rows.
        shrink: where above 0, a product over m common sources is multiplied by m / (m + shrink).

    Returns:
        ``key``, ``target``, ``score``, ``common`` (sources that both rows have) and ``rank``; of equal scores the lower
        target first. Targets without a common
        source, or with a product of 0, do not come.
    """
    return best_of_grid(
        left.select("key", "sources", "weights", "barred"),
        right.select("target", "group", "sources", "weights"),
        partial(sparse.best_products, n=n, cosine=cosine, shrink=shrink),
        n,
        down=2 + left_entries // _LEFT_ENTRIES,
        across=1 + right_entries // _RIGHT_ENTRIES,
        more="common int",
    )


def sparse_rows(entries: DataFrame, key: Column, source: str) -> DataFrame:
    """``key`` with ``sources``, ascending, and ``weights``, of rows with ``key``, ``source`` and ``weight``."""
    entry = F.struct(F.col(source).alias("source"), F.col("weight").cast("float").alias("weight"))
    return (
        entries.groupBy(key.alias("key"))
        .agg(F.sort_array(F.collect_list(entry)).alias("entries"))
        .select("key", F.col("entries.source").alias("sources"), F.col("entries.weight").alias("weights"))
    )


def strongest(pairs: DataFrame, most: int, power: float) -> DataFrame:
    """The ``most`` strongest pairs of each user: ``user_id``, ``item_id`` and ``weight``, which is strength^power."""
    by_user = Window.partitionBy("user_id").orderBy(F.desc("strength"), "item_id")
    kept = pairs.withColumn("place", F.row_number().over(by_user)).where(F.col("place") <= most)
    return kept.select("user_id", "item_id", F.pow("strength", F.lit(power)).alias("weight"))
