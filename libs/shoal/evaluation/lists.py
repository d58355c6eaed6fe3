"""A fitted model -> the lists that users would see: its best items, and popular ones where it names too few."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.evaluation.pairs import Strength, pairs
from shoal.evaluation.trial import PAIR, Trial
from shoal.frames import few_rows, persisted
from shoal.models.recommend.recommender import Fitted, Recommender


@dataclass(frozen=True)
class Setting:
    """A model with its settings, and what makes the pairs that it learns from."""

    model: Recommender
    strength: Strength


@dataclass(frozen=True)
class Ranked:
    """What a setting gave."""

    lists: DataFrame  # user_id, item_id, rank, filled: whether popularity named it
    is_fitted: bool  # False: too few pairs, popularity named all


def ranked(setting: Setting, fallback: Recommender, trial: Trial, n: int) -> Ranked:
    """Each user's list of ``n``, or of all items that are left to name where there are fewer.

    A model that could not be fitted, does not know a user, or names too few items, is filled up with what ``fallback``,
    learned from the same pairs, names: so lists are compared as they would be shown.
    """
    with persisted(pairs(trial.train, setting.strength, trial.now)) as learned:
        fitted = setting.model.fit(learned)
        own = _best(fitted, trial.users.select("user_id"), trial.barred, trial.items, n)
        if setting.model == fallback:
            return Ranked(own.withColumn("filled", F.lit(False)).checkpoint(), fitted is not None)
        own = own.checkpoint()
        return Ranked(_filled(own, fallback.fit(learned), trial, n).checkpoint(), fitted is not None)


def _best(fitted: Fitted | None, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
    if fitted is None:
        return few_rows(users.sparkSession, "user_id string, item_id string, rank int", [])
    return fitted.best(users, barred, items, n).select(*PAIR, F.col("rank").cast("int").alias("rank"))


def _filled(own: DataFrame, fallback: Fitted | None, trial: Trial, n: int) -> DataFrame:
    """Lists that are too short, with the fallback's items below."""
    counts = own.groupBy("user_id").agg(F.count(F.lit(1)).cast("int").alias("found"))
    found = F.coalesce("found", F.lit(0))
    short = (
        trial.users.select("user_id")
        .join(counts, "user_id", how="left")
        .select("user_id", found.alias("found"))
        .where(found < F.least(F.lit(n), F.lit(trial.sizes.items)))
        .checkpoint()
    )
    named = own.withColumn("filled", F.lit(False))
    if short.isEmpty():
        return named
    few = short.select("user_id")
    barred = trial.barred.unionByName(own.select(*PAIR)).join(few, "user_id", how="left_semi")
    more = (
        _best(fallback, few, barred, trial.items, n)
        .join(short, "user_id", how="inner")
        .withColumn("rank", F.col("rank") + F.col("found"))
        .where(F.col("rank") <= n)
        .select(*PAIR, "rank", F.lit(True).alias("filled"))
    )
    return named.unionByName(more)


def among(lists: DataFrame, candidates: DataFrame, n: int) -> DataFrame:
    """The lists cut to each user's candidates, ranked anew, to at most ``n``."""
    by_user = Window.partitionBy("user_id").orderBy("rank")
    return (
        lists.join(candidates, PAIR, how="left_semi")
        .withColumn("rank", F.row_number().over(by_user))
        .where(F.col("rank") <= n)
        .checkpoint()
    )
