"""Calls of Segment's ecommerce and email specs: what each becomes, what is ignored, and when it was.

The calls are written from the public specs: segment.com/docs/connections/spec, pages common, ecommerce/v2 and email.
"""

import json
from datetime import datetime
from decimal import Decimal
from functools import partial

import pytest

from shoal.sources import FEEDS
from shoal.sources.mapping import Shop, count_ignored, main_currency
from shoal.tables import EVENTS

SEGMENT = FEEDS["segment"]
SHOP = Shop("UTC", "EUR")
AT = "2025-03-01T10:00:00.250Z"
MUG = {"product_id": "p1", "sku": "M-1", "name": "Mug", "category": "Kitchen", "brand": "Clay", "variant": "red",
       "price": 7.5, "quantity": 2, "coupon": "MUGS", "position": 3, "url": "https://shop.example/mug",
       "image_url": "https://shop.example/mug.jpg"}  # fmt: skip
PLATE = {"product_id": "p2", "price": 12, "quantity": 1}
ORDER = {"checkout_id": "c9", "order_id": "o7", "affiliation": "web shop", "subtotal": 27, "total": 34.5, "revenue": 27,
         "shipping": 5, "tax": 2.5, "discount": 3, "coupon": "SPRING", "currency": "EUR"}  # fmt: skip
CONTEXT = {"library": {"name": "analytics.js"}, "device": {"type": "ios"}, "locale": "de-CH",
           "campaign": {"name": "spring", "source": "newsletter"}}  # fmt: skip


def call(event, properties=None, message="m1", **more):
    return {"type": "track", "event": event, "messageId": message, "userId": "u1", "anonymousId": "a1", "timestamp": AT,
            "context": CONTEXT, "properties": properties or {}, **more}  # fmt: skip


@pytest.fixture
def events(told):
    """``events(call, ...)``: what these lines of a file become, in order."""
    return partial(told, SEGMENT, SHOP)


def test_each_call_about_one_product_becomes_an_event(events):
    kinds = {
        "Product Clicked": "click", "Product Viewed": "view", "Product Added": "cart", "Product Removed": "uncart",
        "Product Added to Wishlist": "favourite", "Product Removed from Wishlist": "unfavourite",
        "Wishlist Product Added to Cart": "cart",
    }  # fmt: skip

    found = events(*(call(name, MUG, message=name) for name in kinds))

    assert {e.event_id: e.event_type for e in found} == kinds
    for event in found:
        assert event.reasons == []
        assert (event.user_id, event.visitor_id, event.item_id) == ("u1", "a1", "p1")
        assert (event.item_title, event.category, event.brand, event.coupon) == ("Mug", "Kitchen", "Clay", "MUGS")
        # Two are looked at or laid into the cart, but none is bought.
        assert (event.unit_price, event.currency, event.quantity) == (Decimal("7.5"), "EUR", None)
        assert (event.order_id, event.line_kind) == (None, None)
        assert (event.channel, event.device, event.region, event.campaign_id) == ("web", "ios", "CH", "spring")
        assert (event.extra["event"], event.extra["variant"]) == (event.event_id, "red")
        # What has no column is there all the same.
        assert json.loads(event.extra["properties"])["position"] == 3
        assert json.loads(event.extra["context"])["campaign"]["source"] == "newsletter"


def test_an_order_is_one_purchase_for_each_product(events):
    mug, plate = events(call("Order Completed", {**ORDER, "products": [MUG, PLATE]}))

    assert [(e.event_id, e.event_type, e.order_id) for e in (mug, plate)] == [
        ("m1/0", "purchase", "o7"), ("m1/1", "purchase", "o7"),
    ]  # fmt: skip
    assert [(e.item_id, e.quantity, e.amount_base, e.coupon) for e in (mug, plate)] == [
        ("p1", 2, Decimal(15), "MUGS"), ("p2", 1, Decimal(12), "SPRING"),
    ]  # fmt: skip
    assert {(e.currency, e.line_kind, *e.reasons) for e in (mug, plate)} == {("EUR", "goods")}
    said = json.loads(mug.extra["properties"])
    assert (said["shipping"], said["tax"], said["discount"], said["affiliation"]) == (5, 2.5, 3, "web shop")
    assert "properties" not in plate.extra, "the whole is kept once"


def test_an_order_comes_back_by_product_or_whole(events):
    by_product, cancelled, whole, bare = events(
        call("Order Refunded", {**ORDER, "products": [PLATE]}, message="m2"),
        call("Order Cancelled", {**ORDER, "products": [PLATE]}, message="m3"),
        call("Order Refunded", {"order_id": "o7", "total": 30, "currency": "EUR"}, message="m4"),
        call("Order Cancelled", {"order_id": "o7"}, message="m5"),
    )

    for event in (by_product, cancelled, whole, bare):
        assert (event.event_type, event.order_id, event.reasons) == ("return", "o7", [])
    assert [(e.item_id, e.line_kind, e.amount_base) for e in (by_product, cancelled)] == [
        ("p2", "goods", Decimal(12))
    ] * 2
    assert (whole.item_id, whole.line_kind, whole.quantity, whole.amount_base) == (
        "WHOLE ORDER", "adjustment", 1, Decimal(30),
    )  # fmt: skip
    assert (bare.item_id, bare.amount_base) == ("WHOLE ORDER", None)  # how much is not said


def test_searches_reviews_promotions_and_mails(events):
    promotion = {"promotion_id": "pr1", "creative": "top", "name": "Half price", "position": "home"}
    mail = {"email_id": "e5", "email_subject": "Hello", "campaign_id": "c3", "campaign_name": "Welcome"}
    review = {"product_id": "p1", "review_id": "r1", "review_body": "Nice.\nReally.", "rating": "4.5"}

    search, by_parts, reviewed, seen, opened = events(
        call("Products Searched", {"query": "blue mug"}, message="m1"),
        call("Products Searched", {"query": {"color": "blue"}}, message="m2"),
        call("Product Reviewed", review, message="m3"),
        call("Promotion Viewed", promotion, message="m4"),
        call("Email Opened", mail, message="m5", context={}),
    )

    assert [e.reasons for e in (search, by_parts, reviewed, seen, opened)] == [[]] * 5
    assert (search.event_type, search.query, by_parts.query) == ("search", "blue mug", '{"color":"blue"}')
    assert (reviewed.event_type, reviewed.item_id, reviewed.rating) == ("review", "p1", 4.5)
    assert reviewed.review_text == "Nice.\nReally."
    assert (seen.event_type, seen.campaign_id, seen.item_title) == ("campaign", "pr1", None)
    assert (opened.event_type, opened.campaign_id, opened.message_id, opened.channel) == (
        "campaign", "c3", "e5", "mail",
    )  # fmt: skip
    assert [e.extra["event"] for e in (seen, opened)] == ["Promotion Viewed", "Email Opened"]


def test_everything_else_is_ignored_and_a_list_is_no_more_than_a_row(stored, judge, tmp_path):
    others = [
        {"type": "page", "name": "Home", "messageId": "m1", "anonymousId": "a1", "timestamp": AT},
        {"type": "identify", "messageId": "m2", "userId": "u1", "traits": {"plan": "gold"}, "timestamp": AT},
        *(
            call(name, {**ORDER, "products": [MUG, PLATE]})
            for name in ("Product List Viewed", "Cart Viewed", "Checkout Started", "Order Updated", "My Own Event")
        ),
        call("Coupon Entered", {"coupon_id": "SPRING"}),
        call("Email Bounced"),
    ]
    lacking = [call("Product Viewed"), call("Order Completed", {**ORDER, "products": []}), call(None)]
    (tmp_path / "calls.jsonl").write_text("\n".join(json.dumps(each) for each in [*others, *lacking]) + '\n{"type":')
    raw = stored(SEGMENT, tmp_path)

    found = judge(raw, SEGMENT, SHOP).orderBy("position").collect()

    assert raw.count() == len(others) + len(lacking) + 1
    assert count_ignored(raw, SEGMENT) == len(others)
    no_item = "item_id is set for what is done to an item"
    assert [e.reasons for e in found[:2]] == [[no_item]] * 2
    assert "event_type is set" in found[2].reasons
    assert "the row fits its header" in found[3].reasons


def test_the_time_is_the_one_that_segment_mended(events):
    """The device's clock is an hour slow: 09:00 said at 09:00:05, which came in at 10:00:05."""
    clocks = {"originalTimestamp": "2025-03-01T09:00:00Z", "sentAt": "2025-03-01T09:00:05Z",
              "receivedAt": "2025-03-01T10:00:05Z"}  # fmt: skip
    alone = {"originalTimestamp": "2025-03-01T10:00:00+01:00"}

    times = [
        e.event_time
        for e in events(
            call("Product Viewed", MUG, message="m1", **clocks),
            call("Product Viewed", MUG, message="m2", **clocks, timestamp=None),
            call("Product Viewed", MUG, message="m3", **alone, timestamp=None),
        )
    ]

    assert times == [
        datetime(2025, 3, 1, 10, 0, 0, 250_000),  # noqa: DTZ001 - as Spark gives it: UTC
        datetime(2025, 3, 1, 10, 0, 0),  # noqa: DTZ001
        datetime(2025, 3, 1, 9, 0, 0),  # noqa: DTZ001
    ]


def test_the_same_message_is_the_same_event_and_the_country_wins_over_the_locale(events):
    app = {"library": {"name": "analytics-android"}, "location": {"country": "Switzerland"}, "locale": "en-US"}
    first, again, other = events(
        call("Product Viewed", MUG), call("Product Viewed", MUG), call("Product Viewed", MUG, message="m2", context=app)
    )

    assert (first.event_id, first.content_hash) == (again.event_id, again.content_hash)
    assert other.event_id != first.event_id
    assert (other.channel, other.region) == ("app", "Switzerland")


def test_the_money_is_what_the_orders_say(stored, tmp_path):
    calls = [call("Order Completed", {**ORDER, "currency": "chf", "products": [MUG]}), call("Product Viewed", MUG),
             *[call("Cart Viewed", {"currency": "USD"})] * 2]  # fmt: skip
    (tmp_path / "calls.jsonl").write_text("\n".join(json.dumps(each) for each in calls))

    assert main_currency(stored(SEGMENT, tmp_path), SEGMENT) == "CHF"


def test_every_column_it_fills_is_one_of_an_event():
    assert {*SEGMENT.mapping} <= {*EVENTS.names}
