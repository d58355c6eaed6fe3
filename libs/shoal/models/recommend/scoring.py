"""Factors -> each user's best items, exactly: blocks of users x blocks of items."""

from functools import partial

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.kernels.top_n import best_of_blocks

_USERS_PER_BLOCK = 1024
_FLOATS_PER_ITEM_BLOCK = 131_072  # 4,096 items at rank 32: 32 MB of scores for a block of users
_PAIRS_PER_TASK = 64  # pairs of blocks that may be in memory at once, some 0.7 MB each
_BROADCAST_BLOCKS = 64  # of items, some 34 MB; more are shuffled


def best_by_factors(
    user_factors: DataFrame,
    item_factors: DataFrame,
    rank: int,
    users: DataFrame,
    barred: DataFrame,
    items: DataFrame,
    n: int,
) -> DataFrame:
    """Each known user's best ``n`` item groups by inner products, exactly: user blocks x item blocks, merged.

    Args:
        user_factors: ``id``, ``number`` and ``factor``.
        item_factors: the same of items.
        rank: length of the factors.
        users, barred, items, n: as for :meth:`shoal.models.recommend.recommender.Fitted.best`.

    Returns:
        As that method does.
    """
    known_items = items.join(
        item_factors.select(F.col("id").alias("item_id"), "number", "factor"), "item_id", how="inner"
    ).checkpoint()
    known_users = users.join(
        user_factors.select(F.col("id").alias("user_id"), "number", "factor"), "user_id", how="inner"
    ).checkpoint()
    item_blocks = 1 + known_items.count() * rank // _FLOATS_PER_ITEM_BLOCK
    user_blocks = 1 + known_users.count() // _USERS_PER_BLOCK
    tasks = 1 + user_blocks * item_blocks // _PAIRS_PER_TASK
    left = _user_blocks(known_users, _owned_numbers(barred, known_items), user_blocks).repartition(tasks, "user_block")
    right = _item_blocks(known_items, item_blocks)
    best = left.crossJoin(F.broadcast(right) if item_blocks <= _BROADCAST_BLOCKS else right).mapInArrow(
        partial(best_of_blocks, n=n), "user int, item int, score double"
    )
    by_user = Window.partitionBy("user").orderBy(F.desc("score"), "item")  # numbers are in order of item_id
    return (
        best.withColumn("rank", F.row_number().over(by_user))
        .where(F.col("rank") <= n)
        .join(known_users.select(F.col("number").alias("user"), "user_id"), "user", how="inner")
        .join(known_items.select(F.col("number").alias("item"), "item_id", "item_group_id"), "item", how="inner")
        .select("user_id", "item_id", "item_group_id", "rank", "score")
    )


def _owned_numbers(barred: DataFrame, items: DataFrame) -> DataFrame:
    """Per user the numbers of the items that it must not get."""
    numbers = barred.join(items.select("item_id", "number"), "item_id", how="inner")
    return numbers.groupBy("user_id").agg(F.sort_array(F.collect_list("number")).alias("owned"))


def _user_blocks(users: DataFrame, owned_numbers: DataFrame, blocks: int) -> DataFrame:
    """One row per block of users: ``users``, ascending by number."""
    nothing = F.array().cast("array<int>")
    row = F.struct(
        "number",
        F.col("factor").cast("array<float>").alias("factor"),
        F.coalesce("owned", nothing).alias("owned"),
    )
    return (
        users.join(owned_numbers, "user_id", how="left")
        .groupBy(F.pmod(F.hash("number"), F.lit(blocks)).alias("user_block"))
        .agg(F.sort_array(F.collect_list(row)).alias("users"))
    )


def _item_blocks(items: DataFrame, blocks: int) -> DataFrame:
    """One row per block of items: ``items``, ascending by number; all variants of a group share a block."""
    groups = items.groupBy("item_group_id").agg(F.min("number").alias("group_number"))
    row = F.struct("number", F.col("factor").cast("array<float>").alias("factor"), "group_number")
    return (
        items.join(groups, "item_group_id", how="inner")
        .groupBy(F.pmod(F.hash("group_number"), F.lit(blocks)).alias("item_block"))
        .agg(F.sort_array(F.collect_list(row)).alias("items"))
    )
