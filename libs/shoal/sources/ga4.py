"""Google Analytics 4: its BigQuery export, a row per event, as nested JSON lines or Parquet.

The schema: support.google.com/analytics/answer/7029846. Of what the columns below do not take, the whole is kept in
``extra`` (traffic_source, device, geo, user_properties, ecommerce with shipping and tax, items with lists and
promotions, ...), but for ``event_params``, which stay in bronze.
"""

from shoal.sources.feed import WHOLE_ORDER, Feed, Form, RawColumn
from shoal.tables import Rule

# Page views, sessions, lists, promotions, checkouts and whatever a shop has made up itself are none of these: they
# are ignored.
_KINDS = {
    "search": "search",
    "view_search_results": "search",
    "view_item": "view",
    "select_item": "click",
    "add_to_cart": "cart",
    "remove_from_cart": "uncart",
    "add_to_wishlist": "favourite",
    "purchase": "purchase",
    "refund": "return",
}
_KNOWN = "event_name IN ({})".format(", ".join(f"'{name}'" for name in _KINDS))
_TYPE = "CASE event_name {} ELSE event_name END".format(
    " ".join(f"WHEN '{name}' THEN '{kind}'" for name, kind in _KINDS.items())
)
_BOUGHT = "event_name IN ('purchase', 'refund')"
_PARAMS = "array<struct<key: string, value: struct<string_value: string, int_value: string>>>"
_ITEM: tuple[tuple[str, Form, str], ...] = (
    ("item_id", "text", "item"),
    ("item_name", "text", "title; the item where it has no id"),
    ("item_brand", "text", "brand"),
    ("item_variant", "text", "variant"),
    ("item_category", "text", "category, first level"),
    ("item_category2", "text", "category, second level"),
    ("item_category3", "text", "category, third level"),
    ("item_category4", "text", "category, fourth level"),
    ("item_category5", "text", "category, fifth level"),
    ("price", "decimal", "of one piece, in the currency of the event"),
    ("quantity", "integer", "pieces"),
    ("coupon", "text", "code used for this item"),
)
_INSIDE: tuple[tuple[str, Form, str, str], ...] = (
    ("transaction_id", "text", "order", "ecommerce.transaction_id"),
    ("refund_value", "decimal", "what was given back for the whole order", "ecommerce.refund_value"),
    ("device", "text", "kind of device", "device.category"),
    ("country", "text", "country of the user", "geo.country"),
    ("campaign_id", "text", "id of the campaign that led here", "collected_traffic_source.manual_campaign_id"),
    ("campaign_name", "text", "its name", "collected_traffic_source.manual_campaign_name"),
)


def _said(value: str) -> str:
    """SQL for a value; null where Google says in its place that there is none, as (not set) or (direct)."""
    return f"CASE WHEN trim({value}) NOT RLIKE '^([(].*[)])?$' THEN trim({value}) END"


def _param(key: str, kind: str = "string_value") -> str:
    """SQL for a parameter of the event."""
    return f"get(filter(from_json(event_params, '{_PARAMS}'), p -> p.key = '{key}'), 0).value.{kind}"


_ID = f"coalesce({_said('item_id')}, {_said('item_name')})"
_WHOLE = f"(event_name = 'refund' AND place IS NULL AND {_ID} IS NULL)"
_PRICE = f"CASE WHEN {_WHOLE} THEN refund_value ELSE price END"
_LEVELS = ", ".join(_said(f"item_category{level}") for level in ("", 2, 3, 4, 5))

GA4 = Feed(
    name="ga4",
    doc="Google Analytics 4: the events of its BigQuery export, as nested JSON lines or Parquet",
    columns=(
        RawColumn("event_name", "text", "what was done"),
        RawColumn("event_timestamp", "integer", "microseconds since 1970 UTC"),
        RawColumn("event_params", "text", "parameters of the event, as JSON", required=False),
        RawColumn("user_pseudo_id", "text", "visitor", required=False),
        RawColumn("user_id", "text", "user", required=False),
        RawColumn("platform", "text", "WEB, ANDROID or IOS", required=False),
        # What tells events of one visitor and moment apart.
        RawColumn("event_bundle_sequence_id", "integer", "number of the upload", required=False),
        RawColumn("batch_page_id", "integer", "number of the page", required=False),
        RawColumn("batch_ordering_id", "integer", "number of the request from the page", required=False),
        RawColumn("batch_event_index", "integer", "place in the request", required=False),
        *(RawColumn(name, form, doc, required=False, source=source) for name, form, doc, source in _INSIDE),
        RawColumn("place", "integer", "place of the item in the event, from 0", required=False, source="items[#]"),
        *(RawColumn(name, form, doc, required=False, source=f"items[].{name}") for name, form, doc in _ITEM),
    ),
    explode="items",
    elements=_KNOWN,
    ignored=f"NOT {_KNOWN}",
    mapping={
        "event_type": _TYPE,
        "event_time": "timestamp_micros(try_cast(event_timestamp AS BIGINT))",
        "user_id": "trim(user_id)",
        "visitor_id": "trim(user_pseudo_id)",
        # The number of a session is its start in seconds: of each visitor, not of all.
        "session_id": f"trim(user_pseudo_id) || '/' || {_param('ga_session_id', 'int_value')}",
        "item_id": f"CASE WHEN {_WHOLE} THEN '{WHOLE_ORDER}' ELSE {_ID} END",
        "item_title": _said("item_name"),
        "category": f"nullif(concat_ws('/', {_LEVELS}), '')",
        "brand": _said("item_brand"),
        "quantity": f"""CASE WHEN {_BOUGHT} AND quantity IS NULL THEN 1
                             WHEN {_BOUGHT} THEN try_cast(quantity AS INT) END""",
        "unit_price": f"try_cast({_PRICE} AS DECIMAL(18, 6))",
        "currency": f"CASE WHEN {_PRICE} IS NOT NULL THEN coalesce(upper(trim({_param('currency')})), $currency) END",
        # What a whole order gives back is no article.
        "line_kind": f"CASE WHEN {_WHOLE} THEN 'adjustment' WHEN {_BOUGHT} THEN 'goods' END",
        "order_id": f"CASE WHEN {_BOUGHT} THEN coalesce({_said('transaction_id')}, {_param('transaction_id')}) END",
        "coupon": f"coalesce({_said('coupon')}, {_param('coupon')})",
        "campaign_id": f"coalesce({_said('campaign_id')}, {_said('campaign_name')}, {_said(_param('campaign'))})",
        "query": f"CASE WHEN event_name LIKE '%search%' THEN {_param('search_term')} END",
        "channel": "CASE WHEN platform = 'WEB' THEN 'web' WHEN platform IN ('ANDROID', 'IOS') THEN 'app' END",
        "region": _said("country"),
        "device": "trim(device)",
    },
    kept={"event_name": "event_name", "item_variant": _said("item_variant")},
    # Google gives no id of an event; and the visitor must not stand in one. Events that were sent together may share
    # their moment, and exports of before 2024 lack the numbers of requests: the item tells most of those apart.
    natural_key=("user_pseudo_id", "event_timestamp", "event_name", "event_bundle_sequence_id", "batch_page_id",
                 "batch_ordering_id", "batch_event_index", "place", "item_id", "item_name"),
    repeats_are_real=False,
    time_zone=None,  # times count from 1970 UTC
    currency=None,
    rules=(
        Rule(
            "quantity fits",
            "event_type NOT IN ('purchase', 'return') OR quantity IS NOT NULL"
            " OR try_cast(raw.quantity AS BIGINT) IS NULL",
        ),
    ),
)  # fmt: skip
