"""Interactions -> the pairs that recommenders learn from: how much each act tells, and how fast it fades."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.evaluation.request import RatingUse

_UNIT = 1e-9  # strengths are summed as whole multiples of this, so that no order of addition can change a sum
_DAY = 86_400.0  # seconds


@dataclass(frozen=True)
class Strength:
    """What makes a pair strong."""

    weights: Mapping[str, float] = field(default_factory=dict)  # of event types; those not named weigh 1
    rating: RatingUse = "ignored"  # as_given: an act counts rating times; log: log2(1 + rating) times
    half_life_days: float | None = None  # an act this old counts half; None: nothing fades
    cap: float | None = None  # a pair counts as no more than this many acts of the heaviest type; None: no limit

    def as_json(self) -> dict[str, Any]:
        """As the report shows it."""
        return {
            "weights": dict(sorted(self.weights.items())),
            "rating": self.rating,
            "half_life_days": self.half_life_days,
            "cap": self.cap,
        }


def pairs(interactions: DataFrame, strength: Strength, now: datetime | None) -> DataFrame:
    """One row per user and item that have any strength.

    The strength is the sum over the pair's rows of weight x rating x 0.5^(age / half life), the age in days from the
    row's time to ``now``, at most ``cap`` times the heaviest weight, rounded to six digits.

    Args:
        interactions: rows of :func:`shoal.evaluation.reading.interactions`.
        strength: what counts how much.
        now: the latest time that is known; null where there are no times, and nothing fades.

    Returns:
        ``user_id``, ``item_id``, ``strength`` (above 0), ``times`` (rows with a weight above 0), ``first_at`` and
        ``last_at`` (of them, null where no times are known).
    """
    weight = _weight(strength.weights)
    match strength.rating:
        case "as_given":
            rated: Column = F.coalesce(F.col("rating"), F.lit(1.0))
        case "log":
            rated = F.coalesce(F.log2(1 + F.col("rating")), F.lit(1.0))
        case "ignored":
            rated = F.lit(1.0)
    amount = weight * rated
    if strength.half_life_days is not None and now is not None:
        age_days = (F.lit(now).cast("double") - F.col("time").cast("double")) / _DAY
        amount = amount * F.pow(F.lit(0.5), F.greatest(age_days, F.lit(0.0)) / F.lit(strength.half_life_days))
    total = F.sum("units") * F.lit(_UNIT)
    if strength.cap is not None:
        heaviest = max(strength.weights.values(), default=1.0)
        total = F.least(total, F.lit(strength.cap * heaviest))
    return (
        interactions.withColumns({"weight": weight, "units": F.round(amount / _UNIT).cast("long")})
        .where(F.col("weight") > 0)
        .groupBy("user_id", "item_id")
        .agg(
            F.round(total, 6).alias("strength"),
            F.count(F.lit(1)).alias("times"),
            F.min("time").alias("first_at"),
            F.max("time").alias("last_at"),
        )
        .where(F.col("strength") > 0)
    )


def _weight(weights: Mapping[str, float]) -> Column:
    """The weight of a row's event type."""
    if not weights:
        return F.lit(1.0)
    known = F.create_map(*(F.lit(part) for pair in sorted(weights.items()) for part in pair))
    return F.coalesce(F.try_element_at(known, F.col("event")), F.lit(1.0))
