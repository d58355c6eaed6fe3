"""Factors from what is said of items: against scikit-learn's ridge, and in a world where taste follows category."""

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from shoal.kernels.als import fit
from shoal.kernels.mapping import fit_mapping, mapped_factors

SCHEMA = pa.schema([
    ("item_id", pa.string()), ("sources", pa.list_(pa.int32())), ("weights", pa.list_(pa.float32())),
    ("factor", pa.list_(pa.float64())), ("users", pa.int64()),
])  # fmt: skip


def mapped(rows: list[dict], *, first=100, reg=1.0, least_users=1, most_terms=100) -> dict:
    batches = pa.Table.from_pylist(rows, SCHEMA).to_batches(max_chunksize=3)
    settings = {"first": first, "reg": reg, "least_users": least_users, "most_terms": most_terms}
    found = [row for batch in mapped_factors(batches, **settings) for row in batch.to_pylist()]
    assert [row["number"] for row in found] == [*range(first, first + len(found))]
    return {row["id"]: row["factor"] for row in found}


def row(name, terms, factor=None, users=None) -> dict:
    weights = [1.0] * len(terms)
    return {"item_id": name, "sources": terms, "weights": weights, "factor": factor, "users": users}


@pytest.mark.parametrize("reg", [0.1, 1.0, 30.0])
def test_the_map_is_that_of_scikit_learn(reg):
    rng = np.random.default_rng(1)
    terms = sp.random(60, 25, 0.2, random_state=2, format="csr")
    factors = rng.standard_normal((60, 4))
    found = fit_mapping(terms, factors, reg)
    expected = Ridge(alpha=reg).fit(terms.toarray(), factors)

    np.testing.assert_allclose(found.weights, expected.coef_.T, atol=1e-9)
    np.testing.assert_allclose(found.intercept, expected.intercept_, atol=1e-9)


def test_a_new_item_is_drawn_to_those_with_its_terms():
    known = [row(f"red{n}", [0], [1.0, 0.0], 9) for n in range(50)] + [
        row(f"blue{n}", [1], [0.0, 1.0], 9) for n in range(50)
    ]
    found = mapped([row("a", [0]), *known, row("c", [1]), row("b", [0, 1]), row("mute", [])])

    assert [*found] == ["a", "b", "c"]
    assert found["a"] == pytest.approx([1, 0], abs=0.05)
    assert found["c"] == pytest.approx([0, 1], abs=0.05)
    assert found["b"] == pytest.approx([0.5, 0.5], abs=0.05)


def test_items_of_few_users_teach_nothing():
    known = [row("much", [0], [1.0], 5), row("little", [1], [50.0], 4), row("unknown", [1], [50.0])]
    assert mapped([*known, row("new", [0])], least_users=5) == {"new": pytest.approx([1.0])}
    assert mapped([*known, row("new", [0])], least_users=6) == {}
    assert mapped(known) == mapped([]) == {}


def test_the_terms_that_most_items_have_are_looked_at():
    known = [row(f"i{n}", [0, 2] if n else [0, 1], [float(n == 0)], 1) for n in range(3)]
    new = row("new", [1])

    assert mapped([*known, new], most_terms=3, reg=0.01) == {"new": pytest.approx([1.0], abs=0.1)}
    assert mapped([*known, new], most_terms=2, reg=0.01) == {}, "nothing that is looked at is said of it"


def test_where_taste_follows_category_new_items_find_their_users():
    """Ten categories, a user of each; of the items that nobody has touched the best are all of the user's own."""
    rng = np.random.default_rng(3)
    users, items, kinds = 200, 300, 10
    of_user, of_item = np.arange(users) % kinds, np.arange(items) % kinds
    wants = (of_user[:, None] == of_item[None, :]) & (rng.random((users, items)) < 0.4)
    new = np.arange(items) >= 250
    has = wants & ~new
    indptr = np.r_[0, has.sum(axis=1).cumsum()]
    x, y = fit(
        indptr, np.nonzero(has)[1], np.ones(has.sum()), items, rank=16, iterations=10, reg=0.1, alpha=1.0, seed=1
    )
    counts = has.sum(axis=0)
    known = [row(f"{n:03}", [int(of_item[n])], y[n].tolist(), int(counts[n])) for n in range(250)]
    found = mapped([*known, *(row(f"{n:03}", [int(of_item[n])]) for n in range(250, items))], least_users=5)

    scores = x @ np.array([found[f"{n:03}"] for n in range(250, items)]).T
    best = np.argsort(-scores, axis=1)[:, :5]
    assert (of_item[250:][best] == of_user[:, None]).mean() > 0.99  # by chance a tenth
