"""What a shop wants or will not have in a list -> filters before anything is ranked."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.models.recommend.acts import owned
from shoal.params import ListRules

OTHERWISE = "default"  # in bought_within_days: of items of no category that is named


def admitted(items: DataFrame, rules: ListRules) -> DataFrame:
    """The items that a list may name.

    Items without a category, a brand, a price or a cost keep the rules that speak of these.

    Args:
        items: rows of :func:`shoal.transforms.catalogue.goods_at`.
        rules: of the list.
    """
    price = F.col("price").cast("double")
    kept = [
        ~F.col("item_id").isin([*rules.exclude_items]) if rules.exclude_items else None,
        ~F.coalesce(within("category", rules.exclude_categories), F.lit(False)) if rules.exclude_categories else None,
        ~F.coalesce(F.col("brand").isin([*rules.exclude_brands]), F.lit(False)) if rules.exclude_brands else None,
        F.coalesce(price >= F.lit(rules.min_price), F.lit(True)) if rules.min_price is not None else None,
        F.coalesce(price <= F.lit(rules.max_price), F.lit(True)) if rules.max_price is not None else None,
        F.coalesce(margin() >= F.lit(rules.min_margin), F.lit(True)) if rules.min_margin is not None else None,
    ]
    for condition in kept:
        items = items if condition is None else items.where(condition)
    return items


def margin() -> Column:
    """What is left of a price when the cost is taken off, as a share of it; null where one of them is unknown."""
    price = F.col("price").cast("double")
    return (price - F.col("cost").cast("double")) / F.nullif(price, F.lit(0.0))


def within(column: str, paths: tuple[str, ...]) -> Column:
    """Whether a category is one of these paths or below one; null without a category."""
    found = F.lit(False)
    for path in paths:
        found = found | (F.col(column) == F.lit(path)) | F.startswith(F.col(column), F.lit(f"{path}/"))
    return F.when(F.col(column).isNotNull(), found)


def still_owned(acts: DataFrame, items: DataFrame, as_of: date, within_days: Mapping[str, int | None]) -> DataFrame:
    """What each user has bought so lately that it is not to be named again: ``user_id``, ``item_id``.

    Args:
        acts: rows of :func:`shoal.models.recommend.acts.acts`.
        items: ``item_id`` and ``category``.
        as_of: first shop-local day that must not be seen.
        within_days: by category path, or ``default``, how many days a purchase counts; null: for ever. The longest path
            that an item's category is, or lies below, holds.
    """
    default = within_days.get(OTHERWISE)
    paths = sorted((path for path in within_days if path != OTHERWISE), key=lambda path: (len(path), path))
    if not paths and default is None:
        return owned(acts)
    ever = F.lit(None).cast("int")
    days = ever if default is None else F.lit(default)
    for path in paths:
        wanted = within_days[path]
        here = ever if wanted is None else F.lit(wanted)
        days = F.when(F.coalesce(within("category", (path,)), F.lit(False)), here).otherwise(days)
    limits = items.select("item_id", days.alias("days"))
    lately = F.col("days").isNull() | (F.date_diff(F.lit(as_of), F.col("last_bought")) <= F.col("days"))
    bought = acts.where("times > 0").join(limits, "item_id", how="inner")
    return bought.where(lately).select("user_id", "item_id")


def usual_prices(acts: DataFrame) -> DataFrame:
    """What a piece costs that a user buys: the median over the items bought, of each the mean price paid.

    Returns:
        ``user_id``, ``usual``; users who never paid a known price have no row.
    """
    paid = F.col("spent").cast("double") / F.col("priced_pieces")
    return (
        acts.where("priced_pieces > 0 AND spent > 0")
        .groupBy("user_id")
        .agg(F.percentile(paid, F.lit(0.5)).alias("usual"))
    )
