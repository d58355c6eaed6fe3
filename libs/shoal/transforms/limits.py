"""Observed values -> features.limits: how far from the median a value is still a usual one.

On a log scale, as counts, pieces and prices are heavy-tailed: a limit lies a number of robust standard deviations from
the median. That of a normal distribution is 1.4826 times the median distance from the median (MAD; Hampel 1974). Half
of the values would have to be wrong before either moved far.

Values are rounded to three significant digits and counted first, so that the exact medians are those of a few thousand
different values; neither order nor partitioning can change them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.frames import three_digits
from shoal.params import LimitParams
from shoal.tables import LIMITS
from shoal.tables.vocabulary import USER_MEASURES

_SIGMA = 1.4826  # standard deviation of a normal distribution, in median distances from its median
_DIGITS = 12  # of logarithms: the last ones differ between processors
_GROUP = ["scope", "measure", "item_id"]

Treatment = Literal["keep", "cap", "reject"]


@dataclass(frozen=True)
class Limits:
    """The limits of a run, and what is done by them."""

    of_users: Mapping[str, float]  # by measure
    of_shop: Mapping[str, tuple[float | None, float]]  # lower and upper one by measure
    of_items: DataFrame  # rows of features.limits whose scope is item
    params: LimitParams
    treatment: Treatment


def recent(tiles: DataFrame, as_of: date, params: LimitParams) -> DataFrame:
    """The tiles of the days that are looked at."""
    since = F.lit(as_of - timedelta(days=params.days))
    return tiles.where((F.col("event_date") >= since) & (F.col("event_date") < F.lit(as_of)))


def value_counts(users: DataFrame, items: DataFrame) -> DataFrame:
    """How often each value occurs: what :func:`limits` reads several times, so that whoever calls it keeps it.

    Args:
        users: ``measure``, ``value`` above 0 (double); one row per user and measure.
        items: ``item_id``, ``measure``, ``value`` above 0 (double); one row per user, item, day and measure.

    Returns:
        ``scope``, ``measure``, ``item_id`` (empty for users), ``value`` to three significant digits, ``times``.
    """
    of_users = users.select(F.lit("user").alias("scope"), "measure", F.lit("").alias("item_id"), "value")
    of_items = items.select(F.lit("item").alias("scope"), "measure", "item_id", "value")
    rounded = of_users.unionByName(of_items).withColumn("value", three_digits(F.col("value")))
    return rounded.groupBy(*_GROUP, "value").agg(F.count(F.lit(1)).alias("times"))


def limits(counts: DataFrame, *, as_of: date, run_id: str, params: LimitParams) -> DataFrame:
    """Learn limits from the values of users and of purchases.

    What is measured of users and is greater than the limit is that of a robot: there is no lower one, and none lies
    below its floor; of fewer than ``min_users`` the floor is the limit. A purchase is compared with the others of its
    item, where there are ``min_purchases``, else with all of the shop's. The spread of an item is taken to be at least
    that of the middle one of all purchases: of an item that nearly everybody bought once, two are not extreme. Few
    pieces are never extreme.

    Args:
        counts: of :func:`value_counts`.

    Returns:
        Rows of ``features.limits``.
    """
    whole = counts.where("scope = 'item'").groupBy("measure", "value").agg(F.sum("times").alias("times"))
    of_shop = whole.select(F.lit("shop").alias("scope"), "measure", F.lit("").alias("item_id"), "value", "times")
    found = _robust(counts.unionByName(of_shop))
    enough = found.where((F.col("scope") != "item") | (F.col("observed") >= params.min_purchases))
    usual = (
        enough.where("scope = 'item'")
        .groupBy("measure")
        .agg(F.percentile("mad", F.lit(0.5), F.col("observed")).alias("usual_mad"))
    )
    judged = enough.join(F.broadcast(usual), on="measure", how="left")
    return LIMITS.select(
        judged.withColumns(_bounds(params)).withColumns(
            {
                "run_id": F.lit(run_id),
                "as_of": F.lit(as_of),
                "median": F.round(F.exp("centre"), 9),
                "item_id": F.when(F.col("scope") == "item", F.col("item_id")),
            }
        )
    )


def _robust(counted: DataFrame) -> DataFrame:
    """Of each group how many values there are, the median of their logarithms and the median distance from it."""
    logged = counted.withColumn("log", F.round(F.ln("value"), _DIGITS))
    middle = logged.groupBy(*_GROUP).agg(
        F.sum("times").alias("observed"), F.percentile("log", F.lit(0.5), F.col("times")).alias("centre")
    )
    apart = logged.join(middle, on=_GROUP, how="inner").withColumn(
        "apart", F.round(F.abs(F.col("log") - F.col("centre")), _DIGITS)
    )
    return apart.groupBy(*_GROUP, "observed", "centre").agg(
        F.percentile("apart", F.lit(0.5), F.col("times")).alias("mad")
    )


def _bounds(params: LimitParams) -> dict[str, Column]:
    is_user, floor = F.col("scope") == "user", F.lit(None).cast("double")
    for measure in USER_MEASURES:
        floor = F.when(F.col("measure") == measure, F.lit(float(getattr(params, measure)))).otherwise(floor)
    is_enough = F.col("observed") >= params.min_users
    spread = F.when(F.col("scope") == "item", F.greatest("mad", "usual_mad")).otherwise(F.col("mad")) * _SIGMA
    of_item = F.greatest(spread * params.item_deviations, F.ln(F.lit(params.item_factor)))
    above = F.exp(F.col("centre") + F.when(is_user, spread * params.deviations).otherwise(of_item))
    return {
        "upper": F.when(~is_user, above).when(is_enough, F.greatest(above, floor)).otherwise(floor),
        "lower": F.when(F.col("measure") == "price", F.exp(F.col("centre") - of_item)),
    }


def beyond_any(conditions: list[Column]) -> Column:
    """True where any of the conditions is; an unknown one is not."""
    return reduce(lambda one, other: one | other, (F.coalesce(held, F.lit(False)) for held in conditions))
