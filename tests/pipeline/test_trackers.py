"""Streams of three trackers enter one lake: what each says of orders becomes the same, the rest is counted."""

import json
from decimal import Decimal

import pytest

from shoal.sources import FEEDS
from shoal.sources.nested import file_columns
from shoal.tables import BATCHES, EVENTS, ORDERS

AT = "2025-03-01T10:00:00Z"
MICROS = "1740823200000000"  # the same moment: 20,148 days and 10 hours after 1970
VENDOR = "iglu:com.snowplowanalytics.snowplow.ecommerce"
LINES = [{"price": 7.5, "quantity": 2}, {"price": 12}]


def segment_calls():
    products = [{"product_id": f"p{place}", **each} for place, each in enumerate(LINES)]
    bought = {"order_id": "segment", "currency": "EUR", "products": products}
    yield {"type": "page", "messageId": "m0", "anonymousId": "a", "timestamp": AT}
    yield {"type": "track", "event": "Order Completed", "messageId": "m1", "userId": "u", "timestamp": AT,
           "properties": bought}  # fmt: skip


def ga4_events():
    items = [{"item_id": f"p{place}", **each} for place, each in enumerate(LINES)]
    euros = [{"key": "currency", "value": {"string_value": "EUR"}}]
    always = {"event_timestamp": MICROS, "user_pseudo_id": "v", "user_id": "u", "event_params": euros}
    yield {**always, "event_name": "session_start"}
    yield {**always, "event_name": "purchase", "ecommerce": {"transaction_id": "ga4"}, "items": items}


def snowplow_lines():
    names = file_columns(FEEDS["snowplow"])
    products = [{"id": f"p{place}", "category": "c", "currency": "EUR", **each} for place, each in enumerate(LINES)]
    held = [*(("product", product) for product in products), ("transaction", {"transaction_id": "snowplow"})]
    contexts = {"data": [{"schema": f"{VENDOR}/{name}/jsonschema/1-0-0", "data": data} for name, data in held]}
    action = {"data": {"schema": f"{VENDOR}/snowplow_ecommerce_action/jsonschema/1-0-2",
                       "data": {"type": "transaction"}}}  # fmt: skip
    always = {"collector_tstamp": "2025-03-01 10:00:00.000", "user_id": "u"}
    bought = {"event": "unstruct", "event_name": "snowplow_ecommerce_action", "contexts": json.dumps(contexts),
              "unstruct_event": json.dumps(action)}  # fmt: skip
    for event in ({"event_id": "e0", "event": "page_view", "event_name": "page_view"}, {"event_id": "e1", **bought}):
        yield "\t".join({**always, **event}.get(name, "") for name in names)


@pytest.mark.long
def test_an_order_is_the_same_whoever_tells_of_it(shelf, tmp_path):
    files = {"segment": "calls.jsonl", "ga4": "events.jsonl", "snowplow": "good.tsv"}
    texts = [map(json.dumps, segment_calls()), map(json.dumps, ga4_events()), snowplow_lines()]
    for name, lines in zip(files.values(), texts, strict=True):
        (tmp_path / name).write_text("\n".join(lines))

    shelf.run(*((feed, tmp_path / name) for feed, name in files.items()), until="validate")

    books = {b.feed: (b.rows_in, b.rows_accepted, b.rows_rejected, b.rows_duplicate, b.rows_ignored)
             for b in shelf.read(BATCHES).collect()}  # fmt: skip
    assert books == dict.fromkeys(files, (3, 2, 0, 0, 1))
    assert {(o.order_id, o.user_id, o.gross) for o in shelf.read(ORDERS).collect()} == {
        (feed, "u", Decimal(27)) for feed in files
    }
    assert {e.event_time.timestamp() for e in shelf.read(EVENTS).collect()} == {int(MICROS) / 1e6}
