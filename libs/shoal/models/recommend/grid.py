"""Rows x targets -> each row's best targets: a grid of blocks, each of which a kernel works on in one task.

Both sides are cut into blocks by hash, and each pair of blocks is a group of a cogroup. What is moved is left x (blocks
of right) + right x (blocks of left). How many blocks there are follows from the data's size and changes no digit.
"""

from collections.abc import Callable
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F


def best_of_grid(
    left: DataFrame, right: DataFrame, kernel: Callable[[Any, Any], Any], n: int, *, down: int, across: int
) -> DataFrame:
    """For each row of ``left`` the ``n`` best of ``right``.

    Args:
        left: ``key``, different in each row, and what the kernel needs.
        right: ``target`` and ``group`` (int), and what the kernel needs. Targets of a group are in the same block.
        kernel: makes of two Arrow tables, of a block of rows and a block of targets, ``key``, ``target`` and
            ``score``, with at most ``n`` rows per key and one per group.
        n: how many for each key.
        down: blocks of rows.
        across: blocks of targets.

    Returns:
        ``key``, ``target``, ``score`` and ``rank``; of equal scores the lower target first.
    """
    rows = left.select(F.pmod(F.hash("key"), F.lit(down)).alias("down"), _every(across).alias("across"), "*")
    columns = right.select(  # aliases: both sides may stem from the same frame
        _every(down).alias("down"),
        F.pmod(F.hash("group"), F.lit(across)).alias("across"),
        *(F.col(name).alias(name) for name in right.columns),
    )
    key = left.schema["key"].dataType.simpleString()
    found = (
        rows.groupBy("down", "across")
        .cogroup(columns.groupBy("down", "across"))
        .applyInArrow(kernel, f"key {key}, target int, score double")
    )
    by_key = Window.partitionBy("key").orderBy(F.desc("score"), "target")
    return found.withColumn("rank", F.row_number().over(by_key)).where(F.col("rank") <= n)


def _every(blocks: int) -> Column:
    return F.explode(F.sequence(F.lit(0), F.lit(blocks - 1)))


def with_barred(rows: DataFrame, barred: DataFrame, numbers: DataFrame) -> DataFrame:
    """Rows whose ``key`` is a user, with ``barred``: the numbers of the items that this user must not get.

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
    """Numbered items that may be named: ``target``, ``group`` (its lowest target), and what ``numbers`` has.

    Args:
        numbers: ``item_id``, ``number`` and others.
        items: ``item_id`` and ``item_group_id``.
    """
    known = items.select("item_id", "item_group_id").join(numbers, "item_id", how="inner")
    groups = known.groupBy("item_group_id").agg(F.min("number").alias("group"))
    return known.join(groups, "item_group_id", how="inner").withColumnRenamed("number", "target")


def named(best: DataFrame, targets: DataFrame) -> DataFrame:
    """The best of users, under the shop's own ids: what :meth:`Fitted.best` returns.

    Args:
        best: rows of :func:`best_of_grid` whose ``key`` is a user_id.
        targets: rows of :func:`with_groups`.
    """
    return best.join(targets.select("target", "item_id", "item_group_id"), "target", how="inner").select(
        F.col("key").alias("user_id"), "item_id", "item_group_id", "rank", "score"
    )
