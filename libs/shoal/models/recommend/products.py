"""Sparse rows x sparse rows -> each row's best: a grid of blocks, multiplied in tasks.

Both sides are cut into blocks by hash, and each pair of blocks is one task of a cogroup, in which
:func:`shoal.kernels.sparse.best_products` multiplies them. What is moved is left x (blocks of right) + right x (blocks
of left); what is computed is, over all left entries, the entries of right with the same source. How many blocks there
are follows from the data's size and changes no digit.
"""

from functools import partial

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.kernels.sparse import best_products as best_of_blocks

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
        ``key``, ``target``, ``score`` and ``rank``; of equal scores the lower target first. Targets without a common
        source, or with a product of 0, do not come.
    """
    down, across = 2 + left_entries // _LEFT_ENTRIES, 1 + right_entries // _RIGHT_ENTRIES

    def every(blocks: int) -> Column:
        return F.explode(F.sequence(F.lit(0), F.lit(blocks - 1)))

    rows = left.select(
        F.pmod(F.hash("key"), F.lit(down)).alias("down"), every(across).alias("across"),
        "key", "sources", "weights", "barred",
    )  # fmt: skip
    columns = right.select(  # aliases: both sides may stem from the same frame
        every(down).alias("down"), F.pmod(F.hash("group"), F.lit(across)).alias("across"),
        *(F.col(name).alias(name) for name in ("target", "group", "sources", "weights")),
    )  # fmt: skip
    key = left.schema["key"].dataType.simpleString()
    found = (
        rows.groupBy("down", "across")
        .cogroup(columns.groupBy("down", "across"))
        .applyInArrow(partial(_best_of_pair, n=n, cosine=cosine, shrink=shrink), f"key {key}, target int, score double")
    )
    by_key = Window.partitionBy("key").orderBy(F.desc("score"), "target")
    return found.withColumn("rank", F.row_number().over(by_key)).where(F.col("rank") <= n)


def _best_of_pair(left: pa.Table, right: pa.Table, *, n: int, cosine: bool, shrink: float) -> pa.Table:
    return best_of_blocks(left, right, n=n, cosine=cosine, shrink=shrink)


def sparse_rows(entries: DataFrame, key: Column, source: str) -> DataFrame:
    """``key`` with ``sources``, ascending, and ``weights``, of rows with ``key``, ``source`` and ``weight``."""
    entry = F.struct(F.col(source).alias("source"), F.col("weight").cast("float").alias("weight"))
    return (
        entries.groupBy(key.alias("key"))
        .agg(F.sort_array(F.collect_list(entry)).alias("entries"))
        .select("key", F.col("entries.source").alias("sources"), F.col("entries.weight").alias("weights"))
    )


def with_barred(rows: DataFrame, barred: DataFrame, numbers: DataFrame) -> DataFrame:
    """Rows whose ``key`` is a user, with the numbers of the items that this user must not get.

    Args:
        rows: ``key`` and others.
        barred: ``user_id`` and ``item_id``.
        numbers: ``item_id`` and ``number``.
    """
    found = (
        barred.join(numbers, "item_id", how="inner")
        .groupBy(F.col("user_id").alias("key"))
        .agg(F.sort_array(F.collect_list("number")).alias("barred"))
    )
    nothing = F.array().cast("array<int>")
    return rows.join(found, "key", how="left").withColumn("barred", F.coalesce("barred", nothing))


def with_groups(numbers: DataFrame, items: DataFrame) -> DataFrame:
    """Numbered items that may be named: ``target``, ``group`` (its lowest target), and what ``numbers`` has."""
    known = items.select("item_id", "item_group_id").join(numbers, "item_id", how="inner")
    groups = known.groupBy("item_group_id").agg(F.min("number").alias("group"))
    return known.join(groups, "item_group_id", how="inner").withColumnRenamed("number", "target")


def named(best: DataFrame, targets: DataFrame) -> DataFrame:
    """The best of users, under the shop's own ids: what :meth:`Fitted.best` returns.

    Args:
        best: rows of :func:`best_products` whose ``key`` is a user_id.
        targets: rows of :func:`with_groups`.
    """
    return best.join(targets.select("target", "item_id", "item_group_id"), "target", how="inner").select(
        F.col("key").alias("user_id"), "item_id", "item_group_id", "rank", "score"
    )
