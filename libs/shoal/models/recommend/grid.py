"""Rows x targets -> each row's best targets: a grid of blocks, each of which a kernel works on in one task.

Both sides are cut into blocks by hash, and each pair of blocks is a group of a cogroup. What is moved is left x (blocks
of right) + right x (blocks of left). How many blocks there are follows from the data's size and changes no digit.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

Kernel = Callable[[pa.Table, pa.Table], pa.Table]
_FEW = 200_000  # rows that are sent to every task, some 10 MB, so that what they are joined with stays where it is


def best_of_grid(
    left: DataFrame, right: DataFrame, kernel: Kernel, n: int, *, down: int, across: int, more: str = ""
) -> DataFrame:
    """For each row of ``left`` the ``n`` best of ``right``.

    Args:
        left: ``key``, different in each row, and what the kernel needs.
        right: ``target`` and ``group`` (int), and what the kernel needs. Targets of a group are in the same block.
        kernel: makes of two Arrow tables, of a block of rows and a block of targets, ``key``, ``target`` and
            ``score``: for each key together, best first, at most ``n`` rows and one per group.
        n: how many for each key.
        down: blocks of rows.
        across: blocks of targets.
        more: further columns of the kernel's, after ``score``, as DDL.

    Returns:
        ``key``, ``target``, ``score``, ``more`` and ``rank``; of equal scores the lower target first.
    """
    rows = left.select(F.pmod(F.hash("key"), F.lit(down)).alias("down"), _every(across).alias("across"), "*")
    columns = right.select(  # aliases: both sides may stem from the same frame
        _every(down).alias("down"),
        F.pmod(F.hash("group"), F.lit(across)).alias("across"),
        *(F.col(name).alias(name) for name in right.columns),
    )
    key = left.schema["key"].dataType.simpleString()
    columns_made = [f"key {key}", "target int", "score double", *([more] if more else [])]
    found = (
        rows.groupBy("down", "across")
        .cogroup(columns.groupBy("down", "across"))
        .applyInArrow(partial(_ranked, kernel=kernel), ", ".join([*columns_made, "rank int"]))
    )
    if across == 1:
        return found
    by_key = Window.partitionBy("key").orderBy(F.desc("score"), "target")
    return found.withColumn("rank", F.row_number().over(by_key)).where(F.col("rank") <= n)


def _ranked(left: pa.Table, right: pa.Table, *, kernel: Kernel) -> pa.Table:
    """What the kernel finds, with ``rank`` from 1 within each key."""
    found = kernel(left, right)
    keys = found["key"].combine_chunks()
    differs = pc.not_equal(keys.slice(1), keys.slice(0, max(len(keys) - 1, 0))).to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.r_[True, differs][: len(keys)])
    rank = np.arange(len(keys)) - np.repeat(starts, np.diff(np.r_[starts, len(keys)])) + 1
    return found.append_column("rank", pa.array(rank.astype(np.int32)))


def beside_all(left: DataFrame, right: DataFrame, kernel: Kernel, schema: str, *, down: int) -> DataFrame:
    """What a kernel makes of blocks of ``left``, each beside all of ``right``, which must fit into a task.

    Args:
        left: ``key``, different in each row, and what the kernel needs.
        right: what the kernel needs.
        kernel: makes a table of two.
        schema: of what it makes, as DDL.
        down: blocks of rows.
    """
    rows = left.select(F.pmod(F.hash("key"), F.lit(down)).alias("down"), "*")
    columns = right.select(_every(down).alias("down"), *(F.col(name).alias(name) for name in right.columns))
    return rows.groupBy("down").cogroup(columns.groupBy("down")).applyInArrow(kernel, schema)


def sent_if_few(rows: DataFrame, count: int) -> DataFrame:
    """Rows that a join sends to every task, if they are so few."""
    return F.broadcast(rows) if count <= _FEW else rows


def _every(blocks: int) -> Column:
    return F.explode(F.sequence(F.lit(0), F.lit(blocks - 1)))


def with_barred(rows: DataFrame, barred: DataFrame, numbers: DataFrame, count: int) -> DataFrame:
    """Rows whose ``key`` is a user, with ``barred``: the numbers of the items that this user must not get.

    Args:
        rows: ``key`` and others.
        barred: ``user_id`` and ``item_id``.
        numbers: ``item_id`` and ``number``.
        count: how many items there are.
    """
    found = (
        barred.join(sent_if_few(numbers, count), "item_id", how="inner")
        .groupBy(F.col("user_id").alias("key"))
        .agg(F.sort_array(F.collect_set("number")).alias("barred"))
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


def named(best: DataFrame, targets: DataFrame, count: int) -> DataFrame:
    """The best of users, under the shop's own ids: what :meth:`Fitted.best` returns.

    Args:
        best: rows of :func:`best_of_grid` whose ``key`` is a user_id.
        targets: rows of :func:`with_groups`.
        count: how many targets there are at most.
    """
    names = sent_if_few(targets.select("target", "item_id", "item_group_id"), count)
    return best.join(names, "target", how="inner").select(
        F.col("key").alias("user_id"), "item_id", "item_group_id", "rank", "score"
    )
