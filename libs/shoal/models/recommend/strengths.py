"""features.user_item_days -> how much each user wants each item."""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.errors import ConfigError, bulleted
from shoal.params import StrengthParams
from shoal.tables.vocabulary import WEIGHTED

_UNIT = 1e-9  # strengths are summed as whole multiples of this, so that no order of addition can change a sum


def strengths(
    user_item_days: DataFrame, *, as_of: date, params: StrengthParams, clock: date | None = None
) -> DataFrame:
    """How much each user has shown to want each item: faded, weighted counts of acts before ``as_of``.

    Each tile counts weight x count x 0.5^(age / half_life_days), with its age in days from event_date to
    the clock. A return takes back the latest purchases of the item that are not taken back yet
    (:func:`_kept_share`), so a purchase wholly returned counts 0.

    Args:
        user_item_days: rows of ``features.user_item_days``.
        as_of: first shop-local day that must *not* be seen.
        params: weights and half-life.
        clock: the day from which ages are counted; None: ``as_of``. An earlier one, that of a model which is kept,
            leaves the strengths of everyone without news as they were when it was fitted.

    Returns:
        ``user_id``, ``item_id`` and ``strength``, rounded to six digits; pairs that come to 0 are left out.

    Raises:
        ConfigError: ``weights`` names something that is not counted.
    """
    unknown = [f"weights.{name}: not one of {', '.join(WEIGHTED)}" for name in params.weights if name not in WEIGHTED]
    if unknown:
        raise ConfigError(bulleted("cannot weigh interactions:", unknown))
    seen = user_item_days.where(F.col("event_date") < F.lit(as_of))
    age_days = F.date_diff(F.lit(clock or as_of), F.col("event_date"))
    fading = F.pow(F.lit(0.5), age_days / F.lit(params.half_life_days))

    def units(amount: Column) -> Column:
        return F.round(amount * fading / F.lit(_UNIT)).cast("long").alias("units")

    shown = sum((F.col(name) * F.lit(weight) for name, weight in params.weights.items()), F.lit(0.0))
    taken = F.col("purchases") * F.lit(params.weights.get("purchases", 0.0)) * (1 - F.col("kept_share"))
    return (
        seen.select("user_id", "item_id", units(shown))
        .unionByName(_kept_share(seen).select("user_id", "item_id", units(-taken)))
        .groupBy("user_id", "item_id")
        .agg(F.round(F.sum("units") * F.lit(_UNIT), 6).alias("strength"))
        .where(F.col("strength") > 0)
    )


def _kept_share(tiles: DataFrame) -> DataFrame:
    """The purchase tiles of pairs that know a return, with the share that stayed with the user.

    Purchases lie on a stack, and each return takes from its top what lies there on that day: returned
    yesterday and bought again today leaves today's. A return of what was bought before the tiles begin
    takes nothing. Pieces are counted where all these tiles count them, else lines.

    Returns:
        The tiles with ``kept_share`` within 0..1.
    """
    key = ["user_id", "item_id"]
    returning = tiles.where("returns > 0").select(*key).distinct()
    by_pair = Window.partitionBy(*key)
    by_day = by_pair.orderBy("event_date")
    to_here = by_day.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    from_here = by_day.rowsBetween(Window.currentRow, Window.unboundedFollowing)
    in_pieces = F.min(F.expr("(purchases = 0 OR pieces > 0) AND (returns = 0 OR returned_pieces > 0)")).over(by_pair)
    return (
        tiles.where("purchases > 0 OR returns > 0")
        .join(returning, key, how="left_semi")
        .withColumn("in_pieces", in_pieces)
        .withColumn("bought", F.expr("if(in_pieces, pieces, purchases)"))
        .withColumn("balance", F.sum(F.expr("bought - if(in_pieces, returned_pieces, returns)")).over(to_here))
        # What goes below 0 was bought before the tiles begin.
        .withColumn("held", F.col("balance") - F.least(F.lit(0), F.min("balance").over(to_here)))
        .withColumn("left", F.min("held").over(from_here))
        .withColumn("below", F.lag("held", 1, 0).over(by_day))
        .where("purchases > 0")
        .withColumn("kept_share", F.expr("greatest(0, left - below) / bought"))
    )
