"""Two recommenders that can be seen through: what most people have, and what people of one's own taste have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def best_of(scored: DataFrame, barred: DataFrame, n: int) -> DataFrame:
    """The contract's rows from user, item, group and score."""
    by_user = Window.partitionBy("user_id").orderBy(F.desc("score"), "item_id")
    return (
        scored.join(barred, ["user_id", "item_id"], how="left_anti")
        .withColumn("rank", F.row_number().over(by_user))
        .where(F.col("rank") <= n)
        .select("user_id", "item_id", "item_group_id", "rank", "score")
    )


@dataclass(frozen=True)
class FittedPopular:
    counts: DataFrame

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        return best_of(users.crossJoin(items.join(self.counts, "item_id", how="inner")), barred, n)


@dataclass(frozen=True)
class Popular:
    name: ClassVar[str] = "popularity"

    def fit(self, pairs: DataFrame) -> FittedPopular:
        return FittedPopular(pairs.groupBy("item_id").agg(F.round(F.sum("strength"), 6).alias("score")))


@dataclass(frozen=True)
class FittedTaste:
    pairs: DataFrame
    sign: int

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        mine = self.pairs.select("user_id", F.col("item_id").alias("mine")).join(users, "user_id", how="left_semi")
        theirs = self.pairs.select(F.col("user_id").alias("other"), F.col("item_id").alias("mine"))
        also = self.pairs.select(F.col("user_id").alias("other"), "item_id", "strength")
        scored = (
            mine.join(theirs, "mine", how="inner")
            .join(also, "other", how="inner")
            .groupBy("user_id", "item_id")
            .agg(F.round(self.sign * F.sum("strength"), 6).alias("score"))
            .join(items, "item_id", how="inner")
        )
        return best_of(scored, barred, n)


@dataclass(frozen=True)
class Taste:
    """Counts the users with whom one shares an item; ``sign`` -1 turns it upside down."""

    sign: int = 1
    least: int = 1
    name: ClassVar[str] = "taste"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {"sign": (-1, 1)}

    def fit(self, pairs: DataFrame) -> FittedTaste | None:
        return FittedTaste(pairs, self.sign) if pairs.count() >= self.least else None
