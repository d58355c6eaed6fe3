"""features.user_item_days -> the items that most people buy."""

from datetime import date, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.params import RecommendParams


def popular(user_item_days: DataFrame, allowed_items: DataFrame, *, as_of: date, days: int, limit: int) -> DataFrame:
    """The allowed items by their distinct buyers in the ``days`` before ``as_of``, ties by item_id.

    Where no allowed item was bought, viewers count instead. Items that nobody bought come last, with score
    0, so that a list can be filled as long as there are items.

    Args:
        user_item_days: rows of ``features.user_item_days``.
        allowed_items: ``item_id`` and, where there are variants, ``item_group_id``.
        as_of: first shop-local day that must not be seen.
        days: how far back buyers count.
        limit: how many item groups are kept, each with all its variants; :func:`popular_limit` says what
            :func:`recommend` needs.

    Returns:
        ``item_id``, ``score``, ``rank`` (1, 2, 3, ...) and ``reason``.
    """
    recent = user_item_days.where(
        F.col("event_date").between(F.lit(as_of - timedelta(days=days)), F.lit(as_of - timedelta(days=1)))
    )
    users = recent.groupBy("user_id", "item_id").agg(F.sum("purchases").alias("bought"), F.sum("views").alias("seen"))
    counts = users.groupBy("item_id").agg(
        F.count_if(F.col("bought") > 0).alias("buyers"), F.count_if(F.col("seen") > 0).alias("viewers")
    )
    items = one_row_per_item(allowed_items).join(counts, "item_id", how="left")
    most = items.agg(F.max("buyers").alias("buyers")).first()
    who = "buyers" if most is not None and most["buyers"] else "viewers"
    scored = items.withColumn("score", F.coalesce(F.col(who), F.lit(0)).cast("double"))
    best = F.min(F.struct(-F.col("score"), F.col("item_id")))
    groups = scored.groupBy("item_group_id").agg(best.alias("best")).orderBy("best").limit(limit)
    in_order = Window.orderBy(F.desc("score"), "item_id")  # over no more than `limit` groups
    return scored.join(groups, "item_group_id", how="left_semi").select(
        "item_id",
        "score",
        F.row_number().over(in_order).alias("rank"),
        F.format_string(f"{who} in the last {days} days: %.0f", "score").alias("reason"),
    )


def popular_limit(owned: DataFrame | None, allowed_items: DataFrame, params: RecommendParams) -> int:
    """How many popular item groups fill every list: ``top_n``, and as many as one user owns at most."""
    if owned is None or not params.exclude_owned:
        return params.top_n
    counts = owned.join(allowed_items.select("item_id").distinct(), "item_id", how="left_semi").groupBy("user_id")
    most = counts.agg(F.countDistinct("item_id").alias("items")).agg(F.max("items").alias("items")).first()
    return params.top_n + int(most["items"] or 0 if most is not None else 0)


def one_row_per_item(items: DataFrame) -> DataFrame:
    """``item_id`` and ``item_group_id``, which is the item itself where no group is known."""
    group = F.col("item_group_id") if "item_group_id" in items.columns else F.lit(None).cast("string")
    return items.groupBy("item_id").agg(F.coalesce(F.min(group), F.col("item_id")).alias("item_group_id"))
