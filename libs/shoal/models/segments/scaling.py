"""Columns of features.users -> coordinates: filled, clipped, logged and standardised."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.frames import quantiles

CLIPPED = 0.01  # share of buyers beyond each bound
MOST_CLIPPED = 0.05  # the same in a very small shop
GRID = 2.0**16  # steps per standard deviation
_NULL_IS_LONG = ("recency_days", "gap_days")


@dataclass(frozen=True)
class Scale:
    """How one column becomes a coordinate."""

    column: str
    low: float
    high: float
    fill: float
    mean: float = 0.0
    std: float = 1.0

    @property
    def logged(self) -> Column:
        given = F.coalesce(F.col(self.column).cast("double"), F.lit(self.fill))
        clipped = F.least(F.greatest(given, F.lit(self.low)), F.lit(self.high))
        return F.signum(clipped) * F.log1p(F.abs(clipped))

    @property
    def scaled(self) -> Column:
        # Never null, but Spark takes every logarithm for nullable, and KMeans wants a type without nulls.
        return F.coalesce(F.rint((self.logged - self.mean) / self.std * GRID) / GRID, F.lit(0.0))


def fit_scales(rows: DataFrame, columns: Sequence[str], count: int) -> dict[str, Scale]:
    """The scale of each column that has at least two values left once it is clipped."""
    share = max(CLIPPED, min(MOST_CLIPPED, 1 / max(count - 1, 1)))
    unscaled = [
        Scale(name, low, high, high if name in _NULL_IS_LONG else 0.0)
        for name, (low, high) in _bounds(rows, columns, share).items()
    ]
    if not unscaled:
        return {}
    # Decimals: exact sums, whatever the order of addition.
    logged = {scale.column: scale.logged.cast("decimal(9,6)") for scale in unscaled}
    sums = rows.agg(
        *(F.sum(value).alias(f"{name}_1") for name, value in logged.items()),
        *(F.sum(value * value).alias(f"{name}_2") for name, value in logged.items()),
    ).first()
    assert sums is not None, "an aggregate has one row"
    scales = {}
    for scale in unscaled:
        name = scale.column
        mean = Fraction(sums[f"{name}_1"]) / count
        variance = Fraction(sums[f"{name}_2"]) / count - mean * mean
        if variance > 0:
            scales[name] = Scale(name, scale.low, scale.high, scale.fill, float(mean), sqrt(variance))
    return scales


def _bounds(rows: DataFrame, columns: Sequence[str], share: float) -> dict[str, tuple[float, float]]:
    found = quantiles(rows, columns, [share, 1 - share])
    return {name: (bounds[0], bounds[1]) for name, bounds in found.items() if bounds}


def coordinates(scales: Sequence[Scale]) -> Column:
    """``scaled``: a row's coordinates, one per scale."""
    scaled = F.array(*(scale.scaled for scale in scales)) if scales else F.array().cast("array<double>")
    return scaled.alias("scaled")
