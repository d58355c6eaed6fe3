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
    """The returns from a day on, None for all, each at the home where it is settled.

    A *home* holds the purchases of one item and user, or of one item in a guest's order. A return belongs to that of
    the purchase which the feed names; else to that of its order's purchases of the item; else to that of its own user
    and item. Purchases of later days are not looked at.

    Args:
        events: rows of ``silver.events``.

    Returns:
        One row per return: ``pieces`` that came back, ``home``, null for one that has none, and what it says.
    """
    back = _lines(events, "return")
    back = back if since is None else back.where(F.col("event_date") >= F.lit(since))
    key = ["event_id", "event_date"]
    # Returns are few and purchases many: both ways to a purchase are looked up in one pass over them.
    sought = F.array(_sought(3, _named("original_event_id")), _sought(2, _of_order()))
    wanted = back.select(*key, F.inline(sought)).where("way IS NOT NULL")
    offers = _bought(events).select(
        F.col("event_time").alias("time"), F.col("event_id").alias("id"), F.col("event_date").alias("day"), "home",
        F.col("item_id").alias("item"), F.explode(F.array(_named("event_id"), _of_order())).alias("way"),
    )  # fmt: skip
    found = wanted.join(offers.where("way IS NOT NULL"), on="way", how="inner").where("day <= event_date")
    surest = F.max(F.struct("surety", "time", "id", "home", "item")).alias("choice")
    settled = back.join(found.groupBy(*key).agg(surest), on=key, how="left")
    own = F.when(F.col("user_id").isNotNull(), _home(F.lit(True), F.col("user_id")))
    home, item = F.coalesce("choice.home", own), F.coalesce("choice.item", "item_id")
    return settled.select(
        home.alias("home"),
        F.lit(True).alias("is_return"),
        F.coalesce(home == own, F.lit(False)).alias("by_user"),
        *key,
        "event_time",
        "pieces",
        # Where the feed names the purchase of another item, no other purchase of that home is meant.
        F.when(item == F.col("item_id"), F.col("order_id")).alias("order_id"),
        "original_event_id",
    )


def return_links(back: DataFrame, events: DataFrame, before: DataFrame) -> DataFrame:
    """What each return takes back; a purchase is never taken back beyond its pieces.

    Args:
        back: of :func:`returned`.
        events: rows of ``silver.events``.
        before: rows of ``silver.return_links`` of the days before those of ``back``.

    Returns:
        Rows of ``silver.return_links``; a return has one per purchase, and none where nothing was left to take.
    """
    given = back.where("home IS NOT NULL").select(*_LINE)
    taken = before.groupBy(
        F.col("purchase_event_id").alias("event_id"), F.col("purchase_date").alias("event_date")
    ).agg(F.sum("pieces").alias("taken"))
    stock = (
        _bought(events)
        .join(given.select("home").distinct(), on="home", how="left_semi")
        .join(taken, on=["event_id", "event_date"], how="left")
        .withColumn("pieces", F.col("pieces") - F.coalesce("taken", F.lit(0)))
        .withColumns({"is_return": F.lit(False), "by_user": F.lit(False)})
    )
    lines = stock.select(*_LINE).unionByName(given)
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


def _bought(events: DataFrame) -> DataFrame:
    """The purchases, each with its home; a guest's without an order is alone in it."""
    home = _home(F.col("user_id").isNotNull(), F.coalesce("user_id", "order_id", "event_id"))
    return _lines(events, "purchase").withColumn("home", home)


def _home(is_users: Column, who: Column) -> Column:
    kind = F.when(is_users, F.lit("user ")).otherwise(F.lit("guest "))
    return F.concat(kind, _of_item(), who)


def _of_item() -> Column:
    """The item in a name; its length keeps apart what ids of any letters could run together."""
    return F.concat(F.length("item_id"), F.lit(" "), F.col("item_id"), F.lit(" "))


def _named(column: str) -> Column:
    """The way to a purchase by its id."""
    return F.concat(F.lit("id "), F.col(column))


def _of_order() -> Column:
    """The way to a purchase by its order and item."""
    return F.concat(F.lit("order "), _of_item(), F.col("order_id"))


def _sought(surety: int, way: Column) -> Column:
    return F.struct(F.lit(surety).alias("surety"), way.alias("way"))
