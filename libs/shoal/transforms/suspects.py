"""features.user_days, features.user_item_days -> what of a user's days no human could have done.

A *look* is a view, click, search, favourite or cart: what robots do. Purchases are no looks, so a wholesaler who buys
five hundred lines a day does nothing odd, and they count for a user: see :func:`marks`.
"""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.params import LimitParams
from shoal.tables.vocabulary import USER_MEASURES
from shoal.transforms.cuts import Cut
from shoal.transforms.limits import recent

_LOOKS = "views + searches + favourites + carts"
_PACED_LOOKS = 60  # of fewer on a day, as of one page that shows many items, a pace says nothing
_MINUTE = 60_000_000  # microseconds
# Of days that are as even as a script's: four weeks, nine days of ten, and so many looks that chance would show.
_EVEN_DAYS, _EVEN_SHARE, _EVEN_LOOKS = 28, 0.9, 10
_ROUNDING = 1 / 12  # variance that counting in whole looks hides; without it, a perfect script would divide by 0


def sums(as_of: date | None, params: LimitParams) -> list[Column]:
    """What adds up over a user's ``features.user_days`` before ``as_of``, or each row's own, for :func:`measures`."""
    inside = F.col("event_date") >= Cut(as_of).since(params.days)
    looks = F.when(inside, F.expr(_LOOKS))
    first, last = F.unix_micros("first_at"), F.unix_micros("last_at")
    # Where both are whole minutes the feed knows none smaller, and all at one moment is a batch or a day.
    in_seconds = (last > first) & ((first % _MINUTE != 0) | (last % _MINUTE != 0))
    paced = in_seconds & (looks >= _PACED_LOOKS)
    looked_on = F.when(looks > 0, F.col("event_date"))
    return [
        F.max(looks).alias("_rate"),
        F.max(F.when(inside, F.bit_count("look_hours"))).cast("double").alias("_hours"),
        F.max(F.when(paced, looks / ((last - first) / F.lit(1e6)))).alias("_pace"),
        F.sum(looks).alias("_looks"),
        F.sum(looks.cast("double") * looks).alias("_squares"),
        F.count(looked_on).alias("_days"),
        F.min(looked_on).alias("_since"),
        F.max(looked_on).alias("_until"),
        F.sum(F.when(inside, F.expr("purchases - returns"))).alias("_kept_lines"),
    ]


def breadth(item_days: DataFrame, *own: str) -> DataFrame:
    """``user_id``, ``_breadth``: on how many different goods a user has looked at most on one day.

    Args:
        item_days: rows of ``features.user_item_days`` that are :func:`recent`.
        own: ``as_of``, where rows have each their own, and so has what is returned.
    """
    looked = item_days.where("views + favourites + carts > 0").groupBy("user_id", *own, "event_date").count()
    return looked.groupBy("user_id", *own).agg(F.max("count").alias("_breadth"))


def breadth_of_busy(days: DataFrame, item_days: DataFrame, params: LimitParams, *own: str) -> DataFrame:
    """:func:`breadth` of those whose looks on some day reach the floor of breadth: no others can lie beyond it."""
    on = ["user_id", *own, "event_date"]
    busy = days.where(F.expr(_LOOKS) >= params.breadth).select(*on).distinct()
    return breadth(item_days.join(busy, on=on, how="left_semi"), *own)


def measures() -> dict[str, Column]:
    """Of the columns of :func:`sums` and :func:`breadth` each measure; null where there is nothing to measure."""
    days, looks = F.col("_days"), F.col("_looks")
    span = F.datediff("_until", "_since") + 1
    is_steady = (days >= _EVEN_DAYS) & (days >= span * _EVEN_SHARE) & (looks >= days * _EVEN_LOOKS)
    mean = looks / days
    variance = F.col("_squares") / days - mean * mean
    found = {
        "rate": F.col("_rate"),
        "breadth": F.col("_breadth"),
        "hours": F.col("_hours"),
        "pace": F.col("_pace"),
        "regularity": F.when(is_steady, mean / (F.greatest(variance, F.lit(0.0)) + _ROUNDING)),
    }
    return {name: F.when(found[name] > 0, found[name].cast("double")) for name in USER_MEASURES}


def user_values(
    days: DataFrame, item_days: DataFrame, users: DataFrame, *, as_of: date | None, params: LimitParams
) -> DataFrame:
    """What limits are learned from.

    Args:
        days, item_days: rows of ``features.user_days`` and ``features.user_item_days``.
        users: ``user_id`` of those who are learned from.
        as_of: the cut; None: of each row its own, of the users too.

    Returns:
        ``measure``, ``value``: one row per user and measure of which there is something; with ``as_of`` where each
        row has its own.
    """
    own = Cut(as_of).own
    by_user = ["user_id", *own]
    summed = recent(days, as_of, params).groupBy(*by_user).agg(*sums(as_of, params))
    looked = breadth(recent(item_days, as_of, params), *own)
    found = summed.join(looked, on=by_user, how="left").join(users.select(*by_user), on=by_user, how="left_semi")
    wide = found.select(*own, *(column.alias(name) for name, column in measures().items()))
    return wide.unpivot([*own], [*USER_MEASURES], "measure", "value").where("value IS NOT NULL")


def marks(upper: Mapping[str, float | Column], params: LimitParams) -> dict[str, Column]:
    """``is_suspect`` and ``suspect_reasons`` of the columns of :func:`sums` and :func:`breadth`.

    Who keeps what was bought, a line for every ``looks_per_purchase`` looks or more, is a customer whatever else.

    Args:
        upper: the limit of each measure of users; one without a limit marks nobody.
    """
    found = measures()
    beyond = [F.when(found[name] > F.lit(upper[name]), F.lit(name)) for name in USER_MEASURES if name in upper]
    nothing = F.array().cast("array<string>")
    kept = F.col("_kept_lines")
    is_customer = (kept > 0) & (F.col("_looks") <= kept * params.looks_per_purchase)
    reasons = F.array_compact(F.array(*beyond)) if beyond else nothing
    told = F.when(F.coalesce(is_customer, F.lit(False)), nothing).otherwise(reasons)
    return {"suspect_reasons": told, "is_suspect": F.size(told) > 0}
