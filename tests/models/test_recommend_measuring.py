"""Metrics by hand and against scikit-learn, and a shop in which one taste is evident."""

from dataclasses import replace
from datetime import date, timedelta
from math import log2

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from shoal.config import load_config
from shoal.frames import few_rows
from shoal.models.metric import Metric
from shoal.models.recommend import acts, backtest
from shoal.models.recommend.backtesting import bought_before
from shoal.models.recommend.backtesting import measure as measured
from shoal.models.recommend.blend import FittedBlend
from shoal.models.recommend.judging import Judgement, judge, told
from shoal.models.recommend.measuring import Z_95, Contest, compare, evaluate
from shoal.tables import USER_ITEM_DAYS

AS_OF = date(2024, 6, 1)
PARAMS = load_config().recommend["for_you"].model_copy(update={
    "model": "als", "engine": "mllib", "top_n": 2, "active_days": 180, "in_stock_only": True, "exclude_owned": False,
    "weights": {"purchases": 5.0, "views": 1.0},
    "half_life_days": 90.0, "rank": 4, "max_iter": 4, "reg": 0.1, "alpha": 1.0, "seed": 7, "min_interactions": 1,
    "popularity_days": 90, "test_days": 30, "k": 2,
})  # fmt: skip


@pytest.fixture
def lists(spark):
    """``lists(u="ab")``: user u is recommended a, then b."""

    def build(**users):
        rows = [(user, item, rank) for user, items in users.items() for rank, item in enumerate(items, 1)]
        return few_rows(spark, "user_id string, item_id string, rank int", rows)

    return build


@pytest.fixture
def pairs(spark):
    """``pairs(u="ab")``: a and b were relevant to user u."""

    def build(**users):
        rows = [(user, item) for user, items in users.items() for item in items]
        return few_rows(spark, "user_id string, item_id string", rows)

    return build


def test_values_derived_by_hand(lists, pairs):
    shown = lists(first="axy", second="xay", two="abx", past_k="xyza", more="abc", stranger="a")
    relevant = pairs(first="a", second="a", two="ab", past_k="a", more="abcde", unserved="a")
    found = {row["user_id"]: row for row in evaluate(shown, relevant, 3).collect()}

    assert {user: row["ndcg"] for user, row in found.items()} == pytest.approx(
        {"first": 1, "second": 1 / log2(3), "two": 1, "past_k": 0, "more": 1, "unserved": 0}
    )
    assert {user: row["recall"] for user, row in found.items()} == pytest.approx(
        {"first": 1, "second": 1, "two": 1, "past_k": 0, "more": 3 / 5, "unserved": 0}
    )
    assert {user: row["hits"] for user, row in found.items()}["more"] == 3


def test_ndcg_equals_scikit_learn(lists, pairs):
    rng = np.random.default_rng(3)
    items = np.array([*"abcdefghijkl"])
    orders = {f"u{n}": rng.permutation(items) for n in range(12)}
    wanted = {user: items[rng.random(12) < 0.3] for user in orders}
    wanted = {user: some for user, some in wanted.items() if len(some)}

    found = {row["user_id"]: row["ndcg"] for row in evaluate(lists(**orders), pairs(**wanted), 5).collect()}

    assert found == pytest.approx(
        {
            user: ndcg_score([np.isin(items, some)], [[-[*orders[user]].index(item) for item in items]], k=5)
            for user, some in wanted.items()
        }
    )


def measure(days, items, params=PARAMS) -> list[Metric]:
    """What one list is measured to be."""
    groups = items.selectExpr("item_id", "item_id AS item_group_id")
    with backtest(days, groups, as_of=AS_OF, days=params.test_days) as test:
        return measured(test, {"a list": params})["a list"]


def values(metrics: list[Metric], model: str) -> dict:
    return {m.metric: m.value for m in metrics if m.model == model}


def test_compare_means_coverage_and_paired_difference(spark, lists, pairs):
    relevant = pairs(u="a", v="b", w="c")
    allowed = few_rows(spark, "item_id string", [(i,) for i in "abcde"])
    als = lists(u="ax", v="ab", w="ca", other="e")  # ndcg 1, 1/log2(3), 1
    popularity = lists(u="ab", v="ab", w="ab")  # ndcg 1, 1/log2(3), 0
    other = Contest({"popularity": als}, 1, "shorter")
    found, shorter = compare([Contest({"als": als, "popularity": popularity}, 2, "note"), other], relevant, allowed)

    second = 1 / log2(3)
    gaps = np.array([0, 0, 1])
    margin = Z_95 * gaps.std(ddof=1) / 3**0.5
    assert values(found, "popularity") == pytest.approx(
        {"ndcg@2": (1 + second) / 3, "recall@2": 2 / 3, "coverage@2": 2 / 5, "users": 3}
    )
    assert values(found, "als") == pytest.approx(
        {
            "ndcg@2": (2 + second) / 3, "recall@2": 1, "coverage@2": 3 / 5, "users": 3,
            "ndcg@2 als - popularity": 1 / 3,
            "ndcg@2 als - popularity low": 1 / 3 - margin,
            "ndcg@2 als - popularity high": 1 / 3 + margin,
        }
    )  # fmt: skip
    assert values(shorter, "popularity") == pytest.approx(
        {"ndcg@1": 2 / 3, "recall@1": 2 / 3, "coverage@1": 2 / 5, "users": 3}
    )


def test_nobody_to_measure_gives_no_value(spark, lists, pairs):
    allowed = few_rows(spark, "item_id string", [])
    (found,) = compare([Contest({"als": lists(), "popularity": lists()}, 2, "note")], pairs(), allowed)

    assert {m.value for m in found if m.metric != "users"} == {None}
    assert {m.value for m in found if m.metric == "users"} == {0.0}


def tile(user, item, days_ago, **counts) -> dict:
    zeros = dict.fromkeys(("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces"), 0)
    day = AS_OF - timedelta(days=days_ago)
    return {"bucket": 0, "user_id": user, "item_id": item, "event_date": day, **zeros, **counts}


def test_a_backtest_parts_what_was_known_from_what_was_bought_since(frame, spark):
    rows = [
        tile("u", "old", 31, purchases=1), tile("u", "seen", 40, views=1), tile("v", "late", 40, views=1),
        tile("u", "old", 30, purchases=1), tile("u", "late", 1, purchases=1), tile("u", "late", 2, purchases=1),
        tile("u", "seen", 9, views=1), tile("u", "unknown", 9, purchases=1), tile("stranger", "old", 9, purchases=1),
        tile("v", "old", 0, purchases=1), tile("u", "postage", 50, views=1), tile("u", "postage", 5, purchases=1),
    ]  # fmt: skip
    items = few_rows(
        spark, "item_id string, item_group_id string", [(i, i) for i in ("old", "seen", "late", "unknown")]
    )
    with backtest(frame(USER_ITEM_DAYS, *rows), items, as_of=AS_OF, days=30) as test:
        assert test.as_of == AS_OF - timedelta(days=30)
        assert {(row["user_id"], row["item_id"]) for row in test.tiles.collect()} == {
            ("u", "old"), ("u", "seen"), ("v", "late"), ("u", "postage"),
        }  # fmt: skip
        assert sorted(row["item_id"] for row in test.items.collect()) == ["late", "old", "seen"]
        assert sorted(map(tuple, test.again.collect())) == [("u", "late"), ("u", "old")]
        assert [tuple(row) for row in test.new.collect()] == [("u", "late")]


def test_bought_before_ranks_by_times_then_latest_then_item(frame, spark):
    rows = [
        tile("u", "c", 9, purchases=3), tile("u", "b", 9, purchases=1), tile("u", "a", 9, purchases=1),
        tile("u", "late", 5, purchases=1), tile("u", "fee", 1, purchases=9), tile("u", "seen", 1, views=9),
    ]  # fmt: skip
    allowed = few_rows(spark, "item_id string", [(i,) for i in ("a", "b", "c", "late", "seen")])
    ranked = bought_before(acts(frame(USER_ITEM_DAYS, *rows), as_of=AS_OF), allowed, 3).collect()

    assert {row["rank"]: row["item_id"] for row in ranked} == {1: "c", 2: "late", 3: "a"}


@pytest.fixture
def shop(spark, frame):
    """Even users buy even items: all but two before the cut, one more after it, and their first one again."""
    rows = []
    for u in range(16):
        mine = [f"i{i:02}" for i in range(16) if i % 2 == u % 2]
        new = mine[u // 2]
        left = mine[(u // 2 + 1) % 8]
        rows += [tile(f"u{u:02}", item, 40 + u, purchases=1) for item in mine if item not in {new, left}]
        again = min(item for item in mine if item not in {new, left})
        rows += [tile(f"u{u:02}", item, 5, purchases=1) for item in (new, again)]
    cold = [tile("stranger", "i00", 3, purchases=1), tile("u00", "novelty", 3, purchases=1)]
    future = [tile("u00", "i01", 0, purchases=1)]
    ids = [(f"i{n:02}",) for n in range(16)] + [("novelty",)]
    return frame(USER_ITEM_DAYS, *rows, *cold, *future), few_rows(spark, "item_id string", ids)


def test_measure_finds_the_taste_that_popularity_cannot(shop):
    days, items = shop
    found = measure(days, items)
    als, popularity, repeats = (values(found, m) for m in ("als", "popularity", "bought_before"))

    # Two items of a user's taste are unbought, so a list of two within the taste holds the next.
    assert als["recall@2"] == 1.0
    assert als["coverage@2"] == 1.0  # of the 16 items known before the cut; the novelty is not among them
    assert als["ndcg@2"] > popularity["ndcg@2"]
    assert als["ndcg@2 als - popularity"] == pytest.approx(als["ndcg@2"] - popularity["ndcg@2"], abs=1e-8)
    assert als["users"] == popularity["users"] == repeats["users"] == 16  # the stranger is not measured
    # Each bought item was bought once, on one day: the list is the two lowest ids, the first bought again.
    assert repeats["recall@2"] == 0.5
    assert repeats["ndcg@2"] == pytest.approx(1 / (1 + 1 / log2(3)), abs=1e-8)
    assert len({(m.model, m.metric) for m in found}) == len(found)


def test_measure_says_so_where_als_cannot_be_fitted(shop):
    days, items = shop
    found = measure(days, items, PARAMS.model_copy(update={"min_interactions": 10_000}))

    assert values(found, "als") == {"ndcg@2": None, "recall@2": None, "coverage@2": None}
    assert all("needs 10,000 pairs" in m.note for m in found if m.model == "als")
    assert values(found, "popularity")["users"] == 16


def difference(mean, low, high) -> list[Metric]:
    """What was measured of als beside popularity."""
    name = "ndcg@2 als - popularity"
    found = {name: mean, f"{name} low": low, f"{name} high": high}
    return [
        *(Metric("als", metric, value, "") for metric, value in found.items()),
        Metric("popularity", "ndcg@2", 0.5, ""),
    ]


@pytest.mark.parametrize(
    ("mean", "low", "high", "kind"),
    [
        (-0.2, -0.3, -0.1, "failed"), (-0.2, -0.3, -0.0001, "failed"), (-0.2, -0.4, 0.0, "undecided"),
        (0.1, -0.1, 0.3, "undecided"), (0.0, 0.0, 0.0, "undecided"), (0.2, 0.1, 0.3, None),
        (0.2, None, None, "untested"), (None, None, None, "untested"),
    ],
)  # fmt: skip
def test_als_is_judged_by_where_the_interval_lies(mean, low, high, kind):
    judged = judge(difference(mean, low, high), PARAMS)

    assert [name for name, said in vars(judged).items() if said] == ([kind] if kind else [])
    if low is not None and kind:
        assert f"is {mean:.4f}, 95 % interval {low:.4f} to {high:.4f}" in vars(judged)[kind]


def test_als_that_wins_passes(shop):
    days, items = shop

    assert judge(measure(days, items), PARAMS) == Judgement()


def test_als_that_could_not_be_fitted_then_is_not_tested(shop):
    days, items = shop
    params = PARAMS.model_copy(update={"min_interactions": 10_000})

    assert (
        "it needs 10,000 pairs of user and item and found fewer" in judge(measure(days, items, params), params).untested
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": "content"}, "it found nothing that it can learn from"),  # of no item is anything said
        ({"model": "item_knn", "min_interactions": 97}, "it needs 97 pairs of user and item and found fewer"),  # 16 x 6
    ],
)
def test_why_a_model_is_not_tested_is_said(shop, changes, why):
    days, items = shop
    params = PARAMS.model_copy(update=changes)

    assert judge(measure(days, items, params), params).untested.endswith(f"30 days back: {why}")


def test_in_what_the_measured_model_is_not_the_one_that_is_shown_is_said():
    metrics = [Metric(model, "ndcg@2", 0.5, "note") for model in ("als", "popularity")]
    on, new = (PARAMS.model_copy(update=update) for update in ({"warm_start": 3}, {"new_items": 2}))

    assert told(metrics, PARAMS, object()) == metrics
    assert told(metrics, new, object()) == [replace(metrics[0], note="note; without new items"), metrics[1]]
    assert "in 4 iterations from random factors" in told(metrics, on, object())[0].note


def test_the_members_of_a_blend_that_was_measured_are_said():
    blend = FittedBlend((), (), 50, "rank", 10.0, ("als", "item_knn"))
    params = PARAMS.model_copy(update={"model": "blend"})
    found = told([], params, blend)

    assert found == [Metric("blend", "members", 2.0, "als, item_knn")]
    assert judge(found, params).members == "als, item_knn"


def test_als_that_loses_to_popularity_fails(shop, frame):
    """Everybody buys the hit next, which until then only strangers bought: it is popular, and to nobody's taste."""
    days, items = shop
    buyers = [(f"u{u:02}", 5) for u in range(16)] + [(f"x{n:02}", 50) for n in range(20)]
    hit = frame(USER_ITEM_DAYS, *(tile(user, "hit", ago, purchases=1) for user, ago in buyers))
    before = days.where("event_date < DATE '2024-05-02'").unionByName(hit)
    found = measure(before, items.unionByName(items.selectExpr("'hit' AS item_id").distinct()))

    # The list of two by taste holds nothing that was bought, the list of popularity begins with it.
    assert (values(found, "als")["ndcg@2"], values(found, "popularity")["ndcg@2"]) == (0.0, 1.0)
    assert "popularity is better" in judge(found, PARAMS).failed


def test_what_is_bought_again_is_measured_beside_what_was_bought_before(frame, spark):
    """Everybody bought soap three times, a tent and a lamp, and lately soap and a lamp again."""
    users = [f"u{n}" for n in range(6)]
    acts = [("soap", 80), ("soap", 70), ("soap", 60), ("lamp", 59), ("tent", 90), ("soap", 5), ("lamp", 5)]
    rows = [tile(user, item, ago, purchases=1) for user in users for item, ago in acts]
    future = [tile(user, "tent", 0, purchases=5) for user in users]
    items = few_rows(spark, "item_id string", [("soap",), ("lamp",), ("tent",)])

    params = PARAMS.model_copy(update={"model": "buy_again"})
    found = measure(frame(USER_ITEM_DAYS, *rows, *future), items, params)

    expected = {"ndcg@2": 1.0, "recall@2": 1.0, "coverage@2": 2 / 3, "users": 6.0}
    for model in ("buy_again", "bought_before"):  # soap before the lamp before the tent by both
        assert values(found, model) == pytest.approx(expected)
    assert {m.model for m in found} == {"buy_again", "bought_before"}
    assert all("first or again" in m.note for m in found)
