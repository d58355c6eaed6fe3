"""What items say of items: neighbours by cosine, and EASE on the head of the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.kernels.ease import columns_of_pairs
from shoal.models.recommend.grid import named, with_barred, with_groups
from shoal.models.recommend.numbering import number_pairs
from shoal.models.recommend.products import best_products, sparse_rows, strongest


@dataclass(frozen=True)
class FittedItemItem:
    """How much each item speaks for others, and what each user has."""

    pairs: DataFrame  # user_id, number (of the item) and weight
    columns: DataFrame  # item_id, number, sources and weights: the items that speak for this one
    pairs_count: int
    items_count: int
    weights_per_item: int

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's best items; see :class:`shoal.models.recommend.recommender.Fitted`.

        A score is the sum, over what the user has, of weight in the user's row x what it says of the item. Items of
        which nothing that the user has says anything do not come.
        """
        has = self.pairs.join(users.select("user_id"), "user_id", how="left_semi")
        rows = sparse_rows(has, F.col("user_id"), "number")
        targets = with_groups(self.columns, items)
        best = best_products(
            with_barred(rows, barred, self.columns.select("item_id", "number"), self.items_count), targets, n,
            left_entries=self.pairs_count, right_entries=self.items_count * self.weights_per_item,
        )  # fmt: skip
        return named(best, targets, self.items_count)


@dataclass(frozen=True)
class ItemKnn:
    """Items that the same users took (Sarwar et al. 2001): cosine of their columns, the best neighbours of each kept.

    A cosine over m common users is multiplied by m / (m + shrink) (Koren 2008), so that two items that one user took
    by chance are no neighbours. Cost: the sum over users of the square of their pairs, of which ``max_history`` count.
    """

    name: ClassVar[str] = "item_knn"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "neighbours": (20, 50, 100, 200, 500),
        "shrink": (0.0, 3.0, 10.0, 30.0, 100.0),
        "power": (0.0, 0.25, 0.5, 1.0),
    }

    neighbours: int = 100  # kept for each item
    shrink: float = 10.0  # common users that halve a cosine
    power: float = 0.5  # of the strength; 0 makes all pairs equal
    max_history: int = 500  # strongest pairs of a user that count: more say little of taste, and cost their square

    def fit(self, pairs: DataFrame) -> FittedItemItem | None:
        """Learn from ``user_id``, ``item_id`` and ``strength``; None without pairs."""
        kept = strongest(pairs, self.max_history, self.power).checkpoint()
        count = kept.count()
        if not count:
            return None
        known = number_pairs(kept, count)
        rows = sparse_rows(known, F.col("number"), "user").checkpoint()
        near = best_products(
            rows.withColumn("barred", F.array("key")),
            rows.select(F.col("key").alias("target"), F.col("key").alias("group"), "sources", "weights"),
            self.neighbours, left_entries=count, right_entries=count, cosine=True, shrink=self.shrink,
        )  # fmt: skip
        columns = sparse_rows(near.withColumnRenamed("score", "weight"), F.col("key"), "target")
        columns = (
            columns.withColumnRenamed("key", "number")
            .join(known.select("item_id", "number").distinct(), "number", how="inner")
            .checkpoint()
        )
        has = known.select("user_id", "number", "weight")
        return FittedItemItem(has, columns, count, columns.count(), self.neighbours)


@dataclass(frozen=True)
class Ease:
    """A linear model of each item from all others, in closed form (Steck 2019), on the ``max_items`` with most users.

    Cost, all of it in one task: the square of ``max_items`` in memory, times 32 bytes, its cube in time, and the sum
    over users of the square of their pairs.
    """

    name: ClassVar[str] = "ease"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "reg": (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0),
        "power": (0.0, 0.25, 0.5, 1.0),
    }

    reg: float = 300.0  # users' worth of evidence against any weight
    power: float = 0.0  # of the strength; 0 makes all pairs equal
    max_items: int = 3000  # some 300 MB in the task, and some seconds

    def fit(self, pairs: DataFrame) -> FittedItemItem | None:
        """Learn from ``user_id``, ``item_id`` and ``strength``; None without pairs."""
        head = (
            pairs.groupBy("item_id").agg(F.count(F.lit(1)).alias("users"))
            .orderBy(F.desc("users"), "item_id").limit(self.max_items)
        )  # fmt: skip
        kept = (
            pairs.join(F.broadcast(head.select("item_id")), "item_id", how="left_semi")
            .select("user_id", "item_id", F.pow("strength", F.lit(self.power)).cast("float").alias("strength"))
            .checkpoint()
        )
        count = kept.count()
        if not count:
            return None
        schema = "item_id string, number int, sources array<int>, weights array<float>"
        columns = kept.repartition(1).mapInArrow(partial(columns_of_pairs, reg=self.reg), schema).checkpoint()
        numbered = kept.join(columns.select("item_id", "number"), "item_id", how="inner").select(
            "user_id", "number", F.col("strength").alias("weight")
        )
        items = columns.count()
        return FittedItemItem(numbered.checkpoint(), columns, count, items, items)
