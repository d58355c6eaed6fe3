"""Strengths -> gold.similar_items: beside each item those that the same users want."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.frames import few_rows, persisted
from shoal.models.recommend.grid import sent_if_few, with_groups
from shoal.models.recommend.item_item import ItemKnn
from shoal.models.recommend.numbering import number_pairs
from shoal.models.recommend.products import best_products, sparse_rows, strongest
from shoal.params import SimilarItemsParams

_REASON = "%d of the people who want the one want the other too"
_SCHEMA = (
    "item_id string, rank int, similar_item_id string, item_group_id string, score double, common_users bigint, "
    "source string, reason string"
)


def similar_items(pairs: DataFrame, items: DataFrame, offered: DataFrame, params: SimilarItemsParams) -> DataFrame:
    """Beside each item the ``top_n`` whose users are most alike: shrunk cosines, as of :class:`ItemKnn`.

    Of a group only the best variant is named, never one of the item's own group.

    Args:
        pairs: ``user_id``, ``item_id`` and ``strength``, one row per pair.
        items: ``item_id`` and ``item_group_id`` of the items that may have a list, one row each.
        offered: the same of those that may be named, all of them among ``items``.
        params: the settings.

    Returns:
        The columns of ``gold.similar_items`` but ``run_id`` and ``as_of``.
    """
    goods = pairs.join(items.select("item_id"), "item_id", how="left_semi")
    with persisted(strongest(goods, params.max_history, params.power)) as kept:
        count = kept.count()
        if not count:
            return few_rows(pairs.sparkSession, _SCHEMA, [])
        known = number_pairs(kept, count)
    ids = known.select("item_id", "number").distinct().join(items, "item_id", how="inner")
    columns = (
        sparse_rows(known, F.col("number"), "user")
        .withColumnRenamed("key", "number")
        .join(ids.select("item_id", "number"), "number", how="inner")
        .checkpoint()
    )
    targets = with_groups(columns, offered)
    variants = targets.groupBy("item_group_id").agg(F.sort_array(F.collect_list("target")).alias("barred"))
    rows = (
        columns.join(items, "item_id", how="inner")
        .join(variants, "item_group_id", how="left")
        .withColumn("barred", F.coalesce("barred", F.array().cast("array<int>")))
    )
    near = best_products(
        rows.withColumnRenamed("number", "key"), targets, params.top_n,
        left_entries=count, right_entries=count, cosine=True, shrink=params.shrink,
    )  # fmt: skip
    names = columns.select("item_id", F.col("number").alias("key"))
    others = targets.select(F.col("item_id").alias("similar_item_id"), "item_group_id", "target")
    return (
        near.join(sent_if_few(names, count), "key", how="inner")
        .join(sent_if_few(others, count), "target", how="inner")
        .select(
            "item_id", "rank", "similar_item_id", "item_group_id",
            F.least("score", F.lit(1.0)).alias("score"),  # the same direction, rounded
            F.col("common").cast("long").alias("common_users"),
            F.lit(ItemKnn.name).alias("source"),
            F.format_string(_REASON, "common").alias("reason"),
        )
    )  # fmt: skip
