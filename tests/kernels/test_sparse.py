"""Against dense products and a sort of each row, and by hand where the answer is evident."""

import numpy as np
import pyarrow as pa
import pytest

from shoal.kernels.sparse import best_products

LEFT = pa.schema([
    ("key", pa.string()), ("sources", pa.list_(pa.int32())), ("weights", pa.list_(pa.float32())),
    ("barred", pa.list_(pa.int32())),
])  # fmt: skip
RIGHT = pa.schema([
    ("target", pa.int32()), ("group", pa.int32()), ("sources", pa.list_(pa.int32())),
    ("weights", pa.list_(pa.float32())),
])  # fmt: skip


def left(*rows: tuple) -> pa.Table:
    """(key, {source: weight}, barred)"""
    return pa.Table.from_pylist(
        [{"key": key, "sources": [*has], "weights": [*has.values()], "barred": barred} for key, has, barred in rows],
        LEFT,
    )


def right(*rows: tuple) -> pa.Table:
    """(target, group, {source: weight})"""
    return pa.Table.from_pylist(
        [{"target": t, "group": g, "sources": [*has], "weights": [*has.values()]} for t, g, has in rows], RIGHT
    )


def best(of: pa.Table, among: pa.Table, n: int, cosine: bool = False, shrink: float = 0.0) -> list[tuple]:
    found = best_products(of, among, n=n, cosine=cosine, shrink=shrink)
    return [(row["key"], row["target"], row["score"]) for row in found.to_pylist()]


def test_by_hand():
    rows = left(("a", {1: 1.0, 5: 2.0}, []), ("b", {5: 1.0}, [40]), ("c", {}, []), ("d", {7: 1.0}, []))
    columns = right((30, 30, {1: 3.0, 9: 9.0}), (40, 40, {5: 4.0}), (20, 20, {5: 1.0}), (10, 10, {1: 3.0}))

    # a: 40 has 2 x 4, 10 and 30 have 3 each, 20 has 2 x 1; b must not get 40; c has nothing; 7 leads nowhere.
    assert best(rows, columns, 3) == [("a", 40, 8.0), ("a", 10, 3.0), ("a", 30, 3.0), ("b", 20, 1.0)]


def test_of_a_group_the_best_that_is_not_barred():
    rows = left(("a", {1: 1.0}, []), ("b", {1: 1.0}, [4, 99]), ("c", {1: 1.0}, [2, 4, 6]))
    columns = right((2, 2, {1: 1.0}), (4, 2, {1: 3.0}), (6, 6, {1: 2.0}))

    assert best(rows, columns, 9) == [("a", 4, 3.0), ("a", 6, 2.0), ("b", 6, 2.0), ("b", 2, 1.0)]


def test_how_many_sources_both_rows_have():
    rows = left(("a", {1: 1.0, 2: 1.0, 5: 2.0}, []), ("b", {5: 1.0, 6: 1.0}, []))
    columns = right((3, 3, {1: 1.0, 2: 1.0, 9: 1.0}), (4, 4, {5: 9.0, 6: 1.0}))

    found = best_products(rows, columns, n=2, cosine=False, shrink=0.0).to_pylist()

    # a and 4 share 5, which weighs most; a and 3 share 1 and 2; b and 4 share 5 and 6.
    assert [(row["key"], row["target"], row["common"]) for row in found] == [("a", 4, 1), ("a", 3, 2), ("b", 4, 2)]


def test_a_product_of_0_is_none():
    assert best(left(("a", {1: 1.0, 2: 1.0}, [])), right((3, 3, {1: 1.0, 2: -1.0}), (4, 4, {1: -2.0})), 5) == [
        ("a", 4, -2.0)
    ]


def test_a_cosine_shrinks_where_few_are_common():
    rows, columns = left(("a", {1: 3.0, 2: 4.0}, [])), right((7, 7, {1: 6.0, 2: 8.0}), (8, 8, {1: 5.0}))

    # 7 has the same direction: 1 x 2 / (2 + 2); 8: 15 / (5 x 5) x 1 / (1 + 2).
    assert best(rows, columns, 2, cosine=True, shrink=2.0) == [
        ("a", 7, 0.5), ("a", 8, pytest.approx(0.2)),
    ]  # fmt: skip


@pytest.mark.parametrize("n", [1, 4, 30, 50])
@pytest.mark.parametrize(("cosine", "shrink"), [(False, 0.0), (True, 5.0)])
def test_equals_dense_products(n, cosine, shrink):
    rng = np.random.default_rng(n)
    x = rng.integers(-1, 4, (20, 15)) * (rng.random((20, 15)) < 0.4)
    y = rng.integers(0, 3, (30, 15)) * (rng.random((30, 15)) < 0.4)
    groups = rng.integers(0, 20, 30)
    barred = rng.random((20, 30)) < 0.2
    product = (x @ y.T).astype(np.float64)
    if cosine:
        lengths = np.sqrt(np.outer((x * x).sum(axis=1), (y * y).sum(axis=1)))
        common = (x != 0).astype(int) @ (y != 0).T
        product = product / np.maximum(lengths, 1e-300) * common / (common + shrink)
    expected = []
    for row in range(20):
        place = [t for t in range(30) if not barred[row, t] and np.float32(product[row, t]) != 0]
        place.sort(key=lambda t, row=row: (-np.float32(product[row, t]), t))
        first = {groups[t]: t for t in reversed(place)}
        expected += [(str(row), t, product[row, t]) for t in place if first[groups[t]] == t][:n]

    def entries(line):
        return {int(c): float(line[c]) for c in np.flatnonzero(line)}

    rows = left(*((str(r), entries(x[r]), np.flatnonzero(barred[r]).tolist()) for r in range(20)))
    columns = right(*((t, int(groups[t]), entries(y[t])) for t in rng.permutation(30).tolist()))
    found = best(rows, columns, n, cosine, shrink)

    assert [row[:2] for row in found] == [row[:2] for row in expected]
    np.testing.assert_allclose([row[2] for row in found], [row[2] for row in expected], rtol=1e-6)


def test_how_rows_lie_in_memory_changes_nothing():
    rows = left(*((str(r), {r % 3: 1.0, 3 + r % 5: 2.0}, [r % 4]) for r in range(12)))
    columns = right(*((t, t, {t % 3: 1.0, 3 + t % 4: 0.5}) for t in range(9)))
    in_pieces = pa.concat_tables([rows.slice(0, 5), rows.slice(5, 1), rows.slice(6)])

    assert best(in_pieces, pa.concat_tables([columns.slice(4), columns.slice(0, 4)]), 3) == best(rows, columns, 3)


def test_nothing_on_either_side():
    assert best(left(), right((1, 1, {1: 1.0})), 3) == []
    assert best(left(("a", {1: 1.0}, [1])), right(), 3) == []
    assert best(left(("a", {}, [])), right((1, 1, {})), 3) == []
