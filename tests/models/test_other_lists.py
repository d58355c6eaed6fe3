"""Lists beside those of taste: what gains buyers, what was left in the cart, what sells in a segment; and reasons."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from shoal.config import load_config
from shoal.frames import few_rows
from shoal.models.recommend import (
    Because,
    FittedAls,
    FittedBySegment,
    Voice,
    abandoned,
    acts,
    best_sellers,
    by_segment,
    cart_model,
    habits,
    lists,
    shown_by_segment,
    trend_model,
)
from shoal.models.recommend.als import SAME_TASTE, AlsModel
from shoal.tables import RECOMMENDATIONS_BY_SEGMENT, USER_ITEM_DAYS

AS_OF = date(2024, 6, 1)
CONFIG = load_config(sets=["by_segment.min_buyers=3", "by_segment.prior=2"])
FOR_YOU = CONFIG.recommend["for_you"]


def tile(user, item, days_ago, **counts) -> dict:
    zeros = dict.fromkeys(("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces"), 0)
    day = AS_OF - timedelta(days=days_ago)
    return {"bucket": 0, "user_id": user, "item_id": item, "event_date": day, **zeros, **counts}


def bought(user, item, days_ago) -> dict:
    return tile(user, item, days_ago, purchases=1)


@pytest.fixture
def done(frame):
    return lambda *rows: acts(frame(USER_ITEM_DAYS, *rows).repartition(3), as_of=AS_OF)


@pytest.fixture
def few(spark):
    """``few(users=("u", "v"))`` and the like: a frame of one column."""

    def build(**column):
        ((name, values),) = column.items()
        return few_rows(spark, f"{name} string", [(value,) for value in values])

    return build


@pytest.fixture
def items_of(spark):
    return lambda *items: few_rows(spark, "item_id string, item_group_id string", [(i, i) for i in items])


def lists_of(rows) -> dict:
    found: dict = {}
    for row in sorted(rows.collect(), key=lambda row: (row["user_id"], row["rank"])):
        found.setdefault(row["user_id"], []).append((row["item_id"], row["source"], row["reason"]))
    return found


# --- Trending


def test_what_wins_buyers_is_first_and_what_the_same_people_buy_every_week_is_no_trend(done, few, items_of, spark):
    rows = [
        *(bought(f"n{n}", "hit", 3) for n in range(6)), bought("o", "hit", 20),  # six new ones after one
        *(bought(f"n{n}", "riser", 14) for n in range(3)),  # three after none
        *(bought(f"w{n}", "milk", ago) for n in range(9) for ago in (50, 10, 3)),  # every week, nobody new
        *(bought(f"o{n}", "fad", 20) for n in range(9)), bought("n0", "fad", 1),
        bought("x", "hit", 0), bought("x", "future", 0), bought("x", "future", -4),
    ]  # fmt: skip
    every = done(*rows)
    trend, items = trend_model(FOR_YOU, AS_OF).fit(habits(every)), items_of("fad", "future", "hit", "milk", "riser")
    popular = best_sellers(every, items, as_of=AS_OF, days=90)
    nothing = few_rows(spark, "user_id string, item_id string", [])
    voices = [Voice(trend, "trending"), Voice(popular, "popularity")]
    found = lists_of(lists(voices, few(user_id=("u", "w0")), nothing, items, 4))

    assert found["u"] == [
        ("hit", "trending", "6 new buyers in 14 days, 1 in those before"),  # (6 + 10) / (1 + 10)
        ("riser", "trending", "3 new buyers in 14 days, 0 in those before"),  # 13 / 10
        ("fad", "popularity", "buyers in the last 90 days: 10"),
        ("milk", "popularity", "buyers in the last 90 days: 9"),
    ]
    assert found["w0"] == found["u"], "the same for everybody"


def test_nothing_rises(done):
    assert trend_model(FOR_YOU, AS_OF).fit(habits(done(bought("u", "a", 20), bought("u", "a", 1)))) is None


# --- The cart


def test_what_was_left_in_the_cart_newest_first(done, few, items_of, spark):
    carts = {
        "lamp": [tile("u", "lamp", 9, carts=1)],
        "mug": [tile("u", "mug", 20, carts=1), tile("u", "mug", 3, carts=2)],  # put there again
        "sold": [tile("u", "sold", 9, carts=1), bought("u", "sold", 8)],
        "at once": [tile("u", "at once", 9, carts=1, purchases=1)],
        "again": [bought("u", "again", 30), tile("u", "again", 5, carts=1)],  # bought before, and wanted again
        "old": [tile("u", "old", 40, carts=1)],
        "later": [tile("u", "later", 0, carts=1)],
        "gone": [tile("u", "gone", 2, carts=1)],
        "seen": [tile("u", "seen", 2, views=9)],
    }
    others = [tile("v", "lamp", 3, carts=1), bought("v", "lamp", 2), tile("w", "lamp", 1, carts=1)]
    every = done(*(row for rows in carts.values() for row in rows), *others)
    fitted = cart_model(FOR_YOU, AS_OF).fit(abandoned(every))
    items = items_of(*(name for name in carts if name != "gone"))
    nothing = few_rows(spark, "user_id string, item_id string", [])
    found = lists_of(lists([Voice(fitted, "abandoned_cart")], few(user_id=("u", "v")), nothing, items, 3))

    days = {"mug": "2024-05-29", "again": "2024-05-27", "lamp": "2024-05-23"}
    assert found == {"u": [(i, "abandoned_cart", f"in the cart since {day}, not bought") for i, day in days.items()]}, (
        "v has bought it; the old one was left more than 30 days before"
    )


def test_what_was_taken_out_is_no_more_in_the_cart_and_what_was_put_there_after_a_purchase_is(done):
    def at(hour):
        return datetime.combine(AS_OF - timedelta(days=3), time(hour), tzinfo=UTC)

    every = done(
        tile("u", "taken out", 3, carts=1, last_cart_at=at(10), left_cart_at=at(11)),
        tile("u", "put back", 3, carts=2, last_cart_at=at(12), left_cart_at=at(11)),
        tile("u", "again", 3, carts=1, purchases=1, last_cart_at=at(20), left_cart_at=at(10)),
        tile("u", "bought", 3, carts=1, purchases=1, last_cart_at=at(9), left_cart_at=at(10)),
    )

    assert {row["item_id"] for row in abandoned(every).collect()} == {"put back", "again"}


def test_carts_are_old_by_the_day_of_the_list_not_by_each_other(done):
    """The newest of all carts is 40 days old, and carts count for 30."""
    assert (
        cart_model(FOR_YOU, AS_OF).fit(abandoned(done(tile("u", "a", 40, carts=1), tile("u", "b", 45, carts=1))))
        is None
    )


def test_nobody_left_anything_in_a_cart(done):
    assert cart_model(FOR_YOU, AS_OF).fit(abandoned(done(bought("u", "a", 3)))) is None


# --- Segments and regions


PEOPLE = [  # four of segment 1 in NO, three in SE, two of segment 2 in SE, nine without a segment in DK, one nowhere
    *((f"a{n}", 1, "Gold", "NO") for n in range(4)), *((f"b{n}", 1, "Gold", "SE") for n in range(3)),
    *((f"c{n}", 2, "New", "SE") for n in range(2)), *((f"d{n}", None, None, "DK") for n in range(9)),
    ("e", None, None, None),
]  # fmt: skip


@pytest.fixture
def groups(spark, done, items_of):
    """a buys skis, b boats, c boats, d bikes; everybody buys soap; nobody in the window buys ice."""
    taste = {"a": "skis", "b": "boat", "c": "boat", "d": "bike", "e": "soap"}
    rows = [bought(user, item, 9) for user, *_ in PEOPLE for item in {taste[user[0]], "soap"} if user != "d8"]
    rows += [bought("a0", "ice", 91), bought("a0", "future", 0), bought("a1", "skis", 3)]
    schema = "user_id string, segment_id int, segment_name string, region string"
    people = few_rows(spark, schema, PEOPLE)
    items = items_of("bike", "boat", "future", "ice", "skis", "soap")
    return FittedBySegment(by_segment(done(*rows), people, items, as_of=AS_OF, params=CONFIG.by_segment), people)


def test_shares_are_those_of_the_group_drawn_towards_the_shop(groups):
    shown = shown_by_segment(groups, 2)
    found: dict = {}
    for row in sorted(shown.collect(), key=lambda row: row["rank"]):
        found.setdefault((row["segment_name"], row["region"]), []).append(
            (row["item_id"], row["buyers"], row["group_buyers"], row["score"], row["source"])
        )

    # 18 of 19 bought anything, all of them soap, 4 skis, 5 boats and 8 bikes.
    group, shop = "popularity_by_segment", "popularity"
    expected = {
        ("Gold", "NO"): [("soap", 4, 4, 1.0, group), ("skis", 4, 4, (4 + 2 * 4 / 18) / 6, group)],
        ("Gold", "SE"): [("soap", 3, 3, 1.0, group), ("boat", 3, 3, (3 + 2 * 5 / 18) / 5, group)],
        ("Gold", None): [("soap", 7, 7, 1.0, group), ("skis", 4, 7, (4 + 2 * 4 / 18) / 9, group)],
        (None, "NO"): [("soap", 4, 4, 1.0, group), ("skis", 4, 4, (4 + 2 * 4 / 18) / 6, group)],
        (None, "SE"): [("soap", 5, 5, 1.0, group), ("boat", 5, 5, (5 + 2 * 5 / 18) / 7, group)],
        (None, "DK"): [("soap", 8, 8, 1.0, group), ("bike", 8, 8, (8 + 2 * 8 / 18) / 10, group)],
        (None, None): [("soap", 18, 18, 1.0, shop), ("bike", 8, 18, 8 / 18, shop)],
    }  # segment 2 has but two buyers, so it has no list
    assert {*found} == {*expected}
    for key, rows in expected.items():
        assert [row[:3] + row[4:] for row in found[key]] == [row[:3] + row[4:] for row in rows], key
        assert [row[3] for row in found[key]] == pytest.approx([row[3] for row in rows], abs=1e-8)
    declared = {c.name: c.type.simpleString() for c in RECOMMENDATIONS_BY_SEGMENT.columns}
    assert dict(shown.dtypes) == {name: declared[name] for name in shown.columns}


def test_users_get_the_list_of_the_finest_group_that_has_one(groups, few, items_of, spark):
    has = few_rows(spark, "user_id string, item_id string", [("a0", "soap"), ("d0", "soap"), ("d0", "bike")])
    users = few(user_id=("a0", "b0", "c0", "d0", "e", "unknown"))
    items = items_of("bike", "boat", "skis", "soap")
    found = lists_of(lists([Voice(groups, "popularity_by_segment")], users, has, items, 2))

    first = {user: [item for item, *_ in rows] for user, rows in found.items()}
    assert first == {"a0": ["skis"], "b0": ["soap", "boat"], "c0": ["soap", "boat"]}, "of no group there is nothing"
    assert found["a0"][0][2] == "4 of 4 buyers in the last 90 days (Gold in NO)"
    assert found["c0"][0][2] == "5 of 5 buyers in the last 90 days (all segments in SE)"


# --- Reasons


@pytest.fixture
def because(spark):
    """Items point north, north-east, east and south; u likes east and north, v nothing that is known."""
    ways = {"n": (1.0, 0.0), "ne": (0.8, 0.6), "e": (0.0, 2.0), "s": (-1.0, 0.0)}

    def side(name, rows):
        numbered = [(name, key, number, [*way]) for number, (key, way) in enumerate(sorted(rows.items()))]
        return few_rows(spark, "side string, id string, number int, factor array<double>", numbered)

    model = AlsModel(rank=2, users=2, items=4, interactions=4, max_iter=1, reg=0.1, alpha=1.0, seed=1)
    fitted = FittedAls(model, side("user", {"u": (1.0, 1.0), "v": (1.0, 0.0)}), side("item", ways))
    own = [("u", "e", 1.0, False, "Compass"), ("u", "n", 9.0, True, None), ("v", "s", 5.0, True, "Sand")]
    schema = "user_id string, item_id string, strength double, bought boolean, title string"
    return Because(fitted, few_rows(spark, schema, own), fitted)


def test_the_reason_is_the_own_item_that_points_the_same_way(because, few, items_of, spark):
    has = few_rows(spark, "user_id string, item_id string", [("u", "e"), ("u", "n")])
    found = lists_of(lists([Voice(because, "als")], few(user_id=("u", "v")), has, items_of("n", "ne", "e", "s"), 3))

    # Cosines of ne: 0.8 with n, 0.6 with e; of s: -1 and 0; of v's own nothing points where n and ne do.
    assert found == {
        "u": [("ne", "als", "because you bought n"), ("s", "als", SAME_TASTE)],
        "v": [("n", "als", SAME_TASTE), ("ne", "als", SAME_TASTE), ("e", "als", SAME_TASTE)],
    }


def test_only_the_strongest_of_the_own_items_are_looked_at(because, few, items_of, spark, monkeypatch):
    nothing = few_rows(spark, "user_id string, item_id string", [])
    monkeypatch.setattr("shoal.models.recommend.reasons._MOST", 1)
    found = lists_of(lists([Voice(because, "als")], few(user_id=("u",)), nothing, items_of("n", "ne", "e"), 3))

    # By n alone: e stands at a right angle to it, and n itself is no reason for n.
    assert {item: reason for item, _, reason in found["u"]} == {
        "ne": "because you bought n", "e": SAME_TASTE, "n": SAME_TASTE,
    }  # fmt: skip


def test_what_was_only_looked_for_is_said_so(because, few, items_of, spark):
    nothing = few_rows(spark, "user_id string, item_id string", [("u", "ne")])
    own = because.own.where("item_id = 'e'")
    only = Because(because.model, own, because.likeness)
    found = lists_of(lists([Voice(only, "als")], few(user_id=("u",)), nothing, items_of("e", "n"), 3))

    assert found == {"u": [("e", "als", SAME_TASTE), ("n", "als", SAME_TASTE)]}
    named = lists_of(lists([Voice(only, "als")], few(user_id=("u",)), nothing.limit(0), items_of("ne"), 3))
    assert named == {"u": [("ne", "als", "because you looked for Compass")]}
