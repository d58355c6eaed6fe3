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
        own = _best(fitted, trial.users.select("user_id"), trial.barred, trial.items, n).checkpoint()
        named = own.withColumn("filled", F.lit(False))
        counts = own.groupBy("user_id").agg(F.count(F.lit(1)).cast("int").alias("found"))
        full = min(n, trial.sizes.items)
        if setting.model == fallback or counts.where(F.col("found") >= full).count() == trial.sizes.users:
            return Ranked(named, fitted is not None)
        short = (
            trial.users.select("user_id")
            .join(counts, "user_id", how="left")
            .select("user_id", F.coalesce("found", F.lit(0)).alias("found"))
            .where(F.col("found") < full)
            .checkpoint()
        )
        more = _more(own, short, fallback.fit(learned), trial, n)
        return Ranked(named.unionByName(more).checkpoint(), fitted is not None)


def _best(fitted: Fitted | None, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
    if fitted is None:
        return few_rows(users.sparkSession, "user_id string, item_id string, rank int", [])
    return fitted.best(users, barred, items, n).select(*PAIR, F.col("rank").cast("int").alias("rank"))


def _more(own: DataFrame, short: DataFrame, fallback: Fitted | None, trial: Trial, n: int) -> DataFrame:
    """The fallback's items, ranked after those that each user ``found``."""
    few = short.select("user_id")
    barred = trial.barred.unionByName(own.select(*PAIR)).join(few, "user_id", how="left_semi")
    return (
        _best(fallback, few, barred, trial.items, n)
        .join(short, "user_id", how="inner")
        .withColumn("rank", F.col("rank") + F.col("found"))
        .where(F.col("rank") <= n)
        .select(*PAIR, "rank", F.lit(True).alias("filled"))
    )


def among(lists: DataFrame, candidates: DataFrame, n: int) -> DataFrame:
    """The lists cut to each user's candidates, ranked anew, to at most ``n``."""
    by_user = Window.partitionBy("user_id").orderBy("rank")
    return (
        lists.join(candidates, PAIR, how="left_semi")
        .withColumn("rank", F.row_number().over(by_user))
        .where(F.col("rank") <= n)
        .checkpoint()
    )
