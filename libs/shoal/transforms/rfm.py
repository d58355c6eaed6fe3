"""features.user_days before the first of a month -> features.limits: the edges of the scores of buyers."""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.frames import three_digits
from shoal.params import LimitParams
from shoal.tables import LIMITS
from shoal.tables.user_features import FEATURES
from shoal.tables.vocabulary import SCORED, USER_MEASURES
from shoal.transforms import suspects
from shoal.transforms.cuts import Cut

_FIFTHS = (0.2, 0.4, 0.6, 0.8)


def month_of(as_of: date) -> date:
    """The first day of the month that a day is of."""
    return as_of.replace(day=1)


def buyers(days: DataFrame, users: DataFrame, *, as_of: date | None, params: LimitParams) -> DataFrame:
    """What those are scored by who had bought before a day, and whether they behave as humans do.

    Suspect are those beyond the floors of the settings: learned limits move with the days, which edges must not. The
    breadth of what was looked at is left out, for which the tiles of items would have to be read.

    Args:
        days: rows of ``features.user_days``.
        users: ``user_id`` of those who count.
        as_of: first shop-local day that must *not* be seen; None: of each row its own, of the users too.

    Returns:
        ``user_id``, ``as_of``, ``is_suspect`` and the features that are scored.
    """
    cut = Cut(as_of)
    by_user = ["user_id", *cut.own]
    scored = [F.expr(cut.sql(FEATURES[name].sql)).alias(name) for name in SCORED]
    floors = {measure: getattr(params, measure) for measure in USER_MEASURES if measure != "breadth"}
    seen = cut.before(days).groupBy(*by_user).agg(*scored, *suspects.sums(as_of, params))
    judged = seen.where("frequency > 0").withColumn("_breadth", F.lit(None).cast("bigint"))
    found = judged.withColumns(suspects.marks(floors, params)).join(users, on=by_user, how="left_semi")
    return found.select("user_id", cut.column.alias("as_of"), "is_suspect", *SCORED)


def edges(features: DataFrame, *, run_id: str) -> DataFrame:
    """The fifths of what buyers are scored by, at each cut.

    They are exact quantiles, linear between neighbours, of values rounded to three significant digits: a few thousand
    different ones travel, however many buyers there are. Suspects set no edge, unless nobody else has bought.

    Args:
        features: ``as_of``, ``is_suspect``, ``frequency``, ``recency_days`` and ``net_spend`` of users at a cut.

    Returns:
        Rows of ``features.limits``, one per cut and measure of which any buyer has a value.
    """
    bought = features.where("frequency > 0")
    whole = bought.groupBy("as_of").agg(*(_measured(name).alias(name) for name in SCORED))
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
