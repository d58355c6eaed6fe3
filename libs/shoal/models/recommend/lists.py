"""A ranked list for every user: the best by ALS, filled with popular items."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.frames import few_rows
from shoal.models.recommend.als import FittedAls
from shoal.models.recommend.buy_again import BuyAgain
from shoal.models.recommend.popularity import one_row_per_item
from shoal.params import RecommendParams

__all__ = ["ALS", "BUY_AGAIN", "POPULARITY", "buy_again", "recommend"]

ALS = "als"  # source of rows
SAME_TASTE = "chosen by people with the same taste"
BUY_AGAIN = BuyAgain.name  # source of rows of what a user bought before
POPULARITY = "popularity"  # source of rows that fill a list, and of lists without a model


def recommend(
    fitted: FittedAls | None,
    users: DataFrame,
    popular: DataFrame,
    owned: DataFrame | None,
    allowed_items: DataFrame,
    params: RecommendParams,
) -> DataFrame:
    """A ranked list for every user: the best by ALS, then popular items where ALS knows too few or nothing.

    Each user gets exactly ``top_n`` items, or as many as there are allowed item groups with an item that
    the user does not own, provided that ``popular`` goes as deep as :func:`popular_limit` says. A user who
    owns much is filled from further down the popular items; how far is known per user, so no other list
    costs more for it.

    Args:
        fitted: the model; None lets popularity stand in for all.
        users: ``user_id`` of everyone who gets a list.
        popular: rows of :func:`popular`.
        owned: ``user_id`` and ``item_id`` never to be given, where ``exclude_owned`` is set. Other variants
            of an owned item may be given; list them here too where they must not.
        allowed_items: ``item_id`` and, where there are variants, ``item_group_id``; a group comes once.
        params: the list's settings.

    Returns:
        ``user_id``, ``rank``, ``item_id``, ``score``, ``source`` (als or popularity) and ``reason``. Equal
        scores are ordered by item_id. ALS scores are inner products, about 0 to 1; popularity's are heads.
    """
    wanted = users.select("user_id").dropna().distinct()
    items = one_row_per_item(allowed_items)
    barred = owned if params.exclude_owned and owned is not None else few_rows(
        users.sparkSession, "user_id string, item_id string", []
    )  # fmt: skip
    barred = barred.select("user_id", "item_id").distinct()
    if fitted is None:
        none = wanted.withColumn("found", F.lit(0))
        return _filled(none, None, popular, barred, items, params.top_n)
    learned = fitted.best(wanted, barred, items, params.top_n).checkpoint()
    counts = learned.groupBy("user_id").agg(F.count(F.lit(1)).cast("int").alias("found"))
    short = (
        wanted.join(counts, "user_id", how="left")
        .select("user_id", F.coalesce("found", F.lit(0)).alias("found"))
        .where(F.col("found") < params.top_n)
    )
    by_als = learned.withColumns({"source": F.lit(ALS), "reason": F.lit(SAME_TASTE)}).drop("item_group_id")
    return by_als.unionByName(_filled(short, learned, popular, barred, items, params.top_n))


def buy_again(habits: DataFrame, users: DataFrame, allowed_items: DataFrame, params: RecommendParams) -> DataFrame:
    """What each user bought before and is likeliest to want again: at most ``top_n`` items, as many as there are.

    Args:
        habits: rows of :func:`shoal.models.recommend.strengths.habits`, of all users.
        users: ``user_id`` of everyone who may get a list; who has bought nothing gets none.
        allowed_items: as for :func:`recommend`.
        params: the list's settings.

    Returns:
        The columns of :func:`recommend`; source is buy_again, and scores are comparable within a user only.
    """
    fitted = BuyAgain(half_life_days=params.half_life_days).fit(habits)
    if fitted is None:
        schema = "user_id string, rank int, item_id string, score double, source string, reason string"
        return few_rows(users.sparkSession, schema, [])
    nothing = few_rows(users.sparkSession, "user_id string, item_id string", [])
    wanted = users.select("user_id").dropna().distinct()
    day = F.date_format("last_at", "yyyy-MM-dd")
    reason = F.when(F.col("times") == 1, F.concat(F.lit("bought once, on "), day)).otherwise(
        F.format_string("bought on %d days, last on %s", "times", day)
    )
    return (
        fitted.best(wanted, nothing, one_row_per_item(allowed_items), params.top_n)
        .join(fitted.scores.select("user_id", "item_id", "times", "last_at"), ["user_id", "item_id"], how="inner")
        .select("user_id", "rank", "item_id", "score", F.lit(BUY_AGAIN).alias("source"), reason.alias("reason"))
    )


def _filled(
    short: DataFrame,
    learned: DataFrame | None,
    popular: DataFrame,
    barred: DataFrame,
    items: DataFrame,
    top_n: int,
) -> DataFrame:
    """Popular items for users who ``found`` fewer than ``top_n``, ranked after what they found.

    The first (top_n + owned) groups of the popular items are enough for a user who owns that many of these
    items: each owned item and each item found already can spoil but one group.
    """
    by_rank = Window.orderBy("rank").rowsBetween(Window.unboundedPreceding, Window.currentRow)  # a short list
    of_group = Window.partitionBy("item_group_id").orderBy("rank")
    offers = (
        popular.join(items, "item_id", how="inner")
        .withColumn("is_first", (F.row_number().over(of_group) == 1).cast("int"))
        .withColumn("depth", F.sum("is_first").over(by_rank).cast("int"))  # groups named up to here
        .drop("is_first")
    )
    owned_offers = barred.join(short, "user_id", how="left_semi").join(offers, "item_id", how="left_semi")
    owned_counts = owned_offers.groupBy("user_id").agg(F.count(F.lit(1)).cast("int").alias("owned"))
    depths = F.explode(F.sequence(F.lit(1), F.lit(top_n) + F.coalesce("owned", F.lit(0)))).alias("depth")
    choices = (
        short.join(owned_counts, "user_id", how="left")
        .select("user_id", "found", depths)
        .join(F.broadcast(offers), "depth", how="inner")
        .join(owned_offers, ["user_id", "item_id"], how="left_anti")
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
        .where(F.col("place") <= top_n)
        .select(
            "user_id", F.col("place").alias("rank"), "offer.item_id", "offer.score",
            F.lit(POPULARITY).alias("source"), "offer.reason",
        )
    )  # fmt: skip
