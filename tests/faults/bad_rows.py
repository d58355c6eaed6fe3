"""Kinds of bad rows, as a table: what is put into which column of a good row, and every rule that it then breaks.

A row that breaks no rule has an empty set: it looks odd, and is taken as it is meant.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shoal.sources import FEEDS

DELIVERED = datetime(2025, 4, 1, tzinfo=UTC)  # modification time of the files
FITS, UTF8 = "the row fits its header", "the row is text in UTF-8"
NO_TYPE, NO_TIME = "event_type is set", "event_time is set"
TYPE, ITEM = "event_type is one of its allowed values", "item_id is set for what is done to an item"
MONEY, AMOUNT, LATE = "currency is the shop's", "the amount fits", "event_time is not after delivered_at"
KIND, DELETED = "line_kind is one of its allowed values", "is_deleted is true or false"


@dataclass(frozen=True)
class BadRow:
    """One line of a file, and the rules that its row breaks."""

    what: str
    line: bytes
    reasons: frozenset[str]


@dataclass(frozen=True)
class BadFile:
    """Lines of one feed that are read together, good ones between them; currency is that of the shop."""

    feed: str
    name: str
    header: bytes | None
    rows: tuple[BadRow, ...]
    currency: str | None = "EUR"

    @property
    def content(self) -> bytes:
        """The file."""
        return b"".join(line + b"\n" for line in ([self.header] if self.header else []) + [r.line for r in self.rows])

    @property
    def bad(self) -> list[BadRow]:
        """The rows that break a rule."""
        return [row for row in self.rows if row.reasons]


@dataclass(frozen=True)
class Verbatim:
    """JSON as it is written, also where it is none."""

    text: str


# -- values ---------------------------------------------------------------------------------------------------------

NOT_TIMES = (
    "2025-02-31T10:00:00Z", "2025-02-29T10:00:00Z", "2025-04-31", "2025-13-01T10:00:00Z", "2025-00-10T10:00:00Z",
    "2025-03-00", "2025-03-32", "2025-03-01T24:00:00Z", "2025-03-01T10:60:00Z", "2025-03-01T23:59:60Z",
    "2025-03-01T10:00:00+25:00", "2025-03-01T10:00:00 Mars/Base", "2025-03-01T10:00:00ZZ", "2025-03-01T10.30.00Z",
    "2025-03-01 10:00:00 AM", "2025-060", "2025-W09-6", "2025-3O-01", "2025-03-01T10:00:00Z; 2025-03-02", "2025-",
    "2025/03/01 10:00", "01.03.2025", "03/01/2025", "March 1, 2025", "Sat, 01 Mar 2025 10:00:00 GMT", "25-03-01",
    "20250301", "20250301T100000Z", "10:00", "now", "today", "yesterday", "epoch", "NaT", "null", "-", "?", "true",
    "1740823200", "1740823200000", "45717.4166", "0x67C2D5A0", "99999-01-01", "+12025-03-01T10:00:00Z",
    "-2025-03-01T10:00:00Z", "\u0662\u0660\u0662\u0665-03-01", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", Verbatim("1740823200"), Verbatim("true"), Verbatim("[2025, 3, 1]"), Verbatim("{}"),
)  # fmt: skip
SOME_NOT_TIMES = ("2025-02-31T10:00:00Z", "2025-03-01T24:00:00Z", "yesterday", "1740823200", "01.03.2025",
                  "9999-12-31T23:59:59Z", Verbatim("[]"))  # fmt: skip
NOT_WHOLE = (
    "2.5", "1,000", "1.000,5", "1 000", "1_000", "--5", "+-5", "5-", "5 pcs", "five", "\u00bd", "\u0665", "0x10",
    "1e400", "Infinity", "-Infinity", "9223372036854775808", "-9223372036854775809", "1" * 1200, "true", "1;2", "$1",
    Verbatim("2.5"), Verbatim("1e400"), Verbatim("true"), Verbatim("[1]"), Verbatim('{"n": 1}'), Verbatim("Infinity"),
)  # fmt: skip
NOT_NUMBERS = (
    "abc", "free", "1,50", "1.000,50", "1.2.3", "\u20ac5", "$5", "5 EUR", "5,-", "5-", "(5)", "--5", "5%", "1/2",
    "\u00bd", "0x1F", "Infinity", "-Infinity", "1e400", "1e30", "1234567890123", "9" * 60, "true", "5;6",
    Verbatim("1e30"), Verbatim("true"), Verbatim("[5]"), Verbatim('{"amount": 5}'), Verbatim("-Infinity"),
)  # fmt: skip
SOME_NOT_NUMBERS = ("half", "1,50", "1e30", "Infinity", Verbatim("[5]"))
EMPTY = (None, "", "   ")

# -- the feed shoal, as lines of JSON -------------------------------------------------------------------------------

SALE = {
    "event_type": "purchase", "event_time": "2025-03-01T10:00:00Z", "user_id": "u1", "item_id": "mug", "quantity": 1,
    "unit_price": 9.5, "currency": "EUR", "order_id": "o1", "line_kind": "goods",
}  # fmt: skip
OF_SHOAL: tuple[tuple[str, tuple[Any, ...], set[str]], ...] = (
    ("event_time", NOT_TIMES, {"event_time is a time", NO_TIME}),
    ("event_time", (*EMPTY, Verbatim("NaN")), {NO_TIME}),
    ("event_time", ("2199-01-01T00:00:00Z", "9998-12-31T00:00:00Z", "2025-04-02T00:00:01Z"), {LATE}),
    ("updated_at", SOME_NOT_TIMES, {"updated_at is a time"}),
    ("previous_event_time", SOME_NOT_TIMES, {"previous_event_time is a time"}),
    ("event_type", EMPTY, {NO_TYPE}),
    ("event_type", ("bought", "Purchase", "PURCHASE", "purchase;view", "pur chase", "1", "\u043a\u0443\u043f\u043b",
                    "purchase\u0000", "\ufeffpurchase", "purchase\u00a0", "null", Verbatim("1"), Verbatim("[]")),
     {TYPE}),
    ("quantity", NOT_WHOLE, {"quantity is a whole number"}),
    ("quantity", ("2147483648", "99999999999", "9223372036854775807", "-2147483649"), {"quantity fits"}),
    ("quantity", ("0", "-0", "-1", "-2147483648", Verbatim("0"), Verbatim("-3.0")), {"quantity >= 1"}),
    ("unit_price", NOT_NUMBERS, {"unit_price is a number"}),
    ("unit_price", ("-0.01", "-5", Verbatim("-1e2")), {"unit_price >= 0"}),
    ("unit_price", ("999999999999.9999999",), {"unit_price is a number"}),
    ("discount_amount", SOME_NOT_NUMBERS, {"discount_amount is a number"}),
    ("discount_amount", ("-0.5",), {"discount_amount >= 0"}),
    ("rating", ("five", "4/5", "4,5", "\u2605\u2605\u2605", "1e30", Verbatim("[5]")), {"rating is a number"}),
    ("rating", ("-1",), {"rating >= 0"}),
    ("duration_s", ("1:30", "PT5M", "90s", "Infinity"), {"duration_s is a number"}),
    ("duration_s", ("-1",), {"duration_s >= 0"}),
    ("currency", ("USD", "usd", "EURO", "E", "\u20ac", "978", "EUR/USD", Verbatim("978"), Verbatim("{}")), {MONEY}),
    ("line_kind", ("thing", "Goods", "GOODS", "goods,shipping", "0", "freight"), {KIND}),
    ("item_id", EMPTY, {ITEM}),
    ("is_deleted", ("maybe", "ja", "nein", "2", "-1", "deleted", "truee", "t rue", "null", Verbatim("2"),
                    Verbatim("[]")), {DELETED}),
)  # fmt: skip
SEVERAL: tuple[tuple[str, dict[str, Any], set[str]], ...] = (
    ("more money than an amount can hold", {"quantity": 2147483647, "unit_price": 999999}, {AMOUNT}),
    ("a currency without a price", {"currency": "USD", "unit_price": None}, {MONEY}),
    ("a price of another currency, of nothing", {"currency": "USD", "item_id": None}, {MONEY, ITEM}),
    ("a view of no item", {"event_type": "view", "item_id": ""}, {ITEM}),
    ("a return of a negative number", {"event_type": "return", "quantity": -1}, {"quantity >= 1"}),
    ("nothing at all", dict.fromkeys(SALE), {NO_TYPE, NO_TIME}),
    ("all of it wrong", {"event_type": "x", "event_time": "x", "quantity": "x", "unit_price": "x", "currency": "x"},
     {TYPE, "event_time is a time", NO_TIME, "quantity is a whole number", "unit_price is a number", MONEY}),
)  # fmt: skip
NO_UTF8 = {
    "Latin-1": b"m\xfcller", "Windows' euro": b"\x80", "Shift-JIS": b"\x83e\x83X\x83g", "half a sign": b"a\xe2\x82",
    "an overlong sign": b"\xc0\xaf", "half a pair": b"\xed\xa0\x80", "beyond Unicode": b"\xf4\x90\x80\x80",
    "a byte that never is": b"\xff", "what another program has lost already": "m\ufffdller".encode(),
}  # fmt: skip
NOT_OBJECTS = {
    "an open brace": b"{", "a closed brace": b"}", "an array": b"[]", "an object in an array": b'[{"event_type": 1}]',
    "text": b'"view"', "a number": b"5", "true": b"true", "null": b"null", "no value": b'{"event_type": }',
    "cut off": json.dumps(SALE).encode()[:-20], "CSV": b"purchase,2025-03-01T10:00:00Z,u1", "XML": b"<event/>",
    "a comment": b"// 2025", "names without quotes": b'{event_type: "view"}', "two texts": b'"a" "b"',
    "NULs": b"\x00\x00\x00\x00", "a tab in a name": b'{"event\ttype": }', "a stray quote": b'{"query": "5" pipe"}',
    "Python's own": b"{'event_type': None}", "an escape that is none": b'{"query": "\\x41"}',
    "deeper than anything": b'{"a":' * 3000 + b"1" + b"}" * 3000, "no end": b'{"query": "' + b"x" * 5000,
}  # fmt: skip
SEVERAL_OBJECTS = {
    "two events on a line": b"%(a)s%(b)s", "two events and a space": b"%(a)s %(b)s", "two events and a comma":
    b"%(a)s,%(b)s", "an event and half of another": b"%(a)s{", "a name twice": b'{"event_type": "view", %(inner)s}',
    "an unknown name twice": b'{"x": 1, "x": 2, %(inner)s}',
}  # fmt: skip
ODD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("whole numbers with a point", {"quantity": "2.0"}), ("with an exponent", {"quantity": Verbatim("1e3")}),
    ("with signs and spaces", {"quantity": " +3 "}), ("more places than money has", {"unit_price": "1.23456789"}),
    ("Arabic digits", {"unit_price": "\u0665"}),
    ("no number", {"unit_price": Verbatim("NaN"), "rating": Verbatim("NaN")}), ("as small", {"currency": " eur "}),
    ("no currency", {"currency": None}), ("yes", {"is_deleted": "yes"}), ("1", {"is_deleted": Verbatim("1")}),
    ("a time with a zone's name", {"event_time": "2025-03-01 10:00:00 Europe/Berlin"}),
    ("a time that the clock skipped", {"event_time": "2025-03-30T02:30:00 Europe/Berlin"}),
    ("a date", {"event_time": "2025-03-01"}), ("nanoseconds", {"event_time": "2025-03-01T10:00:00.123456789Z"}),
    ("signs", {"item_id": "a/b,c;d'e\"f\\g%h\u001f\u0000i"}), ("another script", {"user_id": "\u738b\U0001f600"}),
    ("a long id", {"item_id": "i" * 50_000}), ("right to left", {"query": "\u202eabc"}), ("a tag", {"query": "<b>"}),
    ("a formula", {"query": "=1+1"}), ("SQL", {"user_id": "'; DROP TABLE events; --"}), ("half a pair", {"query":
     Verbatim('"\\ud800"')}), ("a deep value", {"more": {"a": [{"b": [1, {"c": None}]}]}}), ("a table", {"more": [[]]}),
)  # fmt: skip


def _json(values: dict[str, Any], number: int) -> bytes:
    named = {"event_id": f"k{number}", **values}
    parts = (f"{json.dumps(k)}: {v.text if isinstance(v, Verbatim) else json.dumps(v)}" for k, v in named.items())
    return ("{" + ", ".join(parts) + "}").encode()


def _said(value: object) -> str:
    return (value.text if isinstance(value, Verbatim) else repr(value))[:40]


def _of_shoal() -> Iterator[tuple[str, bytes, set[str]]]:
    number = iter(range(10**6))
    yield "a good row", _json(SALE, next(number)), set()
    for column, values, reasons in OF_SHOAL:
        for value in values:
            yield f"{column}: {_said(value)}", _json({**SALE, column: value}, next(number)), reasons
    for what, changes, reasons in SEVERAL:
        yield what, _json({**SALE, **changes}, next(number)), reasons
    for what, sign in NO_UTF8.items():
        for column in ("user_id", "item_id"):
            line = _json({**SALE, column: "@here@"}, next(number)).replace(b"@here@", sign)
            yield f"{column} in {what}", line, {UTF8}
    nothing = {FITS, NO_TYPE, NO_TIME}
    for what, line in NOT_OBJECTS.items():
        yield what, line, nothing
    for what, form in SEVERAL_OBJECTS.items():
        a, b = _json(SALE, next(number)), _json(SALE, next(number))
        yield what, form % {b"a": a, b"b": b, b"inner": a[1:-1]}, nothing
    for what, changes in ODD:
        yield what, _json({**SALE, **changes}, next(number)), set()
    yield "an array, one element a line", _json(SALE, next(number)) + b" ,", set()
    yield "the last row", _json(SALE, next(number)), set()


# -- feeds of CSV ---------------------------------------------------------------------------------------------------


def _csv(values: Iterable[Any], separator: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow(values)
    return text.getvalue().encode()


def _with(base: dict[str, Any], tag: str, table: Any, separator: str = ",") -> Iterator[tuple[str, bytes, set[str]]]:
    """Rows of CSV: each column in turn, and ``tag`` a column that tells rows apart."""
    numbered = iter(range(1, 10**6))
    yield "a good row", _csv({**base, tag: next(numbered)}.values(), separator), set()
    for column, values, reasons in table:
        for value in values:
            row = {**base, tag: next(numbered), column: value}
            yield f"{column}: {_said(value)}", _csv(row.values(), separator), reasons
    yield "the last row", _csv({**base, tag: next(numbered)}.values(), separator), set()


LINE = {
    "InvoiceNo": "536365", "StockCode": "85123A", "Description": "MUG", "Quantity": "6", "InvoiceDate":
    "12/1/2010 8:26", "UnitPrice": "2.55", "CustomerID": "17850", "Country": "EIRE",
}  # fmt: skip
_WHOLE = ("2.5", "1,000", "--6", "six", "0x6", "1e400", "9223372036854775808", "6 pcs")
OF_RETAIL = (
    ("InvoiceDate", ("13/1/2010 8:26", "2/31/2011 8:26", "2/29/2011 8:26", "0/1/2010 8:26", "12/1/2010 24:00",
                     "12/1/2010 8:60", "12/1/10 8:26", "12-1-2010 8:26", "2011-02-30 10:00", "2011-06-01 25:00",
                     "1 Dec 2010", "40513.35", "8:26", "12/1/2010", "1291191960", "9999-12-31 10:00"),
     {"InvoiceDate is a time", NO_TIME}),
    ("InvoiceDate", ("", "  "), {NO_TIME}),
    ("InvoiceDate", ("6/1/2199 10:00",), {LATE}),
    ("InvoiceNo", ("A563185", "X1", "-536365", "#1"), {"the invoice is a plain or a cancelling one", NO_TYPE}),
    ("InvoiceNo", ("CC536365",), {"the invoice is a plain or a cancelling one", "quantity >= 1"}),
    ("InvoiceNo", ("",), {NO_TYPE}),
    ("Quantity", _WHOLE, {"Quantity is a whole number"}),
    ("Quantity", ("",), {"Quantity is set"}),
    ("Quantity", ("0", "-6"), {"quantity >= 1"}),
    ("Quantity", ("2147483648", "-99999999999"), {"Quantity fits"}),
    ("UnitPrice", ("free", "2,55", "\u00a32.55", "2.55 GBP", "1e30", "Infinity", "--2"), {"UnitPrice is a number"}),
    ("UnitPrice", ("",), {"UnitPrice is set"}),
    ("UnitPrice", ("0", "0.0000001"), {"UnitPrice > 0"}),
    ("UnitPrice", ("-2.55",), {"UnitPrice > 0", "unit_price >= 0"}),
    ("CustomerID", ("guest", "17850.5", "17,850", "1785O"), {"CustomerID is a whole number"}),
    ("StockCode", ("", " "), {ITEM}),
)  # fmt: skip
CANCELLED = (
    ("Quantity", ("6",), {"quantity >= 1"}),
    ("Quantity", ("-2147483648",), {"Quantity fits"}),
    ("UnitPrice", ("-1",), {"UnitPrice > 0", "unit_price >= 0"}),
)
CLICK = {"timestamp": "1433221332117", "visitorid": "17", "event": "view", "itemid": "3", "transactionid": ""}
OF_CLICKS = (
    (
        "timestamp",
        ("2015-06-02", "1433221332117.5", "1.4E12x", "now", "1e400"),
        {"timestamp is a whole number", NO_TIME},
    ),
    ("timestamp", ("", "1433221332117000", "1433221332117000000", "-99999999999999", "9223372036854775807"), {NO_TIME}),
    ("timestamp", ("4433221332117",), {LATE}),
    ("visitorid", ("abc", "17.5", "1,7"), {"visitorid is a whole number"}),
    ("event", ("viewed", "VIEW", "purchase;", "0"), {TYPE}),
    ("event", ("", " "), {NO_TYPE}),
    ("itemid", ("",), {ITEM}),
    ("itemid", ("x3", "3.5"), {"itemid is a whole number"}),
    ("transactionid", ("t1", "1.5"), {"transactionid is a whole number"}),
)
BEHAVIOUR = {"user_id": "1", "item_id": "2268318", "category_id": "25", "behavior": "pv", "timestamp": "1511544070"}
OF_TAOBAO = (
    ("timestamp", ("1511544070000", "1511544070000000", "", "99999999999999999"), {NO_TIME}),
    ("timestamp", ("2017-11-25", "15115x"), {"timestamp is a whole number", NO_TIME}),
    ("behavior", ("PV", "pvv", "like", "3"), {TYPE}),
    ("behavior", ("",), {NO_TYPE}),
    ("user_id", ("u1", "1.5"), {"user_id is a whole number"}),
    ("item_id", ("",), {ITEM}),
    ("item_id", ("i1",), {"item_id is a whole number"}),
)
SEEN = {
    "event_time": "2019-10-01 00:00:00 UTC", "event_type": "view", "product_id": "44600062", "category_code":
    "electronics.phone", "brand": "a", "price": "35.79", "user_id": "541312140", "user_session": "s",
}  # fmt: skip
OF_REES46 = (
    ("event_time", ("2019-10-32 00:00:00 UTC", "10/01/2019", "1569888000", "2019-10-01 00:00:00 XYZ"),
     {"event_time is a time", NO_TIME}),
    ("event_time", ("",), {NO_TIME}),
    ("event_type", ("buy", "View"), {TYPE}),
    ("event_type", ("",), {NO_TYPE}),
    ("product_id", ("",), {ITEM}),
    ("price", ("n/a", "35,79", "1e400"), {"price is a number"}),
    ("price", ("-35.79",), {"unit_price >= 0"}),
)  # fmt: skip

# -- trackers -------------------------------------------------------------------------------------------------------


def _order(number: int, event: str = "Order Completed", line: Any = (), said: Any = (), **call: Any) -> bytes:
    product = {"product_id": "mug", "price": 9.5, "quantity": 1, **dict(line)}
    properties = {"order_id": "o1", "currency": "EUR", "products": [product], **dict(said)}
    told = {"type": "track", "event": event, "messageId": f"m{number}", "userId": "u1",
            "timestamp": "2025-03-01T10:00:00Z", "properties": properties, **call}  # fmt: skip
    return json.dumps(told).encode()


OF_SEGMENT: tuple[tuple[dict[str, Any], set[str]], ...] = (
    ({}, set()),
    ({"line": {"quantity": "two"}}, {"line_quantity is a whole number"}),
    ({"line": {"quantity": 0}}, {"quantity >= 1"}),
    ({"line": {"quantity": -1}}, {"quantity >= 1"}),
    ({"line": {"quantity": 2147483648}}, {"quantity fits"}),
    ({"line": {"quantity": [1]}}, {"line_quantity is a whole number"}),
    ({"line": {"price": "free"}}, {"line_price is a number"}),
    ({"line": {"price": "9,50"}}, {"line_price is a number"}),
    ({"line": {"price": -9.5}}, {"unit_price >= 0"}),
    ({"line": {"price": {"amount": 9.5}}}, {"line_price is a number"}),
    ({"line": {"product_id": None}}, {ITEM}),
    ({"line": {"product_id": " "}}, {ITEM}),
    ({"said": {"products": "none"}}, {ITEM}),
    ({"said": {"products": {"product_id": "mug"}}}, {ITEM}),
    ({"said": {"products": []}}, {ITEM}),
    ({"said": {"currency": "USD"}}, {MONEY}),
    ({"said": {"currency": "EURO"}}, {MONEY}),
    ({"said": {"revenue": "a lot"}}, {"revenue is a number"}),
    ({"said": {"total": "9,50"}}, {"total is a number"}),
    ({"event": "Product Reviewed", "said": {"product_id": "mug", "products": None, "rating": "five"}},
     {"rating is a number"}),
    ({"event": "Product Reviewed", "said": {"product_id": "mug", "products": None, "rating": -5}}, {"rating >= 0"}),
    ({"event": "Product Viewed", "said": {"products": None}}, {ITEM}),
    ({"timestamp": "yesterday"}, {"timestamp is a time", NO_TIME}),
    ({"timestamp": "2025-02-31T10:00:00Z"}, {"timestamp is a time", NO_TIME}),
    ({"timestamp": 1740823200}, {"timestamp is a time", NO_TIME}),
    ({"timestamp": None}, {NO_TIME}),
    ({"timestamp": "2199-03-01T10:00:00Z"}, {LATE}),
    ({"receivedAt": "soon"}, {"received_at is a time"}),
    ({"sentAt": "1740823200"}, {"sent_at is a time"}),
    ({"originalTimestamp": "01.03.2025"}, {"original_timestamp is a time"}),
    ({"userId": "m\ufffdller"}, {UTF8}),
)  # fmt: skip


def _bought(number: int, item: Any = (), currency: str = "EUR", **event: Any) -> bytes:
    params = [{"key": "currency", "value": {"string_value": currency}}]
    told = {"event_name": "purchase", "event_timestamp": 1740823200000000, "user_pseudo_id": f"v{number}",
            "event_params": params, "ecommerce": {"transaction_id": "t1"},
            "items": [{"item_id": "mug", "price": 9.5, "quantity": 1, **dict(item)}], **event}  # fmt: skip
    return json.dumps(told).encode()


OF_GA4: tuple[tuple[dict[str, Any], set[str]], ...] = (
    ({}, set()),
    ({"event_timestamp": "2025-03-01"}, {"event_timestamp is a whole number", NO_TIME}),
    ({"event_timestamp": 1740823200000000.5}, {"event_timestamp is a whole number", NO_TIME}),
    ({"event_timestamp": 1740823200000000000}, {NO_TIME}),
    ({"event_timestamp": None}, {NO_TIME}),
    ({"item": {"quantity": "two"}}, {"quantity is a whole number"}),
    ({"item": {"quantity": 0}}, {"quantity >= 1"}),
    ({"item": {"quantity": 2147483648}}, {"quantity fits"}),
    ({"item": {"price": "9,50"}}, {"price is a number"}),
    ({"item": {"price": -1}}, {"unit_price >= 0"}),
    ({"item": {"item_id": "(not set)"}}, {ITEM}),
    ({"item": {"item_id": ""}}, {ITEM}),
    ({"items": []}, {ITEM}),
    ({"items": "none"}, {ITEM}),
    ({"currency": "USD"}, {MONEY}),
    ({"batch_page_id": "first"}, {"batch_page_id is a whole number"}),
    ({"event_bundle_sequence_id": 1.5}, {"event_bundle_sequence_id is a whole number"}),
)
_ENRICHED = {
    "platform": "web", "collector_tstamp": "2025-03-01 10:00:00.000", "event": "transaction_item", "event_id": "e",
    "ti_orderid": "o1", "ti_sku": "mug", "ti_price": "9.5", "ti_quantity": "1", "ti_currency": "EUR",
}  # fmt: skip
OF_SNOWPLOW: tuple[tuple[dict[str, str], set[str]], ...] = (
    ({}, set()),
    ({"collector_tstamp": "yesterday"}, {"collector_tstamp is a time", NO_TIME}),
    ({"collector_tstamp": "2025-02-31 10:00:00"}, {"collector_tstamp is a time", NO_TIME}),
    ({"derived_tstamp": "1740823200"}, {"derived_tstamp is a time"}),
    ({"collector_tstamp": ""}, {NO_TIME}),
    ({"ti_price": "free"}, {"ti_price is a number"}),
    ({"ti_price": "-1"}, {"unit_price >= 0"}),
    ({"ti_quantity": "two"}, {"ti_quantity is a whole number"}),
    ({"ti_quantity": "0"}, {"quantity >= 1"}),
    ({"ti_quantity": "2147483648"}, {"quantity fits"}),
    ({"ti_sku": ""}, {ITEM}),
    ({"ti_currency": "USD"}, {MONEY}),
    ({"ti_name": '"an open quote'}, set()),
    ({"ti_name": "a NUL\x00 in it"}, set()),
)


def _enriched(number: int, values: dict[str, str]) -> bytes:
    named = {**_ENRICHED, "event_id": f"e{number}", **values}
    fields = [column.name for column in FEEDS["snowplow"].columns if column.source is None]
    return "\t".join(named.get(name, "") for name in fields).encode()


def _file(feed: str, name: str, header: Iterable[str] | None, rows: Any, currency: str | None = "EUR") -> BadFile:
    listed = tuple(BadRow(what, line, frozenset(reasons)) for what, line, reasons in rows)
    return BadFile(feed, name, None if header is None else ",".join(header).encode(), listed, currency)


def _of_trackers(make: Any, table: Any) -> Iterator[tuple[str, bytes, set[str]]]:
    for number, (changes, reasons) in enumerate(table):
        yield repr(changes), make(number, **changes), reasons


BAD_FILES = (
    _file("shoal", "shoal.jsonl", None, _of_shoal()),
    _file("online_retail", "sales.csv", LINE, _with(LINE, "Description", OF_RETAIL), "GBP"),
    _file("online_retail", "returns.csv", LINE, _with({**LINE, "InvoiceNo": "C536379", "Quantity": "-1"},
                                                      "Description", CANCELLED), "GBP"),
    _file("retailrocket", "clicks.csv", CLICK, _with(CLICK, "transactionid", OF_CLICKS), None),
    _file("taobao", "behaviour.csv", None, _with(BEHAVIOUR, "category_id", OF_TAOBAO), None),
    _file("rees46", "seen.csv", SEEN, _with(SEEN, "user_session", OF_REES46)),
    _file("segment", "calls.jsonl", None, _of_trackers(_order, OF_SEGMENT)),
    _file("ga4", "ga4.jsonl", None, _of_trackers(_bought, OF_GA4)),
    _file("snowplow", "enriched.tsv", None,
          ((repr(v), _enriched(n, v), r) for n, (v, r) in enumerate(OF_SNOWPLOW))),
)  # fmt: skip
