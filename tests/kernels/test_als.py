"""Against ALS that solves every row exactly in double precision, and a loss written out over the dense matrix."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from shoal.kernels.als import FACTORS, factors_of_pairs, fit, loss

USERS, ITEMS, RANK, REG, ALPHA = 80, 50, 6, 0.1, 2.0


@pytest.fixture(scope="module")
def pairs() -> sp.csr_matrix:
    """A tenth of all pairs, with strengths 1 to 5; the last user and the first item have none."""
    strengths = np.random.default_rng(1).integers(1, 6, (USERS, ITEMS)) * (
        np.random.default_rng(2).random((USERS, ITEMS)) < 0.1
    )
    strengths[-1], strengths[:, 0] = 0, 0
    return sp.csr_matrix(strengths.astype(np.float32))


def fitted(pairs: sp.csr_matrix, iterations: int, **changes) -> tuple[np.ndarray, np.ndarray]:
    settings = {"rank": RANK, "reg": REG, "alpha": ALPHA, "seed": 3, **changes}
    return fit(pairs.indptr, pairs.indices, pairs.data, pairs.shape[1], iterations=iterations, **settings)


def loss_of(pairs: sp.csr_matrix, users: np.ndarray, items: np.ndarray, reg: float = REG) -> float:
    return loss(pairs.indptr, pairs.indices, pairs.data, users, items, reg=reg, alpha=ALPHA)


def exact(pairs: sp.csr_matrix, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """The textbook: one dense solve per row, from the same first factors."""
    strengths = pairs.toarray().astype(np.float64)
    users = np.random.default_rng(3).standard_normal((USERS, RANK), np.float32).astype(np.float64)
    users /= np.linalg.norm(users, axis=1, keepdims=True)
    items = np.zeros((ITEMS, RANK))
    for _ in range(iterations):
        for rows, fixed, strength in ((items, users, strengths.T), (users, items, strengths)):
            for row, s in enumerate(strength):
                confidence, wanted = 1 + ALPHA * s, s > 0
                penalty = REG * wanted.sum() * np.eye(RANK)
                left = (fixed.T * confidence) @ fixed + penalty
                rows[row] = np.linalg.solve(left, fixed.T @ (confidence * wanted)) if wanted.any() else 0
    return users, items


def test_the_loss_is_that_of_the_dense_formula(pairs):
    users, items = np.random.default_rng(0).random((USERS, RANK)), np.random.default_rng(1).random((ITEMS, RANK))
    strengths = pairs.toarray()
    wanted = strengths > 0
    errors = (1 + ALPHA * strengths) * (wanted - users @ items.T) ** 2
    penalty = wanted.sum(axis=1) @ (users**2).sum(axis=1) + wanted.sum(axis=0) @ (items**2).sum(axis=1)

    assert loss_of(pairs, users, items) == pytest.approx(errors.sum() + REG * penalty, rel=1e-12)


@pytest.mark.parametrize("iterations", [1, 4])
def test_with_as_many_steps_as_the_rank_each_row_is_solved_exactly(pairs, iterations):
    users, items = fitted(pairs, iterations, steps=RANK + 2)
    theirs, of_items = exact(pairs, iterations)

    np.testing.assert_allclose(users @ items.T, theirs @ of_items.T, atol=2e-5)  # bases differ, products do not


@pytest.mark.parametrize("iterations", [5, 15, 60])
def test_two_steps_lose_no_more_than_exact_solutions(pairs, iterations):
    assert loss_of(pairs, *fitted(pairs, iterations)) <= loss_of(pairs, *exact(pairs, iterations)) * 1.001


def test_every_iteration_lowers_the_loss(pairs):
    losses = [loss_of(pairs, *fitted(pairs, n)) for n in range(1, 12)]

    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_a_warm_start_goes_on_where_the_last_fit_ended(pairs):
    first = fitted(pairs, 4)
    kept = [side.copy() for side in first]
    on = fitted(pairs, 3, start=first)

    assert loss_of(pairs, *on) == pytest.approx(loss_of(pairs, *fitted(pairs, 7)), rel=1e-5)
    for side, before in zip(first, kept, strict=True):
        np.testing.assert_array_equal(side, before)  # what was given is not written to


def test_neither_order_within_rows_nor_threads_change_a_digit(pairs, monkeypatch):
    monkeypatch.setattr("shoal.kernels.als._WORK_PER_PART", 100)  # many parts
    monkeypatch.setattr("shoal.kernels.als._ROWS_PER_BATCH", 7)
    mixed = pairs.copy()
    for row in range(USERS):
        here = slice(mixed.indptr[row], mixed.indptr[row + 1])
        order = np.random.default_rng(row).permutation(here.stop - here.start)
        mixed.indices[here], mixed.data[here] = mixed.indices[here][order], mixed.data[here][order]

    for one, other in zip(fitted(pairs, 3), fitted(mixed, 3, threads=3), strict=True):
        np.testing.assert_array_equal(one, other)


def test_seeds_differ_and_repeat(pairs):
    np.testing.assert_array_equal(fitted(pairs, 2)[0], fitted(pairs, 2)[0])
    assert not np.allclose(fitted(pairs, 2)[0], fitted(pairs, 2, seed=4)[0])


def test_rows_without_pairs_are_zero(pairs):
    users, items = fitted(pairs, 3)

    assert not users[-1].any()
    assert not items[0].any()
    assert users[:-1].any(axis=1).all()


@pytest.mark.parametrize("strength", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("reg", [0.0, 0.1])
def test_a_single_pair_is_wanted(strength, reg):
    one = sp.csr_matrix(np.array([[strength]], np.float32))
    users, items = fitted(one, 10, reg=reg)

    product = float(users[0] @ items[0])
    # The loss over a user and an item, c (1 - p)^2 + 2 reg p for factors of equal length, is least at p = 1 - reg / c.
    assert product == pytest.approx(1 - reg / (1 + ALPHA * strength), abs=2e-3)


def batch(*rows: tuple) -> pa.RecordBatch:
    names = ("user_id", "item_id", "strength")
    return pa.RecordBatch.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows],
        pa.schema([("user_id", pa.string()), ("item_id", pa.string()), ("strength", pa.float32())]),
    )


SETTINGS = {"threads": 2, "rank": 3, "iterations": 4, "reg": 0.1, "alpha": 1.0, "seed": 5}


def test_pairs_come_in_any_order_and_batches():
    rows = [(f"u{n % 7}", f"i{(n * n) % 11}", 1.0 + n % 3) for n in range(40)]
    rows = [*{row[:2]: row for row in rows}.values()]
    together = pa.Table.from_batches(factors_of_pairs(iter([batch(*rows)]), **SETTINGS))
    parts = [batch(*rows[at : at + 5]) for at in range(0, len(rows), 5)]
    apart = pa.Table.from_batches(factors_of_pairs(iter(parts[::-1]), **SETTINGS))

    assert together.schema == FACTORS
    assert together == apart
    for side, letter, ids in (("user", "u", 7), ("item", "i", len({row[1] for row in rows}))):
        found = [row for row in together.to_pylist() if row["side"] == side]
        assert [row["number"] for row in found] == [*range(ids)]
        assert [row["id"] for row in found] == sorted(row["id"] for row in found)
        assert {row["id"][0] for row in found} == {letter}


def test_ids_are_numbered_in_byte_order():
    names = ["b", "a", "Z", "é", "", " ", "10", "9", "a\u0000", "\U0001f41f", "\uffee"]
    found = [*factors_of_pairs(iter([batch(*((name, "i", 1.0) for name in names))]), **SETTINGS)]

    assert found[0]["id"].to_pylist() == sorted(names, key=str.encode)


def test_no_pairs_give_no_rows():
    assert [*factors_of_pairs(iter([]), **SETTINGS)] == []
    assert [*factors_of_pairs(iter([batch()]), **SETTINGS)] == []


def test_numba_is_loaded_with_the_first_fit_only():
    loaded = subprocess.run(
        [sys.executable, "-c", "import shoal.kernels.als, shoal.kernels.sparse, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip

    assert not {"numba", "pyspark", "pydantic", "click", "great_expectations", "yaml", "delta"} & {*loaded}
