"""What became of each item: every feature is what its definition says, worked out by another engine from the events."""

import random
from contextlib import ExitStack
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest
from feature_oracle import differences
from item_oracle import SAID, SHOWN, found_items, of_items, wilson_low

from shoal.frames import few_rows, persisted, rows_of
from shoal.tables import EVENTS, ITEMS, USER_ITEM_DAYS
from shoal.transforms.item_features import item_features, item_sums
from shoal.transforms.tiles import user_item_days

Row = dict[str, Any]

FIRST = date(2024, 3, 1)
AS_OF = FIRST + timedelta(days=50)
COUNTS = ("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces")
USERS = ["ann", "ben", "cat", "bare", "window"]  # dan works for the shop
CATALOGUE = [  # i6 and i7 are not in it, and "new" was never met
    {"item_id": item, "item_group_id": "group", "recommendable": n % 2 == 0, "category": f"c/{n % 3}",
     "brand": "b" if n else None, "price": 5 + n, "stock": n or None, "title": f"title {n}"}
    for n, item in enumerate([*(f"i{n}" for n in range(6)), "new"])
]  # fmt: skip


@pytest.fixture
def items_of(spark):
    """``items_of(tiles)``: rows of features.items."""
    with ExitStack() as stack:

        def build(tiles, catalogue=CATALOGUE, partitions=1, as_of=AS_OF):
            days = tiles if not isinstance(tiles, list) else rows_of(spark, USER_ITEM_DAYS, tiles)
            items = rows_of(spark, ITEMS, catalogue)
            kept = stack.enter_context(persisted(item_sums(days.repartition(partitions), items, as_of=as_of)))
            return item_features(kept, as_of=as_of, run_id="r")

        yield build


def tile(user: str, item: str, days_ago: int, **values: Any) -> Row:
    return {"bucket": 0, "user_id": user, "item_id": item, "event_date": AS_OF - timedelta(days=days_ago),
            **dict.fromkeys(COUNTS, 0), **values}  # fmt: skip


def by_item(rows) -> dict[str, Any]:
    return {row.item_id: row for row in rows.collect()}


def test_every_feature_is_what_another_engine_finds(spark, frame, random_events, items_of):
    # The same again half a year and two years before, so that every window holds something else.
    rows = [
        {**row, "event_id": f"{row['event_id']} {ago}", "event_date": row["event_date"] - timedelta(days=ago)}
        for ago in (0, 20, 180, 700)
        for row in random_events(7 + ago, FIRST, 250)
    ]  # fmt: skip
    events = frame(EVENTS, *rows)
    who = few_rows(spark, "user_id string", [(user,) for user in USERS])
    found = items_of(user_item_days(events, buckets=2).join(who, on="user_id", how="left_semi"))
    con = duckdb.connect()
    con.register("events", events.toArrow())
    con.register("items", rows_of(spark, ITEMS, CATALOGUE).toArrow())
    con.register("users", who.toArrow())
    con.register("found", found.toArrow())
    shown, wanted = found_items(con, "found"), of_items(con, AS_OF)

    assert differences(shown, wanted, [*SHOWN, *SAID]) == []
    assert {*wanted} == {*(f"i{n}" for n in range(8)), "new"}
    same = {name for name in SHOWN if len({str(row[name]) for row in shown.values()}) == 1}
    assert same == set(), "a feature that is the same for every item was not put to the test"


def test_one_sale_is_no_trend_and_many_are(items_of):
    steady = [tile(f"u{ago}", "steady", ago, purchases=1, views=3) for ago in range(1, 38)]
    rising = [tile(f"u{n}", "rising", 1 + n % 7, purchases=1) for n in range(60)]
    once = [tile("u", "once", 2, purchases=1)]
    gone = [tile(f"u{n}", "gone", 8 + n % 30, purchases=2) for n in range(60)]
    found = by_item(items_of([*steady, *rising, *once, *gone], []))

    assert found["steady"].purchases_trend == 1.0  # seven where seven of thirty are expected
    assert found["steady"].views_trend == 1.0
    assert found["rising"].purchases_trend == (60 + 5) / 5
    assert found["once"].purchases_trend == (1 + 5) / 5
    assert found["gone"].purchases_trend == pytest.approx(5 / (120 * 7 / 30 + 5))


def test_what_was_long_ago_counts_less(items_of):
    found = by_item(items_of([tile("u", "old", 180, purchases=4, views=8), tile("u", "new", 90, purchases=4)], []))

    assert (found["old"].popularity, found["old"].interest) == (4 / 4, 8 / 4)
    assert (found["new"].popularity, found["new"].interest) == (4 / 2, 0)


def test_few_viewers_say_little(items_of):
    """One viewer who bought is not better than 50 of 100: Wilson's bound knows, and so does the mean of the shop."""
    many = [tile(f"u{n}", "many", 3, views=1, purchases=n % 2) for n in range(100)]
    found = by_item(items_of([*many, tile("u", "one", 3, views=1, purchases=1), tile("u", "left", 3, views=1)], []))
    usual = 51 / 102

    assert found["one"].view_to_buy_90d == pytest.approx((1 + 10 * usual) / 11)
    assert found["left"].view_to_buy_90d == pytest.approx((0 + 10 * usual) / 11)
    lows = [found[item].view_to_buy_90d_low for item in ("many", "one", "left")]
    assert lows == pytest.approx([wilson_low(50, 100), wilson_low(1, 1), 0])
    assert lows[0] == pytest.approx(0.4038, abs=1e-4)  # of 50 in 100 the interval is 0.404 to 0.596
    assert lows[0] > lows[1] > 0.2 > lows[2]
    # Nobody put anything into a cart, so of cart_to_buy nothing is known of any item.
    assert {found[item].cart_to_buy_90d for item in found} == {None}
    assert found["many"].view_to_cart_90d == 0


def test_what_nobody_met_is_there_with_zeros_and_what_is_in_no_catalogue_is_too(items_of):
    found = by_item(items_of([tile("u", "i9", 3, views=2)]))

    new, unknown = found["new"], found["i9"]
    assert (new.in_catalogue, new.stock, new.views, new.popularity, new.buyers, new.is_selling) == (
        True, 6, 0, 0, 0, False,
    )  # fmt: skip
    assert (new.purchases_trend, new.first_met, new.return_rate, new.mean_price) == (1, None, None, None)
    assert (unknown.in_catalogue, unknown.recommendable, unknown.title, unknown.views_7d) == (False, None, None, 2)


def test_prices_are_those_paid_and_the_last_is_of_the_last_day(items_of):
    tiles = [
        tile("u", "i0", 40, purchases=1, gross=8, priced_pieces=2),  # 4 a piece
        tile("u", "i0", 5, purchases=2, gross=30, priced_pieces=3),  # 10
        tile("v", "i0", 5, purchases=1, gross=12, priced_pieces=1),
        tile("v", "i0", 2, purchases=1),  # at no known price
    ]
    (row,) = [row for item, row in by_item(items_of(tiles)).items() if item == "i0"]

    assert (row.mean_price, row.mean_price_30d, row.last_price) == (50 / 6, 42 / 4, 12)
    assert (row.price, row.gross, row.gross_30d, row.gross_7d) == (5, 50, 42, 42)
    assert (row.buyers, row.repeat_buyers, row.repeat_buyer_share) == (2, 2, 1)


def test_order_partitions_and_the_future_change_nothing(frame, random_events, items_of):
    rows = random_events(8, FIRST)
    past = [row for row in rows if row["event_date"] < AS_OF]
    mixed = [*rows]
    random.Random(3).shuffle(mixed)
    tiles = [user_item_days(frame(EVENTS, *some), buckets=2) for some in (past, mixed)]

    assert len(past) < len(rows)
    assert by_item(items_of(tiles[0])) == by_item(items_of(tiles[1], partitions=4))
