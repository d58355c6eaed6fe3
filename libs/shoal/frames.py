"""DataFrame idioms that transforms and models share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


@contextmanager
def persisted(rows: DataFrame) -> Iterator[DataFrame]:
    """Keep rows for as long as they are used."""
    kept = rows.persist()
    try:
        yield kept
    finally:
        kept.unpersist()


def quantiles(rows: DataFrame, columns: Sequence[str], shares: Sequence[float]) -> dict[str, list[float]]:
    """Exact quantiles of each column's values rounded to three significant digits; nulls are left out.

    Rounding bounds the number of different values (some 2,000 per factor of 100), so that one small map per column
    travels instead of every value, and neither order nor partitioning can change the result.

    Returns:
        Per column one value per share; empty lists for columns without a value.
    """
    found = rows.agg(
        *(F.percentile(_three_digits(F.col(name)), F.lit([*shares])).alias(name) for name in columns)
    ).first()
    assert found is not None, "an aggregate has one row"
    return {name: [*(found[name] or [])] for name in columns}


def _three_digits(value: Column) -> Column:
    """The value rounded to three significant digits."""
    number = value.cast("double")
    magnitude = F.pow(F.lit(10.0), F.floor(F.log10(F.abs(number))) - 2)
    return F.when(number == 0, F.lit(0.0)).otherwise(F.round(number / magnitude) * magnitude)
