"""features.users at the first day of a month -> features.limits: the edges of the scores of buyers."""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.frames import three_digits
from shoal.tables import LIMITS
from shoal.tables.vocabulary import SCORED

_FIFTHS = (0.2, 0.4, 0.6, 0.8)


def month_of(as_of: date) -> date:
    """The first day of the month that a day is of."""
    return as_of.replace(day=1)


def edges(features: DataFrame, *, run_id: str) -> DataFrame:
    """The fifths of what buyers are scored by.

    They are exact quantiles, linear between neighbours, of values rounded to three significant digits: a few thousand
    different ones travel, however many buyers there are. Suspects set no edge, unless nobody else has bought.

    Args:
        features: ``as_of``, ``is_suspect``, ``frequency``, ``recency_days`` and ``net_spend`` of users at a cut.

    Returns:
        Rows of ``features.limits``, one per measure of which any buyer has a value.
    """
    buyers = features.where("frequency > 0")
    whole = buyers.agg(F.max("as_of").alias("as_of"), *(_measured(name).alias(name) for name in SCORED))
    told = whole.select("as_of", F.inline(F.array(*SCORED))).where("observed > 0")
    nothing = F.lit(None).cast("double")
    return LIMITS.select(told.withColumns({
        "run_id": F.lit(run_id), "scope": F.lit("buyer"), "item_id": F.lit(None).cast("string"),
        **dict.fromkeys(("median", "mad", "lower", "upper"), nothing),
    }))  # fmt: skip


def _measured(name: str) -> Column:
    value, fifths = three_digits(F.col(name)), F.lit([*_FIFTHS])
    of_humans = F.when(F.expr("is_suspect IS NOT TRUE"), value)
    return F.struct(
        F.lit(name).alias("measure"),
        F.coalesce(F.nullif(F.count(of_humans), F.lit(0)), F.count(value)).alias("observed"),
        F.coalesce(F.percentile(of_humans, fifths), F.percentile(value, fifths)).alias("edges"),
    )
