"""What a Delta table's log says was added: which versions make a batch, and which rows they hold."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import DataError
from shoal.sources.additions import Commit, Versions, files_of, find_additions, first_batch, gaps, versions_of
from shoal.sources.readers import _delta_table

SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)).map(lambda s: (s[0], s[0] + s[1])), max_size=6)


@given(SPANS, st.integers(0, 25))
def test_gaps_are_the_versions_that_lie_in_no_range(ranges, last):
    covered = {version for first, end in ranges for version in range(first, end + 1)}

    found = gaps(ranges, last)

    assert [v for first, end in found for v in range(first, end + 1)] == [
        v for v in range(last + 1) if v not in covered
    ]
    assert all(end + 1 < first for (_, end), (first, _) in pairwise(found)), "each is whole"


def commit(version, files=1, removed=0, operation="WRITE", are_whole=True):
    at = datetime(2025, 3, 1, 0, version, tzinfo=UTC)
    return Commit(version, at, files, 100 * files, removed, operation, are_whole)


NOTHING = {"files": 0, "operation": "OPTIMIZE"}
DELETE, UPDATE = ({"removed": 2, "operation": name} for name in ("DELETE", "UPDATE"))


@pytest.mark.parametrize(
    ("commits", "read"),
    [
        ([{}, {}, {}], [0, 1, 2]),
        ([{"files": 2}, {"files": 2}, {}], [0]),  # three files at most, whole versions
        ([{"files": 9}, {}], [0]),
        ([NOTHING, {"files": 9}, NOTHING, {}], [0, 1, 2]),
        ([NOTHING, NOTHING], []),
        ([DELETE], []),
        ([{}, DELETE, {}], [0, 1, 2]),
        ([{}, UPDATE, {}], [0]),
        ([{"files": 0, "removed": 3, "operation": None}, {}], [0, 1]),  # whatever it was, it added nothing
    ],
)
def test_a_batch_is_of_whole_versions_up_to_a_number_of_files(commits, read):
    batch = first_batch((commit(number, **given) for number, given in enumerate(commits)), most_files=3)

    assert [found.version for found in batch] == read


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (UPDATE, r"version 0 \(UPDATE\) has changed rows"),
        ({"removed": 1, "operation": None}, r"version 0 \(unknown operation\) has changed rows"),
        ({"are_whole": False}, r"version 0 \(WRITE\) adds files with a deletion vector"),
    ],
)
def test_a_version_of_which_the_new_rows_cannot_be_told_is_refused_when_it_is_the_next(first, said):
    with pytest.raises(DataError, match=said):
        first_batch([commit(0, **first), commit(1)], most_files=3)


def test_versions_have_a_name():
    named = Versions("/shop/a@v1..2/table", 5, 9)

    assert versions_of(named.path) == named
    assert versions_of("/shop/table@v5") is None


def test_rows_are_those_that_the_versions_have_added_whatever_came_after(spark, tmp_path):
    """A partition with odd values, and one without any; a column that came later; OPTIMIZE and DELETE since."""
    table = tmp_path / "a 100% table"

    def add(*rows, schema="id int, kind string, day date"):
        writer = spark.createDataFrame([*rows], schema).repartition(2).write.format("delta").mode("append")
        writer.partitionBy("kind", "day").option("mergeSchema", "true").save(str(table))

    day = datetime(2025, 3, 1, tzinfo=UTC).date()
    add((0, "a/b c", day))
    add((1, "a/b c", day), (2, None, day), (3, "x=%41+é", None))
    add((4, "a/b c", day, "new"), schema="id int, kind string, day date, more string")
    spark.sql(f"OPTIMIZE delta.`{table}`")
    spark.sql(f"DELETE FROM delta.`{table}` WHERE id IN (1, 4)")
    add((5, "z", day))

    def brought(*ranges):
        return lambda _: ranges

    (snapshot,), _ = find_additions(spark, str(table), brought(), 100)
    (since,), is_cut = find_additions(spark, str(table), brought((0, 0)), 100)
    (part,), part_is_cut = find_additions(spark, str(table), brought((0, 0), (5, 5)), 1)

    assert snapshot.path == f"{table}@v5"
    assert (since.path, since.sha256) == (f"{table}@v1..5", snapshot.sha256)
    assert since.size == sum((table / f.path).stat().st_size for f in files_of(spark, Versions(str(table), 1, 5)))
    assert part.path == f"{table}@v1..1"
    assert (is_cut, part_is_cut) == (False, True)
    assert find_additions(spark, str(table), brought((0, 5)), 100) == ([], False)
    rows = _delta_table(spark, since.path).drop("_metadata").orderBy("id").collect()
    assert [tuple(row) for row in rows] == [
        (1, "a/b c", day, None), (2, None, day, None), (3, "x=%41+é", None, None), (4, "a/b c", day, "new"),
        (5, "z", day, None),
    ]  # fmt: skip


def test_what_the_log_cannot_tell_any_more_is_said_with_what_to_do(spark, tmp_path):
    table = tmp_path / "table"
    properties = "TBLPROPERTIES ('delta.checkpointInterval' = '1')"
    spark.sql(f"CREATE TABLE delta.`{table}` (id bigint) USING delta {properties}")
    for _ in range(2):
        spark.range(1).write.format("delta").mode("append").save(str(table))
    for version in (0, 1):
        (table / "_delta_log" / f"{version:020}.json").unlink()

    with pytest.raises(
        DataError, match="the log of versions 1 to 2 cannot be read any more; run `shoal ingest` without"
    ):
        find_additions(spark, str(table), lambda _: [(0, 0)], 100)
