"""Shoal's own feeds: the columns that a shop can fill, of events, items, users and categories, from any file format."""

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
from shoal.sources.target import GIVEN, TARGETS, Subject
from shoal.tables import Column, Rule


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


def _expression(column: Column, of: Subject) -> str:
    name = column.name
    match column.type:
        case BooleanType():
            said = f"try_cast({name} AS BOOLEAN)"
            return f"coalesce({said}, false)" if of == "events" else said
        case TimestampType():
            # A time without a zone is the feed's; one with a zone says it itself.
            zoned = f"{name} RLIKE '(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$'"
            time = time_of(name)
            read = f"CASE WHEN {zoned} THEN {time} ELSE to_utc_timestamp({time}, $zone) END"
            return f"CASE WHEN {name} IS NULL THEN delivered_at ELSE {read} END" if name == "changed_at" else read
        case MapType():
            return consents_of(name)
        case _ if name == "currency":
            priced = " OR ".join(f"{price} IS NOT NULL" for price in TARGETS[of].money)
            return f"coalesce(upper(trim(currency)), CASE WHEN {priced} THEN $currency END)"
        case _ if name == "line_kind":
            return "coalesce(trim(line_kind), CASE WHEN event_type IN ('purchase', 'return') THEN 'goods' END)"
        case _:
            return f"try_cast(trim({name}) AS {column.type.simpleString()})"


def _columns(of: Subject) -> list[Column]:
    """The columns of the target that a feed can fill."""
    own_id = {"event_id"} if of == "events" else set[str]()
    return [column for column in TARGETS[of].table.columns if column.name not in GIVEN - own_id]


def _raw(of: Subject) -> tuple[RawColumn, ...]:
    return tuple(RawColumn(c.name, _form(c), c.doc, required=c.name in TARGETS[of].needed) for c in _columns(of))


def _mapping(of: Subject) -> dict[str, str]:
    return {c.name: _expression(c, of) for c in _columns(of) if c.name not in GIVEN}


def fits(name: str, raw: str, kind: str) -> Rule:
    """That a value which is a ``kind`` by its form is no greater than its column holds."""
    return Rule(f"{name} fits", f"{name} IS NOT NULL OR try_cast({raw} AS {kind}) IS NULL")


def is_said(name: str, raw: str) -> Rule:
    """That what was meant as true or false is read as one: what is lost would count as not said."""
    return Rule(f"{name} is true or false", f"coalesce(trim({raw}), '') = '' OR {name} IS NOT NULL")


def consents_of(raw: str) -> str:
    """SQL that reads consents from a JSON object."""
    return f"transform_values({_read(raw)}, (name, given) -> try_cast(given AS BOOLEAN))"


def consents_are_read(raw: str) -> tuple[Rule, ...]:
    """That no consent is lost: an objection that cannot be read must not count as none."""
    is_read = "given IS NULL OR try_cast(given AS BOOLEAN) IS NOT NULL"
    return (
        Rule("consents are a JSON object", f"coalesce(trim({raw}), '') = '' OR {_read(raw)} IS NOT NULL"),
        Rule("consents are true or false", f"forall(map_values({_read(raw)}), given -> {is_read})"),
    )


def _read(raw: str) -> str:
    return f"from_json({raw}, 'map<string,string>')"


SHOAL = Feed(
    name="shoal",
    doc="Shoal's own columns: Parquet, JSON lines, CSV or Delta; `shoal feed template` writes an example",
    columns=_raw("events"),
    mapping=_mapping("events"),
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
    rules=(
        fits("quantity", "raw.quantity", "BIGINT"),
        Rule(  # null would read as false
            "is_deleted is true or false", "raw.is_deleted IS NULL OR try_cast(raw.is_deleted AS BOOLEAN) IS NOT NULL"
        ),
    ),
    multi_line=True,  # reviews have line breaks
)


def _changes(of: Subject, doc: str, *rules: Rule) -> Feed:
    """A feed of changes, or of a whole catalogue in each delivery where it brings no ``changed_at``."""
    booleans = [c.name for c in _columns(of) if isinstance(c.type, BooleanType)]
    return Feed(
        name=f"shoal_{of}",
        doc=doc,
        columns=_raw(of),
        mapping=_mapping(of),
        natural_key=(),
        repeats_are_real=False,
        time_zone="UTC",
        currency=None,
        rules=(*(is_said(name, f"raw.{name}") for name in booleans), *rules),
        multi_line=True,
        of=of,
    )


SHOAL_ITEMS = _changes(
    "items", "Shoal's own columns of items: a catalogue or its changes", fits("stock", "raw.stock", "BIGINT")
)
SHOAL_USERS = _changes(
    "users", "Shoal's own columns of users: accounts and consents", *consents_are_read("raw.consents")
)
SHOAL_CATEGORIES = _changes("categories", "Shoal's own columns of the tree of categories")
