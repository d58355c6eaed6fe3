"""Baskets -> gold.bought_together: which items are in the same orders more often than by chance."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.models.recommend.measuring import Z_95
from shoal.params import BoughtTogetherParams

CO_PURCHASE = "co_purchase"  # source of rows
_ID = {"item": "item_id", "other": "other_item_id"}
_REASON = "in %d of the %d orders that hold it, %.1f times as often as by chance"


def bought_together(
    baskets: DataFrame, items: DataFrame, offered: DataFrame, params: BoughtTogetherParams
) -> DataFrame:
    """Beside each item the ``top_n`` that are in the same orders, by the lower limit of their lift (:func:`with_lift`).

    A pair counts if ``min_together`` orders hold it and its lower limit is above 1. Of a group only the best variant is
    named, never one of the item's own group. Equal limits are ordered by the orders together, then by item_id.

    Cost: each order is turned into its pairs where it lies, ``max_items`` squared over 2 at most; they are counted
    before they are shuffled, so what moves is one row per different pair and task.

    Args:
        baskets: ``items`` (array of item_id, each once), one row per order; read twice.
        items: ``item_id`` and ``item_group_id`` of the items that may have a list, one row each.
        offered: the same of those that may be named.
        params: the settings.

    Returns:
        The columns of ``gold.bought_together`` but ``run_id`` and ``as_of``.
    """
    size = F.broadcast(baskets.agg(F.count(F.lit(1)).alias("orders")))
    held = baskets.select(F.explode("items").alias("item_id")).groupBy("item_id").agg(F.count(F.lit(1)).alias("held"))
    counted = (
        _together(baskets, params.min_together)
        .join(_named(held, "item"), "item_id", how="inner")
        .join(_named(held, "other"), "other_item_id", how="inner")
        .crossJoin(size)
    )
    sure = with_lift(counted).where(F.col("lift_low") > 1)
    both = sure.select(
        F.inline(F.array(_side("item", "other"), _side("other", "item"))),
        *("orders_together", "orders", "lift", "lift_low", "lift_high"),
    )
    own = items.select("item_id", F.col("item_group_id").alias("own_group"))
    others = offered.select(F.col("item_id").alias("other_item_id"), "item_group_id")
    best_first = (F.desc("lift_low"), F.desc("orders_together"), F.col("other_item_id"))
    of_group = Window.partitionBy("item_id", "item_group_id").orderBy(*best_first)
    of_item = Window.partitionBy("item_id").orderBy(*best_first)
    return (
        both.join(own, "item_id", how="inner")
        .join(others, "other_item_id", how="inner")
        .where("own_group <> item_group_id")
        .withColumn("variant", F.row_number().over(of_group))
        .where("variant = 1")
        .withColumn("rank", F.row_number().over(of_item))
        .where(F.col("rank") <= params.top_n)
        .withColumn("source", F.lit(CO_PURCHASE))
        .withColumn("reason", F.format_string(_REASON, "orders_together", "orders_item", "lift"))
        .drop("own_group", "variant")
    )


def with_lift(counted: DataFrame) -> DataFrame:
    """Add ``lift``, P(a and b) / (P(a) P(b)), with the ends ``lift_low`` and ``lift_high`` of its 95 % interval.

    It is P(common | rare) / P(common), where ``rare`` is the item in fewer orders. Both shares have Wilson's interval
    (1927), which holds where all or few orders have something; those of a ratio are put together on the scale of its
    logarithm by the squares of their distances (Newcombe 1998; Zou, Donner 2008), as if the shares did not depend on
    each other: the interval is a little too wide where they do.

    Args:
        counted: ``orders_together``, above 0, ``orders_item``, ``orders_other`` and ``orders``.
    """
    together, orders = (F.col(name).cast("double") for name in ("orders_together", "orders"))
    rare, common = (both("orders_item", "orders_other").cast("double") for both in (F.least, F.greatest))
    given, overall = together / rare, common / orders
    given_low, given_high = _wilson(together, rare)
    overall_low, overall_high = _wilson(common, orders)
    lift = given / overall
    below = F.sqrt(F.pow(F.log(given / given_low), F.lit(2)) + F.pow(F.log(overall_high / overall), F.lit(2)))
    above = F.sqrt(F.pow(F.log(given_high / given), F.lit(2)) + F.pow(F.log(overall / overall_low), F.lit(2)))
    return counted.withColumns({
        "lift": F.round(lift, 6),
        "lift_low": F.round(lift * F.exp(-below), 6),
        "lift_high": F.round(lift * F.exp(above), 6),
    })  # fmt: skip


def _wilson(found: Column, among: Column) -> tuple[Column, Column]:
    """The 95 % interval of a share that was ``found`` times ``among`` so many; above 0, as ``found`` is."""
    share, square = found / among, F.lit(Z_95**2)
    middle = (share + square / (2 * among)) / (1 + square / among)
    half = F.lit(Z_95) / (1 + square / among) * F.sqrt(share * (1 - share) / among + square / (4 * among * among))
    return middle - half, F.least(F.lit(1.0), middle + half)


def _together(baskets: DataFrame, least: int) -> DataFrame:
    """``item_id``, ``other_item_id`` (the greater) and ``orders_together`` of each pair that so many orders hold."""
    first = baskets.select("items", F.posexplode("items").alias("place", "item_id"))
    later = F.expr("slice(items, place + 2, size(items))")
    return (
        first.select("item_id", F.explode(later).alias("other_item_id"))
        .groupBy("item_id", "other_item_id")
        .agg(F.count(F.lit(1)).alias("orders_together"))
        .where(F.col("orders_together") >= least)
    )


def _named(held: DataFrame, side: str) -> DataFrame:
    return held.select(F.col("item_id").alias(_ID[side]), F.col("held").alias(f"orders_{side}"))


def _side(item: str, other: str) -> Column:
    """A pair as it is seen from one of its items."""
    return F.struct(
        F.col(_ID[item]).alias("item_id"), F.col(_ID[other]).alias("other_item_id"),
        F.col(f"orders_{item}").alias("orders_item"), F.col(f"orders_{other}").alias("orders_other"),
    )  # fmt: skip
