"""Purchases of no usual size or price are found, and kept, capped or left out, with what came back of them."""

import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import exp, floor, log
from statistics import median
from typing import Any

import pytest

from shoal.config import load_config
from shoal.frames import few_rows, rows_of
from shoal.tables import LIMITS, USER_DAYS, USER_ITEM_DAYS, USERS
from shoal.transforms import outliers
from shoal.transforms.limits import Limits, limits, spreads
from shoal.transforms.user_features import ALWAYS, user_features

Row = dict[str, Any]

AS_OF = date(2024, 6, 1)
PARAMS = load_config().features.limits
COUNTS = ("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces")
FACTOR, K = PARAMS.item_factor, 1.4826 * PARAMS.item_deviations


def line(user: str, item: str, days_ago: int, pieces: int, price: float | None = 2, *, back: bool = False) -> Row:
    """A user's purchase of an item on a day, or its return."""
    day = AS_OF - timedelta(days=days_ago)
    money = None if price is None else Decimal(f"{price:.3f}") * max(pieces, 1)
    done: Row = {"returns": 1, "returned_pieces": pieces, "returned": money} if back else {
        "purchases": 1, "pieces": pieces, "gross": money, "priced_pieces": money and max(pieces, 1)}  # fmt: skip
    return {"bucket": 0, "user_id": user, "item_id": item, "event_date": day, **dict.fromkeys(COUNTS, 0), **done}


def days_of(lines: list[Row]) -> list[Row]:
    """The user tiles of item tiles, each of which is an order of its own; postage of 1 on each day comes on top."""
    days: dict[tuple[str, date], Row] = {}
    for row in lines:
        day = days.setdefault((row["user_id"], row["event_date"]), {
            "bucket": 0, "user_id": row["user_id"], "event_date": row["event_date"], "gross": Decimal(1),
            "returned": Decimal(0), "first_at": NOON, "last_at": NOON, "last_order_at": NOON, "purchase_lines": 1,
            "orders": 0, "events": 0, "searches": 0, **dict.fromkeys(COUNTS, 0),
        })  # fmt: skip
        for name in (*COUNTS, "gross", "returned"):
            day[name] += row.get(name) or 0
        day["orders"] += row["purchases"]
        day["purchase_lines"] += row["purchases"]
    return [*days.values()]


NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def usual(spark):
    """The limits of item tiles: rows by item (null: the shop) and measure, and as transforms take them."""

    def build(lines: list[Row], partitions: int = 1) -> tuple[dict[tuple[str | None, str], Any], Limits]:
        items = rows_of(spark, USER_ITEM_DAYS, lines).repartition(partitions)
        nobody = few_rows(spark, "measure string, value double", [])
        found = spreads(nobody, outliers.item_values(items, as_of=AS_OF, params=PARAMS)).cache()
        learned = limits(found, as_of=AS_OF, run_id="r", params=PARAMS).collect()
        rows = {(row.item_id, row.measure): row for row in learned}
        of_shop = {measure: (row.lower, row.upper) for (item, measure), row in rows.items() if item is None}
        of_items = rows_of(spark, LIMITS, [row.asDict() for row in learned if row.scope == "item"])
        return rows, Limits({}, of_shop, of_items, PARAMS, "keep")

    return build


@pytest.fixture(scope="module")
def odd(usual):
    """The same of the usual and odd purchases together."""
    return usual([*USUAL, *ODD])


@pytest.fixture(scope="module")
def features_of(spark):
    def build(lines: list[Row], found: Limits):
        users = [{"user_id": user, "account_kind": "consumer"} for user in {row["user_id"] for row in lines}]
        features = user_features(
            rows_of(spark, USER_DAYS, days_of(lines)), rows_of(spark, USER_ITEM_DAYS, lines),
            rows_of(spark, USERS, users), as_of=AS_OF, run_id="r", limits=found, only=JUDGED,
        )  # fmt: skip
        return {row.user_id: row for row in features.collect()}

    return build


def robust(values: list[float]) -> tuple[float, float]:
    """Median of the logarithms, and the median distance from it."""
    logs = [log(value) for value in values]
    return median(logs), median(abs(value - median(logs)) for value in logs)


# What is looked at below: of whom nothing is treated, these stay as they are (what prices are usual may change).
JUDGED = ["extreme_purchases", "spend", "returned", "net_spend", "return_rate", "frequency", "basket_size",
          "distinct_items", "returns_365d"]  # fmt: skip

# Mugs are bought in ones to eights at 2.00, a bar by its hundreds at 2 to 4; of bowls there are too few.
MUGS = [line(f"u{n}", "mug", 1 + n, 1 + n % 8) for n in range(24)]
BARS = [line(f"u{n}", "bar", 1 + n, 100 + 50 * (n % 5), 2 + n % 3) for n in range(20)]
BOWLS = [line(f"u{n}", "bowl", 1 + n, 3, 5) for n in range(18)]
SLIP = line("slip", "mug", 3, 80_995)
DEAR = line("dear", "mug", 3, 2, 2 * FACTOR + 1)
CHEAP = line("cheap", "mug", 3, 2, 2 / FACTOR - 0.01)
RARE = line("rare", "bowl", 3, 1_000_000, 5)
ODD = [SLIP, DEAR, CHEAP, RARE]
GIFT = line("giver", "gift set", 3, 1, 500)  # in a shop of mugs at 2
USUAL = [*MUGS, *BARS, *BOWLS, GIFT]


def test_limits_are_medians_and_median_distances_of_logarithms(odd):
    found, _ = odd

    mugs = [*MUGS, SLIP, DEAR, CHEAP]
    pieces = {item: robust([float(f"{row['pieces']:.3g}") for row in rows]) for item, rows in
              (("mug", mugs), ("bar", BARS))}  # fmt: skip
    # Of 47 purchases of the two the middle one's distance is that of the mugs, of which there are more.
    widest = {item: max(mad, pieces["mug"][1]) for item, (_, mad) in pieces.items()}
    for item, (middle, mad) in pieces.items():
        row = found[item, "pieces"]
        assert (row.median, row.mad) == (pytest.approx(exp(middle)), pytest.approx(mad))
        assert row.upper == pytest.approx(exp(middle + max(K * widest[item], log(FACTOR))))
        assert (row.lower, row.observed) == (None, len(mugs) if item == "mug" else len(BARS))
    # The price of a mug nearly never changes: that its median distance is 0 makes no other price extreme.
    price = found["mug", "price"]
    assert (price.mad, price.lower, price.upper) == (0, pytest.approx(2 / FACTOR), pytest.approx(2 * FACTOR))
    assert {item for item, _ in found} == {"mug", "bar", None}
    # Of bowls there are 19, one too few: the shop's limit of pieces holds for them; of prices the shop has none.
    assert (None, "price") not in found
    middle, mad = robust([float(f"{row['pieces']:.3g}") for row in [*USUAL, *ODD]])
    assert found[None, "pieces"].upper == pytest.approx(exp(middle + K * mad))
    assert found[None, "pieces"].observed == 24 + 20 + 18 + 1 + 4
    assert exp(middle + K * mad) < RARE["pieces"]


def test_the_future_and_partitions_change_no_limit(usual, odd):
    later = [line("slip", item, ago, 10**6) for item in ("mug", "bowl", "new") for ago in (0, -5)]

    assert usual([*later, *ODD[::-1], *USUAL[::-1]], partitions=3)[0] == odd[0]


@pytest.fixture(scope="module")
def by_treatment(odd, features_of):
    """Users under each treatment; all of the slip's pieces came back the day after, when it bought bars as well."""
    story = [*USUAL, *ODD, line("slip", "mug", 2, 80_995, back=True), line("slip", "bar", 2, 100, 2)]
    return {name: features_of(story, replace(odd[1], treatment=name)) for name in ("keep", "cap", "reject")}


def test_extreme_purchases_are_marked_and_money_stays_as_it_is(by_treatment):
    users = by_treatment["keep"]

    assert {user for user, row in users.items() if row.extreme_purchases} == {"slip", "dear", "cheap", "rare"}
    assert {row.extreme_purchases for row in users.values()} == {0, 1}
    slip = users["slip"]
    assert (slip.spend, slip.returned, slip.return_rate) == (80_995 * 2 + 200 + 2, 80_995 * 2, 80_995 / 81_095)


@pytest.mark.parametrize("treatment", ["cap", "reject"])
def test_extreme_purchases_are_treated_with_what_came_back_of_them(by_treatment, odd, treatment):
    users, rows = by_treatment[treatment], odd[0]
    most, dearest = floor(rows["mug", "pieces"].upper), rows["mug", "price"].upper
    counts = treatment == "cap"
    pieces, money = (most, 2 * most) if counts else (0, 0)
    slip, dear = users["slip"], users["dear"]

    assert most < 1_000
    # A hundred bars for 200, and the postage of two days; what came back is no more than what was bought.
    assert (slip.spend, slip.returned, slip.net_spend) == (money + 200 + 2, money, 200 + 2)
    assert slip.return_rate == pieces / (pieces + 100)
    assert float(dear.spend) == pytest.approx(1 + counts * 2 * dearest)
    # The orders were placed; their lines count where they are capped.
    assert (slip.frequency, dear.frequency, dear.basket_size) == (2, 1, counts)
    assert (slip.distinct_items, dear.distinct_items) == (1 + counts, counts)
    ordinary = {*users} - {"slip", "dear", "cheap", "rare"}
    assert {user: users[user] for user in ordinary} == {user: by_treatment["keep"][user] for user in ordinary}
    marked = {
        name: {user: row.extreme_purchases for user, row in found.items()} for name, found in by_treatment.items()
    }
    assert marked[treatment] == marked["keep"]


@pytest.fixture(scope="module")
def mug_limits(spark):
    """Of mugs a hundred pieces at 1 to 10 are usual; of what has no limits of its own, fifty pieces at any price."""
    own = {"run_id": "r", "as_of": AS_OF, "scope": "item", "item_id": "mug", "observed": 99, "median": 1.0, "mad": 0.0}
    rows = [{**own, "measure": "pieces", "upper": 100.0}, {**own, "measure": "price", "lower": 1.0, "upper": 10.0}]
    return Limits({"rate": 1_000.0}, {"pieces": (None, 50.0)}, rows_of(spark, LIMITS, rows), PARAMS, "cap")


def test_what_comes_back_in_parts_leaves_no_debt(features_of, mug_limits):
    """A thousand mugs at 2 count as a hundred; 50 come back on each of 20 days, none of which is much."""
    parts = [line("in parts", "mug", ago, 50, back=True) for ago in range(1, 21)]
    pairs = [line("one by one", "mug", ago, 1, back=True) for ago in range(1, 16)]
    often = [line("often", "mug", ago, 90) for ago in range(2, 12)]
    old = line("long ago", "mug", PARAMS.days + 100, 1_000)  # limits of the last year judge purchases of any
    story = [line("in parts", "mug", 30, 1_000), *parts, line("one by one", "mug", 30, 1_000), *pairs, *often, old,
             line("often", "mug", 1, 900, back=True)]  # fmt: skip
    capped, rejected = (features_of(story, replace(mug_limits, treatment=name)) for name in ("cap", "reject"))

    def money(users):
        assert {user for user, row in users.items() if row.extreme_purchases == 1} == {*users} - {"often"}
        return {user: (row.spend, row.returned) for user, row in users.items()}

    # Postage of 1 comes on each day. Of 15 of 1,000 a tenth counts, of pieces whole ones.
    ordinary = {"often": (1_811, 1_800)}
    assert money(capped) == {"in parts": (221, 200), "one by one": (216, 3), "long ago": (201, 0), **ordinary}
    assert capped["one by one"].return_rate == 1 / 100
    assert capped["often"].return_rate == 1  # no purchase was extreme, and so what came back of them at once is not
    assert money(rejected) == {"in parts": (21, 0), "one by one": (16, 0), "long ago": (1, 0), **ordinary}
    assert [rejected[user].returns_365d for user in ("in parts", "one by one", "often")] == [0, 0, 1]


def stories(seed: int) -> list[Row]:
    """Purchases of two items and returns in parts, on days in any order, some without a price, many too large.

    Of what a user bought of an item three tenths come back, all of it, or more.
    """
    rng = random.Random(seed)
    told = []
    for user, item in product((f"u{n}" for n in range(60)), ("mug", "bowl")):
        days = rng.sample(range(1, 900), 12)
        sizes, prices = [1, 7, 40, 333, 4_000], [0.03, 2, 2, 3.337, 70, None]
        bought = [line(user, item, day, rng.choice(sizes), rng.choice(prices)) for day in days[: rng.randrange(1, 5)]]
        told += bought
        tenths, parts = rng.choice([3, 10, 10, 11]), rng.choice([0, 1, 3, 7])
        pieces = sum(row["pieces"] for row in bought) * tenths // 10
        micros = int(sum((row["gross"] or 0) for row in bought) * 100_000) * tenths
        for n in range(parts):
            row = line(user, item, days[11 - n], pieces // parts + (pieces % parts if n == 0 else 0), None, back=True)
            money = micros // parts + (micros % parts if n == 0 else 0)
            told.append({**row, "returned": Decimal(money).scaleb(-6)})
    return told


def still_counts(row: Row, treatment: str) -> tuple[int, int, Fraction]:
    """Lines, pieces and money of a purchase by the definition, with the limits of ``mug_limits``."""
    is_mug, pieces, gross = row["item_id"] == "mug", row["pieces"], Fraction(row["gross"] or 0)
    price, most = gross / pieces, 100 if is_mug else 50
    if pieces <= most and (not is_mug or gross == 0 or 1 <= price <= 10):
        return 1, pieces, gross
    if treatment == "reject":
        return 0, 0, Fraction(0)
    within = min(max(price, 1), 10) if is_mug and gross else price
    return 1, min(pieces, most), min(pieces, most) * within


@pytest.mark.parametrize("treatment", ["cap", "reject"])
def test_what_is_left_of_an_item_is_in_proportion_to_what_was_left(spark, mug_limits, treatment):
    """Nobody owes for an item who did not before; days lose what their items lose."""
    story = stories(seed=11)
    days, items = days_of(story), rows_of(spark, USER_ITEM_DAYS, story).repartition(3)
    found = outliers.extremes(items, mug_limits)
    of_days, of_items = outliers.treated(rows_of(spark, USER_DAYS, days), items, found, treatment)
    given, pairs, debts = defaultdict(list), defaultdict(list), 0
    for row in story:
        given[row["user_id"], row["item_id"]].append(row)
    for row in of_items.collect():
        pairs[row.user_id, row.item_id].append(row)

    assert {pair: len(rows) for pair, rows in pairs.items()} == {pair: len(rows) for pair, rows in given.items()}
    for pair, rows in given.items():
        left = [still_counts(row, treatment) for row in rows if row["purchases"]]
        counted = [sum(values) for values in zip(*left, strict=True)]
        names = (("purchases", "returns"), ("pieces", "returned_pieces"), ("gross", "returned"))
        for (bought, back), now in zip(names, counted, strict=True):
            b, r = (Fraction(sum(row.get(name) or 0 for row in rows)) for name in (bought, back))
            new_b, new_r = (Fraction(sum(row[name] or 0 for row in pairs[pair])) for name in (bought, back))
            due = r * now / b if b else r
            if bought == "gross":
                assert abs(new_b - now) <= Fraction(1, 10**5)
                assert abs(new_r - due) <= Fraction(2, 10**5)
            else:
                assert (new_b, new_r) == (now, floor(due))
            assert new_r <= new_b or r > b
            debts += r == b > now
    assert debts > 20  # where all came back of what no longer counts whole
    names = ("purchases", "pieces", "returns", "returned_pieces", "gross", "returned")

    def totals(rows):
        rows = [*rows]
        return {name: sum((row[name] or 0) for row in rows) for name in names}

    told = totals([{**dict.fromkeys(names), **row} for row in story])
    left_of_items = totals(row for rows in pairs.values() for row in rows)
    lost = {name: told[name] - left_of_items[name] for name in names}
    assert totals(of_days.collect()) == {name: value - lost[name] for name, value in totals(days).items()}
    assert lost["gross"] != 0 != lost["returned"]


def test_a_price_is_that_of_the_pieces_that_have_one(spark, mug_limits):
    """Of forty mugs two are priced, at 2 each; in days of before that was counted no price is judged."""

    def mugs(ago: int, pieces: int, gross: int, priced: int | None) -> Row:
        return {**line("u", "mug", ago, pieces, 1), "gross": Decimal(gross), "priced_pieces": priced}

    told = [mugs(1, 40, 4, 2), mugs(2, 40, 4, None), mugs(3, 40, 40, 2), mugs(4, 40, 4, 40), mugs(5, 1_000, 20, 10),
            mugs(6, 1_000, 20, None)]  # fmt: skip
    items = rows_of(spark, USER_ITEM_DAYS, told)
    found = outliers.extremes(items, mug_limits)
    _, capped = outliers.treated(rows_of(spark, USER_DAYS, days_of(told)), items, found, "cap")

    ago = {(AS_OF - row.event_date).days: (row.pieces, row.gross) for row in capped.collect()}
    assert {(AS_OF - row.event_date).days for row in found.collect()} == {3, 4, 5, 6}
    # At 20 instead of at most 10; at a tenth instead of 1; of a thousand pieces a tenth, priced or not.
    assert ago == {1: (40, 4), 2: (40, 4), 3: (40, 20), 4: (40, 40), 5: (100, 2), 6: (100, 2)}
    prices = outliers.item_values(items, as_of=AS_OF, params=PARAMS).where("measure = 'price'").collect()
    assert sorted(row.value for row in prices) == [0.1, 2, 2, 20]


def test_no_treatment_changes_who_is_a_robot(spark, mug_limits):
    """Who looks 1,200 times a day and buys three lines is a customer, also if two of the lines were a slip."""
    bought = [line("keen", item, 2, 1_000) for item in ("mug", "bowl")] + [line("keen", "bar", 2, 1)]
    robot = {**line("robot", "bar", 2, 0), "purchases": 0, "gross": None}
    days = [{**row, "views": 1_200, "events": 1_203} for row in days_of([*bought, robot])]
    users = [{"user_id": user, "account_kind": "consumer"} for user in ("keen", "robot")]
    frames = [rows_of(spark, table, rows) for table, rows in
              ((USER_DAYS, days), (USER_ITEM_DAYS, bought), (USERS, users))]  # fmt: skip

    for treatment in ("keep", "reject"):
        found = user_features(
            *frames, as_of=AS_OF, run_id="r", limits=replace(mug_limits, treatment=treatment),
            only=["extreme_purchases", "purchases_365d"],
        )  # fmt: skip
        rows = {row.user_id: (row.is_suspect, row.extreme_purchases, row.purchases_365d) for row in found.collect()}
        assert rows == {"keen": (False, 2, 1 if treatment == "reject" else 3), "robot": (True, 0, 0)}, treatment


def test_who_wants_some_features_gets_the_same_for_less(spark, mug_limits):
    told = [*MUGS, SLIP, line("slip", "mug", 2, 80_995, back=True)]
    users = [{"user_id": user, "account_kind": "consumer"} for user in {row["user_id"] for row in told}]
    frames = [rows_of(spark, table, rows) for table, rows in
              ((USER_DAYS, days_of(told)), (USER_ITEM_DAYS, told), (USERS, users))]  # fmt: skip

    kept = replace(mug_limits, treatment="keep")
    whole, less = (
        user_features(*frames, as_of=AS_OF, run_id="r", limits=kept, only=only).collect() for only in (None, ["spend"])
    )
    assert {row.user_id for row in whole if row.extreme_purchases} == {"slip"}
    (columns,) = {tuple(row.__fields__) for row in less}
    assert {*columns} == {"run_id", "user_id", "as_of", "spend", *ALWAYS}
    assert {row.user_id: row.asDict() for row in less} == {
        row.user_id: {name: row[name] for name in columns} for row in whole
    }
