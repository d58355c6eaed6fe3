"""Which models are kept between fits, and what must be equal for a list to stay as it is."""

from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from shoal.books import model_store
from shoal.books.model_store import Stored
from shoal.books.runs import Run
from shoal.config import load_config
from shoal.errors import ConfigError
from shoal.frames import few_rows
from shoal.lists import between, carrying
from shoal.lists.between import Kept
from shoal.models.recommend import AlsModel, settings_of

DAY = date(2025, 6, 10)
KEEP = ("recommend.for_you.retrain_days=7",)
MODEL = AlsModel(
    rank=32, users=9, items=4, interactions=20, max_iter=15, reg=0.1, alpha=1.0, seed=7, fitted_on="2025-06-05",
    settings=settings_of(load_config(sets=KEEP).recommend["for_you"]),
)  # fmt: skip


@pytest.fixture
def run():
    told = []
    return Run(job="recommend", started_at=datetime(2025, 6, 10, tzinfo=UTC), as_of=DAY, id="now", previous_seq=3,
               tell=lambda _, text: told.append(text), warnings=told)  # fmt: skip


@pytest.fixture
def kept_of(run, monkeypatch):
    """``kept_of(model, with_news)``: of ten users so many have news since the model's fit."""

    def decide(model, with_news=2, sets=KEEP):
        last = None if model is None else Stored("then/recommend/for_you", "then", date(2025, 6, 9), model)
        monkeypatch.setattr(model_store, "last_good", lambda *_: last)
        monkeypatch.setattr(between, "_since", lambda *given: Kept(given[-1], None, None, 10, with_news))
        return between.kept_models(None, load_config(sets=sets), run, None)

    return decide


def test_a_young_model_is_kept(kept_of, run):
    kept = kept_of(MODEL)

    assert {*kept} == {"for_you"}
    assert kept["for_you"].fit == "then/recommend/for_you"
    assert kept["for_you"].clock == date(2025, 6, 5)
    assert run.warnings == []


def test_what_was_folded_into_a_fit_is_of_that_fit(kept_of):
    assert kept_of(replace(MODEL, base="first/recommend/for_you"))["for_you"].fit == "first/recommend/for_you"


@pytest.mark.parametrize(
    ("model", "more", "said"),
    [
        (None, {}, ""),
        (MODEL, {"sets": ()}, ""),  # as shipped every run fits anew
        (replace(MODEL, fitted_on="2025-06-03"), {}, "the model was fitted 7 days ago"),
        (MODEL, {"with_news": 6}, "6 of 10 users have news since 2025-06-05"),
        (MODEL, {"sets": (*KEEP, "recommend.for_you.rank=16")}, "is of other settings"),
        (MODEL, {"sets": (*KEEP, "recommend.for_you.half_life_days=30")}, "is of other settings"),
        (replace(MODEL, settings=""), {}, "is of other settings"),  # what an older Shoal has stored
    ],
)
def test_others_are_fitted_anew_and_a_note_says_why(kept_of, run, model, more, said):
    assert kept_of(model, **more) == {}
    assert all(said in note for note in run.warnings)
    assert bool(run.warnings) == bool(said)


def test_mllib_cannot_go_on_from_earlier_factors():
    with pytest.raises(ConfigError, match="warm_start: must be 0 where the engine is mllib"):
        load_config(sets=("recommend.for_you.engine=mllib", "recommend.for_you.warm_start=3"))


GOODS = [("a", "a", "Lamp", True), ("b", "b", "Chair", True), ("c", "c", None, False)]


@pytest.fixture
def offer_of(spark):
    """``offer_of(goods)``: of items a and b and c factors are known; the last field says whether lists may name it."""

    def build(goods, known=("a", "b", "c"), *sets):
        items = few_rows(spark, "item_id string, item_group_id string, title string, is_admitted boolean", goods)
        shop = SimpleNamespace(items=items.drop("is_admitted"), admitted=lambda _: items.where("is_admitted"))
        factors = few_rows(spark, "id string", [(name,) for name in known])
        return carrying.offer(shop, load_config(sets=sets).recommend["for_you"], factors)

    return build


def test_new_items_change_no_list_before_the_next_fit_and_are_counted(offer_of):
    new = [("d", "d", "Sofa", True), ("e", "a", "Other lamp", True), ("f", "f", "Gone", False)]
    before, after = offer_of(GOODS), offer_of([*new, *GOODS[::-1]])

    assert before.shown == after.shown != ""
    assert (before.without_factors, after.without_factors) == (0, 2)


@pytest.mark.parametrize(
    "goods",
    [
        [("a", "a", "Lamp", False), *GOODS[1:]],  # sold out, or excluded
        [("a", "a", "Table", True), *GOODS[1:]],  # reasons name it otherwise
        [("a", "b", "Lamp", True), *GOODS[1:]],  # one of a group is named
        GOODS[:2],
    ],
)
def test_whatever_decides_a_list_changes_what_is_compared(offer_of, goods):
    assert offer_of(GOODS).shown != offer_of(goods).shown


@pytest.mark.parametrize("setting", ["recommend.for_you.top_n=5", "recommend.for_you.exclude_owned=false"])
def test_so_do_settings(offer_of, setting):
    assert offer_of(GOODS).shown != offer_of(GOODS, ("a", "b", "c"), setting).shown


@pytest.mark.parametrize(
    "setting",
    [
        "recommend.for_you.rules.bought_within_days={default: 30}",
        "recommend.for_you.rules.max_per_category=2",
        "recommend.for_you.rules.price_tier=3",
        "recommend.for_you.popularity_penalty=1",
        "recommend.for_you.new_items=2",
    ],
)
def test_lists_that_change_by_themselves_are_never_carried(offer_of, setting):
    offer = offer_of(GOODS, ("a", "b", "c"), setting)

    assert offer.shown == ""
    assert "by their rules or new items they change from day to day" in carrying.said(None, offer)
    last = Stored("then", "then", DAY, replace(MODEL, shown=""))
    assert carrying.carried(None, None, None, "for_you", Kept(last, None, None, 10, 1), offer.shown, "now") is None
