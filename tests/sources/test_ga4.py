"""The export of Google Analytics 4 to BigQuery: what each event becomes, from JSON lines and from Parquet alike.

The rows are written from the public schema: support.google.com/analytics/answer/7029846. In its JSON, whole numbers
are text and what is null is left out.
"""

import json
import re
from datetime import datetime
from decimal import Decimal
from functools import partial

import pytest

from shoal.sources import FEEDS
from shoal.sources.mapping import Shop, count_ignored, main_currency

GA4 = FEEDS["ga4"]
SHOP = Shop("UTC", "EUR")
MICROS = 1_740_823_200_250_000  # 2025-03-01 10:00:00.25 UTC: 20,148 days and 10 hours after 1970
MUG = {"item_id": "p1", "item_name": "Mug", "item_brand": "Clay", "item_variant": "red", "item_category": "Kitchen",
       "item_category2": "Cups", "item_category3": "(not set)", "price": 7.5, "quantity": "2", "coupon": "MUGS",
       "item_list_name": "New", "item_revenue": 15.0}  # fmt: skip
PLATE = {"item_id": "(not set)", "item_name": "Plate", "item_brand": "(not set)", "price": 12.0, "quantity": "1"}


def texts(**params):
    """Parameters of an event that are text."""
    return [{"key": key, "value": {"string_value": value}} for key, value in params.items()]


SESSION = [{"key": "ga_session_id", "value": {"int_value": "1740823100"}}]


def event(name, params=(), **more):
    return {"event_date": "20250301", "event_timestamp": str(MICROS), "event_name": name,
            "event_params": [*SESSION, *params], "event_bundle_sequence_id": "77", "batch_page_id": "1",
            "batch_ordering_id": "2", "batch_event_index": "3", "user_pseudo_id": "111.222", "user_id": "u1",
            "platform": "WEB", "stream_id": "5", "device": {"category": "mobile", "operating_system": "iOS"},
            "geo": {"continent": "Europe", "country": "Switzerland"},
            "traffic_source": {"name": "(direct)", "medium": "(none)"},
            "collected_traffic_source": {"manual_campaign_name": "spring", "manual_source": "mail"},
            **more}  # fmt: skip


@pytest.fixture
def made(told):
    """``made(event, ...)``: what these lines of a file become, in order."""
    return partial(told, GA4, SHOP)


def test_each_event_about_an_item_becomes_one_of_its_kind(made):
    kinds = {"view_item": "view", "select_item": "click", "add_to_cart": "cart", "remove_from_cart": "uncart",
             "add_to_wishlist": "favourite"}  # fmt: skip

    found = made(*(event(name, texts(currency="EUR"), items=[MUG]) for name in kinds))

    assert {e.extra["event_name"]: e.event_type for e in found} == kinds
    for each in found:
        assert each.reasons == []
        assert each.event_time == datetime(2025, 3, 1, 10, 0, 0, 250_000)  # noqa: DTZ001 - as Spark gives it: UTC
        assert (each.user_id, each.visitor_id, each.session_id) == ("u1", "111.222", "111.222/1740823100")
        assert (each.item_id, each.item_title, each.brand, each.category) == ("p1", "Mug", "Clay", "Kitchen/Cups")
        assert (each.unit_price, each.currency, each.quantity) == (Decimal("7.5"), "EUR", None)
        assert (each.coupon, each.order_id, each.line_kind) == ("MUGS", None, None)
        assert (each.channel, each.device, each.region) == ("web", "mobile", "Switzerland")
        assert (each.campaign_id, each.extra["item_variant"]) == ("spring", "red")
        # What has no column is there all the same.
        assert json.loads(each.extra["items"])[0]["item_list_name"] == "New"
        assert json.loads(each.extra["traffic_source"])["medium"] == "(none)"
        assert (each.extra["stream_id"], each.extra["event_date"]) == ("5", "20250301")


def test_a_purchase_is_one_event_for_each_item(made):
    ecommerce = {"transaction_id": "o7", "purchase_revenue": 27.0, "shipping_value": 5.0, "tax_value": 2.5}

    mug, plate = made(event("purchase", texts(currency="EUR", coupon="SPRING"), ecommerce=ecommerce,
                            items=[MUG, PLATE]))  # fmt: skip

    assert [(e.event_type, e.order_id, e.line_kind, e.currency, e.reasons) for e in (mug, plate)] == [
        ("purchase", "o7", "goods", "EUR", [])
    ] * 2
    assert [(e.item_id, e.quantity, e.amount_base, e.coupon) for e in (mug, plate)] == [
        ("p1", 2, Decimal(15), "MUGS"),
        ("Plate", 1, Decimal(12), "SPRING"),  # without an id its name has to do
    ]
    assert (plate.brand, plate.category) == (None, None)
    assert json.loads(mug.extra["ecommerce"])["shipping_value"] == 5.0
    assert mug.event_id != plate.event_id


def test_a_refund_is_of_items_or_of_a_whole_order(made):
    ecommerce = {"transaction_id": "o7", "refund_value": 27.0}

    some, whole = made(
        event("refund", texts(currency="EUR"), ecommerce=ecommerce, items=[PLATE]),
        event("refund", texts(currency="EUR"), ecommerce=ecommerce, items=[]),
    )

    assert [(e.event_type, e.order_id, e.reasons) for e in (some, whole)] == [("return", "o7", [])] * 2
    assert (some.item_id, some.line_kind, some.amount_base) == ("Plate", "goods", Decimal(12))
    assert (whole.item_id, whole.line_kind, whole.amount_base) == ("WHOLE ORDER", "adjustment", Decimal(27))


def test_searches_with_what_was_searched_for(made):
    found = made(*(event(name, texts(search_term="blue mug")) for name in ("search", "view_search_results")))

    assert [(e.event_type, e.query, e.item_id, e.reasons) for e in found] == [("search", "blue mug", None, [])] * 2


def test_everything_else_is_ignored_and_a_list_is_no_more_than_a_row(stored, judge, tmp_path):
    names = ("page_view", "session_start", "view_item_list", "begin_checkout", "view_promotion", "my_own_event")
    lacking = [event("view_item"), event("purchase", items=[]), {**event("purchase", items=[MUG]), "event_name": None}]
    lines = [*(event(name, items=[MUG, PLATE]) for name in names), *lacking]
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(each) for each in lines))
    raw = stored(GA4, tmp_path)

    found = judge(raw, GA4, SHOP).orderBy("position").collect()

    assert raw.count() == len(names) + len(lacking)
    assert count_ignored(raw, GA4) == len(names)
    no_item = "item_id is set for what is done to an item"
    assert [e.reasons for e in found[:2]] == [[no_item]] * 2
    assert "event_type is set" in found[2].reasons


def test_what_tells_two_events_of_one_moment_apart_is_where_they_came_in_their_upload(made):
    first, again, later, other, item = made(
        event("view_item", items=[MUG]),
        event("view_item", items=[MUG]),
        event("view_item", items=[MUG], batch_event_index="4"),
        event("view_item", items=[MUG], event_bundle_sequence_id="78"),
        event("select_item", items=[MUG]),
    )

    assert (first.event_id, first.content_hash) == (again.event_id, again.content_hash)
    assert len({each.event_id for each in (first, later, other, item)}) == 4
    assert "111.222" not in first.event_id, "an id says nothing of the visitor"


def test_the_money_is_that_of_the_events(stored, tmp_path):
    lines = [event("purchase", texts(currency="chf"), items=[MUG]), event("page_view", texts(currency="USD"))]
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(each) for each in lines))

    assert main_currency(stored(GA4, tmp_path), GA4) == "CHF"


SCHEMA = """event_date string, event_timestamp bigint, event_name string,
    event_params array<struct<key: string, value: struct<string_value: string, int_value: bigint,
        float_value: double, double_value: double>>>,
    event_bundle_sequence_id bigint, batch_page_id bigint, batch_ordering_id bigint, batch_event_index bigint,
    user_pseudo_id string, user_id string, platform string, stream_id string,
    device struct<category: string, operating_system: string>, geo struct<continent: string, country: string>,
    traffic_source struct<name: string, medium: string>,
    collected_traffic_source struct<manual_campaign_name: string, manual_source: string>,
    ecommerce struct<transaction_id: string, purchase_revenue: double, refund_value: double>,
    items array<struct<item_id: string, item_name: string, item_brand: string, item_variant: string,
        item_category: string, item_category2: string, item_category3: string, price: double, quantity: bigint,
        coupon: string, item_list_name: string, item_revenue: double>>"""


def test_parquet_says_the_same_as_json(spark, stored, judge, tmp_path):
    lines = [
        event("purchase", texts(currency="EUR"), ecommerce={"transaction_id": "o7"}, items=[MUG, PLATE]),
        event("refund", texts(currency="EUR"), ecommerce={"transaction_id": "o7", "refund_value": 27.0}),
        event("search", texts(search_term="mug")),
        event("page_view"),
    ]
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "events.jsonl").write_text("\n".join(json.dumps(each) for each in lines))
    (tmp_path / "typed.jsonl").write_text(
        re.sub(r': "([0-9]+)"', r": \1", (tmp_path / "json" / "events.jsonl").read_text())
    )
    spark.read.schema(SCHEMA).json(str(tmp_path / "typed.jsonl")).write.parquet(str(tmp_path / "parquet"))
    names = [name for name in GA4.mapping if name != "is_deleted"]

    said, written = (
        sorted(judge(stored(GA4, tmp_path / kind), GA4, SHOP).select("event_id", "reasons", *names).collect(), key=str)
        for kind in ("json", "parquet")
    )

    assert said == written
    assert [e.event_type for e in sorted(said, key=lambda e: (e.event_type, e.item_id or ""))] == [
        "purchase", "purchase", "return", "search",
    ]  # fmt: skip
