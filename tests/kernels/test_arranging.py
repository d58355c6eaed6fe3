"""Which candidates make a list: against all permutations of tiny ones, and why: against the cosines written out."""

import random
from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest

from shoal.kernels.arranging import arrange, explain

NO_FACTORS = pa.table({"number": pa.array([], pa.int32()), "factor": pa.array([], pa.list_(pa.float32()))})
SETTINGS = {"n": 3, "caps": {}, "diversity": 0.0, "popularity_penalty": 0.0}


def candidates(*users: list[dict]) -> pa.Table:
    """Users a, b, ... with their candidates, the best first."""
    default = {"voice": 0, "pin": 0, "score": 0.0, "popularity": 0.0, "number": -1, "category": None, "brand": None}
    types = {"voice": pa.int32(), "pin": pa.int32(), "score": pa.float64(), "popularity": pa.float64(),
             "number": pa.int32(), "category": pa.string(), "brand": pa.string(), "item_id": pa.string()}  # fmt: skip
    rows = [[{**default, "item_id": f"i{n}", **one} for n, one in enumerate(some)] for some in users]
    columns = {
        name: pa.array([[one[name] for one in some] for some in rows], pa.list_(kind)) for name, kind in types.items()
    }
    keys = pa.array([chr(97 + n) for n in range(len(users))])
    return pa.table({"key": keys, **columns, "item_group_id": columns["item_id"]})


def lists_of(found: pa.Table) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for row in found.to_pylist():
        lists.setdefault(row["key"], []).append(row["item_id"])
        assert row["rank"] == len(lists[row["key"]])
        assert row["item_group_id"] == row["item_id"]
    return lists


def best_of_all(some: list[dict], n: int, caps: dict[str, int]) -> list[str]:
    """Of all lists that keep the caps and hold the pins in their places, the one with the best item at the first place
    in which it differs from another; a list that goes on is better than one that ends."""
    held: list[int] = []
    for place in sorted(one["pin"] for one in some if one.get("pin")):
        (here,) = [number for number, one in enumerate(some) if one.get("pin") == place]
        held += [here] if place <= n and keeps(some, [*held, here], caps) else []
    free = [number for number, one in enumerate(some) if not one.get("pin")]
    best: tuple[float, ...] = (float("inf"),) * n
    chosen: tuple[int, ...] = ()
    for size in range(n + 1):
        for order in permutations([*held, *free], size):
            if not {*held} <= {*order} or not keeps(some, order, caps):
                continue
            if not all(stands(some, order, place) for place in range(size)):
                continue
            others = [float(number) for number in order if number not in held]
            value = (*others, *[float("inf")] * (n - len(others)))
            if value < best or not chosen:
                best, chosen = value, order
    return [f"i{number}" for number in chosen]


def keeps(some: list[dict], order, caps: dict[str, int]) -> bool:
    values = [(name, some[number].get(name)) for name in caps for number in order]
    return all(values.count((name, value)) <= caps[name] for name, value in values if value is not None)


def stands(some: list[dict], order, place: int) -> bool:
    """Whether what is pinned has its place, or comes after everything else where the list ends before."""
    pin = some[order[place]].get("pin")
    return not pin or pin == place + 1 or (pin > place + 1 and all(some[later].get("pin") for later in order[place:]))


@pytest.mark.parametrize("pins", [0, 1, 2])
@pytest.mark.parametrize("caps", [{}, {"category": 1}, {"category": 2, "brand": 1}, {"category": 1, "brand": 2}])
def test_equals_the_best_of_all_permutations(caps, pins):
    rng = random.Random(pins)
    users, n = [], 4
    for _ in range(25):
        some = [
            {"category": rng.choice(["x", "y", None]), "brand": rng.choice("pqr"), "score": 9.0 - number}
            for number in range(rng.randrange(0, 7))
        ]
        pinned_at = rng.sample(range(1, 6), min(pins, len(some)))
        for pinned, place in zip(rng.sample(range(len(some)), len(pinned_at)), pinned_at, strict=True):
            some[pinned]["pin"] = place
        users.append(some)
    found = lists_of(arrange(candidates(*users), NO_FACTORS, **{**SETTINGS, "n": n, "caps": caps}))

    expected = {chr(97 + number): best_of_all(some, n, caps) for number, some in enumerate(users)}
    assert found == {key: items for key, items in expected.items() if items}


def test_the_first_voice_comes_first_whatever_the_scores_say():
    some = [{"voice": 0, "score": 0.2}, {"voice": 1, "score": 900.0}, {"voice": 0, "score": 0.1}]

    assert lists_of(arrange(candidates(some), NO_FACTORS, **SETTINGS)) == {"a": ["i0", "i2", "i1"]}


def test_what_is_known_to_all_loses_by_the_penalty():
    """Scores of 1, 0.9 and 0.5 lie at 1, 0.8 and 0 between the lowest and the highest."""
    some = [{"score": 1.0, "popularity": 1.0}, {"score": 0.9}, {"score": 0.5, "popularity": 0.0}]

    for penalty, expected in ((0.1, ["i0", "i1", "i2"]), (0.3, ["i1", "i0", "i2"]), (1.1, ["i1", "i2", "i0"])):
        found = arrange(candidates(some), NO_FACTORS, **{**SETTINGS, "popularity_penalty": penalty})
        assert lists_of(found) == {"a": expected}


def marginal(scores, factors, n, diversity) -> list[int]:
    """Maximal marginal relevance by its formula."""
    worth = (scores - scores.min()) / (scores.max() - scores.min())
    ways = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    chosen: list[int] = []
    while len(chosen) < n:
        like = (ways @ ways[chosen].T).max(axis=1).clip(min=0) if chosen else np.zeros(len(scores))
        value = (1 - diversity) * worth - diversity * like
        value[chosen] = -np.inf
        chosen.append(int(value.argmax()))
    return chosen


@pytest.mark.parametrize("diversity", [0.0, 0.2, 0.5, 0.9])
def test_diversity_is_maximal_marginal_relevance(diversity):
    rng = np.random.default_rng(4)
    factors = rng.normal(size=(40, 3)).astype(np.float32)
    right = pa.table({"number": pa.array(range(40), pa.int32()), "factor": [*map(list, factors)]})
    shuffled = right.take(pa.array(rng.permutation(40)))
    users, expected = [], {}
    for user in "abcdefgh":
        items = rng.permutation(40)[:12]
        scores = np.sort(rng.random(12))[::-1]
        users.append([{"number": int(i), "score": float(s)} for i, s in zip(items, scores, strict=True)])
        expected[user] = [f"i{at}" for at in marginal(scores, factors[items], 5, diversity)]
    found = arrange(candidates(*users), shuffled, **{**SETTINGS, "n": 5, "diversity": diversity})

    assert lists_of(found) == expected


def test_nobody_and_nothing():
    assert arrange(candidates(), NO_FACTORS, **SETTINGS).num_rows == 0
    assert lists_of(arrange(candidates([], [{}]), NO_FACTORS, **{**SETTINGS, "caps": {"brand": 1}})) == {"b": ["i0"]}


def test_the_reason_is_the_own_item_with_the_highest_cosine():
    rng = np.random.default_rng(6)
    factors = rng.normal(size=(30, 4)).astype(np.float32)
    right = pa.table({"number": pa.array(range(30), pa.int32()), "factor": [*map(list, factors)]})
    named = [sorted(map(int, rng.permutation(30)[:5])) for _ in range(20)]
    own = [[*map(int, rng.permutation(34)[: rng.integers(0, 6)])] for _ in range(20)]  # four have no factor
    kind = pa.list_(pa.int32())
    left = pa.table({"key": pa.array(map(str, range(20))), "named": pa.array(named, kind), "own": pa.array(own, kind)})
    found = {(row["key"], row["named"]): row["own"] for row in explain(left, right).to_pylist()}

    ways = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    expected = {}
    for user in range(20):
        for item in named[user]:
            cosines = {mine: float(ways[item] @ ways[mine]) for mine in own[user] if mine < 30 and mine != item}
            if cosines and max(cosines.values()) > 0:
                expected[str(user), item] = max(cosines, key=cosines.__getitem__)
    assert found == expected
    assert explain(left.slice(0, 0), right).num_rows == 0
