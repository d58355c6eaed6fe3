"""Shoal's own feed: the columns of silver.events that a shop can fill, from any file format."""

from pyspark.sql.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    MapType,
    TimestampType,
)

from shoal.sources.feed import Feed, Form, RawColumn, time_of
from shoal.tables import EVENTS, Column, Rule

# What ingest and validate add themselves.
_ADDED = {"event_date", "amount_base", "delivered_at", "source", "batch_id", "content_hash", "extra"}
_NEEDED = {"event_type", "event_time"}
_COLUMNS = [column for column in EVENTS.columns if column.name not in _ADDED]


def _form(column: Column) -> Form:
    match column.type:
        case IntegerType():
            return "integer"
        case DecimalType() | DoubleType():
            return "decimal"
        case TimestampType() | DateType():
            return "time"
        case _:
            return "text"


def _expression(column: Column) -> str:
    name = column.name
    match column.type:
        case BooleanType():
            return f"coalesce(try_cast({name} AS BOOLEAN), false)"
        case TimestampType():
            # A time without a zone is the feed's; one with a zone says it itself.
            zoned = f"{name} RLIKE '(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$'"
            time = time_of(name)
            return f"CASE WHEN {zoned} THEN {time} ELSE to_utc_timestamp({time}, $zone) END"
        case MapType():
            raise AssertionError("extra is filled by ingest")
        case _ if name == "currency":
            return "coalesce(upper(trim(currency)), CASE WHEN unit_price IS NOT NULL THEN $currency END)"
        case _ if name == "line_kind":
            return "coalesce(trim(line_kind), CASE WHEN event_type IN ('purchase', 'return') THEN 'goods' END)"
        case _:
            return f"try_cast(trim({name}) AS {column.type.simpleString()})"


SHOAL = Feed(
    name="shoal",
    doc="Shoal's own columns: Parquet, JSON lines, CSV or Delta; `shoal feed template` writes an example",
    columns=tuple(RawColumn(c.name, _form(c), c.doc, required=c.name in _NEEDED) for c in _COLUMNS),
    mapping={c.name: _expression(c) for c in _COLUMNS if c.name != "event_id"},
    natural_key=(
        "event_type",
        "event_time",
        "user_id",
        "visitor_id",
        "session_id",
        "item_id",
        "order_id",
        "query",
    ),
    repeats_are_real=False,
    time_zone="UTC",
    currency=None,
    event_id="nullif(trim(event_id), '')",
    rules=(Rule("quantity fits", "quantity IS NOT NULL OR try_cast(raw.quantity AS BIGINT) IS NULL"),),
    multi_line=True,  # reviews have line breaks
)
