"""Snowplow: enriched events as it stores them, tab-separated, without a header and without quotes.

The columns are those of the canonical event model (docs.snowplow.io, "Understanding the structure of Snowplow data"),
in their order; an event and its entities lie in them as self-describing JSON. Shop events are those of the ecommerce
schemas of Iglu Central (com.snowplowanalytics.snowplow.ecommerce) and the older transaction items. All the rest, such
as page views and pings, lists, promotions, checkouts and the header of an older transaction, is ignored. What is not
mapped stays in bronze.
"""

from shoal.sources.feed import WHOLE_ORDER, Feed, Form, RawColumn, time_of
from shoal.tables import Rule

_FIELDS = """
    app_id platform etl_tstamp collector_tstamp dvce_created_tstamp event event_id txn_id name_tracker v_tracker
    v_collector v_etl user_id user_ipaddress user_fingerprint domain_userid domain_sessionidx network_userid
    geo_country geo_region geo_city geo_zipcode geo_latitude geo_longitude geo_region_name
    ip_isp ip_organization ip_domain ip_netspeed
    page_url page_title page_referrer page_urlscheme page_urlhost page_urlport page_urlpath page_urlquery
    page_urlfragment refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery refr_urlfragment
    refr_medium refr_source refr_term mkt_medium mkt_source mkt_term mkt_content mkt_campaign contexts
    se_category se_action se_label se_property se_value unstruct_event
    tr_orderid tr_affiliation tr_total tr_tax tr_shipping tr_city tr_state tr_country
    ti_orderid ti_sku ti_name ti_category ti_price ti_quantity
    pp_xoffset_min pp_xoffset_max pp_yoffset_min pp_yoffset_max useragent
    br_name br_family br_version br_type br_renderengine br_lang br_features_pdf br_features_flash br_features_java
    br_features_director br_features_quicktime br_features_realplayer br_features_windowsmedia br_features_gears
    br_features_silverlight br_cookies br_colordepth br_viewwidth br_viewheight
    os_name os_family os_manufacturer os_timezone dvce_type dvce_ismobile dvce_screenwidth dvce_screenheight
    doc_charset doc_width doc_height tr_currency tr_total_base tr_tax_base tr_shipping_base
    ti_currency ti_price_base base_currency geo_timezone mkt_clickid mkt_network etl_tags dvce_sent_tstamp
    refr_domain_userid refr_dvce_tstamp derived_contexts domain_sessionid derived_tstamp
    event_vendor event_name event_format event_version event_fingerprint true_tstamp
""".split()  # noqa: SIM905  (a list of so many names would fill pages)
_FORMS: dict[str, Form] = {
    "collector_tstamp": "time",
    "derived_tstamp": "time",
    "ti_price": "decimal",
    "ti_quantity": "integer",
}
_PRODUCT: tuple[tuple[str, Form], ...] = (
    ("id", "text"), ("name", "text"), ("category", "text"), ("brand", "text"), ("variant", "text"),
    ("price", "decimal"), ("list_price", "decimal"), ("quantity", "integer"), ("currency", "text"),
)  # fmt: skip

_KINDS = {
    "product_view": "view",
    "list_click": "click",
    "add_to_cart": "cart",
    "remove_from_cart": "uncart",
    "transaction": "purchase",
    "refund": "return",
}
_IS_ACTION = "coalesce(event_name, '') = 'snowplow_ecommerce_action'"
_IS_KNOWN = "action IN ({})".format(", ".join(f"'{name}'" for name in _KINDS))
_IS_OLD = "event = 'transaction_item'"
_TYPE = "CASE action {} END".format(" ".join(f"WHEN '{name}' THEN '{kind}'" for name, kind in _KINDS.items()))
_BOUGHT = f"({_IS_OLD} OR action IN ('transaction', 'refund'))"
_WHOLE = "(action = 'refund' AND place IS NULL)"


def _entity(name: str, fields: str) -> str:
    """SQL for the one entity of this name beside the products; null where there is none."""
    shape = f"struct<data: array<struct<schema: string, data: struct<{fields}>>>>"
    is_it = f"e -> e.schema LIKE 'iglu:com.snowplowanalytics.snowplow.ecommerce/{name}/%'"
    return f"get(filter(from_json(contexts, '{shape}').data, {is_it}), 0).data"


_TRANSACTION = _entity("transaction", "transaction_id: string, currency: string, discount_code: string")
_REFUND = _entity("refund", "transaction_id: string, currency: string, refund_amount: string")
_USER = _entity("user", "id: string, is_guest: boolean")
_PRICE = f"CASE WHEN {_WHOLE} THEN {_REFUND}.refund_amount ELSE coalesce(product_price, ti_price) END"
_PIECES = "coalesce(product_quantity, ti_quantity)"

SNOWPLOW = Feed(
    name="snowplow",
    doc="Snowplow: enriched events (TSV) of its ecommerce schemas and of older transactions",
    columns=(
        *(RawColumn(name, _FORMS.get(name, "text"), f"{name} of the canonical event model") for name in _FIELDS),
        RawColumn("action", "text", "kind of an ecommerce event", source="unstruct_event.data.data.type"),
        RawColumn("place", "integer", "place among the products of the event, from 0", source="contexts.data[#]"),
        RawColumn("entity", "text", "schema of the product", source="contexts.data[].schema"),
        *(
            RawColumn(f"product_{name}", form, f"{name} of the product", source=f"contexts.data[].data.{name}")
            for name, form in _PRODUCT
        ),
    ),
    has_header=False,
    separator="\t",
    has_quotes=False,
    explode="contexts.data",
    elements=f"{_IS_ACTION} AND element.schema LIKE 'iglu:com.snowplowanalytics.snowplow.ecommerce/product/%'",
    ignored=f"NOT ({_IS_ACTION} AND {_IS_KNOWN} OR {_IS_OLD})",
    mapping={
        "event_type": f"CASE WHEN {_IS_OLD} THEN 'purchase' ELSE {_TYPE} END",
        "event_time": f"coalesce({time_of('derived_tstamp')}, {time_of('collector_tstamp')})",
        "user_id": f"coalesce(trim(user_id), CASE WHEN NOT coalesce({_USER}.is_guest, false) THEN {_USER}.id END)",
        "visitor_id": "coalesce(trim(domain_userid), trim(network_userid))",
        "session_id": "trim(domain_sessionid)",
        "item_id": f"CASE WHEN {_WHOLE} THEN '{WHOLE_ORDER}' ELSE coalesce(trim(product_id), trim(ti_sku)) END",
        "item_title": "coalesce(trim(product_name), trim(ti_name))",
        "category": "coalesce(trim(product_category), trim(ti_category))",
        "brand": "trim(product_brand)",
        "quantity": f"""CASE WHEN {_BOUGHT} AND {_PIECES} IS NULL THEN 1
                             WHEN {_BOUGHT} THEN try_cast({_PIECES} AS INT) END""",
        "unit_price": f"try_cast({_PRICE} AS DECIMAL(18, 6))",
        "currency": f"""coalesce(upper(coalesce(trim(product_currency), trim(ti_currency), {_REFUND}.currency,
                                               {_TRANSACTION}.currency)),
                                CASE WHEN {_PRICE} IS NOT NULL THEN $currency END)""",
        # What a whole order gives back is no article.
        "line_kind": f"CASE WHEN {_WHOLE} THEN 'adjustment' WHEN {_BOUGHT} THEN 'goods' END",
        "order_id": f"""CASE WHEN {_IS_OLD} THEN trim(ti_orderid) WHEN action = 'refund' THEN {_REFUND}.transaction_id
                             WHEN action = 'transaction' THEN {_TRANSACTION}.transaction_id END""",
        "coupon": f"{_TRANSACTION}.discount_code",
        "campaign_id": "trim(mkt_campaign)",
        "channel": "CASE platform WHEN 'mob' THEN 'app' ELSE platform END",
        "region": "trim(geo_country)",
        "device": "trim(dvce_type)",
    },
    kept={"app_id": "app_id", "variant": "product_variant", "list_price": "product_list_price"},
    event_id="CASE WHEN trim(event_id) <> '' THEN concat_ws('/', trim(event_id), place) END",
    natural_key=("collector_tstamp", "event_fingerprint", "domain_userid", "network_userid", "place"),
    repeats_are_real=False,
    time_zone=None,  # all times are UTC
    currency=None,
    rules=(
        Rule(
            "quantity fits",
            "event_type NOT IN ('purchase', 'return') OR quantity IS NOT NULL"
            " OR try_cast(coalesce(raw.product_quantity, raw.ti_quantity) AS BIGINT) IS NULL",
        ),
    ),
)
