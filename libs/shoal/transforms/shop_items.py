"""features.user_item_days -> what all users did with each item before each of many days.

Sums run on from cut to cut, so that a tile is read once however many cuts there are.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.frames import few_rows
from shoal.transforms.facets import IS_OF_SHOP, OF_SHOP, measures


def shop_items(
    item_days: DataFrame, *, since: date, cuts: Sequence[date], linked: DataFrame | None = None
) -> DataFrame:
    """What all users did with each item before each cut, for the facets of many cuts.

    Args:
        item_days: rows of ``features.user_item_days``.
        since: a day before which there are none.
        cuts: the first days that are not seen, ascending, each once.
        linked: what visitors did who are somebody's by then: such rows with ``as_of``, once for each cut after them.

    Returns:
        ``item_id``, ``as_of`` and sums under the names of facets; none of items before they were sold or rated.
    """
    spark, many = item_days.sparkSession, len(cuts)
    places = few_rows(spark, "event_date date, place int", _places(since, cuts))
    in_order = few_rows(spark, "cuts array<date>", [([*cuts],)])
    sums = [F.sum(name).alias(name) for name in OF_SHOP]

    acts = item_days.select("item_id", "event_date", *measures()).where(IS_OF_SHOP)
    fresh = acts.join(F.broadcast(places), on="event_date", how="inner").groupBy("item_id", "place").agg(*sums)
    by_item = Window.partitionBy("item_id").orderBy("place")
    so_far = by_item.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    runs = fresh.select(
        "item_id",
        "place",
        (F.coalesce(F.lead("place").over(by_item), F.lit(many + 1)) - F.col("place")).alias("lasts"),
        *(F.sum(name).over(so_far).alias(name) for name in OF_SHOP),
    )
    at_cuts = runs.crossJoin(F.broadcast(in_order)).select(
        "item_id", F.explode(F.slice("cuts", F.col("place"), F.col("lasts"))).alias("as_of"), *OF_SHOP
    )
    if linked is None:
        return at_cuts
    others = linked.select("item_id", "as_of", *measures()).where(IS_OF_SHOP).groupBy("item_id", "as_of").agg(*sums)
    return at_cuts.unionByName(others).groupBy("item_id", "as_of").agg(*sums)


def _places(since: date, cuts: Sequence[date]) -> list[tuple[date, int]]:
    """Of each day the place, from 1, of the first cut that sees it."""
    found, day = [], since
    for place, cut in enumerate(cuts, start=1):
        while day < cut:
            found.append((day, place))
            day += timedelta(days=1)
    return found
