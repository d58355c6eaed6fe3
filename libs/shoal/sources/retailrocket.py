"""RetailRocket: the click log of a shop, by visitor, with its items and its tree of categories."""

from shoal.sources.feed import Feed, RawColumn
from shoal.tables import Rule

_HASHED = "trim(property) NOT IN ('categoryid', 'available')"

RETAILROCKET = Feed(
    name="retailrocket",
    doc="RetailRocket events.csv: views, carts and transactions by visitor, without prices",
    columns=(
        RawColumn("timestamp", "integer", "milliseconds since 1970 UTC"),
        RawColumn("visitorid", "integer", "visitor; the only id of a person there is, so it is the user"),
        RawColumn("event", "text", "view, addtocart or transaction"),
        RawColumn("itemid", "integer", "item"),
        RawColumn("transactionid", "integer", "order of a transaction", required=False),
        RawColumn("datetime", "text", "timestamp again, for people; not used", required=False),
    ),
    mapping={
        "event_type": """CASE trim(event) WHEN 'view' THEN 'view' WHEN 'addtocart' THEN 'cart'
                                          WHEN 'transaction' THEN 'purchase' ELSE trim(event) END""",
        "event_time": "timestamp_micros(try_multiply(try_cast(timestamp AS BIGINT), 1000L))",
        "user_id": "visitorid",
        "item_id": "itemid",
        "line_kind": "CASE WHEN trim(event) = 'transaction' THEN 'goods' END",
        "order_id": "transactionid",
    },
    natural_key=("timestamp", "visitorid", "event", "itemid", "transactionid"),
    repeats_are_real=False,  # the log holds some rows twice
    time_zone="UTC",
    currency=None,
)

# Names are hashed but for two; values are hashed words or numbers such as n12.000.
RETAILROCKET_ITEMS = Feed(
    name="retailrocket_items",
    doc="RetailRocket item_properties_part1.csv and part2.csv: a property of an item per row, as it was that week",
    columns=(
        RawColumn("timestamp", "integer", "milliseconds since 1970 UTC"),
        RawColumn("itemid", "integer", "item"),
        RawColumn("property", "text", "categoryid, available, or a number that stands for a name"),
        RawColumn("value", "text", "its value; words are hashed"),
    ),
    mapping={
        "item_id": "itemid",
        "changed_at": "timestamp_micros(try_multiply(try_cast(timestamp AS BIGINT), 1000L))",
        "category_id": "CASE WHEN trim(property) = 'categoryid' THEN trim(value) END",
        "recommendable": "CASE WHEN trim(property) = 'available' THEN try_cast(trim(value) AS BOOLEAN) END",
    },
    natural_key=("property",),  # what is said of an item at one moment is said in several rows
    repeats_are_real=False,
    time_zone="UTC",
    currency=None,
    rules=(
        Rule("property is set", "trim(raw.property) <> '' AND raw.property IS NOT NULL"),
        Rule("available is 0 or 1", "trim(raw.property) <> 'available' OR recommendable IS NOT NULL"),
    ),
    kept={"property": f"CASE WHEN {_HASHED} THEN property END", "value": f"CASE WHEN {_HASHED} THEN value END"},
    of="items",
)

RETAILROCKET_CATEGORIES = Feed(
    name="retailrocket_categories",
    doc="RetailRocket category_tree.csv: each category and the one that it is part of",
    columns=(
        RawColumn("categoryid", "integer", "category"),
        RawColumn("parentid", "integer", "category that it is part of; empty at the top"),
    ),
    mapping={"category_id": "categoryid", "parent_id": "parentid"},
    natural_key=(),
    repeats_are_real=False,
    time_zone="UTC",
    currency=None,
    of="categories",
)
