"""Two tastes that never mix, lists that are always full, and an exact top-N against numpy."""

import random
from datetime import date, timedelta

import numpy as np
import pytest

from shoal.config import load_config
from shoal.errors import ConfigError
from shoal.frames import few_rows
from shoal.models.recommend import (
    FittedAls,
    Voice,
    acts,
    again_model,
    best_sellers,
    fit,
    habits,
    lists,
    nothing,
    owned,
    strengths,
)
from shoal.models.recommend.popularity import FittedPopularity
from shoal.params import RecommendParams
from shoal.tables import FACTORS, RECOMMENDATIONS, USER_ITEM_DAYS

AS_OF = date(2024, 6, 1)
PARAMS = load_config().recommend["for_you"].model_copy(update={
    "model": "als", "engine": "mllib", "top_n": 3, "active_days": 180, "in_stock_only": True, "exclude_owned": True,
    "weights": {"views": 1.0, "favourites": 2.0, "carts": 3.0, "purchases": 5.0}, "half_life_days": 10.0,
    "rank": 4, "max_iter": 5, "reg": 0.1, "alpha": 1.0, "seed": 7, "min_interactions": 1,
    "popularity_days": 90, "test_days": 30, "k": 10,
})  # fmt: skip


def params(**changes) -> RecommendParams:
    return PARAMS.model_copy(update=changes)


def tile(user, item, days_ago, **counts) -> dict:
    zeros = dict.fromkeys(("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces"), 0)
    day = AS_OF - timedelta(days=days_ago)
    return {"bucket": 0, "user_id": user, "item_id": item, "event_date": day, **zeros, **counts}


@pytest.fixture
def tiles(frame):
    return lambda *rows: frame(USER_ITEM_DAYS, *rows)


@pytest.fixture
def items_of(spark):
    """``items_of("a", "b")`` or, with groups, ``items_of(("a1", "a"), ("a2", "a"))``."""

    def build(*items):
        rows = [(item, item) if isinstance(item, str) else item for item in items]
        return few_rows(spark, "item_id string, item_group_id string", rows)

    return build


def strength_of(frame, **changes) -> dict:
    rows = strengths(frame, as_of=AS_OF, params=params(**changes)).collect()
    return {(row["user_id"], row["item_id"]): row["strength"] for row in rows}


def lists_of(recommendations) -> dict:
    """Per user the items in order of rank, after a check that ranks are 1, 2, 3, ..."""
    lists: dict = {}
    for row in sorted(recommendations.collect(), key=lambda row: (row["user_id"], row["rank"])):
        lists.setdefault(row["user_id"], []).append(row["item_id"])
        assert row["rank"] == len(lists[row["user_id"]])
    return lists


class TestStrengths:
    def test_counts_are_weighted_and_fade_by_half(self, tiles):
        found = strength_of(
            tiles(
                tile("u", "a", 10, views=3),  # 3 x 1 x 1/2
                tile("u", "b", 20, carts=1, favourites=1),  # (3 + 2) x 1/4
                tile("u", "c", 10, purchases=2),  # 2 x 5 x 1/2
                tile("u", "c", 20, views=4),  # + 4 x 1/4
            )
        )

        assert found == {("u", "a"): 1.5, ("u", "b"): 1.25, ("u", "c"): 6.0}

    def test_the_future_changes_nothing(self, tiles):
        past = [tile("u", "a", 10, purchases=1), tile("v", "a", 1, views=1)]
        future = [
            tile("u", "a", 0, returns=1), tile("u", "b", 0, views=9), tile("v", "a", -3, purchases=1),
        ]  # fmt: skip

        assert strength_of(tiles(*past, *future)) == strength_of(tiles(*past))

    def test_order_and_partitioning_change_not_a_digit(self, tiles):
        rng = random.Random(1)
        rows = [tile("u", f"i{n % 5}", n, views=rng.randrange(9), purchases=1) for n in range(1, 200)]
        shuffled = tiles(*rng.sample(rows, len(rows))).repartition(7)

        assert strength_of(shuffled) == strength_of(tiles(*rows).coalesce(1))

    @pytest.mark.parametrize("counted", [True, False])
    def test_returns_take_back_their_purchase(self, tiles, counted):
        cases = {  # user: ([(days ago, lines bought, lines returned)], strength; 10 days ago counts 1/2)
            "the same day": ([(10, 1, 1)], 0),
            "later": ([(10, 1, 0), (5, 0, 1)], 0),
            "one of two": ([(10, 2, 0), (5, 0, 1)], 2.5),
            "bought again later": ([(30, 1, 0), (25, 0, 1), (10, 1, 0)], 2.5),
            "the latest is taken back": ([(20, 1, 0), (10, 1, 0), (5, 0, 1)], 1.25),
            "within a day the purchase comes first": ([(20, 1, 0), (10, 1, 1)], 1.25),
            "bought before the tiles begin": ([(30, 0, 1), (10, 1, 0)], 2.5),
            "more returned than bought": ([(20, 1, 0), (10, 0, 3)], 0),
        }
        rows = [
            tile(user, "a", ago, purchases=p, returns=r, pieces=p * counted, returned_pieces=r * counted)
            for user, (days, _) in cases.items()
            for ago, p, r in days
        ]

        expected = {(user, "a"): strength for user, (_, strength) in cases.items() if strength}
        assert strength_of(tiles(*rows)) == expected

    def test_a_line_partly_returned_counts_by_its_pieces(self, tiles):
        line = tile("u", "a", 10, purchases=1, pieces=4, views=2)
        back = tile("u", "a", 3, returns=1, returned_pieces=3)

        assert strength_of(tiles(line, back)) == {("u", "a"): (5 / 4 + 2) / 2}

    def test_unknown_weights_are_refused_together(self, tiles):
        with pytest.raises(ConfigError, match=r"(?s)weights.viws.*weights.bucket"):
            strengths(tiles(), as_of=AS_OF, params=params(weights={"viws": 1.0, "bucket": 1.0}))


class TestBestSellers:
    def ranked(self, days, items, n=9):
        """Items and scores, best first, as one user gets them who has nothing."""
        fitted = best_sellers(acts(days, as_of=AS_OF), items, as_of=AS_OF, days=30)
        user = few_rows(days.sparkSession, "user_id string", [("new",)])
        rows = fitted.explained(fitted.best(user, nothing(user), items, n)).orderBy("rank").collect()
        assert [row["rank"] for row in rows] == [*range(1, len(rows) + 1)]
        return [(row["item_id"], row["score"]) for row in rows], {row["reason"] for row in rows}

    def test_counts_distinct_buyers_of_the_window(self, tiles, items_of):
        days = tiles(
            tile("u", "b", 30, purchases=1), tile("u", "b", 1, purchases=9), tile("v", "b", 2, purchases=1),
            tile("u", "a", 1, purchases=7), tile("u", "c", 31, purchases=1), tile("v", "c", 0, purchases=1),
            tile("u", "x", 1, purchases=1),
        )  # fmt: skip
        found, said = self.ranked(days, items_of("a", "b", "c", "d"))

        assert found == [("b", 2), ("a", 1), ("c", 0), ("d", 0)]
        assert said == {f"buyers in the last 30 days: {n}" for n in (0, 1, 2)}

    def test_viewers_count_where_nothing_was_bought(self, tiles, items_of):
        days = tiles(tile("u", "b", 1, views=5), tile("v", "a", 1, carts=1), tile("v", "x", 1, purchases=1))
        found, said = self.ranked(days, items_of("a", "b"))

        assert found == [("b", 1), ("a", 0)]
        assert said == {f"viewers in the last 30 days: {n}" for n in (0, 1)}

    def test_of_a_group_the_best_is_named(self, tiles, items_of):
        days = tiles(tile("u", "a2", 1, purchases=1), tile("u", "b", 1, purchases=1))
        items = items_of(("a1", "a"), ("a2", "a"), ("b", "b"), ("c", "c"))

        assert self.ranked(days, items, n=1)[0] == [("a2", 1)]
        assert self.ranked(days, items, n=3)[0] == [("a2", 1), ("b", 1), ("c", 0)]


@pytest.fixture(scope="module")
def board(spark):
    """A checkerboard: even users like even items, odd users odd ones; none has seen its own number."""
    pairs = [(f"u{u:02}", f"i{i:02}", 2.0) for u in range(20) for i in range(20) if u % 2 == i % 2 and u != i]
    return few_rows(spark, "user_id string, item_id string, strength double", pairs)


@pytest.fixture(scope="module")
def fitted(board) -> FittedAls:
    model = fit(board, PARAMS)
    assert model is not None
    return model


def factors_of(fitted: FittedAls) -> dict:
    rows = fitted.user_factors.unionByName(fitted.item_factors).collect()
    return {(row["side"], row["id"]): np.array(row["factor"]) for row in rows}


class TestFit:
    def test_facts_and_factors_are_as_declared(self, fitted):
        declared = {c.name: c.type.simpleString() for c in FACTORS.columns}
        found = dict(fitted.item_factors.dtypes)

        assert (fitted.model.users, fitted.model.items, fitted.model.interactions) == (20, 20, 180)
        assert found == {name: declared[name] for name in ("side", "id", "number", "factor")}
        numbers = {row["id"]: row["number"] for row in fitted.user_factors.collect()}
        assert numbers == {f"u{n:02}": n for n in range(20)}

    def test_order_and_partitioning_change_nothing(self, spark, board, fitted):
        rows = board.collect()
        shuffled = spark.createDataFrame(random.Random(5).sample(rows, len(rows)), board.schema).repartition(5)
        again = fit(shuffled, PARAMS)

        assert again is not None
        theirs = factors_of(again)
        for key, factor in factors_of(fitted).items():
            np.testing.assert_allclose(theirs[key], factor, atol=1e-6)

    def test_the_engine_is_that_of_the_settings(self, board, fitted):
        native = fit(board, params(engine="native"))

        assert native is not None
        assert (fitted.model.engine, native.model.engine) == ("mllib", "native")
        for factors in (factors_of(native), factors_of(fitted)):
            users, items = ([factors[side, f"{side[0]}{n:02}"] for n in range(20)] for side in ("user", "item"))
            products = np.array(users) @ np.array(items).T
            same = np.add.outer(range(20), range(20)) % 2 == 0
            assert products[same].min() > 0.7 > 0.2 > abs(products[~same]).max()

    def test_too_few_pairs_give_no_model(self, board):
        assert fit(board, params(min_interactions=181)) is None
        assert fit(board.limit(0), PARAMS) is None


@pytest.fixture
def users_of(spark):
    return lambda *ids: few_rows(spark, "user_id string", [(i,) for i in ids])


@pytest.fixture
def owned_of(spark):
    return lambda *pairs: few_rows(spark, "user_id string, item_id string", [*pairs])


@pytest.fixture
def sellers(spark):
    """What is popular, best first."""

    def build(*items):
        number = {item: place for place, item in enumerate(sorted(items))}
        rows = [(item, number[item], float(len(items) - n), "sells") for n, item in enumerate(items)]
        scores = few_rows(spark, "item_id string, number int, score double, reason string", rows)
        return Voice(FittedPopularity(scores, len(items), len(items)), "popularity")

    return build


@pytest.fixture
def learned(fitted):
    return Voice(fitted, "als", "the model")


BOARD = [f"i{n:02}" for n in range(20)]


class TestLearned:
    def test_two_tastes_never_mix(self, board, learned, items_of, sellers):
        users = board.select("user_id").distinct()
        seen = board.select("user_id", "item_id")
        found = lists([learned, sellers(*BOARD)], users, seen, items_of(*BOARD), 1)

        assert lists_of(found) == {f"u{n:02}": [f"i{n:02}"] for n in range(20)}
        assert {(row["source"], row["model_id"]) for row in found.collect()} == {("als", "the model")}

    @pytest.mark.parametrize("blocks", ["one", "many"])
    def test_equals_brute_force_over_the_factors(
        self, board, fitted, learned, items_of, sellers, owned_of, monkeypatch, blocks
    ):
        if blocks == "many":
            monkeypatch.setattr("shoal.models.recommend.scoring._USER_FLOATS", 24)
            monkeypatch.setattr("shoal.models.recommend.scoring._ITEM_FLOATS", 16)
        allowed = BOARD[:15]
        group = {item: f"g{min(int(item[1:]) // 2, 5)}" for item in allowed}  # pairs, and the last five
        rng = random.Random(8)
        has = {(f"u{n:02}", item) for n in range(20) for item in rng.sample(BOARD, 6)}
        users = board.select("user_id").distinct()
        items = items_of(*group.items())

        found = lists([learned, sellers(*allowed)], users, owned_of(*has), items, 3).collect()

        factors = factors_of(fitted)
        for user in {f"u{n:02}" for n in range(20)}:
            rows = sorted((row for row in found if row["user_id"] == user), key=lambda row: row["rank"])
            score = {i: factors["user", user] @ factors["item", i] for i in allowed if (user, i) not in has}
            best = {g: max((s for i, s in score.items() if group[i] == g), default=-9.0) for g in {*group.values()}}
            np.testing.assert_allclose(
                [row["score"] for row in rows], sorted(best.values(), reverse=True)[:3], rtol=1e-5, atol=1e-7
            )
            for row in rows:
                assert score[row["item_id"]] == pytest.approx(row["score"], rel=1e-5, abs=1e-7)
            assert len({group[row["item_id"]] for row in rows}) == 3

    def test_equal_scores_are_ordered_by_item_id(self, spark, fitted, users_of, items_of, owned_of):
        def side(name, *ids):
            rows = [(name, id_, n, [1.0, 0.5]) for n, id_ in enumerate(ids)]
            return few_rows(spark, "side string, id string, number int, factor array<double>", rows)

        same = Voice(FittedAls(fitted.model, side("user", "u"), side("item", "a", "b", "c", "d")), "als")
        found = lists([same], users_of("u"), owned_of(), items_of("d", "c", "b"), 2)

        assert lists_of(found) == {"u": ["b", "c"]}


class TestFilled:
    def test_every_user_gets_exactly_n(self, learned, users_of, items_of, sellers, owned_of):
        items = items_of(*BOARD, "new1", "new2")
        has = owned_of(*(("u00", item) for item in BOARD[:19]))
        users = users_of("u00", "u01", "cold")
        ranked = sellers("new2", *BOARD, "new1")
        found = lists([learned, ranked], users, has, items, 3)

        named = lists_of(found)
        assert {user: len(items) for user, items in named.items()} == {"u00": 3, "u01": 3, "cold": 3}
        assert named["u00"] == ["i19", "new2", "new1"]  # one by ALS, then the popular ones it does not own
        assert named["cold"] == ["new2", "i00", "i01"]
        declared = {c.name: c.type.simpleString() for c in RECOMMENDATIONS.columns}
        assert dict(found.dtypes) == {name: declared[name] for name in found.columns}
        sources = {(row["user_id"], row["source"], row["model_id"]) for row in found.collect()}
        assert sources == {
            ("u00", "als", "the model"), ("u00", "popularity", None), ("u01", "als", "the model"),
            ("cold", "popularity", None),
        }  # fmt: skip

    def test_whoever_owns_nearly_everything_gets_what_is_left(self, users_of, items_of, sellers, owned_of):
        items = [f"i{n:03}" for n in range(100)]
        has = owned_of(*(("all", i) for i in items), *(("most", i) for i in items[:98]), ("few", "i000"))
        found = lists([sellers(*items)], users_of("all", "most", "few", "none"), has, items_of(*items), 3)

        assert lists_of(found) == {
            "most": ["i098", "i099"], "few": ["i001", "i002", "i003"], "none": ["i000", "i001", "i002"],
        }  # fmt: skip

    def test_a_group_comes_once_also_across_sources(self, learned, users_of, items_of, sellers, owned_of):
        items = items_of(("i00", "g"), ("g2", "g"), ("x1", "x"), ("x2", "x"), ("y", "y"))
        ranked = sellers("g2", "x1", "x2", "i00", "y")
        has = owned_of(("u02", "x1"), ("cold", "g2"))
        found = lists([learned, ranked], users_of("u02", "cold"), has, items, 4)

        assert lists_of(found) == {"u02": ["i00", "x2", "y"], "cold": ["x1", "i00", "y"]}

    def test_what_is_not_allowed_never_appears(self, learned, users_of, items_of, sellers, owned_of):
        ranked = sellers("fee", "a", "i02")
        found = lists([learned, ranked], users_of("u00", "cold"), owned_of(), items_of("i02", "a"), 3)

        assert lists_of(found) == {"u00": ["i02", "a"], "cold": ["a", "i02"]}

    def test_order_and_partitioning_change_nothing(self, board, learned, users_of, items_of, sellers, owned_of):
        users = [*(f"u{n:02}" for n in range(20)), "cold"]
        has = [(row["user_id"], row["item_id"]) for row in board.collect()]

        def run(shuffle, parts):
            frames = (users_of(*shuffle(users)), owned_of(*shuffle(has)), items_of(*shuffle(BOARD)))
            return lists([learned, sellers(*BOARD)], *(rows.repartition(parts) for rows in frames), 3)

        mixed = run(lambda rows: random.Random(2).sample(rows, len(rows)), 4)
        assert sorted(mixed.collect()) == sorted(run(list, 1).collect())


def test_owned_is_what_was_bought_before(tiles):
    days = tiles(tile("u", "a", 1, purchases=1), tile("u", "a", 9, purchases=2), tile("u", "b", 1, views=1),
                 tile("u", "c", 0, purchases=1))  # fmt: skip

    assert [tuple(row) for row in owned(acts(days, as_of=AS_OF)).collect()] == [("u", "a")]


class TestBuyAgain:
    PAST = (
        *(("u", "soap", ago) for ago in (50, 30, 10)), ("u", "mug", 10), ("u", "lamp", 10), ("u", "sofa", 200),
        ("v", "lamp", 9), ("w", "lamp", 8), ("x", "mug", 100),
    )  # fmt: skip

    @pytest.fixture
    def again(self, tiles, users_of, items_of, owned_of):
        def build(*more, n=3, users=("u", "v", "new"), items=("soap", "mug", "lamp", "sofa"), **changes):
            days = tiles(*(tile(user, item, ago, purchases=2) for user, item, ago in self.PAST), *more)
            fitted = again_model(params(**changes)).fit(habits(acts(days.repartition(3), as_of=AS_OF)))
            return lists([Voice(fitted, "buy_again")], users_of(*users), owned_of(), items_of(*items), n)

        return build

    def test_by_habit_and_by_what_others_buy_now(self, again):
        found = again(n=4, half_life_days=90.0)
        rows = {(row["user_id"], row["rank"]): row for row in found.collect()}

        # Counted from the newest day: soap 3 times, by one user lately; the lamp once, by three; the sofa long ago.
        fresh, stale = 0.5 ** (2 / 90), 0.5 ** (192 / 90)
        expected = {"soap": 3 * fresh * 2**0.5, "lamp": fresh * 4**0.5, "mug": fresh * 2**0.5, "sofa": stale}
        assert lists_of(found) == {"u": [*expected], "v": ["lamp"]}, "who bought nothing has no row"
        assert {item: rows["u", rank]["score"] for rank, item in enumerate(expected, 1)} == pytest.approx(expected)
        assert {row["source"] for row in rows.values()} == {"buy_again"}
        assert rows["u", 1]["reason"] == "bought on 3 days, last on 2024-05-22"
        assert rows["v", 1]["reason"] == "bought once, on 2024-05-23"
        declared = {c.name: c.type.simpleString() for c in RECOMMENDATIONS.columns}
        assert dict(found.dtypes) == {name: declared[name] for name in found.columns}

    def test_never_more_than_asked_for_and_only_what_is_offered(self, again):
        assert lists_of(again(n=2, items=("mug", "lamp", "sofa"))) == {"u": ["lamp", "mug"], "v": ["lamp"]}

    def test_the_future_and_what_came_back_change_nothing(self, again):
        later = [tile("u", "sofa", 0, purchases=9), tile("new", "mug", -3, purchases=1)]
        kept = [tile("u", "mug", 3, returns=1), tile("v", "mug", 60, purchases=1), tile("v", "mug", 59, returns=1)]

        assert sorted(again(*later, *kept).collect()) == sorted(again().collect())

    def test_nobody_has_bought_anything(self, tiles, users_of, items_of, owned_of):
        assert again_model(PARAMS).fit(habits(acts(tiles(), as_of=AS_OF))) is None
        assert lists([], users_of("u"), owned_of(), items_of("a"), 3).collect() == []
