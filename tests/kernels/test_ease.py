"""EASE against the regressions that it stands for, one item at a time."""

import numpy as np
import pyarrow as pa
import pytest

from shoal.kernels.ease import COLUMNS, columns_of_pairs, weights_of


@pytest.mark.parametrize("reg", [0.5, 20.0])
def test_each_column_is_a_ridge_regression_on_all_other_items(reg):
    x = (np.random.default_rng(2).random((40, 12)) < 0.3).astype(np.float64)
    weights = weights_of(x.T @ x, reg)

    for item in range(12):
        others = [i for i in range(12) if i != item]
        ridge = np.linalg.solve(x[:, others].T @ x[:, others] + reg * np.eye(11), x[:, others].T @ x[:, item])
        np.testing.assert_allclose(weights[others, item], ridge, atol=1e-10)
        assert weights[item, item] == 0


def test_pairs_of_two_items_by_hand():
    rows = [("u", "a", 1.0), ("u", "b", 1.0), ("v", "b", 1.0)]
    batch = pa.RecordBatch.from_pydict({
        "user_id": [r[0] for r in rows], "item_id": [r[1] for r in rows], "strength": [r[2] for r in rows],
    })  # fmt: skip
    (found,) = columns_of_pairs(iter([batch]), reg=1.0)

    # One user has both, b has two users: b speaks for a with 1 / (2 + 1), a for b with 1 / (1 + 1).
    assert found.schema == COLUMNS
    assert found["item_id"].to_pylist() == ["a", "b"]
    assert found["sources"].to_pylist() == [[0, 1], [0, 1]]
    assert found["weights"].to_pylist() == [[0.0, pytest.approx(1 / 3)], [pytest.approx(1 / 2), 0.0]]


def test_what_cannot_be_inverted_is_said():
    with pytest.raises(ArithmeticError, match="2 items with reg 0"):
        weights_of(np.ones((2, 2)), 0.0)


def test_no_pairs_give_no_rows():
    assert [*columns_of_pairs(iter([]), reg=1.0)] == []
