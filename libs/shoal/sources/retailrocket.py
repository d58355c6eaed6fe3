"""RetailRocket: the click log of a shop, by visitor."""

from shoal.sources.feed import Feed, RawColumn

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
