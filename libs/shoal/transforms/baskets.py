"""silver.events -> what lay together in each order."""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def baskets(events: DataFrame, *, as_of: date, days: int, max_items: int) -> DataFrame:
    """The different goods of each order that holds two at least and ``max_items`` at most, guests' orders too.

    Lines of an order that lie before the window, or on ``as_of`` and later, are not seen. What came back later was
    bought together all the same.

    Args:
        events: rows of ``silver.events``, of whoever counts.
        as_of: first shop-local day that must *not* be seen.
        days: how far back lines count.
        max_items: orders of more different goods are left out: of n goods come n x (n - 1) / 2 pairs.

    Returns:
        ``order_id`` and ``items`` (array of item_id, ascending, each once).
    """
    since = as_of - timedelta(days=days)
    lines = events.where(
        F.expr("event_type = 'purchase' AND NOT is_deleted AND coalesce(line_kind, 'goods') = 'goods'")
        & F.expr("order_id IS NOT NULL AND item_id IS NOT NULL")
        & (F.col("event_date") >= F.lit(since))
        & (F.col("event_date") < F.lit(as_of))
    )
    orders = lines.groupBy("order_id").agg(F.sort_array(F.collect_set("item_id")).alias("items"))
    return orders.where(F.size("items").between(2, max_items))


def of_users_and_guests(events: DataFrame, users: DataFrame) -> DataFrame:
    """Events of these users, and those without a user.

    Args:
        users: ``user_id``, one row each.
    """
    known = users.select("user_id", F.lit(True).alias("_counts"))
    return events.join(known, on="user_id", how="left").where("user_id IS NULL OR _counts").drop("_counts")
