"""One ranked list of offers for all -> each user's first ones that the user may get."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def best_offers(
    short: DataFrame,
    learned: DataFrame | None,
    offers: DataFrame,
    barred: DataFrame,
    items: DataFrame,
    n: int,
) -> DataFrame:
    """The first offers for users who ``found`` fewer than ``n`` items, ranked after what they found.

    The first (n + barred) groups of the offers are enough for a user to whom that many of these items are barred: each
    barred item and each item found already can spoil but one group. A user to whom much is barred is served from
    further down the offers; how far is known per user, so no other list costs more for it.

    Args:
        short: ``user_id`` and ``found``, how many items the user has already.
        learned: ``user_id`` and ``item_group_id`` of these; None where there are none.
        offers: ``item_id``, ``rank`` (1, 2, ...), ``score`` and ``reason``; a short list.
        barred: ``user_id`` and ``item_id`` that must not come.
        items: ``item_id`` and ``item_group_id`` of what may come.
        n: length of the lists.

    Returns:
        ``user_id``, ``rank`` from ``found`` + 1 to at most ``n``, ``item_id``, ``item_group_id``, ``score`` and
        ``reason``.
    """
    by_rank = Window.orderBy("rank").rowsBetween(Window.unboundedPreceding, Window.currentRow)  # a short list
    of_group = Window.partitionBy("item_group_id").orderBy("rank")
    ranked = (
        offers.join(items, "item_id", how="inner")
        .withColumn("is_first", (F.row_number().over(of_group) == 1).cast("int"))
        .withColumn("depth", F.sum("is_first").over(by_rank).cast("int"))  # groups named up to here
        .drop("is_first")
    )
    barred_offers = barred.join(short, "user_id", how="left_semi").join(ranked, "item_id", how="left_semi")
    barred_counts = barred_offers.groupBy("user_id").agg(F.count(F.lit(1)).cast("int").alias("barred"))
    depths = F.explode(F.sequence(F.lit(1), F.lit(n) + F.coalesce("barred", F.lit(0)))).alias("depth")
    choices = (
        short.join(barred_counts, "user_id", how="left")
        .select("user_id", "found", depths)
        .join(F.broadcast(ranked), "depth", how="inner")
        .join(barred_offers, ["user_id", "item_id"], how="left_anti")
    )
    if learned is not None:
        choices = choices.join(
            learned.select("user_id", "item_group_id"), ["user_id", "item_group_id"], how="left_anti"
        )
    offer = F.min(F.struct("rank", "item_id", "score", "reason")).alias("offer")
    by_user = Window.partitionBy("user_id").orderBy("offer.rank")
    return (
        choices.groupBy("user_id", "found", "item_group_id")
        .agg(offer)
        .withColumn("place", F.col("found") + F.row_number().over(by_user))
        .where(F.col("place") <= n)
        .select(
            "user_id", F.col("place").alias("rank"), "offer.item_id", "item_group_id", "offer.score", "offer.reason"
        )
    )
