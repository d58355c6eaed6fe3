"""silver.events, silver.orders -> features.user_days, features.user_item_days: partial aggregates per day."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.tables import USER_DAYS, USER_ITEM_DAYS
from shoal.tables.vocabulary import MONEY_SUM

_ACTS = "user_id IS NOT NULL AND NOT is_deleted"


def user_days(events: DataFrame, orders: DataFrame, *, buckets: int) -> DataFrame:
    """Summarise each user's day.

    An order counts on the day of its first line, so that orders of several days add up to distinct orders.

    Returns:
        Rows of ``features.user_days``.
    """
    acted = events.where(_ACTS).groupBy("user_id", "event_date").agg(
        F.count("*").alias("events"),
        _count("event_type = 'search'").alias("searches"),
        *_day_counts(),
        _count("event_type = 'purchase'").alias("purchase_lines"),
        _sum("event_type = 'purchase'", "amount_base").alias("gross"),
        _sum("event_type = 'return'", "amount_base").alias("returned"),
        _sum("event_type = 'purchase'", "discount_amount").alias("discount"),
        F.min("event_time").alias("first_at"),
        F.max("event_time").alias("last_at"),
    )  # fmt: skip
    begun = orders.where("user_id IS NOT NULL").groupBy("user_id", F.col("order_date").alias("event_date")).agg(
        F.count("*").alias("orders"), F.max("ordered_at").alias("last_order_at")
    )  # fmt: skip
    days = acted.join(begun, on=["user_id", "event_date"], how="left")
    return USER_DAYS.select(
        days.withColumn("orders", F.coalesce("orders", F.lit(0))).withColumn("bucket", bucket(buckets))
    )


def user_item_days(events: DataFrame, *, buckets: int) -> DataFrame:
    """Summarise what each user did with each item on each day; shipping, fees and the like are left out.

    Returns:
        Rows of ``features.user_item_days``.
    """
    goods = "item_id IS NOT NULL AND coalesce(line_kind, 'goods') = 'goods'"
    days = events.where(_ACTS).where(goods).groupBy("user_id", "item_id", "event_date").agg(
        *_day_counts(),
        _sum("event_type = 'purchase'", "amount_base").alias("gross"),
        _sum("event_type = 'return'", "amount_base").alias("returned"),
    )  # fmt: skip
    return USER_ITEM_DAYS.select(days.withColumn("bucket", bucket(buckets)))


def bucket(buckets: int) -> Column:
    """The user's hash bucket; crc32 so that every language can compute it."""
    return (F.crc32(F.encode("user_id", "UTF-8")) % F.lit(buckets)).cast("int")


def _day_counts() -> list[Column]:
    goods = "coalesce(line_kind, 'goods') = 'goods'"
    bought, returned = f"event_type = 'purchase' AND {goods}", f"event_type = 'return' AND {goods}"
    return [
        _count("event_type IN ('view', 'click')").alias("views"),
        _count("event_type = 'favourite'").alias("favourites"),
        _count("event_type = 'cart'").alias("carts"),
        _count(bought).alias("purchases"),
        F.coalesce(_sum(bought, "quantity", "bigint"), F.lit(0)).alias("pieces"),
        _count(returned).alias("returns"),
        F.coalesce(_sum(returned, "quantity", "bigint"), F.lit(0)).alias("returned_pieces"),
    ]


def _count(condition: str) -> Column:
    return F.sum(F.when(F.expr(condition), F.lit(1)).otherwise(F.lit(0))).cast("bigint")


def _sum(condition: str, column: str, data_type: str = MONEY_SUM.simpleString()) -> Column:
    return F.sum(F.when(F.expr(condition), F.col(column))).cast(data_type)
