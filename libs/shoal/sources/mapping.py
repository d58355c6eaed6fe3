"""bronze.<feed> -> candidate events, or candidate changes of things: a feed's mapping carried out."""

import re
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Literal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import MapType, TimestampType

from shoal.sources.feed import FIRST_YEAR, LAST_YEAR, NO_TEXT, Feed
from shoal.sources.target import GIVEN, Target
from shoal.tables import Column as Declared
from shoal.tables import Rule
from shoal.tables.vocabulary import MONEY

_SEPARATOR = "\x1f"
_ID_LENGTH = 32  # hex digits: 128 bits


@dataclass(frozen=True)
class Shop:
    """What the lake has settled about the shop."""

    time_zone: str
    currency: str | None  # None: no feed has brought money yet


def candidate_events(raw: DataFrame, feed: Feed, shop: Shop, *, duplicate_lines: Literal["keep", "drop"]) -> DataFrame:
    """Raw rows as events, or as changes where the feed tells of items, users or categories; good and bad alike.

    Args:
        raw: rows of ``bronze.<feed>``.
        duplicate_lines: whether identical rows of one file are different events, where the feed says they may be.

    Returns:
        Columns of the feed's target and, for the books, ``raw`` (the bronze row), ``source_file`` and ``position``.
        What could not be read is null. Ignored rows make none. Changes have an ``event_id`` and an ``event_date``
        too, so that the contest of versions and the book of rejected rows know them as they know events.
    """
    raw = raw.where(~is_ignored(feed)) if feed.ignored else raw
    if feed.target.is_change:
        return _candidate_changes(raw, feed, shop)
    # The id may need a shuffle: only then is the row doubled as a struct.
    rows = raw.withColumn("_id", _event_id(feed, shop, duplicate_lines)).withColumn("raw", F.struct(*feed.table.names))
    mapped = rows.select(
        "raw", "source_file", "position", "batch_id", "delivered_at", _extra(feed), F.col("_id").alias("event_id"),
        *_mapped_columns(feed, shop),
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


def _candidate_changes(raw: DataFrame, feed: Feed, shop: Shop) -> DataFrame:
    """Raw rows as what they say of a thing; one that could not be read is told by all that it came as."""
    target = feed.target
    rows = raw.withColumn("raw", F.struct(*feed.table.names))
    mapped = rows.select(
        "raw", "source_file", "position", "batch_id", "delivered_at", _extra(feed),
        F.concat_ws(_SEPARATOR, *_key(feed)).alias("_part"), *_mapped_columns(feed, shop),
    )  # fmt: skip
    day = F.to_date(F.from_utc_timestamp(target.time, shop.time_zone))
    said = F.concat_ws(_SEPARATOR, target.about, F.unix_micros(target.time).cast("string"), "_part")
    is_read = F.col(target.about).isNotNull() & F.col(target.time).isNotNull()
    name = F.concat_ws(_SEPARATOR, F.lit(feed.name), F.when(is_read, said).otherwise(_as_it_came(feed)))
    named = mapped.select("*", F.substring(F.sha2(name, 256), 1, _ID_LENGTH).alias("change_id"),
                          day.alias("changed_date"), F.lit(feed.name).alias("source")).drop("_part")  # fmt: skip
    known_as = {"event_id": F.col("change_id"), "event_date": F.col("changed_date")}
    return named.withColumns({**known_as, "content_hash": _content_hash(feed)})


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
    """Every rule a candidate must keep: the table's and the feed's, judged together."""
    # No row can break a rule about what it was given.
    derived = re.compile(rf"^({'|'.join({*GIVEN, 'is_deleted'})}) ")
    fits = Rule("the amount fits", "quantity IS NULL OR unit_price IS NULL OR amount_base IS NOT NULL")
    return [
        *(rule for rule in feed.target.table.row_rules if not derived.match(rule.name)),
        *_money_rules(feed.target, shop),
        *([] if feed.target.is_change else [fits]),
        *feed.row_rules,
    ]


def _money_rules(target: Target, shop: Shop) -> list[Rule]:
    if not target.money:
        return []
    unpriced = " AND ".join(f"{price} IS NULL" for price in target.money)
    money = f"{unpriced} OR currency IS NULL" if shop.currency is None else f"currency = '{shop.currency}'"
    return [Rule("currency is the shop's", money)]


def currency_of(feed: Feed) -> Column:
    """What each raw row itself names as its currency; null where it names none."""
    said = filled(feed.mapping.get("currency", "$currency"), feed, Shop(feed.time_zone or "UTC", None))
    return F.upper(F.trim(F.expr(said)))


def main_currency(raw: DataFrame, feed: Feed) -> str | None:
    """The currency of a feed, else the one that most of its rows name; ties by name. Ignored rows do not count."""
    if feed.currency is not None or not feed.target.money:
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


def _mapped_columns(feed: Feed, shop: Shop) -> list[Column]:
    """The columns of the target that a feed may fill."""
    return [_mapped(feed, shop, column) for column in feed.target.table.columns if column.name not in GIVEN]


def _mapped(feed: Feed, shop: Shop, column: Declared) -> Column:
    if column.name not in feed.mapping and column.name == "changed_at":
        return F.col("delivered_at").alias(column.name)
    if column.name not in feed.mapping:
        return F.lit(None).cast(column.type).alias(column.name)
    value = F.expr(filled(feed.mapping[column.name], feed, shop)).cast(column.type)
    if isinstance(column.type, TimestampType):
        value = F.when(F.year(value).between(FIRST_YEAR, LAST_YEAR), value)
    if isinstance(column.type, MapType):
        value = F.map_filter(value, lambda _, said: said.isNotNull())  # as everywhere, null is not said
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
    key = _key(feed)
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


def _key(feed: Feed) -> list[Column]:
    """The raw columns of the natural key, as texts to be put in a row; null is a value too."""
    parts = [F.col(f"`{name}`") for name in feed.natural_key]
    # Where a value has the sign between them in it, or the one for null, where each begins and ends must be told too.
    clear = F.when(F.concat_ws("", *parts).rlike(f"[\\x00{_SEPARATOR}]"), F.to_json(F.struct(*parts)))
    return [*(F.coalesce(part, F.lit("\x00")) for part in parts), *([clear] if parts else [])]


def _order_id() -> Column:
    """The feed's; where it has none, what one person bought at one moment is one order."""
    people = [F.concat(F.lit(f"{name}{_SEPARATOR}"), F.col(name)) for name in ("user_id", "visitor_id", "event_id")]
    said = F.concat_ws(_SEPARATOR, F.coalesce(*people), "event_time")
    # A hash: order ids go into file statistics and to people who may not see who bought.
    made_up = F.when(F.col("event_type") == "purchase", F.substring(F.sha2(said, 256), 1, _ID_LENGTH))
    return F.coalesce("order_id", made_up)


def _content_hash(feed: Feed) -> Column:
    """A hash of what the row says; rows that could not be read also say what they came as, from whatever file."""
    target = feed.target
    given = {*feed.mapping} if target.is_change else {*feed.mapping, "order_id"}
    said = [_ordered(column) for column in target.table.columns if column.name in given]
    is_unread = reduce(or_, (F.col(name).isNull() for name in dict.fromkeys([*target.needed, target.time])))
    unread = F.when(is_unread, _as_it_came(feed))
    everything = F.to_json(F.struct(*said, F.array_sort(F.map_entries("extra")).alias("extra"), unread.alias("raw")))
    return F.substring(F.sha2(everything, 256), 1, _ID_LENGTH)


def _ordered(column: Declared) -> Column:
    """A column such that equal values are equal as text: maps have no order."""
    is_map = isinstance(column.type, MapType)
    return F.array_sort(F.map_entries(column.name)).alias(column.name) if is_map else F.col(column.name)


def _as_it_came(feed: Feed) -> Column:
    return F.to_json(F.struct(*(F.col(f"raw.`{column.name}`") for column in feed.columns), "raw.malformed"))
