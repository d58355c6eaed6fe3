"""Strengths -> factors of users and items: implicit ALS."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

from pyspark.ml.recommendation import ALS as MLLIB_ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.frames import persisted
from shoal.kernels.als import factors_of_pairs
from shoal.models.recommend.numbering import number
from shoal.models.recommend.scoring import best_by_factors
from shoal.models.recommend.tasks import PAIRS_IN_ONE_TASK, threads_of_a_task
from shoal.params import RecommendParams

Engine = Literal["mllib", "native"]

ALS = "als"
SAME_TASTE = "chosen by people with the same taste"

_LEARNED_BY = (
    "weights", "half_life_days", "engine", "rank", "max_iter", "reg", "alpha", "seed", "min_interactions",
    "popularity_days", "test_days", "k",
)  # fmt: skip
_PAIRS_PER_BLOCK = 250_000  # of MLlib; blocks depend on the data's size alone, as the first factors depend on them


@dataclass(frozen=True)
class AlsModel:
    """What there is to know about a fit beside its factors; ``dataclasses.asdict`` makes it JSON."""

    rank: int  # length of the factors
    users: int
    items: int
    interactions: int  # user-item pairs with a strength
    max_iter: int
    reg: float
    alpha: float
    seed: int
    engine: str = "mllib"  # what fitted it
    started_from: str | None = None  # model whose factors the fit went on from; None: it began from random ones
    settings: str = ""  # hash of what it was fitted and measured by, of :func:`settings_of`
    fitted_on: str = ""  # first day that the fit did not see: its item factors and the ages of strengths are of then
    base: str | None = None  # model into which users were folded since: all that is not its own is that model's
    shown: str = ""  # hash of what lists by it could name, of :mod:`shoal.lists.carrying`; empty: not kept


@dataclass(frozen=True)
class LastFactors:
    """What a fit may go on from."""

    model_id: str
    rows: DataFrame  # side, id and factor
    iterations: int  # from there, in place of ``max_iter`` from random factors


@dataclass(frozen=True)
class FittedAls:
    """A fitted model and its factors: rows of ``ops.factors`` without run_id and model_id."""

    model: AlsModel
    user_factors: DataFrame
    item_factors: DataFrame

    @property
    def item_rows(self) -> DataFrame:
        """``item_id``, ``number`` and ``factor``: rows whose cosines say how alike items are."""
        factor = F.col("factor").cast("array<float>").alias("factor")
        return self.item_factors.select(F.col("id").alias("item_id"), "number", factor)

    @property
    def entries(self) -> int:
        """Numbers in all of these."""
        return self.model.items * self.model.rank

    @property
    def users_count(self) -> int:
        """Who is known."""
        return self.model.users

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's best items; see :class:`shoal.models.recommend.recommender.Fitted`."""
        size = self.model.users, self.model.items, self.model.rank
        return best_by_factors(self.user_factors, self.item_factors, size, users, barred, items, n)

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows of :meth:`best` with their ``reason``."""
        return best.withColumn("reason", F.lit(SAME_TASTE))


@dataclass(frozen=True)
class Als:
    """Factors of users and items whose products say who wants what (Hu, Koren, Volinsky 2008).

    Both engines minimise the same loss (:mod:`shoal.kernels.als`). ``native`` runs the whole loop in one task, with all
    cores of its executor and no Spark job per iteration; it needs some 40 bytes a pair there, and where it goes on from
    earlier factors some 12 bytes for each number of these beside. ``mllib`` spreads the pairs over the cluster; it also
    fits what is more than ``PAIRS_IN_ONE_TASK`` pairs, whatever is asked for, and the model says so in ``engine``.

    The same pairs give the same factors, whatever their order and partitioning: ids are numbered in sorted order. Of
    MLlib on a cluster, the order in which shuffled blocks arrive may still move the last digits; of the native
    engine, another processor may. What the native engine goes on from is part of what it learns from; MLlib always
    begins from random factors, as it cannot be given others.
    """

    name: ClassVar[str] = ALS
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "rank": (8, 16, 32, 64, 128, 256),
        "reg": (0.01, 0.03, 0.1, 0.3),
        "alpha": (0.1, 0.3, 1.0, 3.0, 10.0, 40.0),
    }

    engine: Engine = "native"
    rank: int = 32  # length of the factors
    max_iter: int = 15  # iterations
    reg: float = 0.1  # penalty on the factors, times the number of pairs
    alpha: float = 1.0  # confidence per unit of strength
    seed: int = 7
    min_interactions: int = 1  # fewer pairs: nothing is learned

    def fit(self, pairs: DataFrame, last: LastFactors | None = None) -> FittedAls | None:
        """Learn from pairs.

        Args:
            pairs: ``user_id``, ``item_id`` and ``strength``.
            last: factors of this rank, by the same settings, to go on from.

        Returns:
            What was learned; None with fewer than ``min_interactions`` pairs.
        """
        strength = F.col("strength").cast("float").alias("strength")
        with persisted(pairs.select("user_id", "item_id", strength)) as known:
            interactions = known.count()
            if interactions < max(self.min_interactions, 1):
                return None
            engine = self.engine if interactions <= PAIRS_IN_ONE_TASK else "mllib"
            last = last if engine == "native" else None
            fitted = self._native(known, last) if engine == "native" else self._mllib(known, interactions)
        user_factors, item_factors = fitted
        both = [rows.select(F.lit(side).alias("side")) for side, rows in zip(("user", "item"), fitted, strict=True)]
        sides = {row["side"]: row["count"] for row in both[0].union(both[1]).groupBy("side").count().collect()}
        model = AlsModel(
            rank=self.rank, users=sides["user"], items=sides["item"], interactions=interactions,
            max_iter=self._iterations(last), reg=self.reg, alpha=self.alpha, seed=self.seed, engine=engine,
            started_from=last.model_id if last else None,
        )  # fmt: skip
        return FittedAls(model, user_factors, item_factors)

    def _iterations(self, last: LastFactors | None) -> int:
        return last.iterations if last else self.max_iter

    def _native(self, pairs: DataFrame, last: LastFactors | None) -> tuple[DataFrame, DataFrame]:
        loop = partial(
            factors_of_pairs, threads=threads_of_a_task(pairs.sparkSession), rank=self.rank,
            iterations=self._iterations(last), reg=self.reg, alpha=self.alpha, seed=self.seed,
        )  # fmt: skip
        if last is not None:
            pairs = pairs.unionByName(last.rows.select("side", "id", "factor"), allowMissingColumns=True)
        schema = "side string, id string, number int, factor array<double>"
        factors = pairs.repartition(1).mapInArrow(loop, schema).checkpoint()
        return factors.where("side = 'user'"), factors.where("side = 'item'")

    def _mllib(self, pairs: DataFrame, interactions: int) -> tuple[DataFrame, DataFrame]:
        users = number(pairs.select(F.col("user_id").alias("id")))
        items = number(pairs.select(F.col("item_id").alias("id")))
        blocks = 2 + interactions // _PAIRS_PER_BLOCK
        ratings = (
            pairs.join(users.select(F.col("id").alias("user_id"), F.col("number").alias("user")), "user_id", "inner")
            .join(items.select(F.col("id").alias("item_id"), F.col("number").alias("item")), "item_id", how="inner")
            .select("user", "item", "strength")
            .repartition(blocks, "user")
            .sortWithinPartitions("user", "item")
            .checkpoint()
        )
        als = MLLIB_ALS(
            rank=self.rank, maxIter=self.max_iter, regParam=self.reg, alpha=self.alpha, seed=self.seed,
            implicitPrefs=True, nonnegative=False, numUserBlocks=blocks, numItemBlocks=blocks,
            userCol="user", itemCol="item", ratingCol="strength", coldStartStrategy="drop", checkpointInterval=10,
        ).fit(ratings)  # fmt: skip
        return _factors("user", als.userFactors, users), _factors("item", als.itemFactors, items)


def als_model(params: RecommendParams) -> Als:
    """:class:`Als` with the settings of a list."""
    return Als(
        engine=params.engine, rank=params.rank, max_iter=params.max_iter, reg=params.reg, alpha=params.alpha,
        seed=params.seed, min_interactions=params.min_interactions,
    )  # fmt: skip


def fit(strengths: DataFrame, params: RecommendParams, last: LastFactors | None = None) -> FittedAls | None:
    """:func:`als_model`, fitted; None with fewer than ``min_interactions`` pairs."""
    return als_model(params).fit(strengths, last)


def settings_of(params: RecommendParams) -> str:
    """Hash of the settings by which a list's model is fitted and measured; a model of others is no last one of it."""
    said = params.model_dump(mode="json", include={*_LEARNED_BY})
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _factors(side: str, factors: DataFrame, ids: DataFrame) -> DataFrame:
    """MLlib's factors under the shop's own ids."""
    numbered = factors.select(F.col("id").alias("number"), F.col("features").cast("array<double>").alias("factor"))
    return (
        ids.join(numbered, "number", how="inner")
        .select(F.lit(side).alias("side"), "id", "number", "factor")
        .checkpoint()
    )
