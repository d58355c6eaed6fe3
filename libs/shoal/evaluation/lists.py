"""A fitted model -> the lists that users would see: its best items, and popular ones where it names too few."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.evaluation.pairs import Strength, pairs
from shoal.evaluation.trial import PAIR, Trial
from shoal.frames import few_rows, persisted
from shoal.models.recommend.filling import more, short_of
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
    users, full = trial.users.select("user_id"), min(n, trial.sizes.items)
    with persisted(pairs(trial.train, setting.strength, trial.now)) as learned:
        fitted = setting.model.fit(learned)
        own = _best(fitted, users, trial, n).checkpoint()
        named = own.select(*PAIR, "rank", F.lit(False).alias("filled"))
        if setting.model == fallback:
            return Ranked(named, fitted is not None)
        short = short_of(users, own, full).checkpoint()
        filler = None if short.isEmpty() else fallback.fit(learned)
        if filler is None:
            return Ranked(named, fitted is not None)
        filled = more(filler, short, own, trial.barred, trial.items, n)
        named = named.unionByName(filled.select(*PAIR, "rank", F.lit(True).alias("filled")))
        return Ranked(named.checkpoint(), fitted is not None)


def _best(fitted: Fitted | None, users: DataFrame, trial: Trial, n: int) -> DataFrame:
    if fitted is None:
        return few_rows(users.sparkSession, "user_id string, item_id string, item_group_id string, rank int", [])
    best = fitted.best(users, trial.barred, trial.items, n)
    return best.select(*PAIR, "item_group_id", F.col("rank").cast("int").alias("rank"))


def among(lists: DataFrame, candidates: DataFrame, n: int) -> DataFrame:
    """The lists cut to each user's candidates, ranked anew, to at most ``n``."""
    by_user = Window.partitionBy("user_id").orderBy("rank")
    return (
        lists.join(candidates, PAIR, how="left_semi")
        .withColumn("rank", F.row_number().over(by_user))
        .where(F.col("rank") <= n)
        .checkpoint()
    )
