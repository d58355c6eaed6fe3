"""What an earlier fit is good for, against dense equations written out and the loss that a fit makes small."""

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from shoal.kernels.als import factors_of_pairs, fit, loss
from shoal.kernels.als_last import fold_in, fold_in_rows

USERS, ITEMS, RANK, REG, ALPHA = 90, 40, 5, 0.1, 2.0
LEARNED = {"rank": RANK, "reg": REG, "alpha": ALPHA, "seed": 3}


@pytest.fixture(scope="module")
def pairs() -> sp.csr_matrix:
    """An eighth of all pairs, with strengths 1 to 5; the last user has none."""
    rng = np.random.default_rng(1)
    strengths = rng.integers(1, 6, (USERS, ITEMS)) * (rng.random((USERS, ITEMS)) < 0.125)
    strengths[-1] = 0
    return sp.csr_matrix(strengths.astype(np.float32))


@pytest.fixture(scope="module")
def optimum(pairs) -> tuple[np.ndarray, np.ndarray]:
    """Factors that no iteration moves any more."""
    return fitted(pairs, 600, steps=RANK + 2)


def fitted(pairs: sp.csr_matrix, iterations: int, **changes) -> tuple[np.ndarray, np.ndarray]:
    return fit(pairs.indptr, pairs.indices, pairs.data, pairs.shape[1], iterations=iterations, **{**LEARNED, **changes})


def folded(pairs: sp.csr_matrix, items: np.ndarray, reg: float = REG) -> np.ndarray:
    return fold_in(pairs.indptr, pairs.indices, pairs.data, items, reg=reg, alpha=ALPHA)


def test_each_user_solves_the_dense_equation(pairs):
    items = np.random.default_rng(5).standard_normal((ITEMS, RANK)).astype(np.float32)
    wide = items.astype(np.float64)
    found = folded(pairs, items)

    for user, strengths in enumerate(pairs.toarray().astype(np.float64)):
        confidence, wanted = 1 + ALPHA * strengths, strengths > 0
        left = (wide.T * confidence) @ wide + REG * wanted.sum() * np.eye(RANK)
        expected = np.linalg.solve(left, wide.T @ (confidence * wanted)) if wanted.any() else np.zeros(RANK)
        np.testing.assert_allclose(found[user], expected, atol=1e-6)


def test_to_fold_everybody_in_is_one_more_half_step_of_users(pairs):
    _, items = fitted(pairs, 4)
    users = folded(pairs, items)

    # An iteration improves items, then users: with these users at their best for the items, no other users do better.
    assert loss_of(pairs, users, items) <= loss_of(pairs, fitted(pairs, 4)[0], items) * (1 + 1e-6)
    exact = fitted(pairs, 4, steps=RANK + 2)
    np.testing.assert_allclose(folded(pairs, exact[1]) @ exact[1].T, exact[0] @ exact[1].T, atol=2e-5)


def loss_of(pairs: sp.csr_matrix, users: np.ndarray, items: np.ndarray) -> float:
    return loss(pairs.indptr, pairs.indices, pairs.data, users, items, reg=REG, alpha=ALPHA)


@pytest.mark.parametrize("whom", [[0], [3, 50, 7], [*range(USERS - 1, -1, -1)]])
def test_who_else_is_folded_in_changes_no_digit(pairs, whom):
    items = np.random.default_rng(6).standard_normal((ITEMS, RANK)).astype(np.float32)

    np.testing.assert_array_equal(folded(pairs[whom], items), folded(pairs, items)[whom])


def test_without_a_penalty_the_shortest_of_all_best_factors_is_found(pairs):
    items = np.zeros((ITEMS, RANK), np.float32)
    items[:, :2] = np.random.default_rng(7).standard_normal((ITEMS, 2))
    found = folded(pairs, items, reg=0.0)

    assert np.abs(found[:, 2:]).max() < 1e-6
    assert np.abs(found[:-1, :2]).max() > 0.01


def test_a_block_of_users_and_items_in_any_order(pairs):
    _, items = fitted(pairs, 3)
    order = np.random.default_rng(8).permutation(ITEMS)
    lists = {"numbers": pairs.indices, "strengths": pairs.data}
    users = pa.table({
        "key": [f"u{n}" for n in range(USERS)],
        **{name: pa.ListArray.from_arrays(pairs.indptr, values) for name, values in lists.items()},
    })  # fmt: skip
    right = pa.table({"number": order.astype(np.int32), "factor": [items[n].tolist() for n in order]})
    found = fold_in_rows(users, right, reg=REG, alpha=ALPHA)

    assert found["key"].to_pylist() == users["key"].to_pylist()
    np.testing.assert_array_equal(np.array(found["factor"].to_pylist()), folded(pairs, items))


SCHEMA = pa.schema([
    ("user_id", pa.string()), ("item_id", pa.string()), ("strength", pa.float32()), ("side", pa.string()),
    ("id", pa.string()), ("factor", pa.list_(pa.float64())),
])  # fmt: skip


def rows_of(pairs: sp.csr_matrix) -> list[dict]:
    coo = pairs.tocoo()
    return [{"user_id": f"u{u:02}", "item_id": f"i{i:02}", "strength": float(s)}
            for u, i, s in zip(coo.row, coo.col, coo.data, strict=True)]  # fmt: skip


def last_of(users: np.ndarray, items: np.ndarray) -> list[dict]:
    sides = (("user", users), ("item", items))
    return [{"side": side, "id": f"{side[0]}{n:02}", "factor": row.astype(float).tolist()}
            for side, rows in sides for n, row in enumerate(rows)]  # fmt: skip


def gone_on(rows: list[dict], iterations: int, per_batch: int = 37) -> dict[tuple[str, str], np.ndarray]:
    batches = (pa.RecordBatch.from_pylist(rows[at : at + per_batch], SCHEMA) for at in range(0, len(rows), per_batch))
    made = factors_of_pairs(batches, threads=2, iterations=iterations, **LEARNED)
    found = pa.Table.from_batches(made).to_pylist()
    return {(row["side"], row["id"]): np.array(row["factor"]) for row in found}


def products(factors: dict[tuple[str, str], np.ndarray]) -> np.ndarray:
    """Of the users and items in the order of their ids; the basis of factors says nothing."""
    sides = [np.array([factors[key] for key in sorted(factors) if key[0] == side]) for side in ("user", "item")]
    return sides[0] @ sides[1].T


def test_at_the_optimum_a_warm_start_moves_nothing(pairs, optimum):
    users, items = optimum
    found = gone_on([*rows_of(pairs), *last_of(users, items)], iterations=2)

    with_pairs = np.diff(pairs.indptr) > 0  # others are not in a fit
    np.testing.assert_allclose(products(found), users[with_pairs] @ items.T, atol=1e-4)


def test_order_and_batches_of_what_a_fit_goes_on_from_change_no_digit(pairs):
    rows = [*rows_of(pairs), *last_of(*fitted(pairs, 2))]
    mixed = [rows[n] for n in np.random.default_rng(9).permutation(len(rows))]

    one, other = gone_on(rows, 2), gone_on(mixed, 2, per_batch=11)

    assert one.keys() == other.keys()
    for key, factor in one.items():
        np.testing.assert_array_equal(factor, other[key])


def test_one_iteration_on_from_yesterday_is_better_than_many_from_chance(pairs):
    """Some pairs more and all strengths faded by a day, and ten iterations the day before."""
    rng = np.random.default_rng(10)
    new = sp.csr_matrix(((rng.random((USERS, ITEMS)) < 0.005) * 5.0).astype(np.float32))
    today = (pairs * np.float32(0.5 ** (1 / 90)) + new).astype(np.float32).tocsr()
    yesterday = [side.copy() for side in fitted(pairs, 10)]
    on = fitted(today, 1, start=tuple(yesterday))

    assert loss_of(today, *on) < loss_of(today, *fitted(today, 5))


def test_new_users_and_items_come_in_and_who_left_goes(pairs):
    users, items = fitted(pairs, 4)
    last = [*last_of(users[:-10], items[:-5]), {"side": "user", "id": "gone", "factor": [1.0] * RANK}]
    found = gone_on([*rows_of(pairs), *last], 1)
    ids = {(name[:4], row[name]) for row in rows_of(pairs) for name in ("user_id", "item_id")}

    assert found.keys() == ids
    assert all(factor.any() for factor in found.values())
    assert loss_of_found(pairs, found) < loss_of(pairs, *fitted(pairs, 2))


def loss_of_found(pairs: sp.csr_matrix, found: dict[tuple[str, str], np.ndarray]) -> float:
    nobody = np.zeros(RANK)
    sides = (("user", USERS), ("item", ITEMS))
    return loss_of(pairs, *(np.array([found.get((s, f"{s[0]}{n:02}"), nobody) for n in range(m)]) for s, m in sides))


def test_where_no_item_was_known_a_fit_begins_from_chance(pairs):
    strangers = [{"side": side, "id": "x", "factor": [1.0] * RANK} for side in ("user", "item")]
    found, anew = gone_on([*rows_of(pairs), *strangers], 3), gone_on(rows_of(pairs), 3)

    for key, factor in anew.items():
        np.testing.assert_array_equal(factor, found[key])
