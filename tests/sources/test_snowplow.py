"""Enriched events of Snowplow: what the ecommerce schemas and older transactions become, and what is ignored.

The lines are written from the public specs: the canonical event model (docs.snowplow.io) and the schemas of Iglu
Central, com.snowplowanalytics.snowplow.ecommerce.
"""

import json
from datetime import datetime
from decimal import Decimal

import pytest

from shoal.sources import FEEDS
from shoal.sources.mapping import Shop, count_ignored, main_currency
from shoal.sources.nested import file_columns

SNOWPLOW = FEEDS["snowplow"]
FIELDS = file_columns(SNOWPLOW)
SHOP = Shop("UTC", "EUR")
VENDOR = "iglu:com.snowplowanalytics.snowplow.ecommerce"
MUG = {"id": "p1", "name": 'Mug "XL"', "category": "Kitchen/Cups", "price": 7.5, "list_price": 9, "quantity": 2,
       "variant": "red", "brand": "Clay", "currency": "EUR"}  # fmt: skip
PLATE = {"id": "p2", "category": "Kitchen", "price": 12, "currency": "EUR"}
PAGE = ("iglu:com.snowplowanalytics.snowplow/web_page/jsonschema/1-0-0", {"id": "w1"})


def line(**values):
    """An enriched event with these fields."""
    always = {"app_id": "shop", "platform": "web", "collector_tstamp": "2025-03-01 10:00:02.000", "event_id": "e1",
              "derived_tstamp": "2025-03-01 10:00:00.250", "domain_userid": "d1", "network_userid": "n1",
              "domain_sessionid": "s1", "user_id": "u1", "geo_country": "CH", "dvce_type": "Mobile",
              "mkt_campaign": "spring"}  # fmt: skip
    named = {**always, **values}
    assert {*named} <= {*FIELDS}
    return "\t".join(named.get(name) or "" for name in FIELDS)


def action(kind, *entities, **values):
    """An event of the ecommerce schema with its entities, each a schema and what it says."""
    said = {"schema": f"{VENDOR}/snowplow_ecommerce_action/jsonschema/1-0-2", "data": {"type": kind}}
    wrapped = {"schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0", "data": said}
    held = {"schema": "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1",
            "data": [{"schema": schema, "data": data} for schema, data in (PAGE, *entities)]}  # fmt: skip
    return line(event="unstruct", event_name="snowplow_ecommerce_action", unstruct_event=json.dumps(wrapped),
                contexts=json.dumps(held), **values)  # fmt: skip


def entity(name, data):
    return (f"{VENDOR}/{name}/jsonschema/1-0-0", data)


@pytest.fixture
def read_lines(stored, tmp_path):
    """``read_lines(line, ...)``: the rows of a file."""

    def read(*lines):
        (tmp_path / "events.tsv").write_text("\n".join(lines) + "\n")
        return stored(SNOWPLOW, tmp_path / "events.tsv")

    return read


@pytest.fixture
def made(read_lines, judge):
    """``made(line, ...)``: what these lines of a file become, in order."""
    return lambda *lines: judge(read_lines(*lines), SNOWPLOW, SHOP).orderBy("position", "raw.place").collect()


def test_the_event_model_has_its_131_fields_in_their_order():
    assert len(FIELDS) == len({*FIELDS}) == 131
    # Counted from 1 in its documentation.
    places = {"app_id": 1, "event_id": 7, "user_id": 13, "contexts": 53, "unstruct_event": 59, "ti_sku": 69,
              "useragent": 78, "tr_currency": 109, "derived_contexts": 123, "true_tstamp": 131}  # fmt: skip
    assert {name: FIELDS.index(name) + 1 for name in places} == places


def test_each_action_on_a_product_becomes_an_event(made):
    kinds = {"product_view": "view", "list_click": "click", "add_to_cart": "cart", "remove_from_cart": "uncart"}

    found = made(*(action(kind, entity("product", MUG), event_id=kind) for kind in kinds))

    assert {e.event_id: e.event_type for e in found} == {f"{name}/0": kind for name, kind in kinds.items()}
    for each in found:
        assert each.reasons == []
        assert each.event_time == datetime(2025, 3, 1, 10, 0, 0, 250_000)  # noqa: DTZ001 - as Spark gives it: UTC
        assert (each.user_id, each.visitor_id, each.session_id) == ("u1", "d1", "s1")
        assert (each.item_id, each.item_title, each.brand, each.category) == ("p1", 'Mug "XL"', "Clay", "Kitchen/Cups")
        assert (each.unit_price, each.currency, each.quantity) == (Decimal("7.5"), "EUR", None)
        assert (each.order_id, each.line_kind) == (None, None)
        assert (each.channel, each.device, each.region, each.campaign_id) == ("web", "Mobile", "CH", "spring")
        assert each.extra == {"app_id": "shop", "variant": "red", "list_price": "9"}


def test_a_transaction_is_one_purchase_for_each_product(made):
    transaction = {"transaction_id": "o7", "revenue": 24, "currency": "EUR", "payment_method": "card",
                   "total_quantity": 3, "discount_code": "SPRING"}  # fmt: skip

    mug, plate = made(action("transaction", entity("product", MUG), entity("transaction", transaction),
                             entity("product", PLATE)))  # fmt: skip

    assert [(e.event_id, e.item_id, e.quantity, e.amount_base) for e in (mug, plate)] == [
        ("e1/0", "p1", 2, Decimal(15)), ("e1/1", "p2", 1, Decimal(12)),
    ]  # fmt: skip
    assert [(e.event_type, e.order_id, e.coupon, e.line_kind, e.reasons) for e in (mug, plate)] == [
        ("purchase", "o7", "SPRING", "goods", [])
    ] * 2


def test_a_refund_is_of_products_or_of_a_whole_transaction(made):
    refund = entity("refund", {"transaction_id": "o7", "currency": "EUR", "refund_amount": 24.5})

    some, whole = made(action("refund", refund, entity("product", PLATE)), action("refund", refund, event_id="e2"))

    assert [(e.event_type, e.order_id, e.currency, e.reasons) for e in (some, whole)] == [
        ("return", "o7", "EUR", [])
    ] * 2
    assert (some.item_id, some.line_kind, some.amount_base) == ("p2", "goods", Decimal(12))
    assert (whole.item_id, whole.line_kind, whole.amount_base) == ("WHOLE ORDER", "adjustment", Decimal("24.5"))


def test_the_items_of_an_older_transaction_are_purchases(made):
    (item,) = made(line(event="transaction_item", event_name="transaction_item", ti_orderid="o8", ti_sku="p3",
                        ti_name="Bowl", ti_category="Kitchen", ti_price="4.25", ti_quantity="3",
                        ti_currency="EUR", platform="mob", domain_userid=None))  # fmt: skip

    assert (item.event_id, item.event_type, item.item_id, item.order_id) == ("e1", "purchase", "p3", "o8")
    assert (item.item_title, item.category, item.quantity, item.amount_base) == (
        "Bowl", "Kitchen", 3, Decimal("12.75"),
    )  # fmt: skip
    assert (item.visitor_id, item.channel, item.reasons) == ("n1", "app", [])


def test_a_user_is_also_who_the_entity_names_but_for_guests(made):
    people = [entity("user", {"id": "u2"}), entity("user", {"id": "u3", "is_guest": True})]

    found = made(*(action("product_view", entity("product", MUG), person, user_id=None) for person in people))

    assert [e.user_id for e in found] == ["u2", None]


def test_everything_else_is_ignored_and_lists_make_no_more_rows_than_products(read_lines, judge):
    others = [
        line(event="page_view", event_name="page_view"),
        line(event="struct", event_name="event", se_category="shop", se_action="look"),
        line(event="transaction", event_name="transaction", tr_orderid="o8", tr_total="12.75"),
        action("checkout_step"),
        action("list_view", entity("product", MUG)),
    ]
    lacking = [action("add_to_cart"), action("transaction"), action(None, entity("product", MUG))]
    raw = read_lines(*others, *lacking)

    found = judge(raw, SNOWPLOW, SHOP).orderBy("position").collect()

    assert raw.count() == len(others) + len(lacking)
    assert count_ignored(raw, SNOWPLOW) == len(others)
    no_item = "item_id is set for what is done to an item"
    assert [e.reasons for e in found[:2]] == [[no_item]] * 2
    assert "event_type is set" in found[2].reasons


def test_a_ragged_line_is_judged_whatever_it_says(read_lines, judge):
    page = line(event="page_view", event_name="page_view")
    short, long = page.rpartition("\t")[0], f"{page}\tmore"
    raw = read_lines(page, short, long)

    found = judge(raw, SNOWPLOW, SHOP).orderBy("position").collect()

    assert count_ignored(raw, SNOWPLOW) == 1
    assert [e.raw.malformed for e in found] == [short, long]
    assert all("the row fits its header" in e.reasons for e in found)


def test_the_money_is_that_of_the_products(read_lines):
    swiss = {**MUG, "currency": "CHF"}

    assert main_currency(read_lines(action("product_view", entity("product", swiss))), SNOWPLOW) == "CHF"
