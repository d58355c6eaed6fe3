"""What is said of items in lists: how it is read, new items beside those of als, reasons, and blends."""

from dataclasses import replace
from datetime import date
from typing import get_args

import pytest

from shoal.config import load_config
from shoal.errors import ConfigError
from shoal.frames import few_rows
from shoal.kernels.content import sparse_matrix
from shoal.models.recommend import NEW_ITEM, OF_TASTE, Because, Voice, WithNewItems, because, lists, with_new_items
from shoal.models.recommend.als import Als
from shoal.models.recommend.blend import Blend
from shoal.models.recommend.content import CATALOGUE, LIKE_WHAT_YOU_CHOSE, Content
from shoal.models.recommend.item_item import ItemKnn
from shoal.models.recommend.reasons import GOES_WITH, SEVERAL
from shoal.models.recommend.registry import list_model
from shoal.params import RecommendParams

FOR_YOU = load_config().recommend["for_you"]
KINDS = 4
OLD = [f"{kind}{n}" for kind in range(KINDS) for n in range(10)]
NEW = [f"{kind}new{n}" for kind in range(KINDS) for n in range(3)]


def catalogue(spark, *rows):
    """``item_id``, title, category, brand and price; what is left out is null."""
    return few_rows(spark, CATALOGUE, [(*row, *[None] * (5 - len(row))) for row in rows])


def own(spark, pairs):
    schema = "user_id string, item_id string, strength double, bought boolean, title string"
    return few_rows(spark, schema, [(user, item, 1.0, True, None) for user, item, _ in pairs])


def liked(users=40):
    """User n wants kind n % 4 and has seven of its ten items."""
    return [
        (f"u{user:02}", f"{user % KINDS}{(user // KINDS + n) % 10}", 1.0) for user in range(users) for n in range(7)
    ]


@pytest.fixture(scope="module")
def shop(spark):
    """Taste follows category: pairs, what is said of items, and what als and its new items are."""
    pairs = few_rows(spark, "user_id string, item_id string, strength double", liked())
    told = catalogue(spark, *((item, f"thing {item}", f"Goods/Kind {item[0]}") for item in OLD + NEW), ("mute",))
    fitted = Als(rank=8).fit(pairs)
    content = Content(catalogue=told)
    more, new = with_new_items(fitted, pairs, content)
    return pairs, fitted, more, new, content


@pytest.fixture(scope="module")
def asked(spark):
    """Everyone, what each has, and all items."""
    users = few_rows(spark, "user_id string", [(user,) for user in sorted({user for user, *_ in liked()})])
    has = few_rows(spark, "user_id string, item_id string", [(user, item) for user, item, _ in liked()])
    items = few_rows(spark, "item_id string, item_group_id string", [(item, item) for item in (*OLD, *NEW, "mute")])
    return users, has, items


def known_items(spark):
    return few_rows(spark, "item_id string", [(item,) for item in OLD])


def rows_of(found):
    return sorted(found.collect(), key=lambda row: (row["user_id"], row["rank"]))


def test_words_levels_and_brands_are_read_without_case_and_signs(spark):
    told = catalogue(
        spark,
        ("a", "Red  MUG, 10cm (red)", "Home/Mugs", "ACME", 4.0),
        ("b", "mug|red 10CM", "home/mugs/Tall", "acme", 4.0),
        ("c", "!?", "/", "", None),
        ("d", "Élan", "HOME", "other", 0.0),
    )
    by_kind = {}
    for kind in ("title", "category", "brand"):
        only = replace(Content(title=0, category=0, brand=0, price=0), **{kind: 1.0})
        rows = only.described(told).orderBy("number").toArrow()
        matrix = sparse_matrix(rows)
        ids = rows["item_id"].to_pylist()
        by_kind[kind] = ids, (matrix @ matrix.T).toarray()

    assert {kind: ids for kind, (ids, _) in by_kind.items()} == {
        "title": ["a", "b"], "category": ["a", "b", "d"], "brand": ["a", "b"],
    }  # fmt: skip
    assert by_kind["title"][1][0, 1] == pytest.approx(1)
    assert by_kind["category"][1][0, 1] == pytest.approx(1)  # Tall is of one item alone
    assert 0 < by_kind["category"][1][0, 2] < 1


def test_items_without_a_factor_are_named_to_whom_their_category_belongs(shop, asked):
    _, fitted, more, new, _ = shop
    assert sorted(row["item_id"] for row in new.collect()) == sorted(NEW)
    assert more.model.items == fitted.model.items + len(NEW)
    numbers = [row["number"] for row in more.item_factors.select("number").collect()]
    assert sorted(numbers) == [*range(len(OLD) + len(NEW))]

    users, has, items = asked
    best = rows_of(more.best(users, has, items.where("item_id LIKE '%new%'"), 3))
    assert len(best) == 3 * users.count()
    assert all(row["item_id"][0] == str(int(row["user_id"][1:]) % KINDS) for row in best)


@pytest.mark.parametrize("places", [1, 2])
def test_new_items_have_some_places_at_most_and_say_what_they_are(spark, shop, asked, places):
    _, _, more, new, _ = shop
    users, has, items = asked
    model = WithNewItems(because(more, own(spark, liked())), known_items(spark), new, places)
    found = rows_of(lists([Voice(model, "als", "m")], users, has, items, 6))

    by_user: dict = {}
    for row in found:
        by_user.setdefault(row["user_id"], []).append(row)
    assert len(by_user) == users.count()
    for rows in by_user.values():
        assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
        assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
        of_new = [row for row in rows if row["item_id"] in NEW]
        assert len(of_new) == places  # three old ones of the kind are left, and any new one of it is better than others
        assert all(row["source"] == (NEW_ITEM if row["item_id"] in NEW else "als") for row in rows)
        assert all(row["reason"].startswith("because you bought ") for row in of_new)
        assert {row["model_id"] for row in rows} == {"m"}


def test_a_new_variant_of_a_known_article_has_no_place_beside_it(spark, shop, asked):
    _, _, more, new, _ = shop
    users, has, _ = asked
    groups = [(item, item) for item in OLD] + [(item, f"{item[0]}0") for item in NEW]
    items = few_rows(spark, "item_id string, item_group_id string", groups)
    found = rows_of(WithNewItems(more, known_items(spark), new, 3).best(users, has, items, 6))

    assert not {row["item_id"] for row in found} & {*NEW}


def test_a_variant_of_which_nothing_is_known_keeps_no_new_one_out(spark, shop, asked):
    """Of the mute variant als has no factor, and no term is said of it: it cannot be named in place of the new one."""
    _, _, more, new, _ = shop
    users, has, _ = asked
    groups = [(item, item) for item in OLD] + [(NEW[0], "article"), ("mute", "article")]
    items = few_rows(spark, "item_id string, item_group_id string", groups)
    found = rows_of(WithNewItems(more, known_items(spark), new, 3).best(users, has, items, 6))

    assert NEW[0] in {row["item_id"] for row in found}


def test_content_says_which_own_item_is_most_like_the_named_one(spark):
    told = catalogue(spark, ("mug", "red mug"), ("cup", "red cup mug"), ("lamp", "oak lamp"), ("desk", "oak desk"))
    pairs = [("u", "mug", 1.0), ("u", "lamp", 1.0)]
    fitted = Content(catalogue=told).fit(few_rows(spark, "user_id string, item_id string, strength double", pairs))
    users = few_rows(spark, "user_id string", [("u",)])
    items = few_rows(spark, "item_id string, item_group_id string", [("cup", "cup"), ("desk", "desk")])
    has = few_rows(spark, "user_id string, item_id string", [])
    found = rows_of(lists([Voice(because(fitted, own(spark, pairs)), "content")], users, has, items, 5))

    assert {row["item_id"]: row["reason"] for row in found} == {
        "cup": "because you bought mug", "desk": "because you bought lamp",
    }  # fmt: skip
    assert {row["source"] for row in found} == {"content"}
    assert fitted.users_count == 1


@pytest.mark.long
def test_a_blend_is_explained_by_the_first_of_its_models_that_can(spark, shop, asked):
    pairs, *_ = shop
    users, has, items = asked
    knn = ItemKnn().fit(pairs)
    has_own = own(spark, liked())

    def reasons(model):
        return {row["reason"] for row in rows_of(lists([Voice(model, "blend")], users, has, items, 2))}

    both = Blend((ItemKnn(), Als(rank=8)), (1.0, 1.0), scale="rank").fit(pairs)
    assert isinstance(because(both, has_own), Because)
    assert all(reason.startswith("because you bought ") for reason in reasons(because(both, has_own)))
    assert reasons(because(Blend((ItemKnn(),), (1.0,)).fit(pairs), has_own)) == {SEVERAL}
    assert reasons(because(knn, has_own)) == {GOES_WITH}
    content = Content(catalogue=shop[4].catalogue).fit(pairs)
    assert reasons(Because(content, own(spark, []), content)) == {LIKE_WHAT_YOU_CHOSE}


MODELS = get_args(RecommendParams.model_fields["model"].annotation)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_that_a_list_may_have_is_made_with_its_settings(spark, name):
    told = catalogue(spark)
    changes = {"model": name, "rank": 5, "half_life_days": 3.0, "trend_days": 4, "cart_days": 6}
    made = list_model(FOR_YOU.model_copy(update=changes), date(2024, 6, 1), told)

    expected = {
        "als": ("rank", 5), "buy_again": ("half_life_days", 3.0), "trending": ("days", 4),
        "abandoned_cart": ("days", 6), "content": ("catalogue", told), "blend": ("weights", (1.0, 1.0, 0.5)),
    }  # fmt: skip
    setting, value = expected.get(name, ("name", name))
    assert getattr(made, setting) == value


def test_models_of_taste_may_fill_a_list():
    assert {*MODELS} >= OF_TASTE


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (
            ["recommend.for_you.model=content", "recommend.for_you.new_items=2"],
            "must be 0 where the model is content",
        ),
        (["recommend.for_you.blend={als: 0, content: 0}"], "at least two must be above 0"),
        (["recommend.for_you.content={title: 0, category: 0, brand: 0, price: 0}"], "at least one must be above 0"),
    ],
)
def test_settings_that_make_no_sense(sets, said):
    with pytest.raises(ConfigError, match=said):
        load_config(sets=sets)
