"""Rows that are kept: the same rows, without the plan that made them, and let go in the end."""

import pytest
from pyspark.sql import functions as F

from shoal.frames import persisted


def _sources(frame):
    """What a frame's plan begins with, by name."""
    leaves = frame._jdf.queryExecution().logical().collectLeaves()
    return [leaves.apply(place).nodeName() for place in range(leaves.size())]


@pytest.fixture
def squares(spark):
    return spark.range(100).withColumn("third", F.col("id") % 3).groupBy("third").agg(F.sum("id").alias("sum"))


# 0 + 3 + ... + 99, 1 + 4 + ... + 97 and 2 + 5 + ... + 98
SUMS = {0: 1683, 1: 1617, 2: 1650}


def test_kept_rows_do_not_tell_how_they_came_about(squares):
    with persisted(squares) as kept:
        again = kept.where("third < 2")

        assert {row["third"]: row["sum"] for row in again.collect()} == {0: SUMS[0], 1: SUMS[1]}
        assert _sources(squares) == ["Range"]
        assert "Range" not in _sources(again)


def test_kept_rows_meet_themselves(squares):
    with persisted(squares) as kept:
        both = kept.join(kept.withColumnRenamed("sum", "other"), on="third").where("sum = other")

        assert {row["third"]: row["sum"] for row in both.collect()} == SUMS


def test_kept_rows_are_let_go(spark, squares):
    with persisted(squares) as kept:
        kept.count()
        assert squares.storageLevel.useMemory

    assert not squares.storageLevel.useMemory


@pytest.mark.parametrize("lacks", ["jvm", "class"])
def test_where_spark_is_built_otherwise_rows_are_kept_with_their_plan(spark, squares, monkeypatch, lacks):
    class Package:
        def __getattr__(self, name):
            return Package()

    class Jvm:
        org = Package()  # py4j gives a package for every name that it does not know

    monkeypatch.setattr(spark, "_jvm", None if lacks == "jvm" else Jvm())

    with persisted(squares) as kept:
        assert {row["third"]: row["sum"] for row in kept.collect()} == SUMS
        assert _sources(kept) == ["Range"]
