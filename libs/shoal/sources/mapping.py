"""bronze.<feed> -> candidate events: a feed's mapping carried out."""

import re
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import TimestampType

from shoal.sources.feed import NO_TEXT, Feed
from shoal.tables import EVENTS, Rule
from shoal.tables import Column as Declared
from shoal.tables.vocabulary import MONEY

# Given by ingest and validate themselves, so that no row can break a rule about them.
GIVEN = {"event_id", "event_date", "delivered_at", "is_deleted", "source", "batch_id", "content_hash"}
_SEPARATOR = "\x1f"
_ID_LENGTH = 32  # hex digits: 128 bits


@dataclass(frozen=True)
class Shop:
    """What the lake has settled about the shop."""

    time_zone: str
    currency: str | None  # None: no feed has brought money yet


def candidate_events(raw: DataFrame, feed: Feed, shop: Shop, *, duplicate_lines: Literal["keep", "drop"]) -> DataFrame:
    """Raw rows as events, good and bad alike.

    Args:
        raw: rows of ``bronze.<feed>``.
        duplicate_lines: whether identical rows of one file are different events, where the feed says they may be.

    Returns:
        Columns of ``silver.events`` and, for the books, ``raw`` (the bronze row), ``source_file`` and ``position``.
        What could not be read is null. Ignored rows make none.
    """
    raw = raw.where(~is_ignored(feed)) if feed.ignored else raw
    # The id may need a shuffle: only then is the row doubled as a struct.
    rows = raw.withColumn("_id", _event_id(feed, shop, duplicate_lines)).withColumn("raw", F.struct(*feed.table.names))
    mapped = rows.select(
        "raw", "source_file", "position", "batch_id", "delivered_at", _extra(feed), F.col("_id").alias("event_id"),
        *(
            _mapped(feed, shop, c)
            for c in EVENTS.columns
            if c.name not in {*GIVEN, "extra", "amount_base"} - {"is_deleted"}
        ),
    )  # fmt: skip
    completed = mapped.select(
        "*",
        F.to_date(F.from_utc_timestamp("event_time", shop.time_zone)).alias("event_date"),
        (F.col("quantity") * F.col("unit_price")).try_cast(MONEY).alias("amount_base"),
        F.lit(feed.name).alias("source"),
    )
    return completed.select(
        *(c for c in completed.columns if c not in {"is_deleted", "order_id"}),
        F.coalesce("is_deleted", F.lit(False)).alias("is_deleted"),
        _order_id().alias("order_id"),
    ).withColumn("content_hash", _content_hash(feed))


def is_ignored(feed: Feed) -> Column:
    """Whether a raw row is no event, by the feed's own condition; never null.

    What could not be read says nothing that the condition could be sure of: it is judged.
    """
    values = F.concat_ws("", *(F.col(f"`{column.name}`") for column in feed.columns))
    is_read = F.col("malformed").isNull() & ~F.contains(values, F.lit(NO_TEXT))
    return is_read & F.coalesce(F.expr(feed.ignored or "false"), F.lit(False))


def count_ignored(raw: DataFrame, feed: Feed) -> int:
    """How many raw rows are no events; nothing is read where the feed ignores none."""
    return raw.where(is_ignored(feed)).count() if feed.ignored else 0


def row_rules(feed: Feed, shop: Shop) -> list[Rule]:
    """Every rule a candidate event must keep: the table's and the feed's, judged together."""
    derived = re.compile(rf"^({'|'.join(GIVEN)}|amount_base) ")
    money = "unit_price IS NULL OR currency IS NULL" if shop.currency is None else f"currency = '{shop.currency}'"
    return [
        *(rule for rule in EVENTS.row_rules if not derived.match(rule.name)),
        Rule("currency is the shop's", money),
        Rule("the amount fits", "quantity IS NULL OR unit_price IS NULL OR amount_base IS NOT NULL"),
        *feed.row_rules,
    ]


def currency_of(feed: Feed) -> Column:
    """What each raw row itself names as its currency; null where it names none."""
    said = filled(feed.mapping.get("currency", "$currency"), feed, Shop(feed.time_zone or "UTC", None))
    return F.upper(F.trim(F.expr(said)))


def main_currency(raw: DataFrame, feed: Feed) -> str | None:
    """The currency of a feed, else the one that most of its rows name; ties by name. Ignored rows do not count."""
    if feed.currency is not None:
        return feed.currency
    told = raw.where(~is_ignored(feed)) if feed.ignored else raw
    named = told.select(currency_of(feed).alias("currency")).where(F.col("currency").rlike("^[A-Z]{3}$"))
    top = named.groupBy("currency").count().orderBy(F.desc("count"), "currency").first()
    return None if top is None else str(top["currency"])


def filled(expression: str, feed: Feed, shop: Shop) -> str:
    """An expression of the mapping with the feed's zone and currency in it."""
    known = feed.currency or shop.currency  # a feed's own money stays what it is, also in a shop of another
    currency = f"'{known}'" if known else "CAST(NULL AS STRING)"
    return expression.replace("$zone", f"'{feed.time_zone}'").replace("$currency", currency)


def _mapped(feed: Feed, shop: Shop, column: Declared) -> Column:
    if column.name not in feed.mapping:
        return F.lit(None).cast(column.type).alias(column.name)
    value = F.expr(filled(feed.mapping[column.name], feed, shop)).cast(column.type)
    if isinstance(column.type, TimestampType):
        # Python holds the years 1 to 9999; a year is left at either end for zones.
        value = F.when(F.year(value).between(2, 9998), value)
    return value.alias(column.name)


def _extra(feed: Feed) -> Column:
    """What the feed had beside its columns, and what it keeps of them."""
    if not feed.kept:
        return F.col("extra")
    kept = F.create_map(*(part for name, sql in feed.kept.items() for part in (F.lit(name), F.expr(sql))))
    others = F.map_filter("extra", lambda name, _: ~name.isin([*feed.kept]))
    return F.map_filter(F.map_concat(others, kept), lambda _, value: value.isNotNull()).alias("extra")


def _event_id(feed: Feed, shop: Shop, duplicate_lines: Literal["keep", "drop"]) -> Column:
    """The feed's own id, else a hash of source, natural key and ordinal; a malformed row is its own key."""
    key = [F.coalesce(F.col(f"`{name}`"), F.lit("\x00")) for name in feed.natural_key]
    if feed.repeats_are_real and duplicate_lines == "keep":
        alike = Window.partitionBy("source_file", *(F.col(f"`{n}`") for n in feed.natural_key), "malformed")
        # The elements of one list share their position.
        within = (
            [F.to_json(F.struct(*(f"`{c.name}`" for c in feed.columns))), F.to_json("extra")] if feed.explode else []
        )
        ordinal = (F.row_number().over(alike.orderBy("position", *within)) - 1).cast("string")
    else:
        ordinal = F.lit("")
    text = F.concat_ws(_SEPARATOR, F.lit(feed.name), *key, F.coalesce("malformed", F.lit("")), ordinal)
    hashed = F.substring(F.sha2(text, 256), 1, _ID_LENGTH)
    return hashed if feed.event_id is None else F.coalesce(F.expr(filled(feed.event_id, feed, shop)), hashed)


def _order_id() -> Column:
    """The feed's; where it has none, what one person bought at one moment is one order."""
    people = [F.concat(F.lit(f"{name}{_SEPARATOR}"), F.col(name)) for name in ("user_id", "visitor_id", "event_id")]
    said = F.concat_ws(_SEPARATOR, F.coalesce(*people), "event_time")
    # A hash: order ids go into file statistics and to people who may not see who bought.
    made_up = F.when(F.col("event_type") == "purchase", F.substring(F.sha2(said, 256), 1, _ID_LENGTH))
    return F.coalesce("order_id", made_up)


def _content_hash(feed: Feed) -> Column:
    """A hash of what the event says; rows that could not be read also say what they came as, from whatever file."""
    columns = [c.name for c in EVENTS.columns if c.name in {*feed.mapping, "order_id"}]
    came = F.to_json(F.struct(*(F.col(f"raw.`{column.name}`") for column in feed.columns), "raw.malformed"))
    unread = F.when(F.col("event_time").isNull() | F.col("event_type").isNull(), came)
    said = F.to_json(F.struct(*columns, F.array_sort(F.map_entries("extra")).alias("extra"), unread.alias("raw")))
    return F.substring(F.sha2(said, 256), 1, _ID_LENGTH)
