"""Each user's best of the items that are the user's own already, by scores that a model gave them."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def best_of_own(scores: DataFrame, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
    """The best of each user's scored items, a group once; see :class:`shoal.models.recommend.recommender.Fitted`.

    Args:
        scores: ``user_id``, ``item_id`` and ``score``, one row per pair.
        users, barred, items, n: as for ``best`` there.
    """
    own = (
        scores.join(users.select("user_id"), "user_id", how="left_semi")
        .join(items.select("item_id", "item_group_id"), "item_id", how="inner")
        .join(barred.select("user_id", "item_id"), ["user_id", "item_id"], how="left_anti")
    )
    best = F.min(F.struct((-F.col("score")).alias("below"), "item_id")).alias("best")
    by_user = Window.partitionBy("user_id").orderBy("best")
    return (
        own.groupBy("user_id", "item_group_id")
        .agg(best)
        .withColumn("rank", F.row_number().over(by_user))
        .where(F.col("rank") <= n)
        .select("user_id", "best.item_id", "item_group_id", "rank", (-F.col("best.below")).alias("score"))
    )
