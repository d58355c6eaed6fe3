"""What takes the place of a model that did not pass its gate, and which releases it may come from."""

import importlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from pyspark.sql import Row

from shoal.books import model_store
from shoal.books.model_store import Stored
from shoal.books.releases import lineage
from shoal.books.runs import Run
from shoal.config import load_config
from shoal.errors import GateError
from shoal.features.own import meanings
from shoal.lists import choosing
from shoal.models.propensity import BASE_RATE, LOGISTIC_REGRESSION, Learned, PropensityModel
from shoal.models.recommend import Judgement, registry
from shoal.models.recommend.blend import FittedBlend

DAY = date(2025, 6, 1)
PROPENSITY, SEGMENTS = (importlib.import_module(f"shoal.jobs.{job}") for job in ("score_propensity", "segment_users"))
MODEL = PropensityModel(
    inputs=("frequency",), columns=("frequency",), transforms=("signed_log1p",), fills=(0.0,), means=(0.0,),
    stds=(1.0,), coefficients=(1.0,), intercept=0.0, calibration_slope=1.0, calibration_intercept=0.0, base_rate=0.1,
    horizon_days=30, fit_cut="2025-04-01", calibration_cut="2025-05-01",
)  # fmt: skip


def release(seq, run_id, kind="release", replaces=None):
    return Row(seq=seq, run_id=run_id, kind=kind, replaces_seq=replaces)


@pytest.mark.parametrize(
    ("book", "seq", "runs"),
    [
        ([], None, []),
        ([release(1, "a"), release(2, "b", replaces=1)], 2, ["b", "a"]),
        # b was rolled back and is not what c came in place of.
        ([release(1, "a"), release(2, "b", replaces=1), release(3, "a", "rollback", 2), release(4, "c", replaces=3)], 4,
         ["c", "a"]),
        ([release(1, "a"), release(2, "old", "archive", 1), release(3, "b", replaces=1)], 3, ["b", "a"]),
        # An older day that was filled in and is shown by a rollback has nothing later than itself before it.
        ([release(1, "a"), release(2, "old", "archive", 1), release(3, "old", "rollback", 1)], 3, ["old"]),
    ],
)  # fmt: skip
def test_the_lineage_of_a_release(book, seq, runs):
    assert [row["run_id"] for row in lineage(book, seq)] == runs


@pytest.fixture
def run():
    return Run(job="a stage", started_at=datetime(2025, 6, 1, tzinfo=UTC), as_of=DAY, id="now", previous_seq=3,
               tell=lambda *_: None)  # fmt: skip


@pytest.fixture
def kept(monkeypatch):
    """What is stored, and the last model of each kind; no lake is needed."""
    kept = SimpleNamespace(saved=[], last=None)
    monkeypatch.setattr(model_store, "save_model", lambda *what: kept.saved.append(what) or "now/model")
    monkeypatch.setattr(model_store, "save_factors", lambda *what: kept.saved.append(what))
    monkeypatch.setattr(model_store, "last_good", lambda *_: kept.last)
    return kept


def config(**changed):
    return load_config(sets=tuple(f"{name}={value}" for name, value in changed.items()))


def last(model):
    return Stored("then/model", "then", date(2025, 5, 20), model)


def applied(run, learned, **changed):
    settings = config(**changed)
    return PROPENSITY._applied(None, settings, run, "buys_30d", settings.propensity["buys_30d"], learned)


FAILED = Learned(None, BASE_RATE, 0.125, failed="the test needs an AUC of 0.55, 2025-05-02 has 0.512")


def test_the_last_model_stands_in_for_one_that_failed(run, kept):
    kept.last = last(MODEL)

    learned, model_id = applied(run, FAILED)

    assert (learned.model, learned.source, model_id) == (MODEL, "last model", "then/model")
    assert run.warnings == [f"propensity.buys_30d: {FAILED.failed}; the last model, of 2025-05-20, stands in"]
    (said,) = learned.metrics
    assert (said.model, said.metric, said.value) == ("last model", "stands_in", 12.0)
    assert FAILED.failed in said.note
    assert kept.saved == [], "what did not pass its gate is nobody's last model"


@pytest.mark.parametrize(
    "older", [None, last(replace(MODEL, horizon_days=7)), last(replace(MODEL, columns=("views",)))]
)
def test_the_base_rate_stands_in_where_no_model_is_of_these_settings(run, kept, older):
    kept.last = older

    learned, model_id = applied(run, FAILED)

    assert (learned.model, learned.source, model_id) == (None, "base_rate", None)
    assert run.warnings == [f"propensity.buys_30d: {FAILED.failed}; the base rate of 12.50% stands in"]
    assert [(m.model, m.metric, m.value) for m in learned.metrics] == [("base_rate", "stands_in", 0.0)]


@pytest.mark.parametrize(("sql", "source"), [("sum(views)", "last model"), ("sum(carts)", "base_rate")])
def test_a_model_of_a_feature_that_means_something_else_by_now_does_not_stand_in(run, kept, sql, source):
    def settings(sql):
        own = [{"name": "loud", "sql": sql, "doc": "d", "unit": "u"}]
        return {"features.own": json.dumps(own), "propensity.buys_30d.inputs": '["loud"]'}

    kept.last = last(replace(MODEL, columns=("loud",), own=meanings(config(**settings("sum(views)")), ["loud"])))

    learned, _ = applied(run, FAILED, **settings(sql))

    assert learned.source == source


def test_a_model_that_is_not_tested_is_used_and_said_to_be_so(run, kept):
    learned, model_id = applied(run, Learned(MODEL, LOGISTIC_REGRESSION, 0.1, untested="it is not tested"))

    assert (learned.source, model_id) == (LOGISTIC_REGRESSION, "now/model")
    assert run.warnings == ["propensity.buys_30d: it is not tested; it is used as it is"]


@pytest.mark.parametrize("learned", [FAILED, Learned(MODEL, LOGISTIC_REGRESSION, 0.1, untested="it is not tested")])
def test_strict_stops_for_a_propensity_that_failed_or_is_not_tested(run, kept, learned):
    kept.last = last(MODEL)

    with pytest.raises(GateError, match=r"propensity.buys_30d: .* \(strict is set\)") as stopped:
        applied(run, learned, strict="true")

    assert stopped.value.exit_code == 3
    assert kept.saved == []


def test_strict_lets_a_model_pass_of_which_there_is_only_something_to_mind(run, kept):
    applied(run, Learned(MODEL, LOGISTIC_REGRESSION, 0.1, warnings=["more than max_iter"]), strict="true")

    assert run.warnings == ["propensity.buys_30d: more than max_iter"]


def test_popularity_stands_in_for_als_where_nothing_was_released(run, kept):
    voice, said = choosing.stand_in(None, config(), run, "for_you", "popularity is better")

    assert voice is None
    assert (said.model, said.metric, said.value) == ("popularity", "stands_in", 0.0)
    assert run.warnings == ["recommend.for_you: popularity is better; popularity stands in"]


@pytest.mark.parametrize("older", [None, last("a model of factors")])
def test_strict_stops_for_als_that_loses(run, kept, older):
    kept.last = older

    with pytest.raises(GateError, match="popularity is better"):
        choosing.stand_in(None, config(strict="true"), run, "for_you", "popularity is better")


def test_als_that_is_not_shown_to_be_better_is_used_with_a_warning_also_where_strict(run, kept):
    undecided = Judgement(undecided="not shown to be better")

    choosing.stored(None, config(strict="true"), run, "for_you", als("native"), undecided)

    assert run.warnings == ["recommend.for_you: not shown to be better"]
    assert len(kept.saved) == 2


@pytest.mark.parametrize(("measured", "warnings"), [("als, content", 0), ("als", 1), ("", 0)])
def test_a_blend_of_other_models_than_were_measured_is_said_to_be_one(run, monkeypatch, measured, warnings):
    blend = FittedBlend((), (), 50, "rank", 10.0, ("als", "content"))
    monkeypatch.setattr(choosing, "_fitted", lambda *_: registry.Learned(blend))
    shop = SimpleNamespace(own=lambda _: None)

    choosing._of_taste(config(), run, shop, "for_you", Judgement(members=measured))

    assert len(run.warnings) == warnings
    assert all(
        "a blend of als, content is shown, what was measured 30 days back is one of als" in said
        for said in run.warnings
    )


def test_popularity_stands_in_for_a_model_that_learns_nothing_and_why_is_said(run, monkeypatch):
    monkeypatch.setattr(choosing, "_fitted", lambda *_: registry.Learned(None, "found nothing that it can learn from"))
    settings = load_config(sets=("recommend.for_you.model=content",))

    voices, (said,) = choosing._of_taste(settings, run, None, "for_you", Judgement())

    assert (voices, said.model, said.metric) == ([], "popularity", "stands_in")
    assert run.warnings == ["recommend.for_you: content found nothing that it can learn from; popularity stands in"]


@pytest.mark.parametrize(("engine", "said"), [("native", 0), ("mllib", 1)])
def test_that_mllib_has_fitted_what_is_too_much_for_one_task_is_said(run, kept, engine, said):
    told = []
    run.tell = lambda _, text: told.append(text)

    choosing.stored(None, config(), run, "for_you", als(engine), Judgement())

    assert told == ["recommend.for_you: 60,000,000 pairs are more than one task takes: mllib has fitted them"] * said


def als(engine):
    model = SimpleNamespace(engine=engine, interactions=60_000_000)
    return SimpleNamespace(
        model=model, user_factors=SimpleNamespace(unionByName=lambda _: "factors"), item_factors=None
    )


def test_strict_stops_for_als_that_is_not_tested(run, kept):
    with pytest.raises(GateError, match="not tested"):
        choosing.stored(None, config(strict="true"), run, "for_you", None, Judgement(untested="not tested"))

    assert kept.saved == []


def segmentation(k, inputs=("frequency",)):
    model = SimpleNamespace(k=k, k_wanted=6, inputs=inputs)
    model.is_of = lambda params, _: {*inputs} <= {*params.inputs}
    return model


@pytest.mark.parametrize(
    ("now", "then", "stands_in"),
    [
        (segmentation(6), last(segmentation(6)), False),
        (segmentation(2), last(segmentation(6)), True),
        (segmentation(4), last(segmentation(4)), False),  # a shop that has always been as small is not kept as it was
        (segmentation(2), last(segmentation(6, ("views",))), False),
        (segmentation(2), None, False),
    ],
)
def test_the_last_segments_stand_in_where_they_tell_more_apart(run, now, then, stands_in):
    settings = config()

    applied, metrics = SEGMENTS._applied(settings, run, "default", settings.segments["default"], now, then)

    assert applied is (then if stands_in else None)
    assert [metric.model for metric in metrics] == (["last model"] if stands_in else [])
    assert len(run.warnings) == (1 if now.k < 6 else 0)


def test_strict_stops_for_too_few_buyers(run):
    settings = config(strict="true")

    with pytest.raises(GateError, match="2 segments instead of 6"):
        SEGMENTS._applied(
            settings, run, "default", settings.segments["default"], segmentation(2), last(segmentation(6))
        )


@pytest.mark.usefixtures("spark")  # without a session no column can be named
def test_ids_of_segments_go_on_from_those_of_every_run_and_a_rerun_keeps_its_own(run, kept, monkeypatch):
    settings, given = config(), []
    stored = iter([(None, 41), (SimpleNamespace(k=3, k_wanted=3), 41)])
    monkeypatch.setattr(model_store, "stored_by_now", lambda *_, **__: next(stored))
    monkeypatch.setattr(SEGMENTS.segments, "fit", lambda *_, last_id, **__: given.append(last_id))
    monkeypatch.setattr(SEGMENTS.segments, "assign", lambda *_: 1 / 0)
    lake = SimpleNamespace(frame=lambda *_: None, replace=lambda *_, **__: None)

    def segment():
        return SEGMENTS._fitted(lake, settings, run, "default", settings.segments["default"], None)

    assert segment() == []
    with pytest.raises(ZeroDivisionError):  # rows are assigned by what is stored, and nothing is fitted again
        segment()
    assert given == [41]
