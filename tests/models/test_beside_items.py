"""Lists beside items: against the same written out in numpy, and on planted pairs."""

import random
from itertools import combinations

import numpy as np
import pytest

from shoal.frames import few_rows
from shoal.models.recommend.bought_together import bought_together, with_lift
from shoal.models.recommend.measuring import Z_95
from shoal.models.recommend.similar_items import similar_items
from shoal.params import BoughtTogetherParams, SimilarItemsParams
from shoal.tables import BOUGHT_TOGETHER, SIMILAR_ITEMS

TOGETHER = BoughtTogetherParams(top_n=2, in_stock_only=True, days=365, max_items=50, min_together=3)
SIMILAR = SimilarItemsParams(
    top_n=3, in_stock_only=True, weights={"views": 1.0}, half_life_days=90.0, shrink=2.0, power=0.5, max_history=500
)


@pytest.fixture
def items_of(spark):
    """``items_of({"a1": "a", "b": "b"})``: items with their groups."""
    return lambda groups: few_rows(spark, "item_id string, item_group_id string", [*groups.items()])


@pytest.fixture
def orders_of(spark):
    return lambda orders: few_rows(spark, "items array<string>", [(sorted({*order}),) for order in orders])


def lists_of(rows, other: str) -> dict:
    """Per item what stands beside it, in order of rank, after a check that ranks are 1, 2, 3, ..."""
    lists: dict = {}
    for row in sorted(rows, key=lambda row: (row["item_id"], row["rank"])):
        lists.setdefault(row["item_id"], []).append(row[other])
        assert row["rank"] == len(lists[row["item_id"]])
    return lists


def types_of(table, frame) -> None:
    declared = {c.name: c.type.simpleString() for c in table.columns if c.name not in ("run_id", "as_of")}
    assert dict(frame.dtypes) == declared


# --- Lift


def wilson(found, among):
    share, square = found / among, Z_95**2
    middle = (share + square / (2 * among)) / (1 + square / among)
    half = Z_95 / (1 + square / among) * np.sqrt(share * (1 - share) / among + square / (4 * among**2))
    return middle - half, np.minimum(middle + half, 1)


def lift_of(together, one, other, orders):
    """Lift with its interval, as the page of its function says."""
    rare, common = np.minimum(one, other), np.maximum(one, other)
    given, overall = together / rare, common / orders
    (given_low, given_high), (overall_low, overall_high) = wilson(together, rare), wilson(common, orders)
    below = np.hypot(np.log(given / given_low), np.log(overall_high / overall))
    above = np.hypot(np.log(given_high / given), np.log(overall / overall_low))
    lift = given / overall
    return lift, lift * np.exp(-below), lift * np.exp(above)


COUNTS = [(5, 5, 5, 1000), (2, 100, 100, 18_000), (40, 50, 400, 2000), (1, 1, 1000, 1000), (300, 500, 500, 10**10)]


def test_lift_and_its_limits(spark):
    schema = "orders_together bigint, orders_item bigint, orders_other bigint, orders bigint"
    rows = with_lift(few_rows(spark, schema, COUNTS)).collect()

    for row, counts in zip(rows, COUNTS, strict=True):
        assert (row["lift"], row["lift_low"], row["lift_high"]) == pytest.approx(lift_of(*counts), rel=1e-5, abs=1e-6)
        assert row["lift_low"] < row["lift"] < row["lift_high"]
    met_by_chance, pair = rows[1], rows[2]
    assert met_by_chance["lift"] == pytest.approx(3.6)  # 2 x 18,000 / (100 x 100), and yet it may be chance
    assert met_by_chance["lift_low"] < 1 < pair["lift_low"]


def drawn(one: float, other: float, lift: float) -> list[np.ndarray]:
    """Counts of 20,000 shops of 5,000 orders, of two items of known shares and lift."""
    both = lift * one * other
    shares = [both, one - both, other - both, 1 - one - other + both]
    cells = np.random.default_rng(5).multinomial(5000, shares, 20_000).astype(float)
    cells = cells[cells[:, 0] > 0]
    return [cells[:, 0], cells[:, 0] + cells[:, 1], cells[:, 0] + cells[:, 2]]


@pytest.mark.parametrize(
    ("one", "other", "lift"),
    [(0.01, 0.1, 1), (0.01, 0.1, 2), (0.01, 0.1, 9.9), (0.01, 0.01, 20), (0.01, 0.01, 99), (0.1, 0.12, 0.5),
     (0.1, 0.12, 1), (0.1, 0.12, 2), (0.1, 0.12, 8), (0.3, 0.4, 1), (0.3, 0.4, 2)],
)  # fmt: skip
def test_the_interval_holds_the_truth_as_often_as_it_says(one, other, lift):
    """Pairs that meet five times at least on average; 20,000 draws know a share of 95 % to 0.3 points."""
    _, low, high = lift_of(*drawn(one, other, lift), 5000)

    assert ((low <= lift) & (lift <= high)).mean() >= 0.947


@pytest.mark.parametrize(("one", "other"), [(0.002, 0.002), (0.01, 0.01), (0.01, 0.1), (0.1, 0.12), (0.3, 0.4)])
def test_what_meets_by_chance_is_seldom_taken_for_a_pair(one, other):
    together, *held = drawn(one, other, 1)
    _, low, _ = lift_of(together, *held, 5000)

    # 2.5 % beyond the limit, and a little more where so few meet that a share's interval is lopsided.
    assert ((low > 1) & (together >= 5)).sum() / 20_000 <= 0.032


# --- Bought together


def random_orders(seed: int, size: int = 400) -> list[list[str]]:
    """Orders of 2 to 5 of seven items; a and b come together more often than not."""
    rng = random.Random(seed)
    orders = []
    for _ in range(size):
        order = set(rng.sample("abcijkl", rng.randrange(2, 5)))
        if "a" in order and rng.random() < 0.8:
            order.add("b")
        orders.append(sorted(order))
    return orders


def by_hand(orders, groups, params) -> dict:
    """Every column that is counted, by item and rank."""
    held = {item: sum(item in order for order in orders) for item in "abcdefghijkl"}
    found: dict = {}
    for one, other in combinations("abcdefghijkl", 2):
        together = sum(one in order and other in order for order in orders)
        if together < params.min_together:
            continue
        lift, low, high = lift_of(together, held[one], held[other], len(orders))
        for item, beside in ((one, other), (other, one)):
            if low > 1 and {item, beside} <= {*groups} and groups[item] != groups[beside]:
                row = (beside, together, held[item], held[beside], len(orders), lift, low, high)
                found.setdefault(item, []).append(row)
    lists = {}
    for item, rows in found.items():
        best: dict = {}
        for row in sorted(rows, key=lambda row: (-round(row[6], 6), -row[1], row[0])):
            best.setdefault(groups[row[0]], row)
        for rank, row in enumerate([*best.values()][: params.top_n], 1):
            lists[item, rank] = row
    return lists


def test_pairs_are_those_that_a_count_by_hand_finds(items_of, orders_of):
    orders = random_orders(1) + [["k", "l", "c"]] * 30 + [["d", i] for i in "eefffghgh" * 12]
    groups = {item: item for item in "abcdefghijkl"} | {"c": "k", "e": "ef", "f": "ef"}  # variants of one article
    del groups["j"]  # is sold no more
    items = items_of(groups)
    found = bought_together(orders_of(orders), items, items, TOGETHER)
    types_of(BOUGHT_TOGETHER, found)
    rows = found.collect()

    expected = by_hand(orders, groups, TOGETHER)
    assert {("d", 2), ("e", 1), ("f", 1), ("a", 1)} <= {*expected}  # d has three, e and f are variants
    assert {(row["item_id"], row["rank"]): row["other_item_id"] for row in rows} == {
        place: row[0] for place, row in expected.items()
    }
    for row in rows:
        wanted = expected[row["item_id"], row["rank"]]
        counts = ("orders_together", "orders_item", "orders_other", "orders", "lift", "lift_low", "lift_high")
        assert [row[name] for name in counts] == pytest.approx(wanted[1:], abs=1e-6)
        assert row["item_group_id"] == groups[row["other_item_id"]]
        assert row["source"] == "co_purchase"
        assert row["reason"].startswith(f"in {wanted[1]} of the {wanted[2]} orders that hold it, {wanted[5]:.1f} times")


def test_planted_pairs_are_found_and_what_only_sells_well_is_no_pair(items_of, orders_of):
    """Two hundred orders of two of a hundred items by chance; every twentieth holds the razor and its blades."""
    rng = random.Random(2)
    shelf = [f"i{n:02}" for n in range(100)]
    orders = [rng.sample(shelf, 2) for _ in range(2000)]
    orders = [[*order, "razor", "blades"] if n % 20 == 0 else [*order, "hit"] for n, order in enumerate(orders)]
    items = items_of({item: item for item in [*shelf, "razor", "blades", "hit"]})
    lists = lists_of(bought_together(orders_of(orders), items, items, TOGETHER).collect(), "other_item_id")

    assert lists["razor"][0] == "blades"
    assert lists["blades"][0] == "razor"
    assert "hit" not in lists  # is in nearly all orders, with everything alike


def test_only_what_is_offered_is_named(items_of, orders_of):
    groups = {"a": "a", "b": "b", "x": "x"}
    orders = [["a", "b"]] * 20 + [["x", "y"]] * 20
    found = bought_together(orders_of(orders), items_of(groups), items_of({"a": "a"}), TOGETHER)

    assert lists_of(found.collect(), "other_item_id") == {"b": ["a"]}


def test_order_and_partitions_change_nothing_and_no_orders_make_no_rows(items_of, orders_of):
    orders = random_orders(4)
    items = items_of({item: item for item in "abcdefghijkl"})
    mixed = orders_of(random.Random(9).sample(orders, len(orders))).repartition(5)

    once = sorted(bought_together(orders_of(orders), items, items, TOGETHER).collect())
    assert sorted(bought_together(mixed, items.repartition(3), items, TOGETHER).collect()) == once
    assert once
    assert bought_together(orders_of([]), items, items, TOGETHER).collect() == []


# --- Similar items

USERS, ITEMS = [f"u{n:02}" for n in range(30)], [*"abcdefghij"]


def wants(seed: int) -> dict:
    rng = random.Random(seed)
    return {(u, i): rng.choice((0.5, 1.0, 4.0)) for u in USERS for i in ITEMS if rng.random() < 0.4}


def cosines(pairs: dict, groups: dict, offered: set, params) -> dict:
    """By item and rank: what stands beside it, its score and their common users."""
    matrix = np.array([[np.float32(pairs.get((u, i), 0) ** params.power if (u, i) in pairs else 0) for i in ITEMS]
                       for u in USERS], float)  # fmt: skip
    lists = {}
    for a, item in enumerate(ITEMS):
        best: dict = {}
        for b, other in enumerate(ITEMS):
            common = int(((matrix[:, a] > 0) & (matrix[:, b] > 0)).sum())
            if item not in groups or other not in offered or groups[item] == groups[other] or not common:
                continue
            lengths = np.linalg.norm(matrix[:, a]) * np.linalg.norm(matrix[:, b])
            score = np.float32(matrix[:, a] @ matrix[:, b] / lengths * common / (common + params.shrink))
            if groups[other] not in best or score > best[groups[other]][1]:
                best[groups[other]] = (other, score, common)
        ranked = sorted(best.values(), key=lambda row: (-row[1], row[0]))[: params.top_n]
        lists |= {(item, rank): row for rank, row in enumerate(ranked, 1)}
    return lists


@pytest.fixture
def pairs_of(spark):
    def build(pairs, parts=2):
        rows = random.Random(parts).sample([(*pair, s) for pair, s in pairs.items()], len(pairs))
        return few_rows(spark, "user_id string, item_id string, strength double", rows).repartition(parts)

    return build


def test_similar_items_are_those_of_the_dense_cosine(items_of, pairs_of):
    pairs = wants(6)
    groups = {item: item for item in ITEMS[:9]} | {"b": "a", "c": "a", "e": "d"}  # j is recommended no more
    offered = {item: group for item, group in groups.items() if item not in ("a", "h")}  # a and h are sold out
    found = similar_items(pairs_of(pairs), items_of(groups), items_of(offered), SIMILAR)
    types_of(SIMILAR_ITEMS, found)
    rows = found.collect()

    expected = cosines(pairs, groups, {*offered}, SIMILAR)
    assert {item for item, _ in expected} == {*groups}
    assert {(row["item_id"], row["rank"]): (row["similar_item_id"], row["common_users"]) for row in rows} == {
        place: (other, common) for place, (other, _, common) in expected.items()
    }
    for row in rows:
        assert row["score"] == pytest.approx(expected[row["item_id"], row["rank"]][1], rel=1e-5)
        assert row["item_group_id"] == groups[row["similar_item_id"]]
        assert row["source"] == "item_knn"
        assert row["reason"].startswith(f"{row['common_users']} of the people")


@pytest.mark.long
def test_order_and_partitions_of_pairs_change_nothing(items_of, pairs_of):
    items = items_of({item: item for item in ITEMS})
    once, again = (similar_items(pairs_of(wants(7), parts), items, items, SIMILAR).collect() for parts in (1, 5))

    assert sorted(once) == sorted(again)
    assert once


def test_nobody_wants_anything(items_of, pairs_of):
    found = similar_items(pairs_of({}), items_of({"a": "a"}), items_of({"a": "a"}), SIMILAR)

    types_of(SIMILAR_ITEMS, found)
    assert found.collect() == []
