"""features.users -> how each feature is distributed: users by bin, of all features in one aggregation.

Bins are the same for ever, so that runs compare, and histograms of parts add up: four to each doubling, on either side
of a bin for 0. Text falls into 32 bins by its hash, days are counted from ``as_of``, and of a list its length counts.
"""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    MapType,
    NumericType,
    StringType,
    TimestampType,
)

from shoal.tables import USER_FEATURES
from shoal.transforms.cuts import Cut

PER_DOUBLING = 4
ONE = 128  # bin of 1 up to the fourth root of 2; that of 1e-9 is 9, what is nearer to 0 but 0 falls into bin 1
_LARGEST = 1e18
_TEXT_BINS = 32
_DIGITS = 9  # of logarithms: the last ones differ between processors
_KEYS = ("run_id", "user_id", "as_of")


def named(own: Sequence[str]) -> list[str]:
    """The features that are looked at, the shop's own as ``own.NAME``."""
    declared = [c.name for c in USER_FEATURES.columns if c.name not in _KEYS and not isinstance(c.type, MapType)]
    return [*declared, *(f"own.{name}" for name in own)]


def is_text(name: str) -> bool:
    """Whether a feature has no order, so that its bins are those of a hash."""
    return isinstance(_type_of(name), StringType)


def histograms(features: DataFrame, *, as_of: date | None, names: Sequence[str]) -> DataFrame:
    """Users by feature and bin.

    Args:
        features: rows of ``features.users`` of one run, or of one at each cut.
        as_of: the day of the run; None: of each row its own, and so it is of what is returned.
        names: of :func:`named`.

    Returns:
        ``place`` (of the feature in ``names``), ``bin`` (null: users without a value), ``users`` and ``total`` (the
        sum of their values; null of text).
    """
    cut = Cut(as_of)
    values = F.array(*(value_of(name, cut).cast("double") for name in names))
    each = features.select(*cut.own, F.posexplode(values).alias("place", "value"))
    texts = [place for place, name in enumerate(names) if is_text(name)]
    by_hash = F.col("place").isin(texts) if texts else F.lit(False)
    number = F.when(~F.isnan("value"), F.col("value"))
    found = each.select(
        *cut.own, "place", F.when(by_hash, F.col("value").cast("int")).otherwise(_bin(number)).alias("bin"), "value"
    )
    return found.groupBy(*cut.own, "place", "bin").agg(F.count(F.lit(1)).alias("users"), F.sum("value").alias("total"))


def lowest(place: int) -> float:
    """The bound of a bin of numbers that is nearest to 0."""
    if place == 0:
        return 0.0
    bound = 2.0 ** ((abs(place) - ONE) / PER_DOUBLING)
    return float(f"{bound if place > 0 else -bound:.6g}")


def _bin(value: Column) -> Column:
    size = F.least(F.abs(value), F.lit(_LARGEST))
    place = F.floor(F.round(F.log2(size) * PER_DOUBLING, _DIGITS)).cast("int") + ONE
    return F.when(value == 0, F.lit(0)).otherwise(F.signum(value).cast("int") * F.greatest(place, F.lit(1)))


def _type_of(name: str) -> DataType:
    types = {column.name: column.type for column in USER_FEATURES.columns}
    own: DataType = types["recency_days"]
    return types.get(name, own)


def value_of(name: str, cut: Cut) -> Column:
    """A feature as a number: yes as 1, a day as the days from it to the cut, a list as its length, text as its bin.

    Args:
        name: one of :func:`named`.
        cut: of the rows of ``features.users``.
    """
    if name.startswith("own."):
        return F.try_element_at("own", F.lit(name.removeprefix("own.")))
    of_type, value = _type_of(name), F.col(name)
    if isinstance(of_type, NumericType):
        return value
    if isinstance(of_type, BooleanType):
        return value.cast("int")
    if isinstance(of_type, DateType | TimestampType):
        return F.datediff(cut.column, value)
    if isinstance(of_type, ArrayType):
        return F.size(value)
    return F.crc32(F.encode(value, "UTF-8")) % _TEXT_BINS
