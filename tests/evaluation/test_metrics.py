"""Figures against plain Python on random lists, and by hand where the answer is evident."""

from math import log2, sqrt

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.evaluation import metrics
from shoal.evaluation.metrics import gini, item_facts, list_figures, listed_likeness, names, user_figures
from shoal.frames import few_rows

LENGTHS = (3, 6)


def frames(spark, lists, wanted, train):
    """Lists and wanted items by user, pairs of train: as the frames that figures are made of."""
    ranked = [(user, item, rank) for user, listed in lists.items() for rank, item in enumerate(listed, 1)]
    return {
        "lists": few_rows(spark, "user_id string, item_id string, rank int", ranked),
        "relevant": few_rows(spark, "user_id string, item_id string", [(u, i) for u in wanted for i in wanted[u]]),
        "users": few_rows(spark, "user_id string, warm boolean", [(user, True) for user in wanted]),
        "train": few_rows(spark, "user_id string, item_id string", train),
    }


def figures_of(spark, lists, wanted, train, lengths=LENGTHS):
    made = frames(spark, lists, wanted, train)
    facts = item_facts(made["train"])
    likeness = listed_likeness(made["lists"], len(wanted), made["train"], facts, max(lengths))
    rows = user_figures(made["lists"], made["relevant"], made["users"], facts, likeness, lengths).collect()
    return {row["user_id"]: dict(zip(names(lengths), row["figures"], strict=True)) for row in rows}


@pytest.fixture(scope="module")
def drawn():
    """300 users with lists of 0 to 8 of 40 items, 1 to 12 of which are wanted; each item has 1 to 30 users in train."""
    rng = np.random.default_rng(5)
    items = [f"item {n}" for n in range(40)]
    train = [(f"t{user}", item) for item in items for user in rng.choice(60, rng.integers(1, 31), replace=False)]
    lists, wanted = {}, {}
    for user in range(300):
        lists[f"u{user}"] = [items[n] for n in rng.permutation(40)[: rng.integers(0, 9)]]
        wanted[f"u{user}"] = {items[n] for n in rng.permutation(40)[: rng.integers(1, 13)]}
    return lists, wanted, train


def test_every_figure_of_a_user_is_that_of_the_definition(spark, drawn):
    lists, wanted, train = drawn
    found = figures_of(spark, lists, wanted, train)

    expected = {
        user: {
            f"{name}@{k}": value
            for k in LENGTHS
            for name, value in {
                "ndcg": oracle.ndcg(lists[user], wanted[user], k),
                "map": oracle.average_precision(lists[user], wanted[user], k),
                "recall": oracle.recall(lists[user], wanted[user], k),
                "precision": oracle.precision(lists[user], wanted[user], k),
                "hr": oracle.hit_rate(lists[user], wanted[user], k),
                "mrr": oracle.reciprocal_rank(lists[user], wanted[user], k),
                "novelty": oracle.novelty(lists[user], train, k),
                "diversity": oracle.diversity(lists[user], train, k),
            }.items()
        }
        for user in wanted
    }
    assert found.keys() == expected.keys()
    for user in expected:
        assert found[user] == pytest.approx(expected[user], abs=1e-12), user


def test_figures_of_all_lists_are_those_of_the_definition(spark, drawn):
    lists, wanted, train = drawn
    catalogue = {item for _, item in train}
    found = list_figures(frames(spark, lists, wanted, train)["lists"], len(catalogue), LENGTHS)

    for k in LENGTHS:
        counts = [sum(item in listed[:k] for listed in lists.values()) for item in catalogue]
        assert found[f"coverage@{k}"] == pytest.approx(oracle.coverage(lists.values(), catalogue, k))
        assert found[f"gini@{k}"] == pytest.approx(oracle.gini(counts), abs=1e-9)


def test_one_user_by_hand(spark):
    """Of five wanted items b stands second and d fourth; everybody has a, half of the four have b, one has c or d."""
    train = [("1", "a"), ("2", "a"), ("3", "a"), ("4", "a"), ("1", "b"), ("2", "b"), ("1", "c"), ("4", "d")]
    found = figures_of(spark, {"u": "abcd"}, {"u": {"b", "d", "x", "y", "z"}}, train, (4,))["u"]

    assert found == pytest.approx(
        {
            "ndcg@4": (1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3) + 1 / 2 + 1 / log2(5)),
            "map@4": (1 / 2 + 2 / 4) / 5,
            "recall@4": 2 / 5,
            "precision@4": 2 / 4,
            "hr@4": 1,
            "mrr@4": 1 / 2,
            "novelty@4": (0 + 1 + 2 + 2) / 4,  # bits
            # cosines: ab 2/sqrt(4*2), ac and ad 1/sqrt(4*1), bc 1/sqrt(2*1), bd and cd 0
            "diversity@4": 1 - (2 / sqrt(8) + 1 / 2 + 1 / 2 + 1 / sqrt(2)) / 6,
        }
    )


def test_a_user_without_a_list_scores_nothing_and_has_no_novelty(spark):
    found = figures_of(spark, {}, {"u": {"a"}}, [("1", "a")], (2,))["u"]

    assert found == {
        "ndcg@2": 0, "map@2": 0, "recall@2": 0, "precision@2": 0, "hr@2": 0, "mrr@2": 0,
        "novelty@2": None, "diversity@2": None,
    }  # fmt: skip


def test_likeness_of_items_with_many_users_is_told_from_a_fair_sample(spark, monkeypatch):
    """300 of 600 users have both items: the cosine is 300 / sqrt(450 x 450). A third of the users are looked at."""
    monkeypatch.setattr(metrics, "_KEPT_USERS", 150)
    train = [(f"t{n}", item) for n in range(600) for item in "ab" if n < 300 or (n % 2 == 0) == (item == "a")]
    made = frames(spark, {"u": "ab"}, {"u": {"a"}}, train)
    (row,) = listed_likeness(made["lists"], 1, made["train"], item_facts(made["train"]), 2).collect()

    # Of 300 common users a third is drawn: 100 with a standard deviation of sqrt(300 x 1/3 x 2/3) = 8.2.
    assert row["cosine"] == pytest.approx(300 / 450, abs=4 * 3 * 8.2 / 450)
    assert row["cosine"] != pytest.approx(300 / 450, abs=1e-9)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_gini_of_counts_is_that_of_the_definition(counts):
    histogram = {value: counts.count(value) for value in {*counts} - {0}}
    expected = oracle.gini(counts) if sum(counts) else None

    assert gini(histogram, len(counts)) == (expected if expected is None else pytest.approx(expected, abs=1e-9))


def test_gini_where_it_is_evident():
    assert gini({5: 4}, 4) == 0  # each of four items in five lists
    assert gini({20: 1}, 4) == 0.75  # one of four has all: 1 - 1/4
    assert gini({}, 4) is None
