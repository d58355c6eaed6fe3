"""silver.events -> silver.return_links: which purchases each return takes back.

Returns are settled in the order of time, so those before a day stay as they are whatever is told of later days. A batch
therefore settles anew only the returns from the earliest day on of which it changes a purchase or return, against
what the links before that day have left of each purchase.
"""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.kernels.taking_back import links_of_homes
from shoal.tables import RETURN_LINKS

# Of an event: it is the line of a purchase or return.
IS_LINE = "event_type IN ('purchase', 'return')"

_LINKS = (
    "return_event_id string, purchase_event_id string, pieces bigint, how string, "
    "linked_at timestamp, linked_date date, purchase_date date"
)
_LINE = ("home", "is_return", "by_user", "event_id", "event_time", "event_date", "pieces", "order_id",
         "original_event_id")  # fmt: skip


def returned(events: DataFrame, since: date | None) -> DataFrame:
    """The returns from a day on, None for all, with the ``pieces`` that came back."""
    lines = _lines(events, "return")
    return lines if since is None else lines.where(F.col("event_date") >= F.lit(since))


def return_links(back: DataFrame, events: DataFrame, before: DataFrame) -> DataFrame:
    """What each return takes back; a purchase is never taken back beyond its pieces.

    A return belongs to the purchases of one *home*: of one item and user, or of one item in a guest's order. It is
    that of the purchase which the feed names; else that of its order's purchases of the item; else that of its own
    user and item. Purchases of later days are not looked at.

    Args:
        back: of :func:`returned`.
        events: rows of ``silver.events``.
        before: rows of ``silver.return_links`` of the days before those of ``back``.

    Returns:
        Rows of ``silver.return_links``; a return has one per purchase, and none where nothing was left to take.
    """
    bought = _lines(events, "purchase").withColumn(
        "home", _home(F.col("user_id").isNotNull(), F.coalesce("user_id", "order_id", "event_id"))
    )
    given = _at_home(back, bought)
    taken = before.groupBy(
        F.col("purchase_event_id").alias("event_id"), F.col("purchase_date").alias("event_date")
    ).agg(F.sum("pieces").alias("taken"))
    stock = (
        bought.join(given.select("home").distinct(), on="home", how="left_semi")
        .join(taken, on=["event_id", "event_date"], how="left")
        .withColumn("pieces", F.col("pieces") - F.coalesce("taken", F.lit(0)))
        .withColumns({"is_return": F.lit(False), "by_user": F.lit(False)})
    )
    lines = stock.select(*_LINE).unionByName(given.select(*_LINE))
    # All of a home in one task, in the order in which it is settled.
    ordered = lines.repartition("home").sortWithinPartitions("home", "event_time", "is_return", "event_id")
    links = ordered.mapInArrow(links_of_homes, _LINKS)
    # An event that stands on two days, as a move that did not say so, is still one.
    facts = F.min(F.struct("linked_at", "linked_date", "purchase_date", "how")).alias("facts")
    summed = links.groupBy("return_event_id", "purchase_event_id").agg(F.sum("pieces").alias("pieces"), facts)
    return RETURN_LINKS.select(summed.select("*", "facts.*"))


def _lines(events: DataFrame, event_type: str) -> DataFrame:
    """The lines of purchases or returns that stand; a line without a quantity is one piece."""
    standing = events.where(
        (F.col("event_type") == F.lit(event_type)) & F.expr("NOT is_deleted AND item_id IS NOT NULL")
    )
    names = ("event_id", "event_time", "event_date", "user_id", "item_id", "order_id", "original_event_id")
    return standing.select(*names, F.coalesce("quantity", F.lit(1)).cast("bigint").alias("pieces"))


def _home(is_users: Column, who: Column) -> Column:
    """Names a home. The length keeps apart what ids of any letters could run together."""
    kind = F.when(is_users, F.lit("user ")).otherwise(F.lit("guest "))
    return F.concat(kind, F.length("item_id"), F.lit(" "), F.col("item_id"), F.lit(" "), who)


def _at_home(back: DataFrame, bought: DataFrame) -> DataFrame:
    """Returns as lines of the home to which they belong; those that have none are left out."""
    purchase = bought.select(
        F.col("event_id").alias("_id"), F.col("event_time").alias("_time"), F.col("event_date").alias("_day"),
        F.col("item_id").alias("_item"), F.col("order_id").alias("_order"), F.col("home").alias("_home"),
    )  # fmt: skip
    is_known = F.col("_day") <= F.col("event_date")
    named = back.join(purchase, (F.col("original_event_id") == F.col("_id")) & is_known, how="inner")
    same_line = (F.col("order_id") == F.col("_order")) & (F.col("item_id") == F.col("_item"))
    of_order = back.join(purchase, same_line & is_known, how="inner")
    own = _home(F.lit(True), F.col("user_id"))
    of_user = back.where("user_id IS NOT NULL").withColumns(
        {
            "_time": F.lit(None).cast("timestamp"),
            "_id": F.lit(None).cast("string"),
            "_home": own,
            "_item": F.col("item_id"),
        }
    )

    def found(rows: DataFrame, surety: int) -> DataFrame:
        choice = F.struct(F.lit(surety).alias("surety"), "_time", "_id", "_home", "_item")
        return rows.select("event_id", "event_date", choice.alias("choice"))

    key = ["event_id", "event_date"]
    choices = found(named, 3).unionByName(found(of_order, 2)).unionByName(found(of_user, 1))
    best = choices.groupBy(*key).agg(F.max("choice").alias("choice"))
    home = F.col("choice._home")
    # Where the feed names the purchase of another item, no other purchase of that home is meant.
    order = F.when(F.col("choice._item") == F.col("item_id"), F.col("order_id"))
    return back.join(best, on=key, how="inner").withColumns(
        {"home": home, "is_return": F.lit(True), "by_user": F.coalesce(home == own, F.lit(False)), "order_id": order}
    )
