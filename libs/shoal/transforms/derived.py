"""silver.events -> silver.orders, silver.items, silver.users, silver.identities: what events name, and feeds told."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import MapType

from shoal.tables import IDENTITIES, ITEMS, ORDERS, USERS, Table
from shoal.tables.vocabulary import MONEY_SUM
from shoal.transforms.accounts import accounts
from shoal.transforms.catalogue import item_history

# Of an event: a visitor and a user meet in it.
MEETS = "visitor_id IS NOT NULL AND user_id IS NOT NULL"


def orders(events: DataFrame) -> DataFrame:
    """Summarise purchase lines by order.

    What depends on a cut (what came back later, the order's number in the user's row) is not kept here. An order
    belongs to the user of its first line that has one, and began with that line.

    Returns:
        Rows of ``silver.orders``; an order without any purchase left has none.
    """
    goods = F.col("line_kind") == "goods"
    lines = events.where("event_type = 'purchase' AND NOT is_deleted AND order_id IS NOT NULL")
    first = F.min(F.struct(F.col("user_id").isNull(), "event_time", "event_id", "user_id", "event_date"))
    summed = lines.groupBy("order_id").agg(
        first.alias("first"),
        F.count("*").alias("lines"),
        F.sum(F.when(goods, F.col("quantity"))).alias("pieces"),
        F.sum("amount_base").cast(MONEY_SUM).alias("gross"),
        F.sum("discount_amount").cast(MONEY_SUM).alias("discount"),
        F.sum(F.when(F.col("line_kind") == "shipping", F.col("amount_base"))).cast(MONEY_SUM).alias("shipping"),
        _latest("channel").alias("channel"),
        _latest("region").alias("region"),
    )
    return ORDERS.select(
        summed.withColumns(
            {
                "user_id": F.col("first.user_id"),
                "ordered_at": F.col("first.event_time"),
                "order_date": F.col("first.event_date"),
            }
        )
    )


def items(events: DataFrame, changes: DataFrame | None = None, categories: DataFrame | None = None) -> DataFrame:
    """What the events say of each item, its latest title, category, brand and price, and what item feeds told of it.

    Where no feed says, an item is recommendable unless it was only ever sold as something else than goods. An item
    of whose sales most are shipping, fees and the like is none either.

    Args:
        changes: rows of ``silver.item_changes``; None in a shop without such a feed.
        categories: rows of ``silver.categories``, with ``changes``.

    Returns:
        Rows of ``silver.items``; one per item where no feed told of it.
    """
    named = events.where("NOT is_deleted AND item_id IS NOT NULL")
    sold = F.col("event_type") == "purchase"
    line = F.col("event_type").isin("purchase", "return")
    is_goods = F.coalesce(F.col("line_kind"), F.lit("goods")) == "goods"
    described = named.groupBy("item_id").agg(
        F.col("item_id").alias("item_group_id"),
        _latest("item_title").alias("title"),
        _latest("category").alias("category"),
        _latest("brand").alias("brand"),
        (F.count_if(line & is_goods) >= F.count_if(line & ~is_goods)).alias("recommendable"),
        F.max_by("unit_price", F.when(sold & F.col("unit_price").isNotNull(), _moment())).alias("price"),
        F.min("event_date").alias("valid_from"),
    )
    if changes is not None and categories is not None:
        return item_history(described, changes, categories)
    return ITEMS.select(described.withColumns(_nothing_of(ITEMS, "valid_to", "cost", "stock")))


def users(events: DataFrame, changes: DataFrame | None = None, aliases: DataFrame | None = None) -> DataFrame:
    """Who acted, since when, and where last, and what user feeds told of them.

    Args:
        changes: rows of ``silver.user_changes``; None in a shop without such a feed.
        aliases: rows of ``silver.account_aliases``; None where no account was merged.

    Returns:
        Rows of ``silver.users``; guests have none.
    """
    known = events.where("NOT is_deleted AND user_id IS NOT NULL")
    seen = known.groupBy("user_id").agg(
        F.min("event_time").alias("first_seen"),
        F.max("event_time").alias("last_seen"),
        _latest("region").alias("region"),
    )
    if changes is not None:
        return accounts(seen, changes, aliases)
    nothing = _nothing_of(USERS, "registered_at", "birth_year_band", "consents")
    return USERS.select(seen.withColumns({"account_kind": F.lit("consumer"), **nothing}))


def _nothing_of(table: Table, *names: str) -> dict[str, Column]:
    """Columns of which nothing is known."""
    return {column.name: F.lit(None).cast(column.type) for column in table.columns if column.name in names}


def identities(events: DataFrame) -> DataFrame:
    """Which visitors and users met, since when, and how often.

    Returns:
        Rows of ``silver.identities``, one per pair.
    """
    met = events.where(f"NOT is_deleted AND {MEETS}")
    first = F.min(F.struct("event_time", "event_date"))
    linked = met.groupBy("visitor_id", "user_id").agg(
        first.alias("first"), F.max("event_time").alias("last_met_at"), F.count("*").alias("meetings")
    )
    return IDENTITIES.select(
        linked.withColumns({"linked_at": F.col("first.event_time"), "linked_date": F.col("first.event_date")})
    )


def changes(table: Table, new: DataFrame, old: DataFrame, touched: DataFrame) -> DataFrame:
    """What must change so that the rows of the touched keys in ``old`` become those in ``new``.

    Args:
        touched: the first key column of the rows that were recomputed.

    Returns:
        New and changed rows with ``is_gone`` false, and rows that are no longer there with ``is_gone`` true.
    """
    return differences(table, new, old.join(touched, on=table.key[0], how="left_semi"))


def differences(table: Table, new: DataFrame, before: DataFrame) -> DataFrame:
    """What must change so that the rows in ``before`` become those in ``new``; returns as :func:`changes`."""
    kept = before.select(*table.key, F.struct(*table.names).alias("_before"))
    compared = new.withColumn("_after", F.struct(*table.names)).join(kept, on=[*table.key], how="full_outer")
    differs = ~_comparable(table, "_after").eqNullSafe(_comparable(table, "_before"))
    is_gone = F.col("_after").isNull()
    row = F.when(is_gone, F.col("_before")).otherwise(F.col("_after"))
    return compared.where(differs).select(row.alias("_row"), is_gone.alias("is_gone")).select("_row.*", "is_gone")


def _comparable(table: Table, row: str) -> Column:
    """A row as it can be compared: its maps, which cannot, as sorted entries."""
    maps = {column.name for column in table.columns if isinstance(column.type, MapType)}
    if not maps:
        return F.col(row)
    values = {name: F.col(f"{row}.{name}") for name in table.names}
    return F.struct(*(F.array_sort(F.map_entries(v)) if name in maps else v for name, v in values.items()))


def _moment() -> Column:
    """Orders the events of an item or user; the id breaks ties of time."""
    return F.struct("event_time", "event_id")


def _latest(column: str) -> Column:
    """The value of the latest event that has one; null if none does."""
    return F.max_by(column, F.when(F.col(column).isNotNull(), _moment()))
