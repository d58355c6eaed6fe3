"""One ranking for all, against a walk down the sorted list."""

import numpy as np
import pyarrow as pa
import pytest

from shoal.kernels.first_of_all import first_of_all

LEFT = pa.schema([("key", pa.string()), ("barred", pa.list_(pa.int32()))])
RIGHT = pa.schema([("target", pa.int32()), ("group", pa.int32()), ("score", pa.float64())])


def first(rows: list[tuple], targets: list[tuple], n: int) -> list[tuple]:
    left, right = (
        pa.Table.from_pylist([dict(zip(schema.names, values, strict=True)) for values in given], schema)
        for schema, given in ((LEFT, rows), (RIGHT, targets))
    )
    return [tuple(row.values()) for row in first_of_all(left, right, n=n).to_pylist()]


def test_by_hand():
    targets = [(1, 1, 5.0), (2, 2, 9.0), (3, 3, 5.0), (4, 2, 7.0)]  # 2 and 4 are variants

    assert first([("a", []), ("b", [2, 99]), ("c", [1, 2, 3, 4])], targets, 2) == [
        ("a", 2, 9.0), ("a", 1, 5.0), ("b", 4, 7.0), ("b", 1, 5.0),
    ]  # fmt: skip
    assert first([("a", [])], targets, 9) == [("a", 2, 9.0), ("a", 1, 5.0), ("a", 3, 5.0)]


@pytest.mark.parametrize("n", [1, 5, 100])
def test_equals_a_walk_down_the_sorted_list(n):
    rng = np.random.default_rng(n)
    targets = [(int(t), int(rng.integers(20)), float(rng.integers(5))) for t in rng.permutation(40)]
    rows = [(str(row), rng.permutation(50)[: rng.integers(45)].tolist()) for row in range(12)]
    expected = []
    for key, barred in rows:
        groups: set = set()
        for target, group, score in sorted(targets, key=lambda row: (-row[2], row[0])):
            if len(groups) < n and target not in barred and group not in groups:
                groups.add(group)
                expected.append((key, target, score))

    assert first(rows, targets, n) == expected


def test_nothing_on_either_side():
    assert first([], [(1, 1, 1.0)], 3) == []
    assert first([("a", [1])], [], 3) == []
