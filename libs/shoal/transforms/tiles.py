"""silver.events, silver.orders -> partial aggregates per day of users, and of visitors while no user is known."""

from collections.abc import Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.tables import USER_DAYS, USER_ITEM_DAYS, VISITOR_DAYS, VISITOR_ITEM_DAYS
from shoal.tables.vocabulary import MONEY_SUM

Who = Literal["user_id", "visitor_id"]

_IS_LOOK = "event_type IN ('view', 'click', 'search', 'favourite', 'cart')"
_IS_PRICED = "event_type = 'purchase' AND amount_base IS NOT NULL"
OF_USERS = "user_id IS NOT NULL AND NOT is_deleted"
OF_VISITORS = "user_id IS NULL AND visitor_id IS NOT NULL AND NOT is_deleted"


def user_days(events: DataFrame, orders: DataFrame, *, buckets: int) -> DataFrame:
    """Summarise each user's day.

    An order counts on the day of its first line, so that orders of several days add up to distinct orders.

    Returns:
        Rows of ``features.user_days``.
    """
    begun = orders.where("user_id IS NOT NULL")
    return USER_DAYS.select(_days(events.where(OF_USERS), begun, "user_id", buckets))


def visitor_days(events: DataFrame, orders: DataFrame, *, buckets: int) -> DataFrame:
    """Summarise each visitor's day, of events without a user.

    A guest's order is of the first visitor among its lines of the day on which it began.

    Returns:
        Rows of ``features.visitor_days``.
    """
    anonymous = events.where(OF_VISITORS)
    lines = anonymous.where("event_type = 'purchase' AND order_id IS NOT NULL")
    first = lines.groupBy("order_id", F.col("event_date").alias("order_date")).agg(
        F.min_by("visitor_id", F.struct("event_time", "event_id")).alias("visitor_id")
    )
    begun = orders.where("user_id IS NULL").join(first, on=["order_id", "order_date"], how="inner")
    return VISITOR_DAYS.select(_days(anonymous, begun, "visitor_id", buckets))


def user_item_days(events: DataFrame, *, buckets: int) -> DataFrame:
    """Summarise what each user did with each item on each day; shipping, fees and the like are left out.

    Returns:
        Rows of ``features.user_item_days``.
    """
    return USER_ITEM_DAYS.select(_item_days(events.where(OF_USERS), "user_id", buckets))


def visitor_item_days(events: DataFrame, *, buckets: int) -> DataFrame:
    """The same of each visitor, of events without a user.

    Returns:
        Rows of ``features.visitor_item_days``.
    """
    return VISITOR_ITEM_DAYS.select(_item_days(events.where(OF_VISITORS), "visitor_id", buckets))


def _days(acts: DataFrame, begun: DataFrame, who: Who, buckets: int) -> DataFrame:
    acted = acts.groupBy(who, "event_date").agg(
        F.count("*").alias("events"),
        _count("event_type = 'search'").alias("searches"),
        *_day_counts(),
        _count("event_type = 'purchase'").alias("purchase_lines"),
        _sum("event_type = 'purchase'", "amount_base").alias("gross"),
        _sum("event_type = 'return'", "amount_base").alias("returned"),
        _sum("event_type = 'purchase'", "discount_amount").alias("discount"),
        F.min("event_time").alias("first_at"),
        F.max("event_time").alias("last_at"),
        # The session counts hours in UTC; a shop's day holds as many different ones.
        F.bit_or(F.when(F.expr(_IS_LOOK), F.expr("shiftleft(1, hour(event_time))"))).alias("look_hours"),
    )
    ordered = begun.groupBy(who, F.col("order_date").alias("event_date")).agg(
        F.count("*").alias("orders"), F.max("ordered_at").alias("last_order_at")
    )
    days = acted.join(ordered, on=[who, "event_date"], how="left")
    return days.withColumn("orders", F.coalesce("orders", F.lit(0))).withColumn("bucket", bucket(buckets, who))


def _item_days(acts: DataFrame, who: Who, buckets: int) -> DataFrame:
    goods = acts.where("item_id IS NOT NULL AND coalesce(line_kind, 'goods') = 'goods'")
    days = goods.groupBy(who, "item_id", "event_date").agg(
        *_day_counts(),
        _sum("event_type = 'purchase'", "amount_base").alias("gross"),
        _sum("event_type = 'return'", "amount_base").alias("returned"),
        F.sum(F.when(F.expr(_IS_PRICED), F.coalesce("quantity", F.lit(1)))).cast("bigint").alias("priced_pieces"),
    )
    return days.withColumn("bucket", bucket(buckets, who))


def gathered(tiles: DataFrame, *others: DataFrame, key: Sequence[str]) -> DataFrame:
    """Tiles of several origins as one row per key: counts and sums add up, moments are the first and the last.

    Args:
        tiles, others: rows of tiles of one kind, under the same key columns.

    Returns:
        The columns of ``tiles``, without ``bucket``.
    """
    together = tiles
    for more in others:
        together = together.unionByName(more)
    others_than_sums = {"first_at": F.min, "last_at": F.max, "last_order_at": F.max, "look_hours": F.bit_or}
    measures = [field for field in tiles.schema if field.name not in {*key, "bucket"}]
    return together.groupBy(*key).agg(
        *(others_than_sums.get(m.name, F.sum)(m.name).cast(m.dataType).alias(m.name) for m in measures)
    )


def bucket(buckets: int, who: Who = "user_id") -> Column:
    """The hash bucket of a user or visitor; crc32 so that every language can compute it."""
    return (F.crc32(F.encode(who, "UTF-8")) % F.lit(buckets)).cast("int")


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
