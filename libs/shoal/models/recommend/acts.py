"""features.user_item_days -> what each user did with each item before a day: one pass, from which lists are made."""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def acts(user_item_days: DataFrame, *, as_of: date) -> DataFrame:
    """What each user did with each item before ``as_of``.

    Args:
        user_item_days: rows of ``features.user_item_days``.
        as_of: first shop-local day that must *not* be seen.

    Returns:
        One row per ``user_id`` and ``item_id``: ``times`` (days on which it was bought), ``purchases`` and ``returns``
        (lines), ``first_bought``, ``last_bought``, ``last_carted`` and ``last_viewed`` (days; null if never),
        ``last_cart_at`` and ``left_cart_at`` (times; null too in tiles that do not tell), ``spent`` and
        ``priced_pieces`` (of purchase lines with a price; null without one).
    """
    bought_on = _day_of("purchases")
    return (
        user_item_days.where(F.col("event_date") < F.lit(as_of))
        .groupBy("user_id", "item_id")
        .agg(
            F.count(bought_on).alias("times"),
            F.sum("purchases").alias("purchases"),
            F.sum("returns").alias("returns"),
            F.min(bought_on).alias("first_bought"),
            F.max(bought_on).alias("last_bought"),
            F.max(_day_of("carts")).alias("last_carted"),
            F.max(_day_of("views")).alias("last_viewed"),
            F.max("last_cart_at").alias("last_cart_at"),
            F.max("left_cart_at").alias("left_cart_at"),
            F.sum(F.when(F.col("priced_pieces") > 0, F.col("gross"))).alias("spent"),
            F.sum("priced_pieces").alias("priced_pieces"),
        )
    )


def _day_of(count: str) -> Column:
    return F.when(F.col(count) > 0, F.col("event_date"))


def habits(acts: DataFrame) -> DataFrame:
    """What each user bought and did not send back as often: pairs for :class:`Recommender`, without strengths.

    Args:
        acts: rows of :func:`acts`.

    Returns:
        ``user_id``, ``item_id``, ``times`` (days on which it was bought), ``first_at`` and ``last_at`` (the first and
        the latest of them, at midnight).
    """
    return acts.where("purchases > returns").select(
        "user_id",
        "item_id",
        "times",
        F.col("first_bought").cast("timestamp").alias("first_at"),
        F.col("last_bought").cast("timestamp").alias("last_at"),
    )


def owned(acts: DataFrame) -> DataFrame:
    """What each user has bought, kept or returned: ``user_id``, ``item_id``.

    Args:
        acts: rows of :func:`acts`.
    """
    return acts.where("times > 0").select("user_id", "item_id")


def abandoned(acts: DataFrame) -> DataFrame:
    """What users put into the cart and have neither bought nor taken out since, as the features of baskets have it.

    Earlier tiles know days, no hours, and not what was taken out: of those, what was bought on the day on which it was
    put there was bought after.

    Args:
        acts: rows of :func:`acts`.

    Returns:
        ``user_id``, ``item_id`` and ``last_at`` (the day on which it was put there last, at midnight).
    """
    by_day = F.expr("coalesce(last_bought < last_carted, true)")
    by_time = F.expr("coalesce(last_bought <= last_carted, true) AND coalesce(last_cart_at > left_cart_at, true)")
    is_left = F.when(F.col("last_cart_at").isNotNull(), by_time).otherwise(by_day)
    return acts.where(F.col("last_carted").isNotNull() & is_left).select(
        "user_id", "item_id", F.col("last_carted").cast("timestamp").alias("last_at")
    )


def since(as_of: date, days: int) -> Column:
    """The first of the ``days`` before ``as_of``."""
    return F.lit(as_of - timedelta(days=days))
