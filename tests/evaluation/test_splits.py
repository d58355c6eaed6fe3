"""Splits by hand and against plain Python; nothing but content and seed decides."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from pyspark.sql import functions as F

from shoal.evaluation.reading import SCHEMA
from shoal.evaluation.request import Split
from shoal.evaluation.splits import inner, parted, resembling
from shoal.frames import few_rows

START = datetime(2024, 1, 1, tzinfo=UTC)


def row(user, item, minute=0, event=None):
    return user, item, event, None, START + timedelta(minutes=minute)


@pytest.fixture
def split(spark):
    """``split(rows, "time:0.8")``: both parts as sorted tuples of user, item, event and minute."""

    def build(rows, how, seed=1, partitions=2, wanted=None, keeps_seen=False):
        frame = few_rows(spark, SCHEMA, rows).repartition(partitions)
        parts = parted(frame, how, seed, wanted=wanted, keeps_seen=keeps_seen)
        return [
            sorted((r["user_id"], r["item_id"], r["event"] or "", minutes(r["time"])) for r in part.collect())
            for part in parts
        ]

    return build


def minutes(time):
    return round((time.astimezone(UTC) - START) / timedelta(minutes=1))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(4)
    pairs = {(int(u), int(i)) for u, i in zip(rng.integers(0, 40, 600), rng.zipf(1.5, 600) % 30, strict=True)}
    return [row(f"u{u}", f"i{i}", int(rng.integers(0, 500))) for u, i in sorted(pairs)]


@pytest.mark.parametrize(("kind", "key"), [("within-item", 1), ("within-user", 0)])
def test_within_keeps_the_rounded_share_of_each(split, rows, kind, key):
    train, test = split(rows, Split(kind, share=0.75))

    before, kept = Counter(r[key] for r in rows), Counter(r[key] for r in train)
    assert {n: kept[n] for n in before} == {n: round(0.75 * count) for n, count in before.items()}
    assert any(count in {2, 6, 10} for count in before.values())  # halves are among them
    assert len(train) + len(test) == len(rows)


def test_within_draws_anew_with_another_seed(split, rows):
    how = Split("within-item", share=0.75)

    assert split(rows, how, seed=1) != split(rows, how, seed=2)


@pytest.mark.parametrize("how", [Split("within-item", share=0.75), Split("time", share=0.8), Split("leave-last-out")],
                         ids=str)  # fmt: skip
def test_order_and_partitions_change_nothing(split, rows, how):
    shuffled = [rows[n] for n in np.random.default_rng(9).permutation(len(rows))]

    assert split(rows, how) == split(shuffled, how, partitions=7)


def test_time_cuts_at_the_second_of_the_row_at_the_share(split, rows):
    train, test = split(rows, Split("time", share=0.8))

    times = sorted(minutes(r[4]) for r in rows)
    cut = times[int(0.8 * len(times))]
    assert [r[3] < cut for r in train] == [True] * sum(t < cut for t in times)
    assert min(r[3] for r in test) == cut
    assert len(train) + len(test) == len(rows)


def test_time_cuts_at_days(split):
    day = 24 * 60
    rows = [row("u", name, at) for name, at in (("a", day - 1), ("b", day), ("c", 3 * day - 1), ("d", 3 * day))]

    train, test = split(rows, Split("time", first_day=date(2024, 1, 2)))
    assert ([r[1] for r in train], [r[1] for r in test]) == (["a"], ["b", "c", "d"])
    train, test = split(rows, Split("time", first_day=date(2024, 1, 2), end_day=date(2024, 1, 4)))
    assert ([r[1] for r in train], [r[1] for r in test]) == (["a"], ["b", "c"])


STORY = [
    row("u", "a", 1, "view"), row("u", "b", 2, "view"), row("u", "b", 3, "buy"), row("u", "c", 4, "view"),
    row("only", "a", 1, "buy"), row("only", "a", 2, "buy"), row("looks", "a", 1, "view"), row("looks", "b", 2, "view"),
]  # fmt: skip


def test_the_last_row_is_left_out_with_its_pair(split):
    train, test = split(STORY, Split("leave-last-out"))

    assert test == [("looks", "b", "view", 2), ("u", "c", "view", 4)]
    assert train == [
        ("looks", "a", "view", 1), ("only", "a", "buy", 1), ("only", "a", "buy", 2), ("u", "a", "view", 1),
        ("u", "b", "buy", 3), ("u", "b", "view", 2),
    ]  # fmt: skip


def test_the_last_purchase_is_left_out_and_what_comes_later_is_not_used(split):
    bought = F.col("event") == "buy"

    train, test = split(STORY, Split("leave-last-out"), wanted=bought)
    assert test == [("u", "b", "buy", 3)]  # one item only, or no purchase: learned from
    assert [r for r in train if r[0] == "u"] == [("u", "a", "view", 1)]
    train, _ = split(STORY, Split("leave-last-out", keeps_later=True), wanted=bought)
    assert [r for r in train if r[0] == "u"] == [("u", "a", "view", 1), ("u", "c", "view", 4)]
    train, _ = split(STORY, Split("leave-last-out"), wanted=bought, keeps_seen=True)
    assert [r for r in train if r[0] == "u"] == [("u", "a", "view", 1), ("u", "b", "view", 2)]


def test_one_of_each_user_is_drawn_whatever_the_times(split, rows):
    train, test = split(rows, Split("leave-one-out"))

    users = Counter(r[0] for r in rows)
    assert Counter(r[0] for r in test) == {user: 1 for user, count in users.items() if count > 1}
    assert len(train) + len(test) == len(rows)
    moved = [(*r[:4], START) for r in rows]
    assert [r[:2] for r in split(moved, Split("leave-one-out"))[1]] != []


def test_train_is_split_as_test_was():
    assert inner(Split("within-item", share=0.75), has_time=False) == Split("within-item", share=0.75)
    assert inner(Split("time", first_day=date(2024, 1, 2)), has_time=True) == Split("time", share=0.8)


@pytest.mark.parametrize(
    ("most", "given", "split"),
    [
        (1, {"has_time": True}, Split("leave-last-out")),
        (1, {"has_time": True, "keeps_later": True}, Split("leave-last-out", keeps_later=True)),
        (1, {}, Split("leave-one-out")),
        (40, {"has_time": True}, Split("within-user", share=0.8)),
        (40, {"has_time": True, "later": True}, Split("time", share=0.8)),
    ],
)
def test_train_is_split_as_a_test_file_may_have_been(most, given, split):
    plain = {"later": False, "has_time": False, "keeps_later": False}

    assert resembling(80_000, 20_000, most, **{**plain, **given}) == split
