"""The items that most people take: the best sellers of a shop, and as a model of pairs like the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, ClassVar, Literal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.kernels.first_of_all import first_of_all
from shoal.models.recommend.acts import since
from shoal.models.recommend.grid import best_of_grid, named, sent_if_few, with_barred, with_groups

POPULARITY = "popularity"
_PAIRS_PER_BLOCK = 1_000_000  # a block of users has as many, or as many barred items
_UNIT = 1e-6  # strengths are summed as whole multiples of this, so that no order of addition can change a sum


@dataclass(frozen=True)
class FittedPopularity:
    """One ranking of items for all users."""

    scores: DataFrame  # item_id, number and score; reason, where lists are to be explained
    pairs_count: int
    items_count: int

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """The same items for all, less what is barred; see :class:`shoal.models.recommend.recommender.Fitted`."""
        targets = with_groups(self.scores.select("item_id", "number", "score"), items)
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

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows of :meth:`best` with their ``reason``."""
        return best.join(sent_if_few(self.scores.select("item_id", "reason"), self.items_count), "item_id", "inner")


@dataclass(frozen=True)
class Popularity:
    """What most users took, the same for everybody; ``days`` counts back from the newest act of all pairs."""

    name: ClassVar[str] = POPULARITY
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
        scores = numbered(pairs.groupBy("item_id").agg(score.alias("score"), F.count(F.lit(1)).alias("pairs")))
        size = scores.agg(F.sum("pairs").alias("pairs"), F.count(F.lit(1)).alias("items")).first()
        assert size is not None, "an aggregate has one row"
        return FittedPopularity(scores, size["pairs"], size["items"]) if size["items"] else None


def best_sellers(acts: DataFrame, items: DataFrame, *, as_of: date, days: int) -> FittedPopularity:
    """The items by their distinct buyers in the ``days`` before ``as_of``.

    Where none of them was bought, viewers count instead. Items that nobody bought have score 0 and come last, so that
    a list can be filled as long as there are items.

    Args:
        acts: rows of :func:`shoal.models.recommend.acts.acts`.
        items: ``item_id`` and others, one row each: what is ranked.
        as_of: first shop-local day that must not be seen.
        days: how far back buyers count.
    """
    first = since(as_of, days)
    counts = acts.groupBy("item_id").agg(
        F.count_if(F.col("last_bought") >= first).alias("buyers"),
        F.count_if(F.col("last_viewed") >= first).alias("viewers"),
    )
    counted = numbered(items.select("item_id").join(counts, "item_id", how="left"))
    size = counted.agg(F.sum("buyers").alias("buyers"), F.sum("viewers").alias("viewers"), F.count(F.lit(1))).first()
    assert size is not None, "an aggregate has one row"
    who = "buyers" if size["buyers"] else "viewers"
    score = F.coalesce(F.col(who), F.lit(0)).cast("double")
    reason = F.format_string(f"{who} in the last {days} days: %.0f", score)
    scores = counted.select("item_id", "number", score.alias("score"), reason.alias("reason"))
    return FittedPopularity(scores, size[who] or 0, size[2])


def numbered(items: DataFrame) -> DataFrame:
    """Items with a ``number``, from 0 in the order of their ids: one row per item, in one task, and kept."""
    return (
        items.repartition(1)
        .sortWithinPartitions("item_id")
        .withColumn("number", F.monotonically_increasing_id().cast("int"))
        .checkpoint()
    )
