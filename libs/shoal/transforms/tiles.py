"""silver.events, silver.orders -> partial aggregates per day of users, and of visitors while no user is known."""

from collections.abc import Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.tables import USER_DAYS, USER_ITEM_DAYS, VISITOR_DAYS, VISITOR_ITEM_DAYS
from shoal.tables.features import CONTEXTS, SESSIONS
from shoal.tables.vocabulary import ARROWS, MONEY, MONEY_SUM

Who = Literal["user_id", "visitor_id"]

_IS_LOOK = "event_type IN ('view', 'click', 'search', 'favourite', 'cart')"
_GOODS = "coalesce(line_kind, 'goods') = 'goods'"
_CONTEXT = ("channel", "region", "device")
_SUMMED = ("acts", "views", "carts", "purchases")  # of the parts of a session
_GAP = 30  # minutes of silence, the web's usual
_MINUTE = 60_000_000  # microseconds
_UNIT = "DECIMAL(13, 12)"  # of a cosine or sine
_IS_PRICED = "event_type = 'purchase' AND amount_base IS NOT NULL"
OF_USERS = "user_id IS NOT NULL AND NOT is_deleted"
OF_VISITORS = "user_id IS NULL AND visitor_id IS NOT NULL AND NOT is_deleted"


def user_days(
    events: DataFrame, orders: DataFrame, *, buckets: int, zone: str = "UTC", gap_minutes: int = _GAP
) -> DataFrame:
    """Summarise each user's day.

    An order counts on the day of its first line, so that orders of several days add up to distinct orders.

    Args:
        zone: the shop's, by whose clocks hours are told.
        gap_minutes: the silence that ends a session.

    Returns:
        Rows of ``features.user_days``.
    """
    begun = orders.where("user_id IS NOT NULL")
    return USER_DAYS.select(_days(events.where(OF_USERS), begun, "user_id", buckets, zone, gap_minutes))


def visitor_days(
    events: DataFrame, orders: DataFrame, *, buckets: int, zone: str = "UTC", gap_minutes: int = _GAP
) -> DataFrame:
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
    return VISITOR_DAYS.select(_days(anonymous, begun, "visitor_id", buckets, zone, gap_minutes))


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


def _days(acts: DataFrame, begun: DataFrame, who: Who, buckets: int, zone: str, gap_minutes: int) -> DataFrame:
    """A day is put together of its parts by channel, region, device and stretch, as one of several origins is.

    A stretch is as long as the gap of sessions. What is done within one is never further apart, so it is of one
    session whatever else is done: of each user's day, be it a robot's, there are no more than the day has stretches.
    """
    local = F.from_utc_timestamp("event_time", zone)
    turn = F.expr("2 * pi() * (hour(_local) * 3600 + minute(_local) * 60 + second(_local)) / 86400")
    is_timed = F.expr(f"({_IS_LOOK} OR event_type = 'purchase') AND _local > date_trunc('DAY', _local)")
    moment = F.unix_micros("event_time")
    stretch = moment - F.pmod(moment, F.lit(gap_minutes * _MINUTE))
    timed = acts.withColumn("_local", local).withColumns({
        "_hour_x": F.when(is_timed, F.cos(turn)),
        "_hour_y": F.when(is_timed, F.sin(turn)),
        "_stretch": F.when(is_timed, stretch),
    })  # fmt: skip
    parts = timed.groupBy(who, "event_date", *_CONTEXT, "_stretch").agg(
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
        _count(f"event_type = 'purchase' AND {_GOODS} AND discount_amount > 0").alias("discounted_lines"),
        _count("event_type = 'review'").alias("reviews"),
        _count("event_type = 'campaign'").alias("contacts"),
        F.count("_hour_x").alias("timed_acts"),
        *(F.coalesce(F.sum(F.col(f"_{axis}").cast(_UNIT)), F.lit(0)).cast(ARROWS).alias(axis)
          for axis in ("hour_x", "hour_y")),
    )  # fmt: skip
    one = F.array(F.struct(*_CONTEXT, "events", "last_at")).cast(CONTEXTS)
    told = parts.withColumns({
        "contexts": F.when(F.coalesce(*_CONTEXT).isNotNull(), one),
        "sessions": F.when(F.col("_stretch").isNotNull(), _session(gap_minutes)).otherwise(F.array().cast(SESSIONS)),
    }).drop(*_CONTEXT, "_stretch")  # fmt: skip
    ordered = begun.groupBy(who, F.col("order_date").alias("event_date")).agg(
        F.count("*").alias("orders"), F.max("ordered_at").alias("last_order_at")
    )
    days = gathered(told, key=(who, "event_date")).join(ordered, on=[who, "event_date"], how="left")
    return days.withColumn("orders", F.coalesce("orders", F.lit(0))).withColumn("bucket", bucket(buckets, who))


def _item_days(acts: DataFrame, who: Who, buckets: int) -> DataFrame:
    goods = acts.where(f"item_id IS NOT NULL AND {_GOODS}")
    days = goods.groupBy(who, "item_id", "event_date").agg(
        *_day_counts(),
        _sum("event_type = 'purchase'", "amount_base").alias("gross"),
        _sum("event_type = 'return'", "amount_base").alias("returned"),
        F.sum(F.when(F.expr(_IS_PRICED), F.coalesce("quantity", F.lit(1)))).cast("bigint").alias("priced_pieces"),
        _count("event_type = 'review' AND rating IS NOT NULL").alias("ratings"),
        F.sum(F.when(F.expr("event_type = 'review'"), F.col("rating").cast(MONEY))).cast(MONEY_SUM).alias("rating_sum"),
        F.max(F.when(F.expr("event_type = 'cart'"), F.col("event_time"))).alias("last_cart_at"),
        F.max(F.when(F.expr("event_type IN ('purchase', 'uncart')"), F.col("event_time"))).alias("left_cart_at"),
    )
    return days.withColumn("bucket", bucket(buckets, who))


def gathered(tiles: DataFrame, *others: DataFrame, key: Sequence[str]) -> DataFrame:
    """Tiles of several origins as one row per key: counts and sums add up, moments are the first and the last.

    Sessions of theirs that meet become one.

    Args:
        tiles, others: rows of tiles of one kind, under the same key columns.

    Returns:
        The columns of ``tiles``, without ``bucket``.
    """
    together = tiles
    for more in others:
        together = together.unionByName(more)
    others_than_sums = {
        "first_at": F.min, "last_at": F.max, "last_order_at": F.max, "look_hours": F.bit_or, "contexts": _merged,
        "sessions": _joined, "last_cart_at": F.max, "left_cart_at": F.max,
    }  # fmt: skip
    measures = [field for field in tiles.schema if field.name not in {*key, "bucket"}]
    return together.groupBy(*key).agg(
        *(others_than_sums.get(m.name, F.sum)(m.name).cast(m.dataType).alias(m.name) for m in measures)
    )


def _merged(contexts: str) -> Column:
    """The contexts of several tiles, each combination once; null where no tile has any."""
    every = F.flatten(F.collect_list(contexts))

    def added(key: Column) -> Column:
        same = F.filter(every, lambda one: _key(one).eqNullSafe(key))
        events = F.reduce(same, F.lit(0).cast("bigint"), lambda so_far, one: so_far + one["events"])
        return F.struct(
            *(key[name].alias(name) for name in _CONTEXT),
            events.alias("events"),
            F.array_max(F.transform(same, lambda one: one["last_at"])).alias("last_at"),
        )

    keys = F.array_sort(F.array_distinct(F.transform(every, _key)))
    return F.when(F.size(every) > 0, F.transform(keys, added))


def _session(gap_minutes: int) -> Column:
    """What a part, whose acts are all of one session, says of it."""
    ends_at = F.expr(f"last_at + INTERVAL '{gap_minutes}' MINUTE").alias("ends_at")
    acts = F.col("timed_acts").alias("acts")
    return F.array(F.struct("first_at", "last_at", ends_at, acts, "views", "carts", "purchases")).cast(SESSIONS)


def _joined(sessions: str) -> Column:
    """The sessions of several tiles: what begins before another ends is the same; null where no tile tells any.

    Which acts are of one session follows from all of them, so it is all the same what was joined first.
    """
    every = F.array_sort(F.flatten(F.collect_list(sessions)))  # by first_at

    def added(so_far: Column, one: Column) -> Column:
        latest = F.try_element_at(so_far, F.lit(-1))  # it ends last of all so far; null where it is none
        both = F.struct(
            latest["first_at"].alias("first_at"),
            *(F.greatest(latest[name], one[name]).alias(name) for name in ("last_at", "ends_at")),
            *((latest[name] + one[name]).alias(name) for name in _SUMMED),
        )
        others = F.slice(so_far, 1, F.greatest(F.size(so_far) - 1, F.lit(0)))
        is_same = one["first_at"] < latest["ends_at"]
        return F.when(is_same, F.concat(others, F.array(both))).otherwise(F.concat(so_far, F.array(one)))

    return F.when(F.count(sessions) > 0, F.reduce(every, F.array().cast(SESSIONS), added))


def _key(context: Column) -> Column:
    return F.struct(*(context[name].alias(name) for name in _CONTEXT))


def bucket(buckets: int, who: Who = "user_id") -> Column:
    """The hash bucket of a user or visitor; crc32 so that every language can compute it."""
    return (F.crc32(F.encode(who, "UTF-8")) % F.lit(buckets)).cast("int")


def _day_counts() -> list[Column]:
    bought, returned = f"event_type = 'purchase' AND {_GOODS}", f"event_type = 'return' AND {_GOODS}"
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
