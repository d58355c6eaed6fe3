"""Segment: the calls of a tracked shop as JSON lines, by the names of its ecommerce and email specs.

The specs: segment.com/docs/connections/spec, pages common, ecommerce/v2 and email. What a call says beside the
columns below (context, properties with shipping, tax and discounts of a whole order, integrations) stays in ``extra``.
"""

from shoal.sources.feed import WHOLE_ORDER, Feed, Form, RawColumn, time_of
from shoal.tables import Rule

# Page, screen, identify and group calls, lists, carts, checkouts, coupons, updated orders, shared products, mails that
# bounced and whatever a shop has made up itself are no events of these kinds: they are ignored.
_KINDS = {
    "Products Searched": "search",
    "Product Clicked": "click",
    "Product Viewed": "view",
    "Product Added": "cart",
    "Wishlist Product Added to Cart": "cart",
    "Product Removed": "uncart",
    "Product Added to Wishlist": "favourite",
    "Product Removed from Wishlist": "unfavourite",
    "Order Completed": "purchase",
    "Order Refunded": "return",
    "Order Cancelled": "return",
    "Product Reviewed": "review",
    "Promotion Viewed": "campaign",
    "Promotion Clicked": "campaign",
    "Email Delivered": "campaign",
    "Email Opened": "campaign",
    "Email Link Clicked": "campaign",
}
_KNOWN = "event IN ({})".format(", ".join(f"'{name}'" for name in _KINDS))
_TYPE = "CASE event {} END".format(" ".join(f"WHEN '{name}' THEN '{kind}'" for name, kind in _KINDS.items()))
_BOUGHT = "event IN ('Order Completed', 'Order Refunded', 'Order Cancelled')"
_ITEM = "coalesce(trim(line_product_id), trim(line_sku), trim(product_id), trim(sku))"
_WHOLE = f"(event IN ('Order Refunded', 'Order Cancelled') AND {_ITEM} IS NULL AND place IS NULL)"
_PRICE = f"CASE WHEN {_WHOLE} THEN coalesce(revenue, total) ELSE coalesce(line_price, price) END"

_CONTEXT = (
    ("library", "library.name", "library that made the call"),
    ("device", "device.type", "kind of device"),
    ("country", "location.country", "country of the user"),
    ("locale", "locale", "language and country of the device, as en-US"),
    ("campaign", "campaign.name", "campaign that led here"),
)
_PROPERTIES: tuple[tuple[str, Form, str], ...] = (
    ("order_id", "text", "order"),
    ("revenue", "decimal", "of the order, without shipping and tax"),
    ("total", "decimal", "of the order, with both"),
    ("currency", "text", "of the order, or of the price"),
    ("query", "text", "what was searched for"),
    ("rating", "decimal", "of a review"),
    ("review_body", "text", "of a review"),
    ("campaign_id", "text", "campaign of a mail"),
    ("email_id", "text", "a mail"),
    ("promotion_id", "text", "a promotion"),
)
_PRODUCT: tuple[tuple[str, Form, str], ...] = (
    ("product_id", "text", "item"),
    ("sku", "text", "item, as people see it"),
    ("name", "text", "title"),
    ("category", "text", "category"),
    ("brand", "text", "brand"),
    ("variant", "text", "variant"),
    ("price", "decimal", "of one piece"),
    ("quantity", "integer", "pieces"),
    ("coupon", "text", "code of the product, or of the order"),
)


def _optional(name: str, form: Form, doc: str, source: str) -> RawColumn:
    return RawColumn(name, form, doc, required=False, source=source)


SEGMENT = Feed(
    name="segment",
    doc="Segment: track calls of the ecommerce spec (v2) and of the email spec, as JSON lines",
    columns=(
        RawColumn("type", "text", "kind of call; only track calls are events", required=False),
        RawColumn("event", "text", "what was done, by its name in the spec", required=False),
        RawColumn("message_id", "text", "id of the call", source="messageId"),
        _optional("user_id", "text", "user", "userId"),
        _optional("anonymous_id", "text", "visitor", "anonymousId"),
        RawColumn("timestamp", "time", "when it was done, mended by Segment for clocks that are off", required=False),
        _optional("original_timestamp", "time", "when it was done, by the device's clock", "originalTimestamp"),
        _optional("sent_at", "time", "when it was sent, by the device's clock", "sentAt"),
        _optional("received_at", "time", "when it came in, by Segment's clock", "receivedAt"),
        RawColumn("channel", "text", "browser, mobile or server", required=False),
        *(_optional(name, "text", doc, f"context.{path}") for name, path, doc in _CONTEXT),
        *(_optional(name, form, doc, f"properties.{name}") for name, form, doc in (*_PROPERTIES, *_PRODUCT)),
        _optional("place", "integer", "place of the product in its order, from 0", "properties.products[#]"),
        *(
            _optional(f"line_{n}", form, f"{doc}; in an order", f"properties.products[].{n}")
            for n, form, doc in _PRODUCT
        ),
    ),
    explode="properties.products",
    elements=_KNOWN,
    ignored=f"NOT (type = 'track' AND {_KNOWN})",
    mapping={
        "event_type": _TYPE,
        "event_time": f"""coalesce({time_of("timestamp")},
                                   {time_of("received_at")} - ({time_of("sent_at")} - {time_of("original_timestamp")}),
                                   {time_of("original_timestamp")})""",
        "user_id": "trim(user_id)",
        "visitor_id": "trim(anonymous_id)",
        "item_id": f"CASE WHEN {_WHOLE} THEN '{WHOLE_ORDER}' ELSE {_ITEM} END",
        "item_title": "CASE WHEN event NOT LIKE 'Promotion %' THEN coalesce(trim(line_name), trim(name)) END",
        "category": "coalesce(trim(line_category), trim(category))",
        "brand": "coalesce(trim(line_brand), trim(brand))",
        "quantity": f"""CASE WHEN {_BOUGHT} AND coalesce(line_quantity, quantity) IS NULL THEN 1
                             WHEN {_BOUGHT} THEN try_cast(coalesce(line_quantity, quantity) AS INT) END""",
        "unit_price": f"try_cast({_PRICE} AS DECIMAL(18, 6))",
        "currency": f"coalesce(upper(trim(currency)), CASE WHEN {_PRICE} IS NOT NULL THEN $currency END)",
        # What a whole order gives back is no article.
        "line_kind": f"CASE WHEN {_WHOLE} THEN 'adjustment' WHEN {_BOUGHT} THEN 'goods' END",
        "order_id": f"CASE WHEN {_BOUGHT} THEN trim(order_id) END",
        "coupon": "coalesce(trim(line_coupon), trim(coupon))",
        "campaign_id": "coalesce(trim(campaign_id), trim(promotion_id), trim(campaign))",
        "message_id": "trim(email_id)",
        "rating": "try_cast(rating AS DOUBLE)",
        "review_text": "review_body",
        "query": "trim(query)",
        "channel": """CASE WHEN event LIKE 'Email %' THEN 'mail'
                           WHEN channel = 'browser' OR library = 'analytics.js' THEN 'web'
                           WHEN channel = 'mobile' OR library RLIKE '^analytics-(ios|android|swift|kotlin)' THEN 'app'
                      END""",
        "region": "coalesce(trim(country), nullif(upper(regexp_extract(locale, '[-_]([A-Za-z]{2})$', 1)), ''))",
        "device": "trim(device)",
    },
    kept={"event": "event", "variant": "coalesce(line_variant, variant)"},
    event_id="CASE WHEN trim(message_id) <> '' THEN concat_ws('/', trim(message_id), place) END",
    natural_key=(
        "original_timestamp",
        "timestamp",
        "event",
        "user_id",
        "anonymous_id",
        "order_id",
        "product_id",
        "sku",
        "query",
        "place",
    ),
    repeats_are_real=False,
    time_zone=None,  # times are ISO 8601 with their zone
    currency=None,
    rules=(
        Rule(
            "quantity fits",
            "event_type NOT IN ('purchase', 'return') OR quantity IS NOT NULL"
            " OR try_cast(coalesce(raw.line_quantity, raw.quantity) AS BIGINT) IS NULL",
        ),
    ),
)
