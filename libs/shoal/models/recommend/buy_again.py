"""What each user took before, for shops in which people buy the same things again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


@dataclass(frozen=True)
class FittedBuyAgain:
    """How much each user is used to each item."""

    scores: DataFrame  # user_id, item_id and score

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's own items; see :class:`shoal.models.recommend.recommender.Fitted`.

        ``barred`` must not name what users own: that is all that this model knows.
        """
        own = (
            self.scores.join(users.select("user_id"), "user_id", how="left_semi")
            .join(items.select("item_id", "item_group_id"), "item_id", how="inner")
            .join(barred.select("user_id", "item_id"), ["user_id", "item_id"], how="left_anti")
        )
        best = F.min(F.struct((-F.col("score")).alias("below"), "item_id")).alias("best")
        by_user = Window.partitionBy("user_id").orderBy("best")
        return (
            own.groupBy("user_id", "item_group_id")
            .agg(best)
            .withColumn("rank", F.row_number().over(by_user))
            .where(F.col("rank") <= n)
            .select("user_id", "best.item_id", "item_group_id", "rank", (-F.col("best.below")).alias("score"))
        )


@dataclass(frozen=True)
class BuyAgain:
    """How often the user took the item, faded by how long ago that was: times^power x 0.5^(age / half_life_days).

    The age is that of the pair's latest act, counted back from the newest act of all pairs; without a time it is 0.
    """

    name: ClassVar[str] = "buy_again"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "half_life_days": (14.0, 30.0, 90.0, 180.0, 365.0),
        "power": (0.5, 1.0, 2.0),
    }

    half_life_days: float = 90.0  # a season
    power: float = 1.0  # of the times; below 1 recency counts for more

    def fit(self, pairs: DataFrame) -> FittedBuyAgain | None:
        """Learn from ``user_id``, ``item_id``, ``times`` and ``last_at``; None without pairs."""
        newest = F.broadcast(pairs.agg(F.max("last_at").alias("newest")))
        age = (F.unix_micros("newest") - F.unix_micros("last_at")) / F.lit(86_400e6)
        fading = F.pow(F.lit(0.5), F.coalesce(age, F.lit(0.0)) / F.lit(self.half_life_days))
        score = F.pow(F.col("times").cast("double"), F.lit(self.power)) * fading
        scores = pairs.crossJoin(newest).select("user_id", "item_id", score.alias("score")).checkpoint()
        return None if scores.isEmpty() else FittedBuyAgain(scores)
