"""Strengths worked out by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from shoal.evaluation.pairs import Strength, pairs
from shoal.evaluation.reading import SCHEMA
from shoal.frames import few_rows

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def row(item, event, days_ago=0.0, rating=None):
    return "u", item, event, rating, NOW - timedelta(days=days_ago)


ROWS = [
    row("a", "view", 10), row("a", "view", 20), row("a", "buy", 10, 3.0), row("b", "view", 0, 7.0), row("c", "cart", 0),
]  # fmt: skip


@pytest.fixture
def strengths(spark):
    def build(strength, rows=ROWS):
        found = pairs(few_rows(spark, SCHEMA, rows), strength, NOW).collect()
        return {row["item_id"]: row["strength"] for row in found}

    return build


@pytest.mark.parametrize(
    ("strength", "expected"),
    [
        (Strength(), {"a": 3, "b": 1, "c": 1}),
        (Strength(weights={"view": 1.0, "buy": 5.0, "cart": 0.0}), {"a": 7, "b": 1}),
        (Strength(weights={"buy": 5.0}), {"a": 7, "b": 1, "c": 1}),  # those not named weigh 1
        (Strength(half_life_days=10.0), {"a": 0.5 + 0.25 + 0.5, "b": 1, "c": 1}),
        (Strength(weights={"buy": 5.0}, cap=1.0), {"a": 5, "b": 1, "c": 1}),
        (Strength(cap=2.0), {"a": 2, "b": 1, "c": 1}),
        (Strength(rating="as_given"), {"a": 5, "b": 7, "c": 1}),  # a row without a rating counts once
        (Strength(rating="log"), {"a": 4, "b": 3, "c": 1}),  # log2(1 + 3) and log2(1 + 7)
    ],
    ids=str,
)
def test_by_hand(strengths, strength, expected):
    assert strengths(strength) == pytest.approx(expected)


def test_times_and_the_last_of_them_count_acts_that_weigh(spark):
    found = pairs(few_rows(spark, SCHEMA, ROWS), Strength(weights={"buy": 0.0}), NOW).collect()

    (a,) = [row for row in found if row["item_id"] == "a"]
    assert a["times"] == 2
    assert a["last_at"].astimezone(UTC) == NOW - timedelta(days=10)


def test_no_order_of_addition_changes_a_sum(spark):
    rows = [row("a", "view", days / 7) for days in range(300)]
    strength = Strength(half_life_days=3.3)

    def total(rows, partitions):
        frame = few_rows(spark, SCHEMA, rows).repartition(partitions)
        return [tuple(r) for r in pairs(frame, strength, NOW).collect()]

    assert total(rows, 1) == total(rows[::-1], 5)
