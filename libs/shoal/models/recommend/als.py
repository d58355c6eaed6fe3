"""Strengths -> factors of users and items: implicit ALS."""

from dataclasses import dataclass

from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.models.recommend.numbering import number
from shoal.params import RecommendParams

_PAIRS_PER_BLOCK = 250_000  # of ALS; blocks depend on the data's size alone, as the first factors depend on them


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


@dataclass(frozen=True)
class FittedAls:
    """A fitted model and its factors: rows of ``ops.factors`` without run_id and model_id."""

    model: AlsModel
    user_factors: DataFrame
    item_factors: DataFrame


def fit(strengths: DataFrame, params: RecommendParams) -> FittedAls | None:
    """Factors of users and items whose products say who wants what (Hu, Koren, Volinsky 2008, as in MLlib).

    The same pairs give the same factors, whatever their order and partitioning: ids are numbered in sorted
    order, and rows, partitions and blocks are laid out by the numbers and by how many pairs there are. On a
    cluster, the order in which shuffled blocks arrive may still move the last digits.

    Returns:
        The model, or None with fewer than ``min_interactions`` pairs: popularity stands in.
    """
    pairs = strengths.select("user_id", "item_id", "strength").checkpoint()
    interactions = pairs.count()
    if interactions < params.min_interactions:
        return None
    users = number(pairs.select(F.col("user_id").alias("id")))
    items = number(pairs.select(F.col("item_id").alias("id")))
    blocks = 2 + interactions // _PAIRS_PER_BLOCK
    ratings = (
        pairs.join(users.select(F.col("id").alias("user_id"), F.col("number").alias("user")), "user_id", how="inner")
        .join(items.select(F.col("id").alias("item_id"), F.col("number").alias("item")), "item_id", how="inner")
        .select("user", "item", F.col("strength").cast("float").alias("strength"))
        .repartition(blocks, "user")
        .sortWithinPartitions("user", "item")
        .checkpoint()
    )
    als = ALS(
        rank=params.rank, maxIter=params.max_iter, regParam=params.reg, alpha=params.alpha, seed=params.seed,
        implicitPrefs=True, nonnegative=False, numUserBlocks=blocks, numItemBlocks=blocks,
        userCol="user", itemCol="item", ratingCol="strength", coldStartStrategy="drop", checkpointInterval=10,
    ).fit(ratings)  # fmt: skip
    user_factors = _factors("user", als.userFactors, users)
    item_factors = _factors("item", als.itemFactors, items)
    model = AlsModel(
        rank=params.rank, users=user_factors.count(), items=item_factors.count(), interactions=interactions,
        max_iter=params.max_iter, reg=params.reg, alpha=params.alpha, seed=params.seed,
    )  # fmt: skip
    return FittedAls(model, user_factors, item_factors)


def _factors(side: str, factors: DataFrame, ids: DataFrame) -> DataFrame:
    """MLlib's factors under the shop's own ids."""
    numbered = factors.select(F.col("id").alias("number"), F.col("features").cast("array<double>").alias("factor"))
    return (
        ids.join(numbered, "number", how="inner")
        .select(F.lit(side).alias("side"), "id", "number", "factor")
        .checkpoint()
    )
