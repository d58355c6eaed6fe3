"""Items as rows of terms against scikit-learn, and what users like against dense matrices."""

import random

import numpy as np
import pyarrow as pa
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from shoal.kernels.arranging import explain
from shoal.kernels.content import sparse_matrix, tastes, terms_of_items

WORDS = ["red", "blue", "mug", "lamp", "ü", "10", "oak", "tin"]
ALL = {"title": 1.0, "category": 1.0, "brand": 0.5, "price": 0.1}
SHOWN = pa.schema([
    ("item_id", pa.string()), ("title", pa.list_(pa.string())), ("category", pa.list_(pa.string())),
    ("brand", pa.list_(pa.string())), ("price", pa.float64()),
])  # fmt: skip


def item(name, title=(), category=(), brand=(), price=None) -> dict:
    return {"item_id": name, "title": title, "category": category, "brand": brand, "price": price}


def drawn(count=40, seed=1) -> list[dict]:
    rng = random.Random(seed)
    return [
        item(
            f"i{n}🐟"[: 2 + n % 3], rng.sample(WORDS, rng.randrange(4)), ["a", f"a/{rng.randrange(3)}"],
            [rng.choice("xyz")] if rng.random() < 0.7 else [], rng.choice((None, 0.0, 3.0, 8.0, 9.99)),
        ) | {"item_id": f"i{n}"}
        for n in range(count)
    ]  # fmt: skip


def rows_of(items: list[dict], weights=ALL, batches=1) -> pa.Table:
    table = pa.Table.from_pylist(items, SHOWN)
    cut = table.to_batches(max_chunksize=max(1, len(items) // batches))
    return pa.Table.from_batches([*terms_of_items(cut, weights=weights)])


def cosines(table: pa.Table) -> dict:
    rows = sparse_matrix(table).toarray()
    ids = table["item_id"].to_pylist()
    found = rows @ rows.T
    return {(a, b): found[n, m] for n, a in enumerate(ids) for m, b in enumerate(ids)}


def test_words_weigh_as_scikit_learn_has_it():
    items = [row for row in drawn() if row["title"]]
    found = cosines(rows_of(items, {"title": 1.0}))
    tf_idf = TfidfVectorizer(analyzer=lambda words: words, min_df=2).fit_transform([row["title"] for row in items])

    ids = [row["item_id"] for row in items]
    expected = (tf_idf @ tf_idf.T).toarray()
    assert found == pytest.approx(
        {(a, b): expected[n, m] for n, a in enumerate(ids) for m, b in enumerate(ids)}, abs=1e-6
    )


def test_cosines_of_items_that_tell_all_are_the_weighted_means_of_those_by_kind():
    items = [row for row in drawn(80) if row["title"] and row["brand"] and row["price"]]
    by_kind = {kind: cosines(rows_of(items, {kind: 1.0})) for kind in ALL}
    total = sum(ALL.values())

    assert cosines(rows_of(items)) == pytest.approx(
        {pair: sum(w * by_kind[kind][pair] for kind, w in ALL.items()) / total for pair in by_kind["title"]}, abs=1e-6
    )


def test_prices_are_alike_as_far_as_they_are_near():
    prices = {"8": 8.0, "9": 9.0, "10": 10.0, "16": 16.0, "80": 80.0, "free": 0.0, "unknown": None}
    found = cosines(rows_of([item(name, price=price) for name, price in prices.items()], {"price": 1.0}))

    assert {name for name, _ in found} == {"8", "9", "10", "16", "80"}
    assert 1 > found["8", "9"] > found["8", "10"] > 0
    assert found["8", "16"] == found["10", "80"] == 0


def test_what_one_item_alone_tells_makes_it_like_nothing():
    items = [item("a", ["mug", "odd"]), item("b", ["mug"]), item("c", ["alone"]), item("d")]
    found = cosines(rows_of(items, {"title": 1.0}))

    assert {name for name, _ in found} == {"a", "b"}
    assert found["a", "b"] == pytest.approx(1)


@pytest.mark.parametrize("weights", [ALL, {"title": 1.0, "price": 0.1}])
def test_a_price_alone_describes_nothing(weights):
    told = [item("a", ["mug"], price=8.0), item("b", ["mug"], price=9.0)]
    priced = [item("c", price=8.0), item("d", ["odd"], price=8.0)]

    assert rows_of(told + priced, weights)["item_id"].to_pylist() == ["a", "b"]


def test_neither_order_nor_batches_change_anything():
    items = drawn()
    assert rows_of(random.Random(2).sample(items, len(items)), batches=7).equals(rows_of(items))


@pytest.mark.parametrize("items", [[], [item("a")], [item("a", ["x"], price=2.0)]])
def test_nothing_is_said(items):
    assert [*terms_of_items(pa.Table.from_pylist(items, SHOWN).to_batches(), weights={"title": 1.0})] in ([], None) or (
        rows_of(items, {"title": 1.0}).num_rows == 0
    )


def likes(rows: list[tuple]) -> pa.Table:
    schema = pa.schema([("key", pa.string()), ("sources", pa.list_(pa.int32())), ("weights", pa.list_(pa.float32()))])
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def test_a_taste_is_the_weighted_sum_of_what_is_liked():
    items = rows_of(drawn())
    dense = sparse_matrix(items).toarray()
    users = [("u", [0, 3, 5], [1.0, 0.5, 2.0]), ("v", [3], [1.0]), ("nobody's", [99], [1.0]), ("none", [], [])]
    found = tastes(likes(users), items, most=1000)

    assert found["key"].to_pylist() == ["u", "v"]
    rows = sparse_matrix(found).toarray()
    expected = np.array([dense[0] + 0.5 * dense[3] + 2 * dense[5], dense[3]])
    np.testing.assert_allclose(rows, expected[:, : rows.shape[1]], atol=1e-6)
    assert not expected[:, rows.shape[1] :].any()


def test_only_the_heaviest_terms_of_a_taste_are_kept():
    items = rows_of(drawn())
    whole, some = (tastes(likes([("u", [0, 3, 5], [1.0, 0.5, 2.0])]), items, most=most) for most in (1000, 4))
    weights = dict(zip(whole["sources"][0].as_py(), whole["weights"][0].as_py(), strict=True))

    assert some["sources"][0].as_py() == sorted(sorted(weights, key=lambda term: (-weights[term], term))[:4])


def test_the_reason_is_the_own_item_that_is_most_alike():
    items = rows_of(drawn())
    dense = normalize(sparse_matrix(items).toarray())
    lists = pa.table({"key": ["u", "v"], "named": [[1, 2], [4]], "own": [[7, 9, 12], [99]]})
    schema = pa.schema([("key", pa.string()), ("named", pa.list_(pa.int32())), ("own", pa.list_(pa.int32()))])
    found = explain(lists.cast(schema), items.drop(["item_id"]))

    best = {(name, [7, 9, 12][(dense[name] @ dense[[7, 9, 12]].T).argmax()]) for name in (1, 2)}
    assert {(row["named"], row["own"]) for row in found.to_pylist()} == best
