"""What item feeds said, and the tree of categories -> the catalogue as dated history."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.tables import CATEGORIES, ITEMS
from shoal.transforms.contest import strongest
from shoal.transforms.cuts import EACH, Cut, taken_along

MOST_LEVELS = 16  # of a tree; what lies deeper is cut off, as is a circle of parents

_SHOWN = ("item_group_id", "title", "category", "brand", "price", "cost", "stock", "recommendable")
_CARRIED = (*_SHOWN, "category_id", "is_deleted")
_SO_FAR = (Window.unboundedPreceding, Window.currentRow)


def catalogue_at(items: DataFrame, as_of: date) -> DataFrame:
    """The catalogue as it was at the end of the day before ``as_of``.

    Args:
        items: rows of ``silver.items``.
        as_of: first shop-local day that must *not* be seen.

    Returns:
        Of each item that was there its one row.
    """
    return items.where(_is_valid(Cut(as_of)))


def catalogue_at_each(items: DataFrame, cuts: Sequence[date]) -> DataFrame:
    """:func:`catalogue_at` of each of many cuts, with ``as_of``: as many rows as there are items and cuts."""
    return taken_along(items, cuts, "valid_from").where(_is_valid(EACH))


def described(rows: DataFrame, items: DataFrame, names: Sequence[str], cut: Cut) -> DataFrame:
    """Rows with what the catalogue says of their items at the cut; null of items that are not there.

    Args:
        rows: with ``item_id``, and ``as_of`` where each has its own.
        items: of :func:`catalogue_at`; rows of ``silver.items``, all of them, where each row has its own cut.
        names: columns of ``items``.
    """
    if cut.day is not None:
        return rows.join(items.select("item_id", *names), on="item_id", how="left")
    spans = items.select(F.col("item_id").alias("_item"), "valid_from", "valid_to", *names)
    there = rows.join(spans, on=(F.col("item_id") == F.col("_item")) & _is_valid(cut), how="left")
    return there.drop("_item", "valid_from", "valid_to")


def _is_valid(cut: Cut) -> Column:
    """Whether a row of ``silver.items`` is what is said of its item at the end of the day before the cut."""
    return (F.col("valid_from") < cut.column) & (F.col("valid_to").isNull() | (F.col("valid_to") >= cut.column))


def goods_at(items: DataFrame, as_of: date) -> DataFrame:
    """What may be recommended at the end of the day before ``as_of``, with what lists show of it.

    Args:
        items: rows of ``silver.items``.
        as_of: first shop-local day that must *not* be seen.

    Returns:
        ``item_id``, ``item_group_id``, ``title``, ``category``, ``brand``, ``price``, ``cost`` and ``in_stock``, null
        where no feed tells the stock.
    """
    goods = catalogue_at(items, as_of).where("recommendable")
    told = ("item_id", "item_group_id", "title", "category", "brand", "price", "cost")
    return goods.select(*told, (F.col("stock") > 0).alias("in_stock"))


def in_stock(items: DataFrame) -> DataFrame:
    """Rows of :func:`goods_at` of which no feed says that none is left."""
    return items.where(F.coalesce("in_stock", F.lit(True)))


def item_history(known: DataFrame, changes: DataFrame, categories: DataFrame) -> DataFrame:
    """Each item over the days: what feeds said of it, each value until another is said; events fill the rest.

    A change counts from its own day on, of several on one day the last. From the day on which it is said to be deleted,
    an item has no row, until it is said to be back.

    Args:
        known: of items that events name, what they say: the columns of ``silver.items`` but ``valid_to``.
        changes: rows of ``silver.item_changes``, of each item all.
        categories: rows of ``silver.categories``.

    Returns:
        Rows of ``silver.items``; neighbouring days that say the same are one row.
    """
    said = strongest(changes, "item_id").withColumn("valid_from", F.col("changed_date"))
    # That events know an item is a change too, which says nothing: from that day on it is there.
    told = said.unionByName(known.select("item_id", "valid_from"), allowMissingColumns=True)
    of_item = Window.partitionBy("item_id")
    by_time = of_item.orderBy(
        "valid_from",
        F.col("changed_at").asc_nulls_first(),
        F.col("updated_at").asc_nulls_first(),
        "delivered_at",
        "change_id",
    )
    carried = {name: F.last(name, ignorenulls=True).over(by_time.rowsBetween(*_SO_FAR)) for name in _CARRIED}
    next_day = F.lead("valid_from").over(by_time)
    days = (
        told.select("item_id", "valid_from", next_day.alias("_next"), *(c.alias(n) for n, c in carried.items()))
        .where("_next IS NULL OR _next > valid_from")
        .join(F.broadcast(categories.select("category_id", "path")), on="category_id", how="left")
        .join(known.select("item_id", F.struct(*(n for n in _SHOWN if n in known.columns)).alias("_known")),
              on="item_id", how="left")
    )  # fmt: skip
    filled = days.select(
        "item_id", "valid_from", F.coalesce("is_deleted", F.lit(False)).alias("is_deleted"), *_filled()
    )
    by_day = of_item.orderBy("valid_from")
    state = F.struct("is_deleted", *_SHOWN)
    turns = filled.withColumn("_before", F.lag(state).over(by_day)).where(~state.eqNullSafe(F.col("_before")))
    spans = turns.withColumn("valid_to", F.lead("valid_from").over(by_day))
    return ITEMS.select(spans.where("NOT is_deleted"))


def _filled() -> list[Column]:
    """What feeds say, else what events say, else what is so by default."""
    from_feeds = {"category": (F.col("category"), F.col("path"), F.col("category_id"))}
    from_events = ("title", "category", "brand", "price", "recommendable")
    otherwise = {"item_group_id": F.col("item_id"), "recommendable": F.lit(True)}
    return [
        F.coalesce(
            *from_feeds.get(name, (F.col(name),)),
            *([F.col(f"_known.{name}")] if name in from_events else []),
            *([otherwise[name]] if name in otherwise else []),
        ).alias(name)
        for name in _SHOWN
    ]


def categories(changes: DataFrame) -> DataFrame:
    """The tree as it was told last, each category with its path from the top.

    A parent of which no feed told is one at the top. Of a circle of parents, and of a branch of more than
    ``MOST_LEVELS`` levels, the path holds the last ``MOST_LEVELS`` at most, each category once.

    Args:
        changes: rows of ``silver.category_changes``, all of them.

    Returns:
        Rows of ``silver.categories``; deleted categories have none.
    """
    moment = F.struct("changed_at", "updated_at", "delivered_at", "change_id")
    said = strongest(changes, "category_id")
    # Each statement says where a category lies, so that no parent means the top; its title and its end are carried.
    latest = said.groupBy("category_id").agg(
        F.max_by("parent_id", moment).alias("parent_id"),
        *(F.max_by(n, F.when(F.col(n).isNotNull(), moment)).alias(n) for n in ("title", "is_deleted")),
    )
    tree = latest.where("NOT coalesce(is_deleted, false)").withColumn("parent_id", F.nullif("parent_id", "category_id"))
    above = F.broadcast(
        tree.select(
            F.col("category_id").alias("_id"),
            F.coalesce("title", "category_id").alias("_name"),
            F.col("parent_id").alias("_up"),
        )
    )
    walk = tree.select(
        "category_id", "parent_id", "title", F.col("parent_id").alias("_at"),
        F.array("category_id").alias("_seen"), F.array(F.coalesce("title", "category_id")).alias("_names"),
    )  # fmt: skip
    for _ in range(MOST_LEVELS - 1):
        is_new = F.col("_at").isNotNull() & ~F.array_contains("_seen", F.coalesce("_at", F.lit("")))
        walk = walk.join(above, on=F.col("_at") == F.col("_id"), how="left").select(
            "category_id", "parent_id", "title",
            F.when(is_new, F.col("_up")).alias("_at"),
            F.when(is_new, F.array_prepend("_seen", F.col("_at"))).otherwise(F.col("_seen")).alias("_seen"),
            F.when(is_new, F.array_prepend("_names", F.coalesce("_name", "_at"))).otherwise(F.col("_names"))
            .alias("_names"),
        )  # fmt: skip
    return CATEGORIES.select(walk.withColumn("path", F.array_join("_names", "/")))
