"""Models that fail do not silence the rest: the last ones stand in, and rows, metrics and the release say so."""

from datetime import timedelta

import pytest
from pyspark.sql import functions as F
from shelf import TINY

from shoal.books.model_store import last_good
from shoal.books.runs import Run
from shoal.errors import GateError
from shoal.models.propensity import PropensityModel, score
from shoal.synthetic import synthesize, write
from shoal.tables import (
    METRICS,
    MODELS,
    PROPENSITIES,
    RECOMMENDATIONS,
    RELEASES,
    SEGMENT_PROFILES,
    SEGMENTS,
    USER_FEATURES,
)

pytestmark = pytest.mark.slow

GOOD = (*TINY, "recommend.for_you.test_days=7")
# No model of users is perfect; nobody has so many pairs, nor so many buyers.
FAILING = (*GOOD, "propensity.buys_30d.min_auc=1", "recommend.for_you.min_interactions=1000000",
           "segments.default.min_users_per_segment=1000")  # fmt: skip


@pytest.fixture(scope="module")
def story(spark, shelf_at, tmp_path_factory):
    """A release with models of its own, two later ones whose models fail, and a strict run that stops."""
    folder = tmp_path_factory.mktemp("last")
    shop = synthesize(spark, users=150, items=48, days=30, seed=3)
    write(shop, folder / "shop")
    shelf, day = shelf_at(folder / "lake"), shop.as_of
    runs = [shelf.run(("shoal", folder / "shop" / "events"), as_of=day, sets=GOOD)]
    runs += [shelf.run(as_of=day + timedelta(days=n), first="features", sets=FAILING) for n in (1, 2)]
    with pytest.raises(GateError, match="strict is set") as stopped:
        shelf.run(as_of=day + timedelta(days=3), first="features", sets=(*FAILING, "strict=true"))
    return shelf, runs, day, stopped.value


def of(story, table, number):
    shelf, runs, *_ = story
    return shelf.read(table, f"run_id = '{runs[number]}'")


def sources(story, table, number):
    rows = of(story, table, number).select("source", "model_id").distinct().collect()
    return {(row.source, row.model_id) for row in rows}


def test_the_first_release_has_models_of_its_own(story):
    _, (first, *_), *_ = story

    assert sources(story, PROPENSITIES, 0) == {("logistic_regression", f"{first}/propensity/buys_30d")}
    assert sources(story, SEGMENTS, 0) == {("kmeans", f"{first}/segments/default")}
    assert ("als", f"{first}/recommend/for_you") in sources(story, RECOMMENDATIONS, 0)
    assert of(story, METRICS, 0).where("metric = 'stands_in'").isEmpty()


@pytest.mark.parametrize("number", [1, 2])
def test_rows_name_the_last_model_also_after_a_release_that_had_none(story, number):
    _, (first, *_), *_ = story

    assert sources(story, PROPENSITIES, number) == {("last model", f"{first}/propensity/buys_30d")}
    assert sources(story, SEGMENTS, number) == {("last model", f"{first}/segments/default")}
    assert sources(story, SEGMENT_PROFILES, number) == {("last model", f"{first}/segments/default")}
    offered = sources(story, RECOMMENDATIONS, number)
    assert ("last model", f"{first}/recommend/for_you") in offered
    others = ("popularity", "popularity_by_segment", "buy_again", "trending", "abandoned_cart")
    assert offered <= {("last model", f"{first}/recommend/for_you"), *((other, None) for other in others)}


@pytest.mark.parametrize("number", [1, 2])
def test_metrics_and_the_release_say_so(story, number):
    shelf, runs, day, _ = story
    rows = of(story, METRICS, number).where("metric = 'stands_in'").collect()
    (release,) = shelf.read(RELEASES, f"run_id = '{runs[number]}'").collect()

    assert {(row.stage, row.model, row.value) for row in rows} == {
        (stage, "last model", float(number)) for stage in ("segments", "propensity", "recommend")
    }
    assert len([said for said in release.fallbacks if said.endswith(f"; the last model, of {day}, stands in")]) == 3


def test_what_failed_is_not_stored(story):
    shelf, (first, *_), *_ = story

    assert {row.run_id for row in shelf.read(MODELS).collect()} == {first}


def test_probabilities_are_those_of_the_stored_model_on_the_features_of_the_day(story):
    shelf, runs, day, _ = story
    run = Run(job="a test", started_at=None, as_of=day, id=runs[1], previous_seq=1)
    stored = last_good(shelf.lake, run, "propensity", "buys_30d", PropensityModel)
    expected = score(stored.model, of(story, USER_FEATURES, 1)).select("user_id", F.col("probability").alias("wanted"))
    both = of(story, PROPENSITIES, 1).join(expected, on="user_id", how="left").collect()

    assert both
    assert all(row.probability == pytest.approx(row.wanted, abs=1e-12) for row in both)


def test_segments_keep_their_ids_and_names(story):
    def labels(number):
        rows = of(story, SEGMENTS, number).select("segment_id", "segment_name").distinct().collect()
        return {(row.segment_id, row.segment_name) for row in rows}

    assert len(labels(0)) == 3
    assert labels(1) <= labels(0)


def test_every_list_is_whole(story):
    lists = of(story, RECOMMENDATIONS, 1).where("list_name = 'for_you'")
    sizes = lists.groupBy("user_id").agg(F.count("*"), F.countDistinct("item_id")).collect()

    assert {(rows, items) for _, rows, items in sizes} == {(10, 10)}


def test_strict_stops_before_publishing(story):
    shelf, runs, _, stopped = story

    assert stopped.exit_code == 3
    assert shelf.read(RELEASES).count() == len(runs)
