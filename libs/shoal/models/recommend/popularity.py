"""The items that most people buy: of features.user_item_days, and as a model of pairs like the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, ClassVar, Literal

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.kernels.first_of_all import first_of_all
from shoal.models.recommend.grid import best_of_grid, named, with_barred, with_groups
from shoal.params import RecommendParams

_PAIRS_PER_BLOCK = 1_000_000  # a block of users has as many, or as many barred items
_UNIT = 1e-6  # strengths are summed as whole multiples of this, so that no order of addition can change a sum


def popular(user_item_days: DataFrame, allowed_items: DataFrame, *, as_of: date, days: int, limit: int) -> DataFrame:
    """The allowed items by their distinct buyers in the ``days`` before ``as_of``, ties by item_id.

    Where no allowed item was bought, viewers count instead. Items that nobody bought come last, with score
    0, so that a list can be filled as long as there are items.

    Args:
        user_item_days: rows of ``features.user_item_days``.
        allowed_items: ``item_id`` and, where there are variants, ``item_group_id``.
        as_of: first shop-local day that must not be seen.
        days: how far back buyers count.
        limit: how many item groups are kept, each with all its variants; :func:`popular_limit` says what
            :func:`recommend` needs.

    Returns:
        ``item_id``, ``score``, ``rank`` (1, 2, 3, ...) and ``reason``.
    """
    recent = user_item_days.where(
        F.col("event_date").between(F.lit(as_of - timedelta(days=days)), F.lit(as_of - timedelta(days=1)))
    )
    users = recent.groupBy("user_id", "item_id").agg(F.sum("purchases").alias("bought"), F.sum("views").alias("seen"))
    counts = users.groupBy("item_id").agg(
        F.count_if(F.col("bought") > 0).alias("buyers"), F.count_if(F.col("seen") > 0).alias("viewers")
    )
    items = one_row_per_item(allowed_items).join(counts, "item_id", how="left")
    most = items.agg(F.max("buyers").alias("buyers")).first()
    who = "buyers" if most is not None and most["buyers"] else "viewers"
    scored = items.withColumn("score", F.coalesce(F.col(who), F.lit(0)).cast("double"))
    best = F.min(F.struct(-F.col("score"), F.col("item_id")))
    groups = scored.groupBy("item_group_id").agg(best.alias("best")).orderBy("best").limit(limit)
    in_order = Window.orderBy(F.desc("score"), "item_id")  # over no more than `limit` groups
    return scored.join(groups, "item_group_id", how="left_semi").select(
        "item_id",
        "score",
        F.row_number().over(in_order).alias("rank"),
        F.format_string(f"{who} in the last {days} days: %.0f", "score").alias("reason"),
    )


def popular_limit(owned: DataFrame | None, allowed_items: DataFrame, params: RecommendParams) -> int:
    """How many popular item groups fill every list: ``top_n``, and as many as one user owns at most."""
    if owned is None or not params.exclude_owned:
        return params.top_n
    counts = owned.join(allowed_items.select("item_id").distinct(), "item_id", how="left_semi").groupBy("user_id")
    most = counts.agg(F.countDistinct("item_id").alias("items")).agg(F.max("items").alias("items")).first()
    return params.top_n + int(most["items"] or 0 if most is not None else 0)


def one_row_per_item(items: DataFrame) -> DataFrame:
    """``item_id`` and ``item_group_id``, which is the item itself where no group is known."""
    group = F.col("item_group_id") if "item_group_id" in items.columns else F.lit(None).cast("string")
    return items.groupBy("item_id").agg(F.coalesce(F.min(group), F.col("item_id")).alias("item_group_id"))


@dataclass(frozen=True)
class FittedPopularity:
    """How popular each item is."""

    scores: DataFrame  # item_id, number and score
    pairs_count: int
    items_count: int

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """The same items for all, less what is barred; see :class:`shoal.models.recommend.recommender.Fitted`."""
        targets = with_groups(self.scores, items)
        wanted = users.select(F.col("user_id").alias("key"))
        best = best_of_grid(
            with_barred(wanted, barred, self.scores.select("item_id", "number"), self.items_count),
            targets.select("target", "group", "score"),
            partial(first_of_all, n=n),
            n,
            down=2 + self.pairs_count // _PAIRS_PER_BLOCK,
            across=1,
        )
        return named(best, targets, self.items_count)


@dataclass(frozen=True)
class Popularity:
    """What most users took, the same for everybody; ``days`` counts back from the newest act of all pairs."""

    name: ClassVar[str] = "popularity"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "by": ("users", "strength"),
        "days": (None, 7, 14, 30, 90, 180),
    }

    by: Literal["users", "strength"] = "users"  # count users, or add up their strengths
    days: int | None = None  # pairs whose latest act is older do not count; None: all do, as do those without a time

    def fit(self, pairs: DataFrame) -> FittedPopularity | None:
        """Learn from ``user_id``, ``item_id``, ``strength`` and, with ``days``, ``last_at``; None without pairs."""
        if self.days is not None:
            newest = F.broadcast(pairs.agg(F.max("last_at").alias("newest")))
            age = F.unix_micros("newest") - F.unix_micros("last_at")
            young = F.col("last_at").isNull() | (age < F.lit(self.days * 86_400_000_000))
            pairs = pairs.crossJoin(newest).where(young)
        units = F.sum(F.round(F.col("strength") / F.lit(_UNIT)).cast("long")) * F.lit(_UNIT)
        score = F.count(F.lit(1)).cast("double") if self.by == "users" else F.round(units, 6)
        scores = (
            pairs.groupBy("item_id")
            .agg(score.alias("score"), F.count(F.lit(1)).alias("pairs"))
            .repartition(1)  # one row per item, numbered as they are sorted
            .sortWithinPartitions("item_id")
            .withColumn("number", F.monotonically_increasing_id().cast("int"))
            .checkpoint()
        )
        size = scores.agg(F.sum("pairs").alias("pairs"), F.count(F.lit(1)).alias("items")).first()
        assert size is not None, "an aggregate has one row"
        return FittedPopularity(scores.drop("pairs"), size["pairs"], size["items"]) if size["items"] else None
