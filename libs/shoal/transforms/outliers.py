"""features.user_item_days, features.limits -> purchases of no usual size or price, and what becomes of them.

A *purchase* is here what one user bought of one item on one day, whatever the number of lines: to split an order does
not hide it. Its price is the mean of that day. Tiles say both, so nothing is read from silver.
"""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.params import LimitParams
from shoal.tables.vocabulary import ITEM_MEASURES, MONEY_SUM
from shoal.transforms.limits import Limits, Treatment, beyond_any, recent

_DAY = ["user_id", "event_date"]
_TAKEN = ("purchases", "pieces", "gross", "returns", "returned_pieces", "returned")


def item_values(item_days: DataFrame, *, as_of: date, params: LimitParams) -> DataFrame:
    """What limits are learned from: ``item_id``, ``measure``, ``value``, one row per purchase and measure."""
    bought = recent(item_days, as_of, params).where("purchases > 0")
    pieces = F.col("pieces").cast("double")
    price = _price("gross", "pieces", "purchases")
    wide = bought.select("item_id", pieces.alias("pieces"), price.alias("price"))
    return wide.unpivot(["item_id"], [*ITEM_MEASURES], "measure", "value").where("value > 0")


def extremes(item_days: DataFrame, limits: Limits) -> DataFrame:
    """The tiles of which what was bought, or came back, lies beyond the limits.

    Args:
        item_days: rows of ``features.user_item_days``.

    Returns:
        The tiles with ``is_extreme`` and ``comes_back_extreme``: of the purchase, and of the return; and the limits:
        ``most``, ``highest``, ``lowest``.
    """
    own = limits.of_items.groupBy("item_id").agg(
        F.max(F.when(F.col("measure") == "pieces", F.col("upper"))).alias("_most"),
        F.max(F.when(F.col("measure") == "price", F.col("upper"))).alias("_highest"),
        F.max(F.when(F.col("measure") == "price", F.col("lower"))).alias("_lowest"),
    )
    lines = item_days.where("purchases > 0 OR returns > 0").join(own, on="item_id", how="left")

    def limit(name: str, measure: str, bound: int) -> Column:
        shops = limits.of_shop.get(measure)
        return F.coalesce(F.col(name), F.lit(shops and shops[bound]).cast("double"))

    judged = lines.withColumns(
        {"most": limit("_most", "pieces", 1), "highest": limit("_highest", "price", 1),
         "lowest": limit("_lowest", "price", 0)}
    )  # fmt: skip
    marked = judged.withColumns(
        {
            "is_extreme": _is_beyond("gross", "pieces", "purchases"),
            "comes_back_extreme": _is_beyond("returned", "returned_pieces", "returns"),
        }
    )
    return marked.where("is_extreme OR comes_back_extreme").drop("_most", "_highest", "_lowest")


def extreme_purchases(found: DataFrame) -> DataFrame:
    """``user_id``, ``extreme_purchases``: how many of each user's purchases are extreme; of :func:`extremes`."""
    return found.where("is_extreme").groupBy("user_id").agg(F.count(F.lit(1)).alias("extreme_purchases"))


def treated(
    days: DataFrame, item_days: DataFrame, found: DataFrame, treatment: Treatment
) -> tuple[DataFrame, DataFrame]:
    """The tiles with extreme purchases capped or left out, and what came back likewise, so that both still meet.

    The order itself remains, as it was placed.

    Args:
        days, item_days: rows of ``features.user_days`` and ``features.user_item_days``.
        found: of :func:`extremes`.
        treatment: ``cap``: no more pieces than the limit, at a price within it; ``reject``: no lines at all.
    """
    new = _capped() if treatment == "cap" else _left_out()
    key = [*_DAY, "item_id"]
    changed = found.select(*key, *(new[name].alias(f"_{name}") for name in _TAKEN), *_TAKEN)
    less = changed.groupBy(*_DAY).agg(
        *(F.sum(F.coalesce(name, F.lit(0)) - F.coalesce(f"_{name}", F.lit(0))).alias(f"_{name}") for name in _TAKEN),
    )
    left = days.join(less, on=_DAY, how="left")
    lines = {"purchase_lines": F.col("purchase_lines") - F.coalesce("_purchases", F.lit(0))}
    fewer = {name: F.col(name) - F.coalesce(f"_{name}", F.lit(0)) for name in _TAKEN}
    types = dict(days.dtypes)
    of_days = left.withColumns({name: value.cast(types[name]) for name, value in {**fewer, **lines}.items()})
    of_items = item_days.join(changed.drop(*_TAKEN).withColumn("_is_changed", F.lit(True)), on=key, how="left")
    kinds = dict(item_days.dtypes)
    put = {name: F.when(F.col("_is_changed"), F.col(f"_{name}")).otherwise(F.col(name)).cast(kinds[name])
           for name in _TAKEN}  # fmt: skip
    return of_days.select(*days.columns), of_items.withColumns(put).select(*item_days.columns)


def _capped() -> dict[str, Column]:
    """The pieces and money of an extreme tile within its limits."""
    values = {"purchases": F.col("purchases"), "returns": F.col("returns")}
    for is_beyond, money, pieces, lines in (
        ("is_extreme", "gross", "pieces", "purchases"),
        ("comes_back_extreme", "returned", "returned_pieces", "returns"),
    ):
        most = F.floor(F.least(F.col(pieces).cast("double"), "most"))
        within = F.greatest(F.least(_price(money, pieces, lines), "highest"), "lowest")
        units = F.when(F.col(pieces) > 0, most).otherwise(F.col(lines))
        paid = F.round(within * units, 6).cast(MONEY_SUM)
        values[pieces] = F.when(F.col(is_beyond), most).otherwise(F.col(pieces))
        values[money] = F.when(F.col(is_beyond) & (F.col(money) > 0), paid).otherwise(F.col(money))
    return values


def _left_out() -> dict[str, Column]:
    """Nothing in place of what is extreme; the rest of its tile stays."""
    bought, back = ("purchases", "pieces", "gross"), ("returns", "returned_pieces", "returned")
    return {
        name: F.when(F.col(is_beyond), F.lit(0)).otherwise(F.col(name))
        for is_beyond, names in (("is_extreme", bought), ("comes_back_extreme", back))
        for name in names
    }


def _is_beyond(money: str, pieces: str, lines: str) -> Column:
    price = _price(money, pieces, lines)
    return beyond_any(
        [F.col(pieces) > F.col("most"), (price > 0) & ((price > F.col("highest")) | (price < F.col("lowest")))]
    )


def _price(money: str, pieces: str, lines: str) -> Column:
    """Per piece, or per line where the feed counts no pieces; null where nothing has a price, or there is no line."""
    units = F.when(F.col(pieces) > 0, F.col(pieces)).when(F.col(lines) > 0, F.col(lines))
    return F.col(money).cast("double") / units
