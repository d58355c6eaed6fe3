"""Against the obvious argsort, and by hand where the answer is evident."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from shoal.kernels.top_n import BEST, NEVER, best_of_blocks, keep_best_variants, top_n


def by_sorting(scores: np.ndarray, n: int) -> np.ndarray:
    """The obvious way: a stable sort of each row, highest first."""
    return np.array([sorted(range(len(row)), key=lambda c: (-row[c], c))[:n] for row in scores])


@pytest.mark.parametrize("n", [1, 3, 19, 20, 50])
@pytest.mark.parametrize("values", [3, 20, 10_000])  # few different values: ties at the threshold
def test_equals_sorting_each_row(n, values):
    scores = np.random.default_rng(n * values).integers(0, values, (40, 20)).astype(np.float32)

    np.testing.assert_array_equal(top_n(scores, n), by_sorting(scores, n))


def test_equal_scores_go_to_the_lower_column():
    assert top_n(np.zeros((1, 6), np.float32), 3).tolist() == [[0, 1, 2]]
    assert top_n(np.array([[1, 5, 5, 9, 5]], np.float32), 3).tolist() == [[3, 1, 2]]


def test_forbidden_entries_come_last():
    scores = np.array([[NEVER, 2, NEVER, 3, NEVER], [NEVER] * 5], np.float32)

    assert top_n(scores, 3)[0].tolist()[:2] == [3, 1]
    assert np.take_along_axis(scores, top_n(scores, 3), axis=1)[1].tolist() == [NEVER] * 3


def test_only_the_best_variant_of_a_group_stays():
    scores = np.array([[1, 5, 3, 4, 9], [2, 2, 2, 7, 0], [NEVER, NEVER, 1, 1, 1]], np.float32)

    keep_best_variants(scores, np.array([8, 3, 8, 3, 8]))  # columns 0, 2, 4 and columns 1, 3

    np.testing.assert_array_equal(
        scores,
        [[NEVER, 5, NEVER, NEVER, 9], [2, NEVER, NEVER, 7, NEVER], [NEVER, NEVER, 1, 1, NEVER]],
    )


def test_variants_equal_the_obvious_loop():
    rng = np.random.default_rng(4)
    scores, groups = rng.integers(0, 6, (30, 40)).astype(np.float32), rng.integers(0, 12, 40)
    expected = np.full_like(scores, NEVER)
    for row in range(30):
        for group in set(groups):
            best = min(np.flatnonzero(groups == group), key=lambda c: (-scores[row, c], c))
            expected[row, best] = scores[row, best]

    keep_best_variants(scores, groups)

    np.testing.assert_array_equal(scores, expected)


def pair(users: list[tuple], items: list[tuple]) -> pa.RecordBatch:
    """One pair of blocks as Spark sends it: (number, factor, owned) and (number, factor, group_number)."""
    factor = pa.list_(pa.float32())
    user = pa.struct([("number", pa.int32()), ("factor", factor), ("owned", pa.list_(pa.int32()))])
    item = pa.struct([("number", pa.int32()), ("factor", factor), ("group_number", pa.int32())])
    rows = {
        "users": pa.array([[dict(zip(user.names, values, strict=True)) for values in users]], pa.list_(user)),
        "items": pa.array([[dict(zip(item.names, values, strict=True)) for values in items]], pa.list_(item)),
    }
    return pa.RecordBatch.from_pydict(rows)


def best(*batches: pa.RecordBatch, n: int) -> list[tuple]:
    found = [*best_of_blocks(iter(batches), n)]
    assert all(batch.schema == BEST for batch in found)
    return [tuple(row.values()) for batch in found for row in batch.to_pylist()]


def test_a_pair_of_blocks_gives_each_users_best_items():
    users = [(7, [1.0, 0.0], []), (9, [0.0, 2.0], [])]
    items = [(2, [1.0, 3.0], 2), (4, [2.0, 1.0], 4), (6, [3.0, 0.0], 6)]

    assert best(pair(users, items), n=2) == [(7, 6, 3.0), (7, 4, 2.0), (9, 2, 6.0), (9, 4, 2.0)]


def test_owned_items_are_passed_over_also_those_of_other_blocks():
    users = [(0, [1.0], [1, 4, 99]), (1, [1.0], []), (2, [1.0], [2, 4, 6])]
    items = [(2, [1.0], 2), (4, [3.0], 4), (6, [2.0], 6)]

    assert best(pair(users, items), n=2) == [(0, 6, 2.0), (0, 2, 1.0), (1, 4, 3.0), (1, 6, 2.0)]


def test_where_the_best_variant_is_owned_the_next_one_stands_in():
    items = [(2, [1.0], 2), (4, [3.0], 2), (6, [2.0], 6)]

    assert best(pair([(0, [1.0], [4])], items), n=9) == [(0, 6, 2.0), (0, 2, 1.0)]


def test_several_pairs_and_none():
    one = pair([(0, [1.0], [])], [(1, [1.0], 1)])
    two = pair([(5, [1.0], [])], [(1, [2.0], 1)])

    assert best(one, two, n=1) == [(0, 1, 1.0), (5, 1, 2.0)]
    assert best(n=1) == []


def test_a_task_needs_neither_spark_nor_the_drivers_packages():
    loaded = subprocess.run(
        [sys.executable, "-c", "import shoal.kernels.top_n, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip

    assert not {"pyspark", "pydantic", "click", "great_expectations", "yaml", "delta"} & {*loaded}
