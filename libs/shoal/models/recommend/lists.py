"""A ranked list for every user: the best by ALS, filled with popular items."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.frames import few_rows
from shoal.models.recommend.als import FittedAls
from shoal.models.recommend.offers import best_offers
from shoal.models.recommend.popularity import one_row_per_item
from shoal.params import RecommendParams

__all__ = ["ALS", "POPULARITY", "recommend"]

ALS = "als"  # source of rows
SAME_TASTE = "chosen by people with the same taste"
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


def _filled(
    short: DataFrame,
    learned: DataFrame | None,
    popular: DataFrame,
    barred: DataFrame,
    items: DataFrame,
    top_n: int,
) -> DataFrame:
    """Popular items for users who ``found`` fewer than ``top_n``, ranked after what they found."""
    found = best_offers(short, learned, popular, barred, items, top_n)
    return found.drop("item_group_id").withColumn("source", F.lit(POPULARITY))
