"""Days between two fits: who has news is folded in and gets new lists, the others keep both."""

import json
import shutil
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from shelf import TINY

from shoal.lists import carrying
from shoal.synthetic import synthesize, write
from shoal.tables import FACTORS, METRICS, MODELS, RECOMMENDATIONS, USER_ITEM_DAYS

pytestmark = pytest.mark.long

SETS = (
    *(one for one in TINY if one.startswith(("recommend", "features"))), "segments.default=null",
    "propensity.buys_30d=null", "recommend.buy_again=null", "recommend.trending=null", "recommend.abandoned_cart=null",
    "recommend.for_you.test_days=7", "recommend.for_you.top_n=3", "recommend.for_you.retrain_days=2",
    "recommend.for_you.warm_start=1",
)  # fmt: skip
WEIGHTS = {"views": 1.0, "favourites": 2.0, "carts": 3.0, "purchases": 5.0}
HALF_LIFE, REG, ALPHA = 90.0, 0.1, 1.0  # as shipped
LIST = ["user_id", "rank", "item_id", "score", "source", "reason"]


class Story:
    """A shop of which some days are run; what a run has made, in pandas."""

    def __init__(self, shelf_at, folder, day):
        self.shelf_at, self.folder, self.day = shelf_at, folder, day

    def run(self, after, *sets, lake="lake", first="features", until="publish", inputs=()):
        day = self.day + timedelta(days=after)
        return self.at(lake).run(*inputs, as_of=day, sets=(*SETS, *sets), first=first, until=until)

    def at(self, lake):
        return self.shelf_at(self.folder / lake)

    def copied(self, name):
        shutil.copytree(self.folder / "lake", self.folder / name)
        return name

    def of(self, run, table, lake="lake"):
        return self.at(lake).read(table, f"run_id = '{run}'").toPandas()

    def lists(self, run, lake="lake"):
        return self.of(run, RECOMMENDATIONS, lake).sort_values(["user_id", "rank"])[LIST].reset_index(drop=True)

    def model(self, run, lake="lake"):
        return json.loads(self.of(run, MODELS, lake).model[0])

    def factors(self, run, side, lake="lake"):
        rows = self.of(run, FACTORS, lake)
        return rows[rows.side == side].set_index("id").factor.sort_index()

    def metrics(self, run, lake="lake"):
        rows = self.of(run, METRICS, lake)
        return rows[rows.entry == "for_you"].set_index(["model", "metric"])

    @property
    def tiles(self):
        return self.at("lake").read(USER_ITEM_DAYS).toPandas()


@pytest.fixture(scope="module")
def story(spark, shelf_at, tmp_path_factory):
    """A fit, two days later a fold-in on a fold-in, and a copy of the lake before each."""
    folder = tmp_path_factory.mktemp("between")
    shop = synthesize(spark, users=300, items=48, days=40, seed=3)
    write(shop, folder / "shop")
    story = Story(shelf_at, folder, shop.as_of - timedelta(days=5))
    keep = "recommend.for_you.retrain_days=7"
    story.fit = story.run(0, keep, first="ingest", inputs=(("shoal", folder / "shop" / "events"),))
    story.copied("fitted")
    story.second = story.run(1, keep)
    story.copied("folded")
    story.third = story.run(2, keep)
    story.keep = keep
    return story


def days_of(story, run):
    return {story.fit: 0, story.second: 1, story.third: 2}[run]


def with_news(story, run):
    """Who has a tile of a day since the fit."""
    tiles = story.tiles
    since = (tiles.event_date >= story.day) & (tiles.event_date < story.day + timedelta(days=days_of(story, run)))
    return {*tiles[since].user_id}


@pytest.mark.parametrize("run", ["second", "third"])
def test_only_users_with_news_since_the_fit_have_factors_of_their_own(story, run):
    run = getattr(story, run)
    model, own = story.model(run), story.factors(run, "user")

    assert model["base"] == f"{story.fit}/recommend/for_you"
    assert model["fitted_on"] == str(story.day)
    assert {*own.index} == with_news(story, run)
    assert 0 < len(own) < model["users"] / 2
    assert story.factors(run, "item").empty


def test_who_was_folded_in_solves_the_dense_equation_of_the_fit(story):
    items, own = story.factors(story.fit, "item"), story.factors(story.third, "user")
    tiles = story.tiles
    seen = tiles[(tiles.event_date < story.day + timedelta(days=2)) & tiles.user_id.isin(own.index)]
    seen = seen[~seen.user_id.isin(seen[seen.returns > 0].user_id)]  # what returns take back has tests of its own
    ages = seen.event_date.map(lambda day: (story.day - day).days)
    amount = sum(seen[name].astype(float) * weight for name, weight in WEIGHTS.items())
    strengths = (amount * 0.5 ** (ages / HALF_LIFE)).groupby([seen.user_id, seen.item_id]).sum()
    fixed = np.stack(items)

    assert seen.user_id.nunique() > 5
    for user, of_user in strengths.groupby(level=0):
        s = of_user.droplevel(0).reindex(items.index).fillna(0).to_numpy()
        confidence, wanted = 1 + ALPHA * s, s > 0
        left = (fixed.T * confidence) @ fixed + REG * wanted.sum() * np.eye(fixed.shape[1])
        np.testing.assert_allclose(own[user], np.linalg.solve(left, fixed.T @ (confidence * wanted)), atol=1e-5)


def test_carried_lists_are_those_that_would_be_made(story, monkeypatch):
    monkeypatch.setattr(carrying, "carried", lambda *_: None)
    anew = story.run(2, story.keep, lake="folded", until="recommend")

    assert anew == story.third, "the same run, on a copy"
    pd.testing.assert_frame_equal(story.lists(story.third), story.lists(anew, "folded"), check_exact=True)
    notes = [story.metrics(anew, lake).note["als", "folded_in"] for lake in ("lake", "folded")]
    assert "the lists of " in notes[0]
    assert "all lists are made anew" in notes[1]


def test_lists_of_users_without_news_are_those_of_the_day_before(story):
    before, now = story.lists(story.fit), story.lists(story.second)
    quiet = {*before.user_id} & {*now.user_id} - with_news(story, story.second)
    als = {*before[(before["rank"] == 3) & (before.source == "als")].user_id} & quiet

    assert len(als) > 100
    both = [rows[rows.user_id.isin(als)].reset_index(drop=True) for rows in (before, now)]
    pd.testing.assert_frame_equal(*both, check_exact=True)
    assert {*story.of(story.second, RECOMMENDATIONS).model_id.dropna()} == {f"{story.second}/recommend/for_you"}


def test_a_day_that_was_left_out_changes_nothing(story):
    """Whether or not the second day was run, the third is the same."""
    third = story.run(2, story.keep, lake="fitted", until="recommend")

    assert story.model(third, "fitted") == story.model(story.third)
    for one, other in zip(story.factors(third, "user", "fitted"), story.factors(story.third, "user"), strict=True):
        np.testing.assert_array_equal(one, other)
    pd.testing.assert_frame_equal(story.lists(third, "fitted"), story.lists(story.third), check_exact=True)


def test_figures_are_those_of_the_fit_and_say_so(story):
    then, now = story.metrics(story.fit), story.metrics(story.third)
    measured = then.drop(index=["short_lists"], level="metric")

    assert {*now.index} == {*then.index, ("als", "folded_in")}
    assert now.value[measured.index].equals(measured.value)
    assert now.note[measured.index].str.endswith(f"measured on {story.day}, when the model was fitted").all()


def test_where_what_lists_can_name_has_changed_all_are_made_anew(story):
    named = story.lists(story.third).item_id.mode()[0]
    story.copied("ruled")
    ruled = story.run(
        3, story.keep, f"recommend.for_you.rules.exclude_items=[{named}]", lake="ruled", until="recommend"
    )

    assert story.model(ruled, "ruled")["base"] == f"{story.fit}/recommend/for_you"
    assert "all lists are made anew" in story.metrics(ruled, "ruled").note["als", "folded_in"]
    assert named not in {*story.lists(ruled, "ruled").item_id}


def test_a_model_that_is_too_old_is_fitted_anew_from_where_the_last_one_ended(story):
    """SETS keep a model for two days, and go on from the last released one."""
    story.copied("old")
    run = story.run(2, lake="old", until="recommend")
    model = story.model(run, "old")

    assert model["base"] is None
    assert model["fitted_on"] == str(story.day + timedelta(days=2))
    assert (model["started_from"], model["max_iter"]) == (f"{story.third}/recommend/for_you", 1)
    assert len(story.factors(run, "item", "old")) == model["items"]
    assert len(story.factors(run, "user", "old")) == model["users"]
    assert story.model(story.fit)["started_from"] is None
