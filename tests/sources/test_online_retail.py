"""Every kind of invoice line: what it becomes, and every rule it breaks where it becomes nothing."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import functions as F

from shoal.sources import FEEDS

RETAIL = FEEDS["online_retail"]

PLAIN = {
    "InvoiceNo": "536365", "StockCode": "85123A", "Description": "HEART T-LIGHT", "Quantity": "6",
    "InvoiceDate": "2010-12-01T08:26:00", "UnitPrice": "2.55", "CustomerID": "17850", "Country": "United Kingdom",
    "extra": {}, "source_file": "a.csv", "position": 2, "batch_id": "b1",
    "delivered_at": datetime(2012, 1, 1, tzinfo=UTC),
}  # fmt: skip

NO_KIND = {"event_type is set", "the invoice is a plain or a cancelling one"}
NO_PIECES, NO_PRICE = "quantity >= 1", "UnitPrice > 0"
LINES: dict[str, tuple[dict[str, Any], str | None, set[str]]] = {
    # name: (what differs from the plain line, event_type, broken rules)
    "a plain line": ({}, "purchase", set()),
    "a guest's": ({"CustomerID": None}, "purchase", set()),
    "untitled": ({"Description": None}, "purchase", set()),
    "a tenth of a penny": ({"UnitPrice": "0.001"}, "purchase", set()),
    "a return": ({"InvoiceNo": "C536379", "Quantity": "-6"}, "return", set()),
    "a return in small letters": ({"InvoiceNo": "c536379", "Quantity": "-6"}, "return", set()),
    "a return of a fee": ({"InvoiceNo": "C536379", "Quantity": "-1", "StockCode": "M"}, "return", set()),
    "a return that gives": ({"InvoiceNo": "C536379"}, "return", {NO_PIECES}),
    "a purchase that takes": ({"Quantity": "-6"}, "purchase", {NO_PIECES}),
    "nothing bought": ({"Quantity": "0"}, "purchase", {NO_PIECES}),
    "for free": ({"UnitPrice": "0"}, "purchase", {NO_PRICE}),
    "stock written off": ({"UnitPrice": "0", "Quantity": "-6", "CustomerID": None}, "purchase", {NO_PIECES, NO_PRICE}),
    "a bad debt": ({"InvoiceNo": "A563185", "StockCode": "B", "UnitPrice": "11062.06"}, None, NO_KIND),
    "a bad debt's other side": (
        {"InvoiceNo": "A563186", "StockCode": "B", "UnitPrice": "-11062.06"}, None,
        NO_KIND | {NO_PRICE, "unit_price >= 0"},
    ),
    "no invoice": ({"InvoiceNo": None}, None, {"event_type is set"}),
    "no article": ({"StockCode": None}, "purchase", {"item_id is set for what is done to an item"}),
    "no quantity": ({"Quantity": None}, "purchase", {"Quantity is set"}),
    "no price": ({"UnitPrice": None}, "purchase", {"UnitPrice is set"}),
    "no date": ({"InvoiceDate": None}, "purchase", {"event_time is set"}),
    "nothing readable": (
        {"Quantity": "six", "UnitPrice": "free", "InvoiceDate": "today", "CustomerID": "Bob"}, "purchase",
        {"Quantity is a whole number", "UnitPrice is a number", "InvoiceDate is a time", "event_time is set",
         "CustomerID is a whole number"},
    ),
    "more than fits": ({"Quantity": str(2**31)}, "purchase", {"Quantity fits"}),
    "less than fits, cancelled": ({"InvoiceNo": "C1", "Quantity": str(-(2**63))}, "return", {"Quantity fits"}),
}  # fmt: skip

KINDS = {
    "goods": ["85123A", "22139", "DCGS0003", "GIFTWRAP", "POSTCARD", "BANK", "D2", "SS"],
    "shipping": ["POST", "DOT", "C2", " post "],
    "fee": ["BANK CHARGES", "AMAZONFEE", "CRUK"],
    "discount": ["D"],
    "adjustment": ["M", "B", "m"],
    "sample": ["S"],
    "voucher": ["gift_0001_20", "GIFT_0001_50"],
}


def test_every_line_becomes_its_event_or_is_rejected_with_all_that_is_wrong(frame, judge):
    rows = [{**PLAIN, **values, "source_file": name} for name, (values, _, _) in LINES.items()]

    found = judge(frame(RETAIL.table, *rows), RETAIL).select("source_file", "event_type", "reasons").collect()

    assert {e.source_file: (e.event_type, set(e.reasons)) for e in found} == {
        name: (event_type, broken) for name, (_, event_type, broken) in LINES.items()
    }


def test_the_article_code_says_what_kind_of_line_it_is(frame, judge):
    rows = [{**PLAIN, "StockCode": code} for codes in KINDS.values() for code in codes]

    found = judge(frame(RETAIL.table, *rows), RETAIL).select("raw.StockCode", "line_kind").collect()

    assert {e.StockCode: e.line_kind for e in found} == {code: kind for kind, codes in KINDS.items() for code in codes}


def test_an_event_says_what_the_line_said(frame, judge):
    cancelled = {"InvoiceNo": "C536379", "Quantity": "-6", "CustomerID": None}
    # Bronze keeps spaces around text; an event does not.
    spaced = {"InvoiceNo": " 536365 ", "StockCode": " 85123A", "Description": "  ", "Country": "EIRE "}
    rows = [{**PLAIN, **values, "position": place} for place, values in enumerate(({}, cancelled, spaced))]

    bought, returned, trimmed = judge(frame(RETAIL.table, *rows), RETAIL).orderBy("position").collect()

    assert bought.event_time == datetime(2010, 12, 1, 8, 26)  # noqa: DTZ001 - London's clock in winter is UTC
    assert (bought.user_id, bought.item_id, bought.item_title) == ("17850", "85123A", "HEART T-LIGHT")
    assert (bought.quantity, bought.unit_price, bought.currency) == (6, Decimal("2.55"), "GBP")
    assert bought.amount_base == 6 * Decimal("2.55")
    assert (bought.order_id, bought.region, bought.source) == ("536365", "United Kingdom", "online_retail")
    # The type is the sign: pieces and money of a return are positive.
    assert (returned.quantity, returned.amount_base) == (6, 6 * Decimal("2.55"))
    assert (returned.user_id, returned.order_id) == (None, "C536379")
    assert (trimmed.order_id, trimmed.item_id, trimmed.region) == ("536365", "85123A", "EIRE")
    assert trimmed.item_title is None


def test_the_whole_file_is_known_to_the_line(read, judge, data, compiled):
    """What the literature counts after the usual cleaning, and what is cleaned away, with every reason."""
    raw = read(RETAIL, data / "online_retail" / "online_retail.parquet")
    kinds = judge(raw, RETAIL).groupBy("event_type", F.expr("user_id IS NOT NULL").alias("is_known"), "reasons")
    with compiled():
        found = kinds.agg(F.count(F.lit(1)).alias("lines"), F.sum("amount_base").alias("money")).collect()

    good = {(k.event_type, k.is_known): (k.lines, k.money) for k in found if not k.reasons}
    assert good["purchase", True] == (397_884, Decimal("8911407.904"))
    assert good["purchase", False] == (132_219, Decimal("1744214.58"))
    assert {key: lines for key, (lines, _) in good.items() if key[0] == "return"} == {
        ("return", True): 8_905, ("return", False): 383,
    }  # fmt: skip
    bad: Counter[frozenset[str]] = Counter()
    for kind in found:
        if kind.reasons:
            bad[frozenset(kind.reasons)] += kind.lines
    assert bad == {  # 2,515 lines at price 0, of which 1,336 have no positive quantity either; three A-invoices
        frozenset({NO_PRICE}): 2_515 - 1_336, frozenset({NO_PRICE, NO_PIECES}): 1_336,
        frozenset(NO_KIND): 1, frozenset(NO_KIND | {NO_PRICE, "unit_price >= 0"}): 2,
    }  # fmt: skip
