"""Against products in double precision and a sort of each row, and by hand where the answer is evident."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from shoal.kernels import top_n
from shoal.kernels.top_n import best_inner_products

LEFT = pa.schema([("key", pa.int32()), ("factor", pa.list_(pa.float32())), ("barred", pa.list_(pa.int32()))])
RIGHT = pa.schema([("target", pa.int32()), ("group", pa.int32()), ("factor", pa.list_(pa.float32()))])


def table(schema: pa.Schema, rows: list[tuple]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def best(users: list[tuple], items: list[tuple], n: int) -> list[tuple]:
    """(key, factor, barred) and (target, group, factor) -> (key, target, score), each user's best first."""
    found = best_inner_products(table(LEFT, users), table(RIGHT, items), n=n)
    return [tuple(row.values()) for row in found.to_pylist()]


def by_sorting(users: list[tuple], items: list[tuple], n: int) -> list[tuple]:
    """The obvious way: all products in double precision, rounded to single, and a stable sort of each row."""
    items = sorted(items)
    scores = np.array([u[1] for u in users], np.float64) @ np.array([i[2] for i in items], np.float64).T
    found = []
    for (key, _, barred), row in zip(users, scores.astype(np.float32), strict=True):
        groups: set = set()
        for place in sorted(range(len(items)), key=lambda p, row=row: -row[p]):
            target, group, _ = items[place]
            if len(groups) < n and target not in barred and group not in groups:
                groups.add(group)
                found.append((key, target, float(row[place])))
    return found


@pytest.fixture(params=["one tile", "many tiles"])
def tiles(request, monkeypatch):
    if request.param == "many tiles":
        monkeypatch.setattr(top_n, "_USERS_AT_ONCE", 7)
        monkeypatch.setattr(top_n, "_ITEMS_AT_ONCE", 16)
        monkeypatch.setattr(top_n, "_SPARE", 3)


def shop(seed: int, values: str, variants: bool) -> tuple[list[tuple], list[tuple]]:
    """20 users and 150 items of rank 5; each user is barred from a tenth of the items."""
    rng = np.random.default_rng(seed)
    if values == "ties":  # whole numbers: many equal products, and all of them exact
        users, items = rng.integers(-2, 3, (20, 5)), rng.integers(-2, 3, (150, 5))
    else:
        users, items = rng.standard_normal((20, 5)), rng.standard_normal((150, 5))
        if values == "skewed":  # lengths differ by orders of magnitude: most items are never looked at
            items *= rng.gamma(0.3, 1.0, (150, 1))
        if values == "nearly ties":  # products that only double precision tells apart
            items = items[:1] + rng.standard_normal((150, 5)) * 1e-7
    numbers = rng.permutation(400)[:150].tolist()
    groups = rng.integers(0, 60, 150).tolist() if variants else numbers
    items = items.astype(np.float32).tolist()
    barred = [sorted(rng.choice([*numbers, 999], 15, replace=False).tolist()) for _ in users]
    return (
        [*zip(range(20), users.astype(np.float32).tolist(), barred, strict=True)],
        [*zip(numbers, groups, items, strict=True)],
    )  # fmt: skip


@pytest.mark.parametrize("n", [1, 10, 500])
@pytest.mark.parametrize("variants", [False, True])
@pytest.mark.parametrize("values", ["normal", "skewed", "ties", "nearly ties"])
def test_equals_sorting_each_row(tiles, values, variants, n):
    users, items = shop(n, values, variants)

    assert best(users, items, n) == by_sorting(users, items, n)


def test_where_nothing_can_be_told_apart_the_lower_target_comes_first(tiles):
    items = [(target, target, [1.0, 0.0]) for target in range(90, 0, -1)]

    assert best([(0, [2.0, 1.0], [3]), (1, [0.0, 5.0], [])], items, 4) == [
        (0, 1, 2.0), (0, 2, 2.0), (0, 4, 2.0), (0, 5, 2.0), (1, 1, 0.0), (1, 2, 0.0), (1, 3, 0.0), (1, 4, 0.0),
    ]  # fmt: skip


def test_by_hand():
    users = [(7, [1.0, 0.0], []), (9, [0.0, 2.0], [])]
    items = [(2, 2, [1.0, 3.0]), (4, 4, [2.0, 1.0]), (6, 6, [3.0, 0.0])]

    assert best(users, items, 2) == [(7, 6, 3.0), (7, 4, 2.0), (9, 2, 6.0), (9, 4, 2.0)]


def test_barred_items_are_passed_over():
    users = [(0, [1.0], [1, 4, 99]), (1, [1.0], []), (2, [1.0], [2, 4, 6])]
    items = [(2, 2, [1.0]), (4, 4, [3.0]), (6, 6, [2.0])]

    assert best(users, items, 2) == [(0, 6, 2.0), (0, 2, 1.0), (1, 4, 3.0), (1, 6, 2.0)]


def test_where_the_best_variant_is_barred_the_next_one_stands_in():
    items = [(2, 2, [1.0]), (4, 2, [3.0]), (6, 6, [2.0])]

    assert best([(0, [1.0], [4])], items, 9) == [(0, 6, 2.0), (0, 2, 1.0)]


def test_how_rows_lie_in_memory_changes_nothing():
    users, items = shop(5, "ties", True)
    left, right = table(LEFT, users), table(RIGHT, items)
    mixed = pa.concat_tables([right.slice(90), right.slice(0, 90)])

    assert best_inner_products(left, mixed, n=9) == best_inner_products(left, right, n=9)
    assert best_inner_products(pa.concat_tables([left.slice(0, 3), left.slice(3)]), right, n=9) == best_inner_products(
        left, right, n=9
    )


def test_nothing_on_either_side():
    assert best([], [(1, 1, [1.0])], 3) == []
    assert best([(0, [1.0], [5])], [], 3) == []
    assert best([(0, [1.0], [1])], [(1, 1, [1.0])], 3) == []


def test_a_task_needs_neither_spark_nor_the_drivers_packages():
    loaded = subprocess.run(
        [sys.executable, "-c", "import shoal.kernels.top_n, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip

    assert not {"pyspark", "pydantic", "click", "great_expectations", "yaml", "delta"} & {*loaded}
