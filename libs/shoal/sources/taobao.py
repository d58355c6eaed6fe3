"""Taobao UserBehavior: the click log of a marketplace, without a header and without prices."""

from shoal.sources.feed import Feed, RawColumn

TAOBAO = Feed(
    name="taobao",
    doc="Taobao UserBehavior: views, carts, favourites and purchases without prices; the file has no header",
    columns=(
        RawColumn("user_id", "integer", "user"),
        RawColumn("item_id", "integer", "item"),
        RawColumn("category_id", "integer", "category of the item"),
        RawColumn("behavior", "text", "pv, cart, fav or buy"),
        RawColumn("timestamp", "integer", "seconds since 1970 UTC"),
    ),
    has_header=False,
    mapping={
        "event_type": """CASE trim(behavior) WHEN 'pv' THEN 'view' WHEN 'fav' THEN 'favourite'
                                              WHEN 'buy' THEN 'purchase' ELSE trim(behavior) END""",
        "event_time": "timestamp_micros(try_multiply(try_cast(timestamp AS BIGINT), 1000000L))",
        "user_id": "user_id",
        "item_id": "item_id",
        "category": "category_id",
        "line_kind": "CASE WHEN trim(behavior) = 'buy' THEN 'goods' END",
    },
    natural_key=("user_id", "item_id", "category_id", "behavior", "timestamp"),
    repeats_are_real=False,
    time_zone="Asia/Shanghai",  # of the shop's days; the times themselves are UTC
    currency=None,
)
