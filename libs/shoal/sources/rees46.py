"""REES46: the click log of a multi-category store, with prices, brands and sessions."""

from shoal.sources.feed import Feed, RawColumn, time_of

REES46 = Feed(
    name="rees46",
    doc="REES46 multi-category store: views, carts and purchases with price, brand, category and session",
    columns=(
        RawColumn("event_time", "time", "UTC"),
        RawColumn("event_type", "text", "view, cart, remove_from_cart or purchase"),
        RawColumn("product_id", "text", "item"),
        RawColumn("category_code", "text", "category path, parts separated by '.'", required=False),
        RawColumn("brand", "text", "brand", required=False),
        RawColumn("price", "decimal", "of one piece, as shown or paid"),
        RawColumn("user_id", "text", "user"),
        RawColumn("user_session", "text", "visit", required=False),
    ),
    mapping={
        "event_type": """CASE trim(event_type) WHEN 'remove_from_cart' THEN 'uncart' ELSE trim(event_type) END""",
        "event_time": time_of("event_time"),
        "user_id": "trim(user_id)",
        "session_id": "trim(user_session)",
        "item_id": "trim(product_id)",
        "category": "replace(trim(category_code), '.', '/')",
        "brand": "trim(brand)",
        # A row is one piece: the log counts none, and its publisher adds up prices.
        "quantity": "CASE WHEN trim(event_type) = 'purchase' THEN 1 END",
        "unit_price": "try_cast(price AS DECIMAL(18, 6))",
        "currency": "$currency",
        "line_kind": "CASE WHEN trim(event_type) = 'purchase' THEN 'goods' END",
    },
    natural_key=("event_time", "event_type", "product_id", "price", "user_id", "user_session"),
    repeats_are_real=False,  # the log holds some clicks twice
    time_zone="UTC",
    currency=None,  # the publisher does not say
)
