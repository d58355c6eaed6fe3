"""Purchases of no usual size or price are found, and kept, capped or left out, with what came back of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import exp, floor, log
from statistics import median
from typing import Any

import pytest

from shoal.config import load_config
from shoal.frames import few_rows, rows_of
from shoal.tables import LIMITS, USER_DAYS, USER_ITEM_DAYS, USERS
from shoal.transforms import outliers
from shoal.transforms.limits import Limits, limits, spreads
from shoal.transforms.user_features import user_features

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
        "purchases": 1, "pieces": pieces, "gross": money}  # fmt: skip
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
            rows_of(spark, USERS, users), as_of=AS_OF, run_id="r", limits=found,
        )  # fmt: skip
        return {row.user_id: row for row in features.collect()}

    return build


def robust(values: list[float]) -> tuple[float, float]:
    """Median of the logarithms, and the median distance from it."""
    logs = [log(value) for value in values]
    return median(logs), median(abs(value - median(logs)) for value in logs)


# Mugs are bought in ones to eights at 2.00, a bar by its hundreds at 2 to 4; of bowls there are too few.
MUGS = [line(f"u{n}", "mug", 1 + n, 1 + n % 8) for n in range(24)]
BARS = [line(f"u{n}", "bar", 1 + n, 100 + 50 * (n % 5), 2 + n % 3) for n in range(20)]
BOWLS = [line(f"u{n}", "bowl", 1 + n, 3, 5) for n in range(18)]
SLIP = line("slip", "mug", 3, 80_995)
DEAR = line("dear", "mug", 3, 2, 2 * FACTOR + 1)
CHEAP = line("cheap", "mug", 3, 2, 2 / FACTOR - 0.01)
RARE = line("rare", "bowl", 3, 1_000_000, 5)
ODD = [SLIP, DEAR, CHEAP, RARE]
USUAL = [*MUGS, *BARS, *BOWLS]


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
    # Of bowls there are 19, one too few: the shop's limits hold for them.
    middle, mad = robust([float(f"{row['pieces']:.3g}") for row in [*USUAL, *ODD]])
    assert found[None, "pieces"].upper == pytest.approx(exp(middle + K * mad))
    assert found[None, "pieces"].observed == 24 + 20 + 18 + 4
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
