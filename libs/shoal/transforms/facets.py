"""features.user_item_days, silver.items -> what each user met of each item, category and brand.

One shuffle by user carries all of it: the last day per user and item, from which different ones are counted exactly
over any window, is put together where the user's tiles lie, and so are categories and brands.
"""

from collections.abc import Set as AbstractSet

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.transforms.catalogue import described
from shoal.transforms.cuts import Cut

ITEM = "item"
OF_CATALOGUE = ("category", "brand")
OF_EVENTS = ("channel", "region", "device")
_SUMS = ("lines", "looks", "paid", "priced_pieces", "ratings", "rating_sum")
OF_SHOP = tuple(name for name in _SUMS if name != "looks")
IS_OF_SHOP = "lines > 0 OR ratings > 0"


def facets(
    item_days: DataFrame,
    items: DataFrame | None,
    *,
    cut: Cut,
    kinds: AbstractSet[str],
    beside_the_shop: bool,
    sums: DataFrame | None = None,
) -> DataFrame:
    """What each user met, by facet.

    Args:
        item_days: rows of ``features.user_item_days`` before the cut, with ``as_of`` where each has its own.
        items: the catalogue, as :func:`~shoal.transforms.catalogue.described` takes it; None: of no item it is known.
        kinds: the facets that are wanted, of :data:`ITEM` and :data:`OF_CATALOGUE`.
        beside_the_shop: whether ``shop`` is wanted, which takes a pass over the tiles of its own.
        sums: of ``shop_items``, what all users did with each item before each cut; None: ``item_days`` are those of
            all users.

    Returns:
        ``user_id`` (with ``as_of`` where each row has its own), ``facet``, ``name``, and of what the user did with it
        ``lines`` (purchase lines), ``looks`` (views, clicks and carts), ``last_bought`` and ``last_met`` (day of the
        last purchase, and of that or a look; null without), ``paid`` for ``priced_pieces``, ``ratings`` and
        ``rating_sum``; ``shop`` is a struct of the sums of all users, and of those of all names of the facet, which
        begin with ``all_``.
    """
    named = [] if items is None else sorted(kinds & {*OF_CATALOGUE})
    by_user = ["user_id", *cut.own]
    counted = item_days.select(*by_user, "item_id", "event_date", *measures())
    wanted = {*kinds & {ITEM}, *named}

    def told(rows: DataFrame) -> DataFrame:
        return rows if items is None or not named else described(rows, items, named, cut)

    of_items = told(counted)
    each = F.explode(F.array(*(_named(kind) for kind in sorted(wanted)))).alias("_facet")
    by_name = [F.col("_facet.facet").alias("facet"), F.col("_facet.name").alias("name")]
    pairs = of_items.repartition("user_id").groupBy(*by_user, "item_id", *named).agg(
        *(F.sum(name).alias(name) for name in _SUMS),
        F.max(F.when(F.col("lines") > 0, F.col("event_date"))).alias("last_bought"),
        F.max(F.when(F.expr("lines + looks > 0"), F.col("event_date"))).alias("last_met"),
    )  # fmt: skip
    summed = [*_SUMS, "last_bought", "last_met"]
    met = pairs.select(*by_user, each, *summed).where("_facet.name IS NOT NULL")
    found = met.groupBy(*by_user, *by_name).agg(
        *((F.sum if name in _SUMS else F.max)(name).alias(name) for name in summed)
    )
    if not beside_the_shop:
        return found.withColumn("shop", F.lit(None))
    everyones = of_items.where(IS_OF_SHOP) if sums is None else told(sums)
    sold = everyones.select(*cut.own, each, *OF_SHOP).where("_facet.name IS NOT NULL")
    sums_of_shop = sold.groupBy(*cut.own, *by_name).agg(*(F.sum(name).alias(name) for name in OF_SHOP))
    facet = Window.partitionBy(*cut.own, "facet")  # as many rows as there are names, not as there are acts
    whole = [F.sum(name).over(facet).alias(f"all_{name}") for name in OF_SHOP]
    shop = sums_of_shop.select(*cut.own, "facet", "name", F.struct(*OF_SHOP, *whole).alias("shop"))
    return found.join(shop, on=[*cut.own, "facet", "name"], how="left")


def measures() -> list[Column]:
    """What is summed, of the columns of ``features.user_item_days``."""
    return [
        F.col("purchases").alias("lines"),
        F.expr("views + carts").alias("looks"),
        F.when(F.col("priced_pieces") > 0, F.col("gross")).alias("paid"),
        *(F.col(name) for name in ("priced_pieces", "ratings", "rating_sum")),
    ]


def _named(facet: str) -> Column:
    name = F.col("item_id" if facet == ITEM else facet)
    return F.struct(F.lit(facet).alias("facet"), name.alias("name"))


def contexts(days: DataFrame, *, cut: Cut) -> DataFrame:
    """``user_id``, ``facet``, ``name``, ``events``, ``last_at``: of each user's channels, regions and devices.

    Args:
        days: rows of ``features.user_days`` before the cut, with ``as_of``, as the result, where each has its own.
    """
    by_user = ["user_id", *cut.own]
    told = days.where("contexts IS NOT NULL").select(*by_user, F.explode("contexts").alias("_context"))
    names = [F.struct(F.lit(kind).alias("facet"), F.col(f"_context.{kind}").alias("name")) for kind in OF_EVENTS]
    each = told.repartition("user_id").select(
        *by_user, F.explode(F.array(*names)).alias("_facet"), "_context.events", "_context.last_at"
    )
    known = each.where("_facet.name IS NOT NULL")
    return known.groupBy(*by_user, F.col("_facet.facet").alias("facet"), F.col("_facet.name").alias("name")).agg(
        F.sum("events").alias("events"), F.max("last_at").alias("last_at")
    )
