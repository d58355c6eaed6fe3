"""Values inside objects and arrays: one row for each element, and nothing of the file is lost."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shoal.errors import DataError
from shoal.sources.declared import FeedFile, declared_feed, problems
from shoal.sources.listing import find_files
from shoal.sources.readers import check_columns, raw_rows

ORDERS = {
    "feed": "orders",
    "explode": "properties.products",
    "columns": {
        "id": {"from": "messageId"}, "at": {"from": "timestamp", "form": "time"}, "kind": {"from": "event"},
        "order_id": {"from": "properties.order_id"}, "city": {"from": "context.place.city", "optional": True},
        "sku": {"from": "properties.products[].sku"},
        "price": {"from": "properties.products[].price", "form": "decimal"},
        "color": {"from": "properties.products[].variant.color"}, "place": {"from": "properties.products[#]"},
    },
    "events": {"event_type": {"value": "purchase"}, "event_time": "at", "item_id": "sku", "order_id": "order_id"},
}  # fmt: skip
MUG = {"sku": "mug", "price": 7.5, "variant": {"color": "red"}}
BOWL = {"sku": "bowl", "price": 12345678.0, "size": "L"}
AT = "2025-03-01T10:00:00Z"
TWO = {"messageId": "m1", "timestamp": AT, "event": "Order Completed", "context": {"place": {"city": "Bern"}},
       "properties": {"order_id": 17, "products": [MUG, BOWL], "coupon": "SPRING"}}  # fmt: skip
NONE = {"messageId": "m2", "timestamp": AT, "event": "Order Completed", "properties": {"order_id": 18, "products": []}}
BARE = {"messageId": "m3", "timestamp": AT, "event": "Order Completed", "properties": {}}
TEXT = {"messageId": "m4", "timestamp": AT, "event": "Order Completed", "properties": {"products": "mug"}}


def feed_of(**changes):
    spec = FeedFile.model_validate({**ORDERS, **changes})
    assert [*problems(spec)] == []
    return declared_feed(spec)


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def read(spark):
    """``read(path)``: the rows of a file, in order."""

    def rows(path, feed=None):
        feed = feed or feed_of()
        files = find_files(spark, str(path))
        check_columns(spark, feed, files)
        found = raw_rows(spark, feed, files, "b").collect()
        return sorted(found, key=lambda row: (row["position"], int(row["place"] or 0) if "place" in row else 0))

    return rows


def test_each_element_is_a_row_with_what_lies_around_it(read, tmp_path):
    mug, bowl = read(lines(tmp_path / "a.jsonl", TWO))

    assert (mug.sku, mug.price, mug.color, mug.place) == ("mug", "7.5", "red", "0")
    assert (bowl.sku, bowl.price, bowl.color, bowl.place) == ("bowl", "12345678", None, "1")
    for row in (mug, bowl):
        assert (row.id, row.order_id, row.city, row.kind) == ("m1", "17", "Bern", "Order Completed")
        assert (row.position, row.malformed) == (1, None)


def test_what_is_not_declared_is_kept_once(read, tmp_path):
    mug, bowl = read(lines(tmp_path / "a.jsonl", TWO | {"userAgent": "x"}))

    assert json.loads(mug.extra["properties"])["products"][1]["size"] == "L"
    assert json.loads(mug.extra["properties"])["coupon"] == "SPRING"
    assert {*bowl.extra} == {"userAgent"}


def test_no_row_of_the_file_is_lost(read, tmp_path):
    found = read(lines(tmp_path / "a.jsonl", TWO, NONE, BARE, TEXT))

    assert [(row.id, row.order_id, row.sku) for row in found] == [
        ("m1", "17", "mug"), ("m1", "17", "bowl"), ("m2", "18", None), ("m3", None, None), ("m4", None, None),
    ]  # fmt: skip
    assert json.loads(found[-1].extra["properties"]) == {"products": "mug"}


def test_only_the_elements_that_are_chosen_make_rows(read, tmp_path):
    feed = replace(feed_of(), elements="element.sku = 'bowl' AND event <> 'Cart Viewed'")
    cart, alone = TWO | {"messageId": "m2", "event": "Cart Viewed"}, TWO | {"messageId": "m3", "event": None}

    found = read(lines(tmp_path / "a.jsonl", TWO, cart, alone), feed)

    assert [(row.id, row.sku, row.place) for row in found] == [
        ("m1", "bowl", "0"), ("m2", None, None), ("m3", None, None),
    ]  # fmt: skip
    assert all(len(json.loads(row.extra["properties"])["products"]) == 2 for row in found)


def test_a_line_that_is_no_json_is_one_malformed_row(read, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(TWO) + '\n{"messageId": "m5", "prop\n')

    assert [row.malformed for row in read(tmp_path / "a.jsonl")] == [None, None, '{"messageId": "m5", "prop']


def test_parquet_says_the_same_as_json(spark, read, tmp_path):
    schema = """messageId string, timestamp timestamp, event string, context struct<place: struct<city: string>>,
        properties struct<order_id: int, products: array<struct<
            sku: string, price: double, variant: struct<color: string>, size: string>>, coupon: string>"""
    at = datetime(2025, 3, 1, 10, tzinfo=UTC)
    products = [("mug", 7.5, ("red",), None), ("bowl", 12345678.0, None, "L")]
    rows = [("m1", at, "Order Completed", (("Bern",),), (17, products, "SPRING")),
            ("m2", at, "Order Completed", None, (18, [], None))]  # fmt: skip
    spark.createDataFrame(rows, schema).coalesce(1).write.parquet(str(tmp_path / "p"))
    names = ["id", "at", "kind", "order_id", "city", "sku", "price", "color", "place"]

    stored, said = read(tmp_path / "p"), read(lines(tmp_path / "a.jsonl", TWO, NONE))

    assert [[row[name] for name in names] for row in stored] == [[row[name] for name in names] for row in said]


def test_a_column_whose_name_is_the_text_of_a_path_wins(read, tmp_path):
    (tmp_path / "a.csv").write_text("id,at,context.city\n1,2025-03-01,Bern\n")
    columns = {"id": "text", "at": "time", "city": {"from": "context.city"}}
    feed = feed_of(explode=None, columns=columns, events={"event_type": {"value": "view"}, "event_time": "at"})

    (row,) = read(tmp_path / "a.csv", feed)

    assert (row.city, row.extra) == ("Bern", {})


def test_an_array_of_plain_values(read, tmp_path):
    columns = {"at": "time", "tag": {"from": "tags[]"}, "place": {"from": "tags[#]"}}
    feed = feed_of(explode="tags", columns=columns, events={"event_type": {"value": "view"}, "event_time": "at"})

    found = read(lines(tmp_path / "a.jsonl", {"at": AT, "tags": ["a", 2, None]}), feed)

    assert [(row.tag, row.place) for row in found] == [("a", "0"), ("2", "1"), (None, "2")]


def test_a_file_that_lacks_what_would_hold_a_value_is_refused(read, tmp_path):
    with pytest.raises(
        DataError,
        match=r"lacks properties.order_id, properties.products\[\].sku, .* it has event, messageId, timestamp",
    ):
        read(lines(tmp_path / "a.jsonl", {key: BARE[key] for key in ("messageId", "timestamp", "event")}))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("products[].sku", "lies in the elements of products; this feed explodes properties.products"),
        ("properties.products[].", "is no path"),
        ("properties.products", "is exploded; it cannot be taken as one value too"),
        (
            "properties.products[].variant",
            "properties.products[].variant is taken as one value; properties.products[].var",
        ),
        ("properties.products[#].sku", "is no path"),
        ("properties.products[]", "is the whole element; it cannot stand beside fields of it"),
        ("context.place", "context.place is taken as one value; context.place.city cannot be taken out of it too"),
    ],
)
def test_paths_that_contradict_each_other_are_said(source, said):
    spec = FeedFile.model_validate({**ORDERS, "columns": {**ORDERS["columns"], "new": {"from": source}}})

    assert [one for one in problems(spec) if said in one]
