"""features.user_days, features.user_item_days, silver.items -> each user's sessions, and what is left in the basket.

Days hold what they saw of sessions, so that one that lasts over midnight is put together here, of however many days.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.tables.vocabulary import MONEY
from shoal.transforms.catalogue import described
from shoal.transforms.cuts import Cut

_SO_FAR = (Window.unboundedPreceding, Window.currentRow)
_BEFORE = (Window.unboundedPreceding, -1)


def sessions(days: DataFrame, *, cut: Cut) -> DataFrame:
    """Each user's sessions, whole.

    One that is still going on where the days end counts with what they hold of it.

    Args:
        days: rows of ``features.user_days`` before the cut, with ``as_of`` where each has its own; those whose
            ``sessions`` are null have none.

    Returns:
        ``user_id``, ``event_date`` (day of its first act), ``first_at``, ``last_at``, ``seconds`` between these two
        (exact to the microsecond), and how many ``acts``, ``views``, ``carts`` and ``purchases``: one row per session;
        with ``as_of`` where each row has its own.
    """
    by_user = ["user_id", *cut.own]
    of_days = days.select(*by_user, "event_date", F.explode("sessions").alias("_part"))
    parts = of_days.select(*by_user, "event_date", "_part.*")
    by_time = Window.partitionBy(*by_user).orderBy("first_at")
    begins = F.coalesce(F.col("first_at") >= F.max("ends_at").over(by_time.rowsBetween(*_BEFORE)), F.lit(True))
    numbered = parts.withColumn("_begins", begins.cast("int")).withColumn(
        "_number", F.sum("_begins").over(by_time.rowsBetween(*_SO_FAR))
    )
    whole = numbered.groupBy(*by_user, "_number").agg(
        *(F.min(name).alias(name) for name in ("event_date", "first_at")),
        F.max("last_at").alias("last_at"),
        *(F.sum(name).alias(name) for name in ("acts", "views", "carts", "purchases")),
    )
    micros = F.unix_micros("last_at") - F.unix_micros("first_at")
    return whole.withColumn("seconds", (micros.cast("decimal(18, 0)") / 1_000_000).cast("decimal(18, 6)")).drop(
        "_number"
    )


def baskets(item_days: DataFrame, items: DataFrame | None, *, cut: Cut) -> DataFrame:
    """What each user has put into the cart and neither bought nor taken out since.

    What happened in the same moment as the cart counts as after it: feeds that know the day only say midnight of all.

    Args:
        item_days: rows of ``features.user_item_days`` before the cut, with ``as_of`` where each has its own.
        items: the catalogue, as :func:`~shoal.transforms.catalogue.described` takes it; None: no price is known.

    Returns:
        ``user_id``, ``item_id``, ``event_date`` and ``last_cart_at`` (day and time of the last cart), ``price`` (null
        where the catalogue has none): one row per item in the basket; with ``as_of`` where each row has its own.
    """
    by_user = ["user_id", *cut.own]
    dealt = item_days.where("last_cart_at IS NOT NULL OR left_cart_at IS NOT NULL OR purchases > 0")
    pairs = dealt.repartition("user_id").groupBy(*by_user, "item_id").agg(
        F.max(F.when(F.col("last_cart_at").isNotNull(), F.col("event_date"))).alias("event_date"),
        F.max("last_cart_at").alias("last_cart_at"),
        F.max("left_cart_at").alias("_left_at"),
        F.max(F.when(F.col("purchases") > 0, F.col("event_date"))).alias("_bought"),  # all that earlier tiles tell
    )  # fmt: skip
    stayed = F.coalesce(F.col("last_cart_at") > F.col("_left_at"), F.lit(True))
    unbought = F.coalesce(F.col("_bought") <= F.col("event_date"), F.lit(True))
    left = pairs.where(F.col("last_cart_at").isNotNull() & stayed & unbought).drop("_left_at", "_bought")
    if items is None:
        return left.withColumn("price", F.lit(None).cast(MONEY))
    return described(left, items, ["price"], cut)
