"""Raw rows as events: who is who, when it was, and every rule that is broken."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from shoal.sources import FEEDS
from shoal.sources.mapping import Shop, count_ignored, main_currency

SHOAL, RETAIL, CLICKS = FEEDS["shoal"], FEEDS["online_retail"], FEEDS["retailrocket"]
EURO_SHOP = Shop("Europe/Berlin", "EUR")
DELIVERED = datetime(2025, 4, 1, tzinfo=UTC)


def row(position: int = 2, file: str = "a.csv", **values: Any) -> dict[str, Any]:
    """A row of bronze: where it came from is no part of what it says."""
    return {
        "extra": {}, "source_file": file, "position": position, "batch_id": "b1", "delivered_at": DELIVERED, **values,
    }  # fmt: skip


def line(invoice: str, item: str, position: int = 2, file: str = "a.csv", **values: Any) -> dict[str, Any]:
    bought = {
        "InvoiceNo": invoice, "StockCode": item, "Quantity": "1", "InvoiceDate": "2011-01-05T10:00:00",
        "UnitPrice": "2.5", "CustomerID": "17", "Country": "EIRE",
    }  # fmt: skip
    return row(position, file, **{**bought, **values})


def event(**values: Any) -> dict[str, Any]:
    """A row of the feed `shoal`."""
    return row(**{"event_type": "view", "event_time": "2025-03-01T10:00:00Z", "item_id": "mug", **values})


def ids(events) -> list[tuple[str, str]]:
    """Who every event is and what it says, without where it lay."""
    return sorted((e.event_id, e.content_hash) for e in events.select("event_id", "content_hash").collect())


# -- ids --------------------------------------------------------------------------------------------------------


@pytest.fixture
def orders() -> list[dict[str, Any]]:
    """Two invoices: the first has a mug three times and a jug once, the second a mug twice."""
    lines = [("1", "mug"), ("1", "jug"), ("1", "mug"), ("1", "mug"), ("2", "mug"), ("2", "mug")]
    return [line(*each, position=2 + place) for place, each in enumerate(lines)]


def test_repeats_in_one_file_are_events_of_their_own_where_the_feed_says_so(frame, judge, orders):
    raw = frame(RETAIL.table, *orders)
    clicks = [row(place, timestamp="1", visitorid="7", event="view", itemid="3") for place in (2, 3)]

    kept = ids(judge(raw, RETAIL))
    dropped = ids(judge(raw, RETAIL, duplicate_lines="drop"))
    of_a_log = ids(judge(frame(CLICKS.table, *clicks), CLICKS))

    assert len({event_id for event_id, _ in kept}) == len(orders)
    assert len({content for _, content in kept}) == len({event_id for event_id, _ in dropped}) == 3  # kinds of lines
    assert len(set(of_a_log)) == 1


def test_a_file_cut_between_orders_or_delivered_again_brings_the_same_events(frame, judge, orders):
    first, second = orders[:4], orders[4:]
    halves = [{**each, "source_file": "first.csv"} for each in first]
    halves += [{**each, "source_file": "second.csv", "position": 2 + place} for place, each in enumerate(second)]
    later = {"batch_id": "b2", "delivered_at": datetime(2025, 5, 1, tzinfo=UTC)}
    again = [{**each, **later, "source_file": "copy.csv"} for each in orders]

    whole = ids(judge(frame(RETAIL.table, *orders), RETAIL))

    assert ids(judge(frame(RETAIL.table, *halves), RETAIL)) == whole
    assert ids(judge(frame(RETAIL.table, *orders, *again), RETAIL)) == sorted(whole * 2)


@pytest.mark.parametrize("place", [0, 3, 6], ids=["first", "in between", "last"])
def test_a_file_that_grew_brings_the_same_events_and_one_for_each_new_row(frame, judge, orders, place):
    """A fourth mug of the first invoice, wherever it is put, is the fourth: the old ones keep their ids."""
    more = [*orders[:place], line("1", "mug"), *orders[place:]]
    grown = [{**each, "position": 2 + number} for number, each in enumerate(more)]

    before, after = ids(judge(frame(RETAIL.table, *orders), RETAIL)), ids(judge(frame(RETAIL.table, *grown), RETAIL))

    assert len(set(after)) == len(orders) + 1
    assert {*before} < {*after}


def test_row_order_and_partitioning_change_no_id(frame, judge, orders):
    def by_position(raw):
        return {e.position: e.event_id for e in judge(raw, RETAIL).select("position", "event_id").collect()}

    usual = by_position(frame(RETAIL.table, *orders))

    assert by_position(frame(RETAIL.table, *reversed(orders)).repartition(5, "position")) == usual


def test_the_content_is_what_is_said_not_how_it_came(frame, judge):
    same = [
        event(extra={"a": "1", "b": "2"}),
        event(extra={"b": "2", "a": "1"}, position=9, source_file="b.csv", batch_id="b2"),
        event(extra={"a": "1", "b": "2"}, event_time="2025-03-01T10:00:00"),  # the feed's zone is UTC
    ]
    other = [event(), event(item_id="jug"), event(user_id="7"), event(is_deleted="true"), event(extra={"a": "1"})]

    events = judge(frame(SHOAL.table, *same, *other), SHOAL).select("content_hash").collect()

    hashes = [e.content_hash for e in events]
    assert len(set(hashes[:3])) == 1
    assert len(set(hashes)) == 1 + len(other)


def test_the_feeds_own_id_wins_and_the_rest_is_told_apart_by_the_natural_key(frame, judge):
    rows = [
        event(event_id=" e1 "), event(event_id="e1", item_id="jug"),
        event(user_id="7"), event(visitor_id="7"), event(item_id="mug7"), event(item_id="mug7", rating="4"),
    ]  # fmt: skip
    found = [e.event_id for e in judge(frame(SHOAL.table, *rows), SHOAL).select("event_id").collect()]

    assert found[:2] == ["e1", "e1"]
    assert len(set(found[2:5])) == 3  # the same text in another column is another event
    assert found[4] == found[5]  # a rating is no part of who an event is
    assert all(len(event_id) == 32 for event_id in found[2:])  # 128 bits in hex


def test_signs_that_ids_are_made_with_part_and_merge_nobody(frame, judge):
    """U+001F stands between the parts of a natural key, U+0000 for one that is null."""
    rows = [
        event(user_id="7\x1f8", visitor_id="9"), event(user_id="7", visitor_id="8\x1f9"), event(user_id="7\x1f8\x1f9"),
        event(user_id="\x00"), event(),
    ]  # fmt: skip
    found = [e.event_id for e in judge(frame(SHOAL.table, *rows), SHOAL).select("event_id").collect()]

    assert len(set(found)) == len(rows)


def test_without_order_ids_what_one_person_bought_at_one_moment_is_one_order(frame, judge):
    bought = {"event_type": "purchase", "user_id": "7"}
    rows = [
        event(**bought), event(**bought, item_id="jug"), event(**bought, event_time="2025-03-01T10:00:01Z"),
        event(**{**bought, "user_id": "8"}), event(**{**bought, "user_id": None, "visitor_id": "v"}),
        event(**{**bought, "user_id": None}), event(**{**bought, "user_id": None}, item_id="jug"),
        event(**bought, order_id="o1"),
        event(user_id="7"), event(user_id="7", event_type="cart"), event(user_id="7", event_type="return"),
    ]  # fmt: skip
    orders = [e.order_id for e in judge(frame(SHOAL.table, *rows), SHOAL).select("order_id").collect()]

    assert orders[0] == orders[1]  # mug and jug
    assert len(set(orders[1:7])) == 6  # another second, user, visitor; of strangers every line is by itself
    assert None not in orders[:7]
    assert all(re.fullmatch("[0-9a-f]{32}", order) for order in orders[:7])  # nothing of who bought
    assert orders[7] == "o1"
    assert orders[8:] == [None] * 3


def test_a_feed_may_keep_columns_in_extra_too(frame, judge):
    feed = replace(SHOAL, kept={"kind": "upper(event_type)", "query": "query"})
    raw = frame(SHOAL.table, event(extra={"a": "1", "kind": "of the file"}), event(query="mug"))

    assert [e.extra for e in judge(raw, feed).collect()] == [
        {"a": "1", "kind": "VIEW"},
        {"kind": "VIEW", "query": "mug"},
    ]


# -- rows that are no events -----------------------------------------------------------------------------------


def test_an_ignored_row_is_no_candidate_and_what_could_not_be_read_is_judged(frame, judge):
    feed = replace(SHOAL, ignored="event_type = 'page'")
    page = event(event_type="page", item_id=None)
    bad = [{**page, "malformed": "{page"}, {**page, "user_id": "m\ufffdller"}]
    raw = frame(SHOAL.table, event(), event(event_type=None), page, page, *bad)

    found = [e.reasons for e in judge(raw, feed).collect()]

    assert count_ignored(raw, feed) == 2
    assert len(found) == 4
    assert found[:2] == [[], ["event_type is set"]]  # null is not ignored
    assert [{"the row fits its header", "the row is text in UTF-8"} & {*reasons} for reasons in found[2:]] == [
        {"the row fits its header"}, {"the row is text in UTF-8"},
    ]  # fmt: skip


def test_ignored_rows_change_no_id(frame, judge):
    """Three times the same line, and of another invoice that is ignored."""
    feed = replace(RETAIL, ignored="InvoiceNo = '9'")
    lines = [line("1", "mug", position) for position in (2, 4, 6)]
    others = [line("9", "mug", position) for position in (3, 5)]

    assert ids(judge(frame(RETAIL.table, *lines, *others), feed)) == ids(judge(frame(RETAIL.table, *lines), RETAIL))
    assert count_ignored(frame(RETAIL.table, *others), RETAIL) == 0  # who ignores nothing


def test_the_currency_of_ignored_rows_does_not_count(frame):
    feed = replace(SHOAL, ignored="event_type = 'page'")
    pages = [event(event_type="page", currency="USD")] * 2

    assert main_currency(frame(SHOAL.table, *pages, event(currency="EUR")), feed) == "EUR"


# -- times ------------------------------------------------------------------------------------------------------

# London's clock in 2011, by hand: +00:00 until 27 March 01:00, +01:00 until 30 October 02:00, then +00:00 again.
LONDON = {
    "2011-03-26T23:30:00": "2011-03-26 23:30",
    "2011-03-27T00:30:00": "2011-03-27 00:30",
    "2011-03-27T01:30:00": "2011-03-27 01:30",  # was never on the clock: half an hour after 01:00, which became 02:00
    "2011-03-27T02:30:00": "2011-03-27 01:30",
    "2011-03-27T23:30:00": "2011-03-27 22:30",
    "2011-06-01T00:30:00": "2011-05-31 23:30",
    "2011-10-30T00:30:00": "2011-10-29 23:30",
    "2011-10-30T01:30:00": "2011-10-30 00:30",  # was on the clock twice: the first time
    "2011-10-30T02:30:00": "2011-10-30 02:30",
    "2011-10-30T23:30:00": "2011-10-30 23:30",
}


def test_days_are_the_shops_and_times_are_utc_also_when_clocks_change(frame, judge):
    lines = [line("1", "mug", InvoiceDate=local) for local in LONDON]
    events = judge(frame(RETAIL.table, *lines), RETAIL)

    found = events.selectExpr("raw.InvoiceDate", "date_format(event_time, 'yyyy-MM-dd HH:mm')", "event_date").collect()

    assert {local: utc for local, utc, _ in found} == LONDON
    assert all(day == date.fromisoformat(local[:10]) for local, _, day in found)


def test_the_day_is_that_of_the_shop_not_of_the_feed(frame, judge):
    late = frame(SHOAL.table, event(event_time="2025-03-01T23:30:00Z"))
    days = [judge(late, SHOAL, Shop(zone, None)).first().event_date for zone in ("UTC", "Europe/Berlin")]

    assert days == [date(2025, 3, 1), date(2025, 3, 2)]


def test_a_time_that_no_calendar_holds_rejects_its_row_and_no_other(frame, judge):
    nanoseconds, microseconds = str(1_433_221_332_117_000_000), str(1_433_221_332_117_000)
    stamps = ["1433221332117", nanoseconds, microseconds, "-99999999999999"]
    clicks = [row(timestamp=stamp, visitorid="7", event="view", itemid="3") for stamp in stamps]
    times = ["2025-03-01T10:00:00Z", "+12025-03-01T10:00:00Z", "9999-12-31T23:59:59", "08:26", "soon", None]

    of_clicks = judge(frame(CLICKS.table, *clicks), CLICKS).select("event_time", "event_date", "reasons").collect()
    of_events = judge(frame(SHOAL.table, *(event(event_time=t) for t in times)), SHOAL).select("reasons").collect()

    assert [c.reasons for c in of_clicks] == [[], *[["event_time is set"]] * 3]
    assert [c.event_date for c in of_clicks] == [date(2015, 6, 2), None, None, None]
    no_time, unset = "event_time is a time", "event_time is set"
    assert [set(e.reasons) for e in of_events] == [
        set(), {unset, no_time}, {unset, no_time}, {unset, no_time}, {unset, no_time}, {unset},
    ]  # fmt: skip


# -- rules ------------------------------------------------------------------------------------------------------


def test_every_rule_that_a_row_breaks_is_named(frame, judge):
    good = event(event_type="purchase", quantity="2", unit_price="4.95", currency="EUR")
    bad = {
        "event_type is one of its allowed values": {"event_type": "bought"},
        "quantity is a whole number": {"quantity": "2.5"},
        "unit_price >= 0": {"unit_price": "-4.95"},
        "currency is the shop's": {"currency": "USD"},
        "item_id is set for what is done to an item": {"item_id": None},
        "event_time is not after delivered_at": {"event_time": "2025-04-02T00:00:01Z"},  # a day and a second
        "line_kind is one of its allowed values": {"line_kind": "thing"},
        "discount_amount is a number": {"discount_amount": "half"},
        "rating >= 0": {"rating": "-1"},
        "updated_at is a time": {"updated_at": "yesterday"},
        "the row fits its header": {"malformed": "a,b,c"},
    }
    at_once = {name: value for values in bad.values() for name, value in values.items()}
    rows = [good, *({**good, **values} for values in bad.values()), {**good, **at_once}]

    found = [set(e.reasons) for e in judge(frame(SHOAL.table, *rows), SHOAL, EURO_SHOP).select("reasons").collect()]

    assert found[0] == set()
    assert found[1:-1] == [{rule} for rule in bad]
    assert found[-1] == bad.keys()


def test_an_amount_that_money_cannot_hold_is_rejected(frame, judge):
    dear = event(event_type="purchase", unit_price="999999999999", currency="EUR")  # 12 digits, all that fit
    rows = [{**dear, "quantity": quantity} for quantity in ("1", "2")]

    one, two = judge(frame(SHOAL.table, *rows), SHOAL, EURO_SHOP).select("amount_base", "reasons").collect()

    assert (one.amount_base, one.reasons) == (Decimal(999_999_999_999), [])
    assert (two.amount_base, two.reasons) == (None, ["the amount fits"])


def test_money_is_of_one_currency(frame, judge):
    paid = [event(event_type="purchase", unit_price="1", currency=name) for name in ("EUR", " eur ", None, "USD")]
    rows = [*paid, event()]

    in_euros = judge(frame(SHOAL.table, *rows), SHOAL, EURO_SHOP).select("currency", "reasons").collect()
    in_none = judge(frame(SHOAL.table, *rows), SHOAL, Shop("UTC", None)).select("reasons").collect()

    refused = ["currency is the shop's"]
    assert [(e.currency, e.reasons) for e in in_euros] == [
        ("EUR", []), ("EUR", []), ("EUR", []), ("USD", refused), (None, []),
    ]  # fmt: skip
    assert [e.reasons for e in in_none] == [
        refused,
        refused,
        [],
        refused,
        [],
    ]  # no money is settled: none can be the shop's


def test_a_feeds_own_money_stays_what_it_is(frame, judge):
    """Pounds are not euros because the shop counts in euros."""
    rows = [line("1", "mug")]

    (in_euros,) = judge(frame(RETAIL.table, *rows), RETAIL, EURO_SHOP).select("currency", "reasons").collect()
    (in_pounds,) = judge(frame(RETAIL.table, *rows), RETAIL, Shop("UTC", "GBP")).select("currency", "reasons").collect()

    assert (in_euros.currency, in_euros.reasons) == ("GBP", ["currency is the shop's"])
    assert (in_pounds.currency, in_pounds.reasons) == ("GBP", [])


def test_the_main_currency_is_the_one_most_rows_name(frame):
    def main(*names):
        return main_currency(frame(SHOAL.table, *(event(currency=name) for name in names)), SHOAL)

    assert main("EUR", "usd", " USD", None, None, None) == "USD"
    assert main("USD", "EUR") == "EUR"  # ties by name
    assert main(None, "money") is None
    assert main_currency(frame(RETAIL.table), RETAIL) == "GBP"  # the feed's own
