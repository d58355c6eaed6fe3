"""Observed values -> features.limits: how far from the median a value is still a usual one.

On a log scale, as counts, pieces and prices are heavy-tailed: a limit lies a number of robust standard deviations from
the median. That of a normal distribution is 1.4826 times the median distance from the median (MAD; Hampel 1974). Half
of the values would have to be wrong before either moved far.

Values are rounded to three significant digits and counted first, so that the exact medians are those of a few thousand
different values; neither order nor partitioning can change them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.frames import three_digits
from shoal.params import LimitParams
from shoal.tables import LIMITS
from shoal.tables.vocabulary import USER_MEASURES
from shoal.transforms.cuts import Cut

_SIGMA = 1.4826  # standard deviation of a normal distribution, in median distances from its median
_DIGITS = 12  # of logarithms: the last ones differ between processors

Treatment = Literal["keep", "cap", "reject"]


@dataclass(frozen=True)
class Limits:
    """The limits of a run, and what is done by them; of many runs each is a column, of the row's own cut."""

    of_users: Mapping[str, float | Column]  # by measure
    of_shop: Mapping[str, tuple[float | Column | None, float | Column]]  # lower and upper one; prices have none
    of_items: DataFrame  # rows of features.limits whose scope is item
    params: LimitParams
    treatment: Treatment
    of_buyers: Mapping[str, Sequence[float] | Column] = field(default_factory=dict)  # edges, by the feature scored


def recent(tiles: DataFrame, as_of: date | None, params: LimitParams) -> DataFrame:
    """The tiles of the days that are looked at; without ``as_of`` each row has its own."""
    cut = Cut(as_of)
    return cut.before(tiles).where(F.col("event_date") >= cut.since(params.days))


def spreads(users: DataFrame, items: DataFrame, *own: str) -> DataFrame:
    """Where the middle of all values lies, and how far from it: of users, of each item, and of all items together.

    Prices have no middle of all items: what an article costs says nothing of another.

    Args:
        users: ``measure``, ``value`` above 0 (double); one row per user and measure.
        items: ``item_id``, ``measure``, ``value`` above 0 (double); one row per user, item, day and measure.
        own: ``as_of``, where rows have each their own, and so has what is returned.

    Returns:
        ``scope``, ``measure``, ``item_id`` (null unless scope is item), ``observed`` (values), ``centre`` (median of
        their logarithms) and ``mad`` (median distance from it). :func:`limits` reads it twice: keep it meanwhile.
    """
    of_users = users.select(*own, F.lit("user").alias("scope"), F.lit("").alias("item_id"), "measure", "value")
    rows = of_users.unionByName(items.select(*own, F.lit("item").alias("scope"), "item_id", "measure", "value"))
    rounded = rows.select(*own, "scope", "item_id", "measure", three_digits(F.col("value")).alias("value"))
    single = [F.col(name) for name in (*own, "scope", "measure", "value")]
    counts = rounded.groupingSets([[*single, F.col("item_id")], single], *single, F.col("item_id")).agg(
        F.count(F.lit(1)).alias("times"), F.grouping("item_id").alias("is_whole")
    )
    told = counts.where("CASE WHEN is_whole = 0 THEN scope = 'item' ELSE measure <> 'price' END").withColumns(
        {
            "scope": F.when((F.col("scope") == "item") & (F.col("is_whole") == 1), "shop").otherwise(F.col("scope")),
            "log": F.round(F.ln("value"), _DIGITS),
        }
    )
    # A group has a few thousand different values at most.
    held = told.groupBy(*own, "scope", "measure", "item_id").agg(
        F.sum("times").alias("observed"), F.array_sort(F.collect_list(F.struct("log", "times"))).alias("logs")
    )
    centred = held.withColumn("centre", _middle(F.col("logs"), F.col("observed")))
    apart = _middle(_apart(), F.col("observed")).alias("mad")
    return centred.select(*own, "scope", "measure", "item_id", "observed", "centre", apart)


def _apart() -> Column:
    """How far the logarithms lie from their middle, the nearest first."""

    def apart(pair: Column) -> Column:
        return F.struct(
            F.round(F.abs(pair["log"] - F.col("centre")), _DIGITS).alias("log"), pair["times"].alias("times")
        )

    return F.array_sort(F.transform("logs", apart))


def _middle(pairs: Column, observed: Column) -> Column:
    """The median of values that occur several times.

    Args:
        pairs: array of ``log`` and ``times``, ascending.
        observed: the sum of the times.
    """
    nothing = F.lit(None).cast("double")

    def further(passed: Column, pair: Column) -> Column:
        seen = passed["seen"] + pair["times"]
        return F.struct(
            seen.alias("seen"),
            F.coalesce(passed["low"], F.when(seen * 2 >= observed, pair["log"])).alias("low"),
            F.coalesce(passed["high"], F.when(seen * 2 > observed, pair["log"])).alias("high"),
        )

    start = F.struct(F.lit(0).cast("bigint").alias("seen"), nothing.alias("low"), nothing.alias("high"))
    return F.reduce(pairs, start, further, lambda passed: (passed["low"] + passed["high"]) / 2)


def limits(found: DataFrame, *, as_of: date | None, run_id: str | Column, params: LimitParams) -> DataFrame:
    """Learn limits from the values of users and of purchases.

    What is measured of users and is greater than the limit is that of a robot: there is no lower one, and none lies
    below its floor; of fewer than ``min_users`` the floor is the limit. A purchase is compared with the others of its
    item, where there are ``min_purchases``; where there are fewer, its pieces are with those of all the shop's, and its
    price with none. The spread of an item is taken to be at least that of the middle one of all purchases: of an item
    that nearly everybody bought once, two are not extreme. Few pieces are never extreme.

    Args:
        found: of :func:`spreads`.
        as_of: the cut; None: of each row its own.
        run_id: the run; where there are many cuts, a column of them.

    Returns:
        Rows of ``features.limits``.
    """
    cut = Cut(as_of)
    of_measure = [*cut.own, "measure"]
    enough = found.where((F.col("scope") != "item") | (F.col("observed") >= params.min_purchases))
    usual = (
        enough.where("scope = 'item'")
        .groupBy(*of_measure)
        .agg(F.percentile("mad", F.lit(0.5), F.col("observed")).alias("usual_mad"))
    )
    judged = enough.join(F.broadcast(usual), on=of_measure, how="left")
    return LIMITS.select(
        judged.withColumns(_bounds(params)).withColumns(
            {
                "run_id": F.lit(run_id),
                "as_of": cut.column,
                "median": F.round(F.exp("centre"), 9),
                "edges": F.lit(None).cast("array<double>"),
            }
        )
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
