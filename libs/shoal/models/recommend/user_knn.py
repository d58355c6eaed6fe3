"""What users with the same taste took: neighbours of users by cosine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.models.recommend.grid import named, with_barred, with_groups
from shoal.models.recommend.numbering import number_pairs
from shoal.models.recommend.products import best_products, sparse_rows, strongest


@dataclass(frozen=True)
class FittedUserKnn:
    """What each user has; neighbours are looked for when lists are asked for, and only for those who want one."""

    pairs: DataFrame  # user_id, user, item_id, number, weight, and is_telling: of use to find neighbours
    items: DataFrame  # item_id and number
    pairs_count: int
    users_count: int
    items_count: int
    neighbours: int
    shrink: float

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's best items; see :class:`shoal.models.recommend.recommender.Fitted`.

        A score is the sum over the user's neighbours of cosine x weight in the neighbour's row. Items that no
        neighbour has do not come.
        """
        telling = sparse_rows(self.pairs.where("is_telling"), F.col("user"), "number")
        ids = self.pairs.select("user_id", "user").distinct()
        wanted = ids.join(users.select("user_id"), "user_id", how="left_semi")
        near = best_products(
            telling.withColumnRenamed("key", "user").join(wanted, "user", how="inner")
            .select(F.col("user_id").alias("key"), "sources", "weights", F.array("user").alias("barred")),
            telling.select(F.col("key").alias("target"), F.col("key").alias("group"), "sources", "weights"),
            self.neighbours,
            left_entries=self.pairs_count, right_entries=self.pairs_count, cosine=True, shrink=self.shrink,
        )  # fmt: skip
        rows = sparse_rows(near.withColumnRenamed("score", "weight"), F.col("key"), "target")
        takers = sparse_rows(self.pairs, F.col("number"), "user").withColumnRenamed("key", "number")
        targets = with_groups(self.items, items)
        best = best_products(
            with_barred(rows, barred, self.items, self.items_count),
            takers.withColumnRenamed("number", "target").join(targets, "target", how="inner"),
            n,
            left_entries=self.users_count * self.neighbours,
            right_entries=self.pairs_count,
        )
        return named(best, targets, self.items_count)


@dataclass(frozen=True)
class UserKnn:
    """What the most similar users took: cosine of users' rows, weighted as :class:`ItemKnn` weighs items.

    Cost: the sum over items of the square of their users, so neighbours are found by items with no more than
    ``max_users`` users and by ``max_history`` pairs of a user: what everybody has tells nobody apart.
    """

    name: ClassVar[str] = "user_knn"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "neighbours": (20, 50, 100, 200, 500),
        "shrink": (0.0, 3.0, 10.0, 30.0),
        "power": (0.0, 0.25, 0.5, 1.0),
    }

    neighbours: int = 100  # kept for each user
    shrink: float = 10.0  # common items that halve a cosine
    power: float = 0.5  # of the strength; 0 makes all pairs equal
    max_history: int = 500  # strongest pairs of a user that count
    max_users: int = 10_000  # an item with more of them finds no neighbours

    def fit(self, pairs: DataFrame) -> FittedUserKnn | None:
        """Learn from ``user_id``, ``item_id`` and ``strength``; None without pairs."""
        kept = strongest(pairs, self.max_history, self.power).checkpoint()
        count = kept.count()
        if not count:
            return None
        takers = kept.groupBy("item_id").agg((F.count(F.lit(1)) <= self.max_users).alias("is_telling"))
        known = number_pairs(kept, count).join(takers, "item_id", how="inner").checkpoint()
        size = known.agg(F.max("user"), F.max("number")).first()
        assert size is not None, "an aggregate has one row"
        items = known.select("item_id", "number").distinct()
        return FittedUserKnn(known, items, count, size[0] + 1, size[1] + 1, self.neighbours, self.shrink)
