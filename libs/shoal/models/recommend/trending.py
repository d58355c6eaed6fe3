"""What gains buyers now: the same list for everybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.models.recommend.latest import newest_act
from shoal.models.recommend.popularity import FittedPopularity, numbered
from shoal.params import RecommendParams

TRENDING = "trending"


@dataclass(frozen=True)
class Trending:
    """How many users an item has won lately, beside as many days before: (now + prior) / (before + prior).

    Won is who took it for the first time, so what the same people buy every week is no trend. Days are counted back
    from ``until``. ``prior`` draws few users towards no trend: with 10, three after none make 1.3,
    thirty after five 2.7. Items that do not rise are not named.
    """

    name: ClassVar[str] = TRENDING
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {"days": (3, 7, 14, 30), "prior": (3.0, 10.0, 30.0)}

    days: int = 14
    prior: float = 10.0  # users, added to both
    until: date | None = None  # first day that is not seen; None: the day after the newest act of all pairs

    def fit(self, pairs: DataFrame) -> FittedPopularity | None:
        """Learn from ``item_id``, ``first_at`` and ``last_at``; None where nothing rises."""
        newest = newest_act(pairs, self.until)
        age = (F.unix_micros("newest") - F.unix_micros("first_at")) / F.lit(86_400e6)

        def won(since: int, until: int) -> Column:
            return F.count_if((age >= F.lit(since)) & (age < F.lit(until)))

        rising = (
            pairs.crossJoin(newest)
            .groupBy("item_id")
            .agg(won(0, self.days).alias("now"), won(self.days, 2 * self.days).alias("before"))
            .where(F.col("now") > F.col("before"))
        )
        prior = F.lit(float(self.prior))
        scores = numbered(
            rising.select(
                "item_id",
                F.round((F.col("now") + prior) / (F.col("before") + prior), 9).alias("score"),
                F.format_string(f"%d new buyers in {self.days} days, %d in those before", "now", "before")
                .alias("reason"),
                F.col("now").alias("pairs"),
            )
        )  # fmt: skip
        size = scores.agg(F.sum("pairs").alias("pairs"), F.count(F.lit(1)).alias("items")).first()
        assert size is not None, "an aggregate has one row"
        return FittedPopularity(scores, size["pairs"], size["items"]) if size["items"] else None


def trend_model(params: RecommendParams, as_of: date) -> Trending:
    """:class:`Trending` with the settings of a list."""
    return Trending(days=params.trend_days, until=as_of)
