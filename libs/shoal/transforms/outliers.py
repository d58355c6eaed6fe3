"""features.user_item_days, features.limits -> purchases of no usual size or price, and what becomes of them.

A *purchase* is here what one user bought of one item on one day, whatever the number of lines: to split an order does
not hide it. Its price is the mean of that day, over the pieces that have one. Tiles say both, so nothing is read from
silver. What comes back is not judged by itself: it shares the fate of what was bought.
"""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.params import LimitParams
from shoal.tables.vocabulary import ITEM_MEASURES, MONEY_SUM
from shoal.transforms.cuts import Cut
from shoal.transforms.limits import Limits, Treatment, beyond_any, recent

_DAY = ["user_id", "event_date"]
_PAIR = ["user_id", "item_id"]
_COMES_BACK_AS = {"purchases": "returns", "pieces": "returned_pieces", "gross": "returned"}
_TAKEN = (*_COMES_BACK_AS, *_COMES_BACK_AS.values())
_MICROS = 6  # digits of money


def item_values(item_days: DataFrame, *, as_of: date | None, params: LimitParams) -> DataFrame:
    """What limits are learned from: ``item_id``, ``measure``, ``value``, one row per purchase and measure.

    Without ``as_of`` each row has its own, and so has what is returned.
    """
    of_item: list[Column | str] = [*Cut(as_of).own, "item_id"]
    bought = recent(item_days, as_of, params).where("purchases > 0")
    wide = bought.select(*of_item, F.col("pieces").cast("double").alias("pieces"), _price().alias("price"))
    return wide.unpivot(of_item, [*ITEM_MEASURES], "measure", "value").where("value > 0")


def extremes(item_days: DataFrame, limits: Limits, *own: str) -> DataFrame:
    """The tiles of which what was bought lies beyond the limits, of whatever year they are.

    Those of more than ``days`` ago are judged as well: a purchase that is treated would else count again with age.

    Args:
        item_days: rows of ``features.user_item_days``.
        own: ``as_of``, where tiles and limits have each their own.

    Returns:
        The tiles with their limits: ``most`` pieces, ``highest`` and ``lowest`` price, which are null where the item
        has none of its own.
    """
    of_item = ["item_id", *own]
    known = limits.of_items.groupBy(*of_item).agg(
        F.max(F.when(F.col("measure") == "pieces", F.col("upper"))).alias("_most"),
        F.max(F.when(F.col("measure") == "price", F.col("upper"))).alias("highest"),
        F.max(F.when(F.col("measure") == "price", F.col("lower"))).alias("lowest"),
    )
    judged = item_days.where("purchases > 0").join(known, on=of_item, how="left")
    _, shops = limits.of_shop.get("pieces", (None, None))
    most = F.coalesce("_most", F.lit(shops).cast("double"))
    price = _price()
    is_extreme = beyond_any(
        [F.col("pieces") > F.col("most"), (price > 0) & ((price > F.col("highest")) | (price < F.col("lowest")))]
    )
    return judged.withColumn("most", most).where(is_extreme).drop("_most")


def extreme_purchases(found: DataFrame, *own: str) -> DataFrame:
    """``user_id``, ``extreme_purchases``: how many of each user's purchases are extreme; of :func:`extremes`."""
    return found.groupBy("user_id", *own).agg(F.count(F.lit(1)).alias("extreme_purchases"))


def treated(
    days: DataFrame, item_days: DataFrame, found: DataFrame, treatment: Treatment, *own: str
) -> tuple[DataFrame, DataFrame]:
    """The tiles with extreme purchases capped or left out, and what came back of their items in proportion.

    Where a user bought ``b`` of an item, of which ``c`` still count, ``c / b`` of what came back counts: in whatever
    parts and on whatever days it came back, what is left is ``c / b`` of what was left, and never a debt that was none.
    Lines, pieces and money have each a proportion of their own. The order itself remains, as it was placed.

    Args:
        days, item_days: rows of ``features.user_days`` and ``features.user_item_days``.
        found: of :func:`extremes`, of the same tiles.
        treatment: ``cap``: no more pieces than the limit, at a price within it; ``reject``: no lines at all.
        own: ``as_of``, where all of these have each their own.
    """
    pair, key = [*_PAIR, *own], [*_DAY, "item_id", *own]
    marked = found.select(*key, "most", "highest", "lowest", F.lit(True).alias("_is_extreme"))
    dealt = item_days.where("purchases > 0 OR returns > 0")
    of_pairs = dealt.join(found.select(*pair).distinct(), on=pair, how="left_semi").join(marked, on=key, how="left")
    new = _capped() if treatment == "cap" else {name: F.lit(0) for name in _COMES_BACK_AS}
    types = dict(item_days.dtypes)
    counted = of_pairs.withColumns(
        {
            f"_{name}": F.when(F.col("_is_extreme"), value).otherwise(F.col(name)).cast(types[name])
            for name, value in new.items()
        }
    )
    both = counted.withColumns(
        {f"_{back}": _comes_back(name, back, pair).cast(types[back]) for name, back in _COMES_BACK_AS.items()}
    )
    # What was paid is for pieces that count: at the price of the others it would be none.
    priced = F.when(F.col("_is_extreme"), F.nullif(F.least("priced_pieces", "_pieces"), F.lit(0)))
    changed = both.select(
        *key, *_TAKEN, *(f"_{name}" for name in _TAKEN),
        F.when(F.col("priced_pieces").isNotNull(), priced.otherwise(F.col("priced_pieces"))).alias("_priced_pieces"),
    )  # fmt: skip
    return _of_days(days, changed, [*_DAY, *own]), _of_items(item_days, changed, key)


def _of_days(days: DataFrame, changed: DataFrame, key: list[str]) -> DataFrame:
    """The user's days less what their items lose."""
    less = changed.groupBy(*key).agg(
        *(F.sum(F.coalesce(name, F.lit(0)) - F.coalesce(f"_{name}", F.lit(0))).alias(f"_{name}") for name in _TAKEN),
    )
    left = days.join(less, on=key, how="left")
    lines = {"purchase_lines": F.col("purchase_lines") - F.coalesce("_purchases", F.lit(0))}
    fewer = {name: F.col(name) - F.coalesce(f"_{name}", F.lit(0)) for name in _TAKEN}
    types = dict(days.dtypes)
    put = {name: value.cast(types[name]) for name, value in {**fewer, **lines}.items()}
    return left.withColumns(put).select(*days.columns)


def _of_items(item_days: DataFrame, changed: DataFrame, key: list[str]) -> DataFrame:
    of_items = item_days.join(changed.drop(*_TAKEN).withColumn("_is_changed", F.lit(True)), on=key, how="left")
    put = {
        name: F.when(F.col("_is_changed"), F.col(f"_{name}")).otherwise(F.col(name))
        for name in (*_TAKEN, "priced_pieces")
    }
    return of_items.withColumns(put).select(*item_days.columns)


def _capped() -> dict[str, Column]:
    """The pieces and money of an extreme purchase within its limits."""
    most = F.floor(F.least(F.col("pieces").cast("double"), "most"))  # of nulls and values, least takes the values
    fewer = F.when(F.col("pieces") > 0, most / F.col("pieces")).otherwise(F.lit(1.0))
    price = _price()
    within = F.greatest(F.least(price, "highest"), "lowest")
    dearer = F.when(price > 0, within / price).otherwise(F.lit(1.0))
    gross = F.round(F.col("gross").cast("double") * fewer * dearer, _MICROS).cast(MONEY_SUM)
    return {"purchases": F.col("purchases"), "pieces": most, "gross": gross}


def _comes_back(name: str, back: str, pair: list[str]) -> Column:
    """What counts of a day's returns of an item, in proportion to what counts of all that the user bought of it.

    The days' shares are differences of the running sum's, so that rounding them down loses less than one piece in all.
    """
    of_pair = Window.partitionBy(*pair)
    nothing = F.lit(0).cast("double")
    bought = F.sum(name).over(of_pair).cast("double")
    counted = F.coalesce(F.sum(f"_{name}").over(of_pair).cast("double"), nothing)
    through = F.coalesce(F.sum(back).over(of_pair.orderBy("event_date")), F.lit(0))
    before = through - F.coalesce(back, F.lit(0))

    def share(returned: Column) -> Column:
        exact = returned.cast("double") * counted / bought
        # What came back whole has to meet what counts to the last digit.
        most = F.when(returned.cast("double") <= bought, F.least(exact, counted)).otherwise(exact)
        return F.round(most, _MICROS).cast(MONEY_SUM) if name == "gross" else F.floor(most)

    return F.when((bought > 0) & F.col(back).isNotNull(), share(through) - share(before)).otherwise(F.col(back))


def _price() -> Column:
    """Per piece of the purchase lines that have a price; null where none has, or it is not known how many pieces do."""
    return F.col("gross").cast("double") / F.when(F.col("priced_pieces") > 0, F.col("priced_pieces"))
