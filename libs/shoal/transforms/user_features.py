"""features.user_days, features.user_item_days -> features.users: what a user did before a day."""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.tables import USER_FEATURES
from shoal.tables.features import WINDOWS
from shoal.tables.vocabulary import MONEY_SUM
from shoal.transforms import outliers, suspects
from shoal.transforms.accounts import counted
from shoal.transforms.limits import Limits, recent

_COUNTS = ("searches", "views", "favourites", "carts", "orders", "purchases", "returns")  # counted over each window


def user_features(
    days: DataFrame,
    item_days: DataFrame,
    users: DataFrame,
    *,
    as_of: date,
    run_id: str,
    user_changes: DataFrame | None = None,
    limits: Limits | None = None,
    counts_extremes: bool = True,
) -> DataFrame:
    """Summarise each user's tiles before ``as_of``.

    Users without a purchase are kept, with ``frequency`` 0 and a null ``recency_days``: they are the prospects
    that marketing asks for. Staff and test accounts are left out, and who objected to profiling before ``as_of``.

    Args:
        days: rows of ``features.user_days``.
        item_days: rows of ``features.user_item_days``.
        users: rows of ``silver.users``.
        as_of: first shop-local day that must *not* be seen, so that a label built from it cannot leak.
        user_changes: rows of ``silver.user_changes``; None in a shop without a user feed.
        limits: beyond which users are suspect and purchases extreme; None: nobody is, and nothing.
        counts_extremes: False for who does not read ``extreme_purchases``, which is 0 then: where extreme purchases are
            kept, nothing else depends on them, and the tiles of items are not compared with their limits.

    Returns:
        Rows of ``features.users``, one per user.
    """
    before = F.col("event_date") < F.lit(as_of)
    seen, seen_items = days.where(before), item_days.where(before)
    judgements, acts = list[DataFrame](), list[Column]()  # by user
    if limits is not None:
        extremes = outliers.extremes(seen_items, limits)
        judgements = [suspects.breadth_of_busy(recent(days, as_of, limits.params), item_days, limits.params)]
        if counts_extremes:
            judgements.append(outliers.extreme_purchases(extremes))
        acts = suspects.sums(as_of, limits.params)
        if limits.treatment != "keep":  # who is a customer is told by what was bought, whatever counts of it
            judgements.append(seen.groupBy("user_id").agg(*acts))
            acts = []
            seen, seen_items = outliers.treated(seen, seen_items, extremes, limits.treatment)
    summed = seen.groupBy("user_id").agg(*_sums(as_of), *acts)
    per_item = seen_items.groupBy("user_id", "item_id")
    bought = per_item.agg(F.sum("purchases").alias("purchases"), F.sum(F.expr("views + carts")).alias("looks"))
    breadth = bought.groupBy("user_id").agg(
        F.count(F.when(F.col("purchases") > 0, 1)).alias("distinct_items"),
        F.count(F.when(F.col("purchases") + F.col("looks") > 0, 1)).alias("distinct_items_viewed"),
    )
    everyone = summed.join(counted(users, user_changes, as_of=as_of), on="user_id", how="left_semi")
    for known in (breadth, *judgements):
        everyone = everyone.join(known, on="user_id", how="left")
    named = everyone.withColumn("run_id", F.lit(run_id)).withColumn("as_of", F.lit(as_of))
    marked = named.withColumns({**_derived(as_of), **_marks(limits, counts_extremes)})
    counts = ["distinct_items", "distinct_items_viewed", "extreme_purchases"]
    return USER_FEATURES.select(marked.fillna(0, subset=counts))


def _marks(limits: Limits | None, counts_extremes: bool) -> dict[str, Column]:
    """What a user's values beyond the limits say; nothing where there are none."""
    none = {"extreme_purchases": F.lit(0).cast("bigint")}
    if limits is None:
        return {"is_suspect": F.lit(False), "suspect_reasons": F.array().cast("array<string>"), **none}
    return {**suspects.marks(limits.of_users, limits.params), **({} if counts_extremes else none)}


def _sums(as_of: date) -> list[Column]:
    """What adds up over days."""
    ordered = F.when(F.col("orders") > 0, F.col("event_date"))
    windows = [
        column.alias(f"{name}_{window}d")
        for window in WINDOWS
        for name, column in {
            **{count: _within(count, as_of, window) for count in _COUNTS},
            "active_days": _within(F.lit(1), as_of, window),
            "spend": _within("gross", as_of, window, absent=None).cast(MONEY_SUM),
        }.items()
    ]
    return [
        F.min("event_date").alias("first_day"),
        F.max("event_date").alias("last_day"),
        F.min(ordered).alias("first_order_day"),
        F.max(ordered).alias("last_order_day"),
        F.count(ordered).alias("order_days"),
        F.max("last_order_at").alias("last_order_at"),
        F.sum("orders").alias("frequency"),
        F.sum("gross").cast(MONEY_SUM).alias("spend"),
        F.sum("returned").cast(MONEY_SUM).alias("returned"),
        F.sum("pieces").alias("pieces"),
        F.sum("returned_pieces").alias("returned_pieces"),
        F.sum("purchases").alias("purchases"),
        F.count("*").alias("active_days"),
        *windows,
    ]


def _within(value: str | Column, as_of: date, window: int, absent: int | None = 0) -> Column:
    column = F.col(value) if isinstance(value, str) else value
    inside = F.col("event_date") >= F.lit(as_of - timedelta(days=window))
    return F.sum(F.when(inside, column).otherwise(F.lit(absent)))


def _derived(as_of: date) -> dict[str, Column]:
    """What follows from the sums."""
    until = F.lit(as_of)
    spend, returned = F.col("spend"), F.col("returned")
    nothing = F.lit(0).cast(MONEY_SUM)
    priced = spend.isNotNull() | returned.isNotNull()
    net = F.coalesce(spend, nothing) - F.coalesce(returned, nothing)
    order_span = F.datediff("last_order_day", "first_order_day")
    return {
        "recency_days": F.datediff(until, "last_order_day"),
        "recency_event_days": F.datediff(until, "last_day"),
        "tenure_days": F.datediff(until, "first_day"),
        "net_spend": F.when(priced, net).cast(MONEY_SUM),
        "order_value": F.when(F.col("frequency") > 0, spend.cast("double") / F.col("frequency")),
        "basket_size": F.when(F.col("frequency") > 0, F.col("purchases") / F.col("frequency")),
        "return_rate": F.when(F.col("pieces") > 0, F.least(F.lit(1.0), F.col("returned_pieces") / F.col("pieces"))),
        "gap_days": F.when(F.col("order_days") > 1, order_span / (F.col("order_days") - 1)),
        "is_buyer": F.col("frequency") > 0,
        # Who has bought at a price spent 0 in a window without a purchase; who never has, nothing is known of.
        **{f"spend_{days}d": F.when(spend.isNotNull(), F.coalesce(f"spend_{days}d", nothing)) for days in WINDOWS},
    }
