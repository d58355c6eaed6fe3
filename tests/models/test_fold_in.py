"""Users folded into fixed items: neither order nor partitions count, and a fingerprint tells of all that was done."""

from datetime import date, timedelta

import numpy as np
import pytest

from shoal.config import load_config
from shoal.frames import few_rows
from shoal.models.recommend import AlsModel, LastFactors, fingerprints, fit, folded_in, strengths
from shoal.tables import USER_ITEM_DAYS

DAY = date(2024, 6, 1)
MODEL = AlsModel(rank=2, users=9, items=4, interactions=20, max_iter=3, reg=0.1, alpha=1.0, seed=7)
ITEMS = {"a": [1.0, 0.0], "b": [0.8, 0.4], "c": [0.0, 1.0], "d": [-0.3, 0.9]}
PAIRS = [("u", "a", 1.0), ("u", "b", 2.0), ("v", "c", 3.0), ("v", "new", 5.0), ("w", "new", 1.0), ("x", "d", 0.5)]


@pytest.fixture
def pairs_of(spark):
    return lambda rows: few_rows(spark, "user_id string, item_id string, strength double", rows)


@pytest.fixture
def items(spark):
    rows = [(name, number, factor) for number, (name, factor) in enumerate(ITEMS.items())]
    return few_rows(spark, "id string, number int, factor array<double>", rows)


def factors(rows):
    return {row["id"]: row["factor"] for row in rows.collect()}


def expected(*own):
    fixed, known = np.array([*ITEMS.values()]), [*ITEMS]
    s = np.array([dict(own).get(name, 0.0) for name in known])
    confidence, wanted = 1 + MODEL.alpha * s, s > 0
    left = (fixed.T * confidence) @ fixed + MODEL.reg * wanted.sum() * np.eye(2)
    return np.linalg.solve(left, fixed.T @ (confidence * wanted))


def test_users_are_solved_by_the_items_that_the_model_knows(pairs_of, items):
    found = factors(folded_in(pairs_of(PAIRS), items, MODEL, users=4))

    assert found.keys() == {"u", "v", "x"}, "nothing is known of what w has"
    np.testing.assert_allclose(found["u"], expected(("a", 1.0), ("b", 2.0)), atol=1e-6)
    np.testing.assert_allclose(found["v"], expected(("c", 3.0)), atol=1e-6)


@pytest.mark.parametrize(("users", "partitions"), [(4, 3), (50_000, 1)])
def test_order_partitions_and_blocks_change_no_digit(pairs_of, items, users, partitions):
    mixed = pairs_of(PAIRS[::-1]).repartition(partitions, "item_id")

    assert factors(folded_in(mixed, items.orderBy("id", ascending=False), MODEL, users)) == factors(
        folded_in(pairs_of(PAIRS), items, MODEL, users=1)
    )


def test_what_others_do_changes_no_digit(pairs_of, items):
    alone = factors(folded_in(pairs_of([p for p in PAIRS if p[0] == "v"]), items, MODEL, users=1))

    assert alone["v"] == factors(folded_in(pairs_of(PAIRS), items, MODEL, users=4))["v"]


def seen(pairs, owned):
    return {row["user_id"]: row["fingerprint"] for row in fingerprints(pairs, owned).collect()}


def test_a_fingerprint_differs_where_anything_of_the_user_does(pairs_of):
    nothing = pairs_of([])
    first = seen(pairs_of(PAIRS), nothing)
    other = seen(pairs_of([("u", "a", 1.5), *PAIRS[1:3], ("v", "other", 5.0), *PAIRS[4:], ("x", "a", 1.0)]), nothing)
    bought = seen(pairs_of(PAIRS), pairs_of([("w", "new", 1.0), ("nobody", "a", 1.0)]))

    assert first.keys() == {"u", "v", "w", "x"}
    assert all(first[user] != other[user] for user in ("u", "v", "x"))
    assert first["w"] == other["w"]
    assert {user for user in first if first[user] != bought[user]} == {"w"}
    assert bought.keys() == first.keys(), "who has no pair has no factors"
    assert seen(pairs_of(PAIRS[::-1]).repartition(3), nothing) == first


def test_by_an_earlier_clock_strengths_of_old_acts_stay_as_they_were(frame):
    params = load_config().recommend["for_you"]
    zeros = dict.fromkeys(("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces"), 0)

    def tile(item, days_ago, **counts):
        return {"bucket": 0, "user_id": "u", "item_id": item, "event_date": DAY - timedelta(days=days_ago), **zeros,
                **counts}  # fmt: skip

    old = [tile("a", 3, views=1), tile("a", 40, carts=2), tile("b", 2, purchases=1, pieces=1)]
    later = DAY + timedelta(days=5)

    def of(tiles, **days):
        found = strengths(frame(USER_ITEM_DAYS, *tiles), params=params, **days)
        return {row["item_id"]: row["strength"] for row in found.collect()}

    then, now = of(old, as_of=DAY), of([*old, tile("c", -2, views=1)], as_of=later, clock=DAY)
    assert {item: now[item] for item in then} == then
    assert now["c"] == pytest.approx(0.5 ** (-2 / params.half_life_days), abs=1e-6)
    assert of(old, as_of=later)["a"] < then["a"]


def test_a_fit_says_what_it_went_on_from_and_mllib_never_does(spark, pairs_of):
    rows = [(f"u{n % 7}", f"i{(n * n) % 11}", 1.0 + n % 3) for n in range(40)]
    pairs = pairs_of([*{row[:2]: row for row in rows}.values()])
    params = load_config().recommend["for_you"].model_copy(
        update={"rank": 2, "max_iter": 3, "min_interactions": 1, "engine": "native"}
    )  # fmt: skip
    anew = fit(pairs, params)
    last = LastFactors("then/recommend/for_you", anew.user_factors.unionByName(anew.item_factors), iterations=1)
    on, by_mllib = (fit(pairs, params.model_copy(update={"engine": engine}), last) for engine in ("native", "mllib"))

    assert (anew.model.started_from, anew.model.max_iter) == (None, 3)
    assert (on.model.started_from, on.model.max_iter) == ("then/recommend/for_you", 1)
    assert (by_mllib.model.started_from, by_mllib.model.max_iter) == (None, 3)
    four = fit(pairs, params.model_copy(update={"max_iter": 4}))  # one iteration on from three is four

    def products(fitted):
        sides = (fitted.user_factors, fitted.item_factors)
        users, items = (np.array([row["factor"] for row in side.orderBy("id").collect()]) for side in sides)
        return users @ items.T

    np.testing.assert_allclose(products(on), products(four), atol=1e-4)
