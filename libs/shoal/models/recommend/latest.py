"""What each user turned to last, newest first: of carts that were left, a list of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.frames import few_rows
from shoal.models.recommend.own_items import best_of_own
from shoal.params import RecommendParams

ABANDONED_CART = "abandoned_cart"


@dataclass(frozen=True)
class FittedLatest:
    """When each user turned to each item."""

    pairs: DataFrame  # user_id, item_id and last_at
    said: str

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's own items; see :class:`shoal.models.recommend.recommender.Fitted`.

        A score is the latest act in days since 1970. ``barred`` must not name what users turned to: that is all that
        this model knows.
        """
        days = F.coalesce(F.unix_micros("last_at") / F.lit(86_400e6), F.lit(0.0)).alias("score")
        return best_of_own(self.pairs.select("user_id", "item_id", days), users, barred, items, n)

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows of :meth:`best` with their ``reason``."""
        reason = F.format_string(self.said, F.date_format("last_at", "yyyy-MM-dd")).alias("reason")
        return best.join(self.pairs.select("user_id", "item_id", reason), ["user_id", "item_id"], how="inner")


@dataclass(frozen=True)
class Latest:
    """What each user turned to in the last ``days``, newest first; counted back from ``until``."""

    name: ClassVar[str] = "latest"
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {"days": (None, 7, 30, 90)}

    days: int | None = None  # pairs whose latest act is older are left out; None: none are
    said: str = "last on %s"  # the reason of a row, with its day
    until: date | None = None  # first day that is not seen; None: the day after the newest act of all pairs

    def fit(self, pairs: DataFrame) -> FittedLatest | None:
        """Learn from ``user_id``, ``item_id`` and ``last_at``; None without pairs."""
        known = pairs.select("user_id", "item_id", "last_at")
        if self.days is not None:
            newest = newest_act(pairs, self.until)
            age = F.unix_micros("newest") - F.unix_micros("last_at")
            young = F.col("last_at").isNull() | (age < F.lit(self.days * 86_400_000_000))
            known = known.crossJoin(newest).where(young).drop("newest")
        known = known.checkpoint()
        return None if known.isEmpty() else FittedLatest(known, self.said)


def newest_act(pairs: DataFrame, until: date | None) -> DataFrame:
    """One row with ``newest``: midnight of the last day before ``until``, else the latest ``last_at`` of all pairs."""
    if until is None:
        return F.broadcast(pairs.agg(F.max("last_at").alias("newest")))
    return few_rows(pairs.sparkSession, "newest date", [(until - timedelta(days=1),)]).select(
        F.col("newest").cast("timestamp").alias("newest")
    )


def cart_model(params: RecommendParams, as_of: date) -> Latest:
    """:class:`Latest` with the settings of a list, for rows of :func:`shoal.models.recommend.acts.abandoned`."""
    return Latest(days=params.cart_days, said="in the cart since %s, not bought", until=as_of)
