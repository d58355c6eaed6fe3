"""Lists that are too short -> what another model names after what they hold: the one way in which lists are filled."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.models.recommend.recommender import Fitted


def short_of(users: DataFrame, own: DataFrame, n: int) -> DataFrame:
    """Users with fewer than ``n`` rows in ``own``: ``user_id`` and how many were ``found``."""
    counts = own.groupBy("user_id").agg(F.count(F.lit(1)).cast("int").alias("found"))
    return (
        users.select("user_id")
        .join(counts, "user_id", how="left")
        .select("user_id", F.coalesce("found", F.lit(0)).alias("found"))
        .where(F.col("found") < n)
    )


def more(fallback: Fitted, short: DataFrame, own: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
    """What ``fallback`` names to users whose lists are too short, after what they have.

    Nothing is named that is barred, nor another variant of what a list holds.

    Args:
        fallback: a model; what it cannot name is left out.
        short: rows of :func:`short_of`, kept: they are read several times.
        own: ``user_id`` and ``item_group_id`` of the lists as they are, kept.
        barred, items, n: as for :meth:`shoal.models.recommend.recommender.Fitted.best`.

    Returns:
        As that method does, with ranks that go on after those of ``own``, up to ``n``.
    """
    few = short.select("user_id")
    held = (
        own.join(few, "user_id", how="left_semi")
        .select("user_id", "item_group_id")
        .join(items.select("item_id", "item_group_id"), "item_group_id", how="inner")
        .select("user_id", "item_id")
    )
    taken = barred.select("user_id", "item_id").join(few, "user_id", how="left_semi").unionByName(held)
    rank = (F.col("rank") + F.col("found")).cast("int")
    return (
        fallback.best(few, taken, items, n)
        .join(short, "user_id", how="inner")
        .withColumn("rank", rank)
        .where(F.col("rank") <= n)
        .drop("found")
    )
