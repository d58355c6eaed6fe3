"""features.user_item_days, silver.items -> features.items: what became of each item before a day.

Each feature is what its declaration in ``tables/item_features`` says.
"""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.tables import ITEM_FEATURES
from shoal.tables.item_features import OF_ITEMS
from shoal.transforms.cuts import Cut

_AGGREGATED = [feature for feature in OF_ITEMS.values() if feature.over in ("item_days", "item_users")]


def item_sums(item_days: DataFrame, items: DataFrame, *, as_of: date | None) -> DataFrame:
    """What adds up over the tiles of each item; :func:`item_features` reads it twice: keep it meanwhile.

    Acts are summed where the tiles lie, and only sums per item travel; for different users the last days of each user
    and item do, from which they are counted exactly over any window.

    Args:
        item_days: rows of ``features.user_item_days`` of those who count.
        items: the catalogue at the cut, one row of ``silver.items`` per item, and ``as_of`` where each has its own.
        as_of: first shop-local day that must *not* be seen; None: of each row its own.

    Returns:
        One row per item, and cut, that is in the catalogue or was met, with what the catalogue says, and every declared
        feature that is an aggregate.
    """
    cut = Cut(as_of)
    of_item = ["item_id", *cut.own]
    seen = cut.before(item_days)
    sums = seen.groupBy(*of_item).agg(*_aggregates("item_days", cut))
    pairs = seen.groupBy(*of_item, "user_id").agg(
        _last("views > 0").alias("last_viewed"),
        _last("carts > 0").alias("last_carted"),
        _last("purchases > 0").alias("last_bought"),
        _last("views + carts + purchases > 0").alias("last_met"),
        F.count_if(F.expr("purchases > 0")).alias("days_bought"),
    )
    people = pairs.groupBy(*of_item).agg(*_aggregates("item_users", cut))
    met = sums.join(people, on=of_item, how="inner")
    said = items.select(
        *of_item, "item_group_id", "title", "category", "brand", "price", "stock", "recommendable",
        F.lit(True).alias("in_catalogue"),
    )  # fmt: skip
    found = said.join(met, on=of_item, how="full_outer")
    filled = {f.name: F.coalesce(f.name, F.lit(f.otherwise)) for f in _AGGREGATED if f.otherwise is not None}
    return found.withColumns({**filled, "in_catalogue": F.coalesce("in_catalogue", F.lit(False))})


def item_features(found: DataFrame, *, as_of: date | None, run_id: str | Column) -> DataFrame:
    """Each item beside what is usual in the shop.

    Args:
        found: of :func:`item_sums`.
        as_of: as there.
        run_id: the run; where there are many cuts, a column of them.

    Returns:
        Rows of ``features.items``, one per run and item.
    """
    cut = Cut(as_of)
    usual = F.broadcast(found.groupBy(*cut.own).agg(*_aggregates("items", cut)))
    features = found.join(usual, on=[*cut.own], how="inner") if cut.own else found.crossJoin(usual)
    by_depth: dict[int, list[str]] = {}
    for feature in OF_ITEMS.over("item"):
        by_depth.setdefault(OF_ITEMS.depth(feature.name), []).append(cut.feature(feature))
    for depth in sorted(by_depth):
        features = features.selectExpr("*", *by_depth[depth])
    return ITEM_FEATURES.select(features.withColumns({"run_id": F.lit(run_id), "as_of": cut.column}))


def _last(condition: str) -> Column:
    return F.max(F.when(F.expr(condition), F.col("event_date")))


def _aggregates(relation: str, cut: Cut) -> list[Column]:
    return [F.expr(cut.feature(feature)) for feature in OF_ITEMS.values() if feature.over == relation]
