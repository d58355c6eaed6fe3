"""A tile is one user's day, and days add up to everything the user did."""

import zlib
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pytest
from pyspark.sql import functions as F

from shoal.frames import few_rows
from shoal.tables import EVENTS
from shoal.transforms.derived import orders
from shoal.transforms.tiles import bucket, user_days, user_item_days

FIRST, SECOND, THIRD = (date(2021, 6, day) for day in (1, 2, 3))
COUNTS = ("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces")


def at(day, hour=9):
    return datetime(2021, 6, day, hour, tzinfo=UTC)


def texts(rows):
    return sorted(map(str, rows.collect()))


@pytest.fixture
def days_of(frame):
    """The user tiles of events, by user and day."""

    def build(rows):
        events = frame(EVENTS, *rows)
        return {(row.user_id, row.event_date): row for row in user_days(events, orders(events), buckets=16).collect()}

    return build


@pytest.fixture
def item_days_of(frame):
    """The item tiles of events, by user, item and day."""

    def build(rows):
        found = user_item_days(frame(EVENTS, *rows), buckets=16).collect()
        return {(row.user_id, row.item_id, row.event_date): row for row in found}

    return build


def test_a_day_counts_what_was_done_on_it(event, days_of, item_days_of):
    done = ["view", "view", "click", "favourite", "cart", "cart", "cart", "search"]
    rows = [
        *(event(f"{n}", kind, at(1, n), item_id=None if kind == "search" else "mug") for n, kind in enumerate(done)),
        event("a", "purchase", at(1, 10), quantity=3, price="2", discount_amount=Decimal(1)),
        event("b", "purchase", at(1, 11), quantity=None, item_id="cup", order_id="o2"),
        event("c", "return", at(1, 12), quantity=2, price="2"),
        event("d", "purchase", at(1, 13), price="4", line_kind="shipping", item_id="post"),
        event("e", "return", at(1, 14), price="3", line_kind="fee", item_id="fee"),
    ]
    (day,), items = days_of(rows).values(), item_days_of(rows)

    # Two views and a click; goods: lines of 3 and an unknown number of pieces bought, 2 pieces returned.
    expected = dict(zip(COUNTS, (3, 1, 3, 2, 3, 1, 2), strict=True))
    assert {name: day[name] for name in COUNTS} == expected
    assert (day.events, day.searches, day.purchase_lines, day.orders) == (13, 1, 3, 2)
    assert (day.gross, day.returned, day.discount) == (3 * 2 + 4, 2 * 2 + 3, 1)  # of every kind
    seen = tuple(time.astimezone(UTC).hour for time in (day.first_at, day.last_at, day.last_order_at))
    assert seen == (0, 14, 11)

    # From midnight to the eighth hour somebody looked; what was bought and sent back later on is no look.
    assert day.look_hours == sum(1 << hour for hour in range(8))

    assert {(item, item_day) for _, item, item_day in items} == {("mug", FIRST), ("cup", FIRST)}  # goods only
    mug, cup = items["u", "mug", FIRST], items["u", "cup", FIRST]
    assert {name: mug[name] for name in COUNTS} == {**expected, "purchases": 1}
    assert (mug.gross, mug.priced_pieces, mug.returned) == (6, 3, 4)
    assert (cup.purchases, cup.pieces, cup.gross, cup.priced_pieces) == (1, 0, None, None)


def test_hours_are_those_of_the_shops_clocks_and_midnight_sharp_is_none(frame, event):
    """In Auckland, twelve hours ahead in June: 18:00 in UTC is six in the morning, a quarter of the circle."""
    rows = [
        event("1", "view", at(1, 18)), event("2", "purchase", at(1, 18)), event("3", "search", at(2, 6)),
        event("4", "view", at(1, 12)),  # midnight: the feed may know the day only
        event("5", "return", at(2, 3)), event("6", "campaign", at(2, 3)),  # nothing that a user comes for
    ]  # fmt: skip
    rows = [{**row, "event_date": SECOND} for row in rows]
    (day,) = user_days(frame(EVENTS, *rows), orders(frame(EVENTS, *rows)), buckets=1, zone="Pacific/Auckland").collect()

    assert (day.timed_acts, day.hour_x, day.hour_y) == (3, 0, 1 + 1 - 1)
    assert (day.contacts, day.reviews, day.discounted_lines) == (1, 0, 0)


def test_a_day_knows_where_it_was_spent(event, days_of):
    rows = [
        event("1", "view", at(1, 8), channel="web", device="phone"),
        event("2", "view", at(1, 9), channel="web", device="phone"),
        event("3", "view", at(1, 7), channel="web"),
        event("4", "view", at(2, 7)),
    ]
    found = days_of(rows)

    assert [tuple(one) for one in found["u", FIRST].contexts] == [
        ("web", None, None, 1, at(1, 7).astimezone().replace(tzinfo=None)),
        ("web", None, "phone", 2, at(1, 9).astimezone().replace(tzinfo=None)),
    ]
    assert found["u", SECOND].contexts is None


def test_days_are_the_shops(event, days_of, item_days_of):
    rows = [event("1", "view", at(1, 20)), event("2", "view", at(1, 21))]  # three hours ahead: 23:00 and midnight

    assert {day for _, day in days_of(rows)} == {FIRST, SECOND}
    assert {day for *_, day in item_days_of(rows)} == {FIRST, SECOND}


def test_guests_and_deleted_events_have_no_tile(event, days_of, item_days_of):
    rows = [
        event("1", "purchase", at(1), user_id=None),
        event("2", "purchase", at(1), is_deleted=True, order_id="o2"),
        event("3", "purchase", at(2), order_id="o3"),
        event("4", "purchase", at(2), is_deleted=True, order_id="o3"),
    ]

    assert {key: (day.events, day.orders) for key, day in days_of(rows).items()} == {("u", SECOND): (1, 1)}
    assert {key: day.purchases for key, day in item_days_of(rows).items()} == {("u", "mug", SECOND): 1}


def test_an_order_of_two_days_counts_once_on_its_first(event, days_of):
    rows = [
        event("1", "purchase", at(3), order_id="long"),
        event("2", "purchase", at(2), order_id="long"),
        event("3", "purchase", at(3), order_id="short"),
    ]
    found = days_of(rows)

    assert {day: (row.orders, row.purchases) for (_, day), row in found.items()} == {SECOND: (1, 1), THIRD: (1, 2)}
    assert found["u", SECOND].last_order_at.astimezone(UTC) == at(2)


def test_days_add_up_to_totals(frame, random_events):
    events = frame(EVENTS, *random_events(seed=1, first=FIRST))
    days, item_days = user_days(events, orders(events), buckets=16), user_item_days(events, buckets=16)
    goods = "coalesce(line_kind, 'goods') = 'goods'"
    totals = {
        "views": "count_if(event_type IN ('view', 'click'))",
        "favourites": "count_if(event_type = 'favourite')",
        "carts": "count_if(event_type = 'cart')",
        "purchases": f"count_if(event_type = 'purchase' AND {goods})",
        "pieces": f"sum(quantity) FILTER (event_type = 'purchase' AND {goods})",
        "returns": f"count_if(event_type = 'return' AND {goods})",
        "returned_pieces": f"sum(quantity) FILTER (event_type = 'return' AND {goods})",
    }
    of_every_kind = {
        "events": "count(*)",
        "searches": "count_if(event_type = 'search')",
        "orders": "count(DISTINCT order_id) FILTER (event_type = 'purchase')",
        "purchase_lines": "count_if(event_type = 'purchase')",
        "gross": "sum(amount_base) FILTER (event_type = 'purchase')",
        "returned": "sum(amount_base) FILTER (event_type = 'return')",
        "discount": "sum(discount_amount) FILTER (event_type = 'purchase')",
    }
    priced = f"sum(coalesce(quantity, 1)) FILTER (event_type = 'purchase' AND {goods} AND amount_base IS NOT NULL)"
    con = duckdb.connect()
    for name, rows in {"events": events, "days": days, "item_days": item_days}.items():
        con.register(name, rows.toArrow())

    def per_user(table, measures, where="true"):
        columns = ", ".join(f"coalesce({measure}, 0) AS {name}" for name, measure in measures.items())
        return con.sql(f"SELECT user_id, {columns} FROM {table} WHERE {where} GROUP BY ALL ORDER BY ALL").fetchall()

    kept = "user_id IS NOT NULL AND NOT is_deleted"
    everything = {**totals, **of_every_kind}
    assert len(per_user("events", everything, kept)) == 6  # all but the guest
    assert per_user("days", {name: f"sum({name})" for name in everything}) == per_user("events", everything, kept)
    totals["priced_pieces"] = priced
    assert per_user("item_days", {name: f"sum({name})" for name in totals}) == per_user("events", totals, kept)


def test_touched_days_can_be_built_alone(frame, random_events):
    events = frame(EVENTS, *random_events(seed=2, first=FIRST))
    begun, some = orders(events), [SECOND, date(2021, 7, 1)]
    alone = user_days(
        events.where(F.col("event_date").isin(some)), begun.where(F.col("order_date").isin(some)), buckets=16
    )
    days = user_days(events, begun, buckets=16)

    assert texts(alone) == texts(days.where(F.col("event_date").isin(some)))


def test_a_users_bucket_is_that_of_zlib(spark):
    users = ["ann", "b\u00e9b\u00e9", "\U0001f41f", ""]
    rows = few_rows(spark, "user_id string", [(user,) for user in users]).select("user_id", bucket(16))

    assert {*map(tuple, rows.collect())} == {(user, zlib.crc32(user.encode()) % 16) for user in users}
