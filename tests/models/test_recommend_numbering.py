"""An id's number is its place in Python's sorted()."""

import random

import pytest

from shoal.frames import few_rows
from shoal.models.recommend.numbering import number, number_pairs

IDS = [
    "b", "a", "Z", "10", "9", "", " ", "z", "aa", "a\u0000",
    "\u00e9", "e\u0301", "\u00df", "\uffff", "\U0001f41f", "用户",
]  # fmt: skip


@pytest.fixture
def numbered(spark):
    def numbers(ids, partitions=2, shuffle_partitions=5):
        previous = spark.conf.get("spark.sql.shuffle.partitions")
        spark.conf.set("spark.sql.shuffle.partitions", str(shuffle_partitions))
        try:
            rows = few_rows(spark, "id string", [(i,) for i in ids]).repartition(partitions)
            return {row["id"]: row["number"] for row in number(rows).collect()}
        finally:
            spark.conf.set("spark.sql.shuffle.partitions", previous)

    return numbers


def test_numbers_are_places_in_sorted_order(numbered):
    assert numbered(IDS) == {id_: place for place, id_ in enumerate(sorted(IDS))}


def test_order_and_partitioning_change_nothing(numbered):
    ids = [f"user {n}" for n in range(500)]
    expected = {id_: place for place, id_ in enumerate(sorted(ids))}
    shuffled = random.Random(3).sample(ids, len(ids))

    assert numbered(ids, 1, 1) == expected
    assert numbered(shuffled, 7, 11) == expected


def test_repeated_and_missing_ids_change_nothing(numbered):
    assert numbered(["b", None, "a", "b", None]) == {"a": 0, "b": 1}


def test_no_ids_no_numbers(numbered):
    assert numbered([]) == {}


def test_numbers_are_ints(spark):
    ids = few_rows(spark, "id string", [("a",)])

    assert dict(number(ids).dtypes) == {"id": "string", "number": "int"}


def test_pairs_are_numbered_alike_in_one_task_and_over_the_cluster(spark, monkeypatch):
    names = ["b", "a", "Z", "é", "", " ", "10", "9", "\U0001f41f", "\uffee"]
    pairs = [(user, item, float(n)) for n, user in enumerate(names) for item in names[n % 3 :: 2]]
    frame = few_rows(spark, "user_id string, item_id string, weight double", pairs).repartition(3)
    places = {name: place for place, name in enumerate(sorted(names, key=str.encode))}
    expected = {(user, places[user], item, places[item], weight) for user, item, weight in pairs}

    assert {tuple(row) for row in number_pairs(frame, len(pairs)).collect()} == expected
    monkeypatch.setattr("shoal.models.recommend.numbering.PAIRS_IN_ONE_TASK", 0)
    assert {tuple(row) for row in number_pairs(frame, len(pairs)).collect()} == expected
