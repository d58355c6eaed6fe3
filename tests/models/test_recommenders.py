"""Every model against itself written out over dense matrices, on ids of all kinds, variants and barred items."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from shoal.frames import few_rows
from shoal.kernels.als import fit as fit_factors
from shoal.kernels.content import sparse_matrix, terms_of_items
from shoal.kernels.ease import weights_of
from shoal.models.recommend.als import Als
from shoal.models.recommend.blend import Blend
from shoal.models.recommend.buy_again import BuyAgain
from shoal.models.recommend.content import CATALOGUE, Content
from shoal.models.recommend.item_item import Ease, ItemKnn
from shoal.models.recommend.latest import Latest
from shoal.models.recommend.popularity import Popularity
from shoal.models.recommend.registry import RECOMMENDERS
from shoal.models.recommend.trending import Trending
from shoal.models.recommend.user_knn import UserKnn

PAIRS = "user_id string, item_id string, strength double, times bigint, last_at timestamp, first_at timestamp"
NEWEST = datetime(2024, 6, 1, 12, tzinfo=UTC)
USERS = ["", "10", "9", "U,2", "a\nb", "u 1", "u'3", "é", "🐟", "ﾟ", "z1", "z2"]
ITEMS = ["", "'", "10", "9", "I/1", "i\t2", "i3", "i4", "ü", "🦑"]
GROUPS = {item: "g" if item in ("10", "i3", "ü") else item for item in ITEMS}  # three are variants of one
ASKED = [*USERS[1:], "never seen"]


def shop() -> list[tuple]:
    """Some 60 pairs; every user and item has one at least."""
    rng = random.Random(3)
    pairs = {(u, i) for u in USERS for i in ITEMS if rng.random() < 0.45} | {*zip(USERS, ITEMS, strict=False)}
    rows = []
    for u, i in sorted(pairs):
        strength, times, last = rng.choice((0.5, 1.0, 2.0, 5.0)), rng.randrange(1, 4), rng.randrange(0, 200)
        first = NEWEST - timedelta(days=min(last + 7 * (len(rows) % 3), 200))
        rows.append((u, i, strength, times, NEWEST - timedelta(days=last), first))
    return rows


SHOP = [*shop(), ("🐟", "9", 1.0, 1, NEWEST, NEWEST)] if ("🐟", "9") not in {row[:2] for row in shop()} else shop()
TOLD = [  # what is said of each item but the last
    (item, words, path, "Ü" if n % 3 else "V", 2.0 + n)
    for n, (item, words, path) in enumerate(zip(
        ITEMS[:-1], ("Red mug", "mug BLUE", "lamp", "red lamp", "ü mug", "ü", "blue", "oak tin", "Oak lamp"),
        ("A/B", "A/C", "D/B", "A/B", "D/E", "D/E", "A/C", "A/B", "D/B"), strict=True,
    ))
]  # fmt: skip
BARRED = [(u, i) for u, i, *_ in SHOP if u not in ("10", "u 1")] + [("never seen", "i4"), ("10", "i3")]
ALL_USERS, ALL_ITEMS = sorted(USERS, key=str.encode), sorted(ITEMS, key=str.encode)
BY_USER = {u: n for n, u in enumerate(ALL_USERS)}
BY_ITEM = {i: n for n, i in enumerate(ALL_ITEMS)}


def matrix(column: int = 2) -> np.ndarray:
    found = np.zeros((len(ALL_USERS), len(ALL_ITEMS)))
    for row in SHOP:
        found[BY_USER[row[0]], BY_ITEM[row[1]]] = row[column]
    return found


def of_known_users(scores: np.ndarray) -> dict:
    """A score of 0 says that the model knows nothing."""
    return {(u, i): s for u in ALL_USERS for i in ALL_ITEMS if (s := float(scores[BY_USER[u], BY_ITEM[i]]))}


def by_als(model: Als) -> dict:
    strengths = matrix()
    indptr = np.r_[0, (strengths > 0).sum(axis=1).cumsum()]
    users, items = fit_factors(
        indptr, np.nonzero(strengths)[1], strengths[strengths > 0], len(ALL_ITEMS), rank=model.rank,
        iterations=model.max_iter, reg=model.reg, alpha=model.alpha, seed=model.seed,
    )  # fmt: skip
    return of_known_users(users.astype(np.float64) @ items.T.astype(np.float64))


def near(rows: np.ndarray, neighbours: int, shrink: float) -> np.ndarray:
    """Each row's shrunk cosines to its nearest other rows, 0 for the rest."""
    lengths = np.sqrt((rows * rows).sum(axis=1)) + 1e-150  # a row of nothing is near to nothing
    common = (rows != 0).astype(float) @ (rows != 0).T
    cosines = (rows @ rows.T / np.outer(lengths, lengths) * common / (common + shrink + 1e-300)).astype(np.float32)
    np.fill_diagonal(cosines, 0)
    for row in cosines:
        order = sorted(range(len(row)), key=lambda c, row=row: (-row[c], c))
        row[order[neighbours:]] = 0
    return cosines.astype(np.float64)


def powered(power: float) -> np.ndarray:
    strengths = matrix()
    return np.where(strengths > 0, strengths**power, 0).astype(np.float32).astype(np.float64)


def by_items(model: ItemKnn) -> dict:
    rows = powered(model.power)
    return of_known_users(rows @ near(rows.T, model.neighbours, model.shrink).T)


def by_users(model: UserKnn) -> dict:
    rows = powered(model.power)
    telling = rows * ((rows > 0).sum(axis=0) <= model.max_users)
    return of_known_users(near(telling, model.neighbours, model.shrink) @ rows)


def by_ease(model: Ease) -> dict:
    rows = powered(model.power)
    counts = (rows > 0).sum(axis=0)
    head = sorted(sorted(range(len(ALL_ITEMS)), key=lambda i: (-counts[i], i))[: model.max_items])
    scores = np.zeros_like(rows)
    some = rows[:, head]
    scores[:, head] = some @ weights_of(some.T @ some, model.reg).astype(np.float32)
    return of_known_users(scores)


def by_popularity(model: Popularity) -> dict:
    young = [row for row in SHOP if model.days is None or NEWEST - row[4] < timedelta(days=model.days)]
    scores: dict = {}
    for row in young:
        scores[row[1]] = scores.get(row[1], 0) + (1 if model.by == "users" else row[2])
    return {(u, i): s for u in [*ALL_USERS, "never seen"] for i, s in scores.items()}


def by_habit(model: BuyAgain) -> dict:
    def score(times, last_at):
        return times**model.power * 0.5 ** ((NEWEST - last_at) / timedelta(days=model.half_life_days))

    lately = [i for _, i, _, _, last_at, _ in SHOP if NEWEST - last_at < timedelta(days=model.crowd_days)]
    return {(u, i): score(times, last) * (1 + lately.count(i)) ** model.crowd for u, i, _, times, last, _ in SHOP}


def by_trend(model: Trending) -> dict:
    """Users won in the last days and as many before, by the first act of each pair."""
    ages = [(row[1], (NEWEST - row[5]) / timedelta(days=1)) for row in SHOP]
    scores = {}
    for item in ITEMS:
        now = sum(age < model.days for i, age in ages if i == item)
        before = sum(model.days <= age < 2 * model.days for i, age in ages if i == item)
        if now > before:
            scores[item] = (now + model.prior) / (before + model.prior)
    return {(u, i): s for u in [*ALL_USERS, "never seen"] for i, s in scores.items()}


def by_time(model: Latest) -> dict:
    """Days since 1970."""
    return {
        (u, i): last.timestamp() / 86_400 for u, i, _, _, last, _ in SHOP if NEWEST - last < timedelta(days=model.days)
    }


def by_blend(model: Blend) -> dict:
    sums: dict = {}
    for part, weight in zip(model.models, model.weights, strict=True):
        for user, rows in lists(ORACLES[type(part)](part), model.candidates).items():
            low, high = min(s for _, s in rows), max(s for _, s in rows)
            for rank, (item, score) in enumerate(rows, 1):
                if model.scale == "rank":
                    scaled = (model.rank_constant + 1) / (model.rank_constant + rank)
                else:
                    scaled = (score - low) / (high - low) if high > low else 1
                sums[user, item] = sums.get((user, item), 0) + weight * scaled
    return sums


def by_content(model: Content) -> dict:
    """Cosines of what users like with all items."""
    told = [
        {"item_id": i, "title": words.lower().split(), "category": [path[: n + 1].lower() for n in (0, 2)],
         "brand": [brand.lower()], "price": price}
        for i, words, path, brand, price in TOLD
    ]  # fmt: skip
    kinds = ("title", "category", "brand", "price")
    weights = {kind: getattr(model, kind) for kind in kinds}
    table = pa.Table.from_batches([*terms_of_items(pa.Table.from_pylist(told).to_batches(), weights=weights)])
    rows = np.zeros((len(ALL_ITEMS), sparse_matrix(table).shape[1]))
    rows[[BY_ITEM[i] for i in table["item_id"].to_pylist()]] = sparse_matrix(table).toarray()
    likes = powered(model.power) @ rows
    return of_known_users(likes / (np.linalg.norm(likes, axis=1, keepdims=True) + 1e-150) @ rows.T)


def lists(scores: dict, n: int) -> dict:
    """Per asked user the best items and their scores, of a group the best, of equal ones the first in byte order."""
    found: dict = {}
    place = lambda pair: (-np.float32(scores[pair]), pair[1].encode())  # noqa: E731 (a sort key)
    for user, item in sorted((pair for pair in scores if pair not in BARRED and pair[0] in ASKED), key=place):
        rows = found.setdefault(user, [])
        if len(rows) < n and GROUPS[item] not in [GROUPS[i] for i, _ in rows]:
            rows.append((item, scores[user, item]))
    return found


ORACLES = {
    Als: by_als, ItemKnn: by_items, UserKnn: by_users, Ease: by_ease, Popularity: by_popularity, BuyAgain: by_habit,
    Blend: by_blend, Trending: by_trend, Latest: by_time, Content: by_content,
}  # fmt: skip

MODELS = {
    "als": (Als(rank=4, max_iter=6, alpha=2.0), 3),
    "item_knn": (ItemKnn(neighbours=4, shrink=2.0), 3),
    "user_knn": (UserKnn(neighbours=5, shrink=1.0, max_users=7), 3),
    "ease": (Ease(reg=2.0, max_items=7, power=0.5), 50),  # more than there are items
    "popularity": (Popularity(by="strength", days=120), 3),
    "buy_again": (BuyAgain(half_life_days=30.0), 3),
    "trending": (Trending(days=40, prior=3.0), 3),
    "latest": (Latest(days=120), 3),
    "blend": (Blend((Popularity(), BuyAgain()), (0.5, 2.0), candidates=4), 3),
    "content": (Content(), 3),
}


def told_of(spark, model, rows=TOLD):
    """The model, with what is said of items where it asks for that."""
    return replace(model, catalogue=few_rows(spark, CATALOGUE, rows)) if isinstance(model, Content) else model


@pytest.fixture(scope="module")
def asked(spark):
    """The users, barred pairs and items that all models are asked with."""
    return (
        few_rows(spark, "user_id string", [(u,) for u in ASKED]),
        few_rows(spark, "user_id string, item_id string", BARRED),
        few_rows(spark, "item_id string, item_group_id string", [*GROUPS.items(), ("unknown", "g")]),
    )


def best_of(model, pairs, asked, n) -> dict:
    """The model's lists, after a check of their form."""
    fitted = model.fit(pairs)
    assert fitted is not None
    best = fitted.best(*asked, n)
    assert {*best.columns} == {"user_id", "item_id", "item_group_id", "rank", "score"}
    found: dict = {}
    for row in sorted(best.collect(), key=lambda row: (row["user_id"], row["rank"])):
        found.setdefault(row["user_id"], []).append((row["item_id"], row["score"]))
        assert row["rank"] == len(found[row["user_id"]])
        assert row["item_group_id"] == GROUPS[row["item_id"]]
    return found


@pytest.mark.parametrize("name", [*MODELS])
def test_lists_are_those_of_the_dense_model(spark, asked, name):
    model, n = MODELS[name]
    rows = random.Random(name).sample(SHOP, len(SHOP))
    found = best_of(told_of(spark, model), few_rows(spark, PAIRS, rows).repartition(3), asked, n)
    expected = lists(ORACLES[type(model)](model), n)

    assert {u: [i for i, _ in rows] for u, rows in found.items()} == {
        u: [i for i, _ in rows] for u, rows in expected.items()
    }
    for user, rows in expected.items():
        np.testing.assert_allclose([s for _, s in found[user]], [s for _, s in rows], rtol=1e-5)


@pytest.mark.long
def test_mllib_ends_at_the_products_of_the_native_engine(spark):
    """Two tastes that never mix, in as many dimensions: both engines converge to the same."""
    pairs = [(f"u{u}", f"i{i}", 2.0) for u in range(8) for i in range(8) if u % 2 == i % 2 and u != i]
    frame = few_rows(spark, "user_id string, item_id string, strength double", pairs)
    by_engine = {}
    for engine in ("native", "mllib"):
        fitted = Als(engine=engine, rank=2, max_iter=10).fit(frame)
        assert fitted is not None
        assert (fitted.model.engine, fitted.model.users, fitted.model.items) == (engine, 8, 8)
        rows = {(r["side"], r["number"]): r["factor"] for r in fitted.user_factors.union(fitted.item_factors).collect()}
        by_engine[engine] = (
            np.array([rows["user", n] for n in range(8)]) @ np.array([rows["item", n] for n in range(8)]).T
        )
    np.testing.assert_allclose(by_engine["native"], by_engine["mllib"], atol=0.02)


def test_above_what_one_task_holds_mllib_stands_in_and_the_model_says_so(spark, monkeypatch):
    monkeypatch.setattr("shoal.models.recommend.als.PAIRS_IN_ONE_TASK", 3)
    seen = []

    def mllib(model, pairs, interactions):
        seen.append(interactions)
        return pairs, pairs

    monkeypatch.setattr(Als, "_mllib", mllib)
    frame = few_rows(spark, "user_id string, item_id string, strength double", [("u", f"i{n}", 1.0) for n in range(4)])
    fitted = Als().fit(frame)

    assert seen == [4]
    assert fitted is not None
    assert fitted.model.engine == "mllib"


@pytest.mark.parametrize("name", [*RECOMMENDERS])
def test_settings_are_plain_and_every_one_of_the_space_is_one(name):
    model = RECOMMENDERS[name]()

    assert model.name == name
    for setting, values in model.SPACE.items():
        assert [getattr(replace(model, **{setting: value}), setting) for value in values] == [*values]
        assert len({*values}) == len(values) > 1


def test_a_blend_has_a_weight_for_each_model():
    with pytest.raises(ValueError, match="3 models have 2 weights"):
        replace(Blend(), weights=(1.0, 2.0))


@pytest.mark.long
@pytest.mark.parametrize("name", [*RECOMMENDERS])
def test_a_shop_of_one_user_and_one_item(spark, name):
    pairs = few_rows(spark, PAIRS, [("ü", " ", 1.0, 1, None, None)])
    told = [(item, "mug", None, None, None) for item in (" ", "new")]
    fitted = told_of(spark, RECOMMENDERS[name](), told).fit(pairs)
    assert fitted is not None
    users = few_rows(spark, "user_id string", [("ü",), ("cold",)])
    items = few_rows(spark, "item_id string, item_group_id string", [(" ", " "), ("new", "new")])
    nothing = few_rows(spark, "user_id string, item_id string", [])
    found = {(row["user_id"], row["item_id"]) for row in fitted.best(users, nothing, items, 50).collect()}

    alone = {("ü", " ")}
    # Neighbours and EASE learn from others only; what is popular is popular with everybody.
    expected = {
        "popularity": alone | {("cold", " ")},
        "blend": alone | {("cold", " ")},
        "als": alone,
        "buy_again": alone,
        "latest": alone,
        "content": alone | {("ü", "new")},
    }
    assert found == expected.get(name, set())


@pytest.mark.long
@pytest.mark.parametrize("name", [*RECOMMENDERS])
def test_nothing_is_learned_from_nothing(spark, name):
    assert told_of(spark, RECOMMENDERS[name]()).fit(few_rows(spark, PAIRS, [])) is None


@pytest.mark.long
def test_content_learns_nothing_where_nothing_is_said_of_what_anybody_has(spark):
    pairs = few_rows(spark, PAIRS, SHOP)
    assert Content().fit(pairs) is None
    assert told_of(spark, Content(), []).fit(pairs) is None
    assert told_of(spark, Content(), [(f"other {n}", "mug", None, None, None) for n in range(2)]).fit(pairs) is None


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in MODELS if name != "buy_again"])
def test_blocks_change_nothing(spark, asked, name, monkeypatch):
    model, n = MODELS[name]
    model, pairs = told_of(spark, model), few_rows(spark, PAIRS, SHOP)
    whole = best_of(model, pairs, asked, n)
    for part in ("products._LEFT_ENTRIES", "products._RIGHT_ENTRIES", "scoring._USER_FLOATS", "scoring._ITEM_FLOATS"):
        monkeypatch.setattr(f"shoal.models.recommend.{part}", 20)

    assert best_of(model, pairs, asked, n) == whole
