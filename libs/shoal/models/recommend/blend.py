"""Several models that agree on one list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, ClassVar, Literal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.models.recommend.als import Als
from shoal.models.recommend.item_item import Ease
from shoal.models.recommend.popularity import Popularity
from shoal.models.recommend.recommender import Fitted, Recommender

Scale = Literal["rank", "min_max"]


@dataclass(frozen=True)
class FittedBlend:
    """Fitted models and what each one's word is worth."""

    models: Sequence[Fitted]
    weights: Sequence[float]
    candidates: int
    scale: Scale
    rank_constant: float
    names: Sequence[str] = ()  # of the models

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's best items; see :class:`shoal.models.recommend.recommender.Fitted`.

        Each model names its best ``candidates`` (``n`` at least), their scores are scaled, and an item has the
        weighted sum; a model that does not name it adds 0.
        """
        depth = max(self.candidates, n)
        named = [
            self._scaled(model.best(users, barred, items, depth)).select(
                "user_id", "item_id", "item_group_id", F.lit(place).alias("model"), "scaled"
            )
            for place, model in enumerate(self.models)
        ]
        by_user, by_group = Window.partitionBy("user_id"), Window.partitionBy("user_id", "item_group_id")
        best_first = (F.desc("score"), F.col("item_id"))
        return (
            reduce(DataFrame.unionByName, named)
            .groupBy("user_id", "item_id", "item_group_id")
            .agg(self._sum().alias("score"))
            .withColumn("variant", F.row_number().over(by_group.orderBy(*best_first)))
            .where(F.col("variant") == 1)
            .withColumn("rank", F.row_number().over(by_user.orderBy(*best_first)))
            .where(F.col("rank") <= n)
            .select("user_id", "item_id", "item_group_id", "rank", "score")
        )

    def _scaled(self, best: DataFrame) -> DataFrame:
        if self.scale == "rank":
            return best.withColumn("scaled", (self.rank_constant + 1) / (self.rank_constant + F.col("rank")))
        of_user = Window.partitionBy("user_id")
        low, high = F.min("score").over(of_user), F.max("score").over(of_user)
        share = (F.col("score") - low) / F.nullif(high - low, F.lit(0.0))
        return best.withColumn("scaled", F.coalesce(share, F.lit(1.0)))  # of equal scores none is the lowest

    def _sum(self) -> Column:
        """The weighted sum of an item, model by model in their order, so that it is the same to the last digit."""
        said = (F.max(F.when(F.col("model") == place, F.col("scaled"))) for place in range(len(self.models)))
        parts = [F.coalesce(s, F.lit(0.0)) * F.lit(w) for s, w in zip(said, self.weights, strict=True)]
        return F.round(reduce(add, parts), 9)


@dataclass(frozen=True)
class Blend:
    """The weighted sum of what several models say. The weights are settings: they are learned elsewhere.

    ``scale`` makes scores of different models comparable, for each user: ``min_max`` spreads the candidates' scores
    over 0 to 1, ``rank`` makes them (c + 1) / (c + rank) with c = ``rank_constant`` (reciprocal rank fusion; Cormack,
    Clarke, Buettcher 2009).
    """

    name: ClassVar[str] = "blend"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "scale": ("min_max", "rank"),
        "candidates": (50, 100, 200, 500),
        "rank_constant": (0.0, 10.0, 60.0),
    }

    models: tuple[Recommender, ...] = (Als(), Ease(), Popularity())
    weights: tuple[float, ...] = (1.0, 1.0, 0.1)  # one per model, 0 or more
    candidates: int = 200  # that each model names for each user
    scale: Scale = "min_max"
    rank_constant: float = 60.0

    def __post_init__(self) -> None:
        if len(self.models) != len(self.weights):
            raise ValueError(f"{len(self.models)} models have {len(self.weights)} weights; give one for each")

    def fit(self, pairs: DataFrame) -> FittedBlend | None:
        """Fit all models with a weight; those that learn nothing are left out, and None where none is left."""
        chosen = [(model, weight) for model, weight in zip(self.models, self.weights, strict=True) if weight]
        fitted = [(found, weight, model.name) for model, weight in chosen if (found := model.fit(pairs)) is not None]
        if not fitted:
            return None
        models, weights, names = zip(*fitted, strict=True)
        return FittedBlend(models, weights, self.candidates, self.scale, self.rank_constant, names)
