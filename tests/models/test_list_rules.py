"""What a shop wants or will not have in its lists, on shops so small that the right answer is evident."""

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from shoal.config import load_config
from shoal.frames import few_rows
from shoal.models.recommend import (
    Voice,
    acts,
    admitted,
    arranged,
    candidates,
    is_arranged,
    named_by,
    still_owned,
    told,
)
from shoal.models.recommend.popularity import FittedPopularity
from shoal.models.recommend.rules import usual_prices
from shoal.tables import USER_ITEM_DAYS

AS_OF = date(2024, 6, 1)
DEFAULT = load_config().recommend["for_you"]
GOODS = [  # item, group, category, brand, price, cost
    ("bowl", "bowl", "Home/Kitchen", "Oak", 8, 6), ("cup", "cup", "Home/Kitchen", "Oak", 4, 1),
    ("lamp", "lamp", "Home/Light", None, 40, None), ("milk", "milk", "Food", "Farm", 1, 1),
    ("rye", "rye", "Food/Bread", "Farm", 3, 1), ("sofa", "sofa", "Homeware", "Oak", None, 200),
    ("toy", "toy", None, "Bear", 9, 3),
]  # fmt: skip


def rules(**changes):
    return DEFAULT.rules.model_copy(update=changes)


def params(top_n=3, pool=100, diversity=0.0, penalty=0.0, **changed):
    made = {"top_n": top_n, "candidates": pool, "diversity": diversity, "popularity_penalty": penalty}
    return DEFAULT.model_copy(update={**made, "rules": rules(**changed)})


def tile(user, item, days_ago, **counts) -> dict:
    zeros = dict.fromkeys(("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces"), 0)
    day = AS_OF - timedelta(days=days_ago)
    return {"bucket": 0, "user_id": user, "item_id": item, "event_date": day, **zeros, **counts}


@pytest.fixture
def goods(spark):
    schema = (
        "item_id string, item_group_id string, category string, brand string, price decimal(18,6), cost decimal(18,6)"
    )
    money = [(*row[:4], *(None if value is None else Decimal(value) for value in row[4:])) for row in GOODS]
    return few_rows(spark, schema, money)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, "bowl cup lamp milk rye sofa toy"),
        ({"exclude_items": ("cup", "rye")}, "bowl lamp milk sofa toy"),
        ({"exclude_categories": ("Home",)}, "milk rye sofa toy"),  # neither Homeware nor what has no category
        ({"exclude_categories": ("Home/Light", "Food")}, "bowl cup sofa toy"),
        ({"exclude_brands": ("Oak",)}, "lamp milk rye toy"),
        ({"min_price": 4.0, "max_price": 9.0}, "bowl cup sofa toy"),
        ({"min_margin": 0.5}, "cup lamp rye sofa toy"),  # a quarter, three quarters, unknown, none, two thirds, ...
    ],
)
def test_what_a_list_may_name(goods, changes, kept):
    assert sorted(row["item_id"] for row in admitted(goods, rules(**changes)).collect()) == kept.split()


def test_how_long_a_purchase_counts_is_said_by_category(goods, frame):
    days = frame(USER_ITEM_DAYS, *(
        tile("u", item, ago, purchases=1) for item, ago in
        (("milk", 15), ("rye", 14), ("bowl", 300), ("lamp", 30), ("lamp", 300), ("toy", 300), ("gone", 3))
    ), tile("u", "cup", 1, views=1))  # fmt: skip

    def owned(**within):
        found = still_owned(acts(days, as_of=AS_OF), goods, AS_OF, {"default": None, **within})
        return sorted(row["item_id"] for row in found.collect())

    assert owned() == ["bowl", "gone", "lamp", "milk", "rye", "toy"], "for ever"
    assert owned(Food=14) == ["bowl", "lamp", "rye", "toy"]
    assert owned(**{"Food": 14, "Food/Bread": 13}) == ["bowl", "lamp", "toy"], "the longest path holds"
    assert owned(default=30) == ["lamp", "milk", "rye"], "by the last purchase"
    assert owned(default=10, Home=None) == ["bowl", "lamp"]


def test_what_a_user_usually_pays_is_the_median_of_the_items(frame):
    paid = [("a", 4, 2), ("b", 30, 1), ("c", 20, 10), ("d", 9, 0)]  # 2 a piece, 30, 2; d has no price
    days = frame(USER_ITEM_DAYS, *(
        tile("u", item, 3, purchases=1, gross=Decimal(gross), priced_pieces=pieces) for item, gross, pieces in paid
    ), tile("v", "a", 1, views=2))  # fmt: skip

    assert [tuple(row) for row in usual_prices(acts(days, as_of=AS_OF)).collect()] == [("u", 2.0)]


@pytest.fixture
def made(spark, goods, frame):
    """Lists of what sells, in the order that is given, for users u and v by these rules."""

    def build(setting, *sells, days=(), has=(), users=("u", "v"), parts=1):
        number = {item: place for place, item in enumerate(sorted(sells))}
        rows = [(item, number[item], float(len(sells) - n), "sells") for n, item in enumerate(sells)]
        scores = few_rows(spark, "item_id string, number int, score double, reason string", rows)
        voices = [Voice(FittedPopularity(scores, len(sells), len(sells)), "popularity")]
        wanted = few_rows(spark, "user_id string", [(user,) for user in users]).repartition(parts)
        barred = few_rows(spark, "user_id string, item_id string", [*has])
        items = admitted(goods, setting.rules).repartition(parts)
        done = acts(frame(USER_ITEM_DAYS, *days), as_of=AS_OF)
        named = named_by(voices, wanted, barred, items, candidates(setting))
        rows = told(arranged(named, wanted, barred, items, done, setting), wanted).collect()
        lists: dict = {}
        for row in sorted(rows, key=lambda row: (row["user_id"], row["rank"])):
            lists.setdefault(row["user_id"], []).append(row["item_id"])
            assert row["rank"] == len(lists[row["user_id"]])
            assert (row["source"], row["reason"]) in {("popularity", "sells"), ("pinned", "placed here by the shop")}
        return lists

    return build


ALL = ("bowl", "cup", "lamp", "milk", "rye", "sofa", "toy")


def test_nothing_is_arranged_by_default():
    assert not is_arranged(DEFAULT)
    assert candidates(DEFAULT) == DEFAULT.top_n
    assert candidates(params(max_per_brand=1, pool=7)) == 7
    assert candidates(params(max_per_brand=1, pool=2)) == 3, "never fewer than asked for"


def test_caps_of_categories_and_brands(made):
    assert made(params(max_per_brand=1), *ALL)["u"] == ["bowl", "lamp", "milk"]
    assert made(params(max_per_category=1, top_n=9), *ALL)["u"] == ["bowl", "lamp", "milk", "rye", "sofa", "toy"]


def test_pins_have_their_places_but_for_who_owns_them(made):
    pins = ({"item": "toy", "rank": 1}, {"item": "rye", "rank": 3})
    setting = DEFAULT.model_validate({**params(max_per_brand=2).model_dump(), "rules": {**rules().model_dump(),
                                      "max_per_brand": 2, "pinned": pins}})  # fmt: skip

    assert made(setting, *ALL, has=[("v", "toy")]) == {"u": ["toy", "bowl", "rye"], "v": ["bowl", "cup", "rye"]}


def test_pins_that_may_not_be_named_are_not(made):
    pins = DEFAULT.rules.model_validate(
        {
            **rules().model_dump(),
            "exclude_categories": ["Food"],
            "pinned": [{"item": "rye", "rank": 1}, {"item": "ghost", "rank": 2}],
        }
    )
    setting = params().model_copy(update={"rules": pins})  # fmt: skip

    assert made(setting, *ALL)["u"] == ["bowl", "cup", "lamp"]


def test_prices_are_near_what_the_user_usually_pays(made):
    """u pays 8 for a piece: from 4 to 16; of v nothing is known; the sofa has no price."""
    days = [tile("u", "old", 9, purchases=1, gross=Decimal(16), priced_pieces=2)]
    found = made(params(price_tier=2.0, top_n=9), *ALL, days=days)

    assert found == {"u": ["bowl", "cup", "sofa", "toy"], "v": [*ALL]}


def test_what_everybody_has_comes_later_by_the_penalty(made):
    """Worth is 1 of the bowl, 5/6 of the cup, 4/6 of the lamp; nine have bought the bowl, and one the cup."""
    days = [tile(f"b{n}", "bowl", 9, purchases=1) for n in range(9)] + [tile("b", "cup", 9, purchases=1)]

    assert made(params(penalty=0.3), *ALL, days=days)["u"] == ["cup", "bowl", "lamp"]


def test_too_few_candidates_make_a_shorter_list(made):
    assert made(params(max_per_brand=1, pool=3), *ALL)["u"] == ["bowl", "lamp"], "bowl, cup and lamp were looked at"


def test_order_and_partitions_change_nothing(made):
    users = [f"u{n}" for n in range(30)]
    has = [(user, item) for user in users for item in random.Random(user).sample(ALL, 3)]
    setting = params(max_per_brand=1, max_per_category=1)
    mixed = made(setting, *ALL, users=random.Random(1).sample(users, 30), has=random.Random(2).sample(has, 90), parts=7)

    assert mixed == made(setting, *ALL, users=users, has=has)
