"""A request -> a report: read and split the table, tune on train, fit, and measure on what was held out."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from shoal.evaluation.blending import blended
from shoal.evaluation.bootstrap import bootstrap
from shoal.evaluation.catalogue import catalogue
from shoal.evaluation.lists import Ranked, Setting, among, ranked
from shoal.evaluation.metrics import item_facts, list_figures, listed_likeness, names, user_figures
from shoal.evaluation.pairs import Strength
from shoal.evaluation.preparing import Prepared, events_of, prepared
from shoal.evaluation.report import Report
from shoal.evaluation.request import Request
from shoal.evaluation.space import Known, model_space, strength_space
from shoal.evaluation.trial import PAIR
from shoal.evaluation.tuning import Tried, rungs, tuned
from shoal.frames import persisted
from shoal.models.recommend.blend import Blend
from shoal.models.recommend.recommender import Recommender

BASELINE = "popularity"
_MOST_STRENGTHS = 3  # ways to make pairs, of the best models, that are tried for a blend
_FEWEST_MEMBERS = 3  # models named beside a blend are its members; with fewer, its own come to them

Tell = Callable[[str], None]


def evaluate(spark: SparkSession, request: Request, known: Mapping[str, Recommender], tell: Tell) -> Report:
    """Carry out an evaluation.

    Args:
        spark: with a place for checkpoints.
        request: what is asked.
        known: every model by its name, with popularity among them: what others are compared with.
        tell: takes sentences for people.

    Raises:
        ConfigError: a path or ``where`` cannot be used.
        DataError: the table cannot be used, or leaves nothing to learn from or nobody to measure on.
    """
    strength = Strength(
        weights=request.weights or {},
        rating=request.rating or ("as_given" if "rating" in request.columns else "ignored"),
        half_life_days=request.half_life_days,
    )
    fallback, trace = _with(known[BASELINE], {"seed": request.seed}), list[Tried]()
    with ExitStack() as stack:
        given = stack.enter_context(prepared(spark, request, tell))
        more: dict[str, Any] = {"seed": request.seed}
        if request.items is not None:
            told = catalogue(spark, request.items, request.item_columns)
            more["catalogue"] = stack.enter_context(persisted(told))
        models = {name: _with(known[name], more) for name in dict.fromkeys([*request.models, BASELINE])}
        settings = {name: Setting(model, strength) for name, model in models.items()}
        if request.tune:
            settings, trace = _tuned(request, given, settings, fallback, tell)
        return _measured(request, given, settings, fallback, trace, tell)


def _with(model: Recommender, more: Mapping[str, Any]) -> Recommender:
    """The model with the evaluation's seed, and what is said of items, where it has a place for them."""
    any_model: Any = model
    fields = {field.name for field in dataclasses.fields(any_model)} if dataclasses.is_dataclass(any_model) else set()
    given = {name: value for name, value in more.items() if name in fields}
    if isinstance(model, Blend):
        given["models"] = tuple(_with(member, more) for member in model.models)
    found: Recommender = dataclasses.replace(any_model, **given) if given else model
    return found


def _tuned(
    request: Request,
    given: Prepared,
    settings: Mapping[str, Setting],
    fallback: Recommender,
    tell: Tell,
) -> tuple[dict[str, Setting], list[Tried]]:
    """The settings chosen on a split of train, and the trace.

    A blend is made of all other models that are measured, as they were tuned, and learns from pairs as one of the best
    of them does; its weights are learned on the same split.
    """
    fixed = [
        name
        for name, value in (
            ("weights", request.weights), ("rating", request.rating), ("half_life_days", request.half_life_days)
        )
        if value is not None
    ]  # fmt: skip
    of_strength = strength_space(_known(given.trial.train, "rating" in request.columns), fixed)
    chosen, trace = dict[str, Setting](), list[Tried]()
    blends = {name: setting.model for name, setting in settings.items() if isinstance(setting.model, Blend)}
    with rungs(given.trial, given.inner, request.seed + 1, given.wanted, keeps_seen=request.keeps_seen) as ladder:

        def tune(name: str, setting: Setting) -> float:
            space = {**of_strength, **model_space(setting.model)}
            chosen[name], tried = tuned(
                name,
                setting,
                space,
                ladder,
                fallback,
                k=request.k[0],
                budget=request.tune,
                seed=request.seed,
                tell=tell,
            )
            trace.extend(tried)
            return max(each.value for each in tried if each.share == 1)

        reached = {name: tune(name, setting) for name, setting in settings.items() if name not in blends}
        for name, blend in blends.items():
            for member in blend.models if len(reached) < _FEWEST_MEMBERS else ():
                if member.name not in reached:
                    reached[member.name] = tune(member.name, Setting(member, settings[name].strength))
            members = [chosen[each].model for each in reached]
            best_first = sorted(reached, key=lambda each: -reached[each])
            strengths = list[Strength]()
            for each in best_first:
                if chosen[each].strength not in strengths:
                    strengths.append(chosen[each].strength)
            found = [
                blended(name, blend, members, one, ladder[-1].trial, k=request.k[0], seed=request.seed, tell=tell)
                for one in strengths[:_MOST_STRENGTHS]
            ]
            trace += [tried for each in found for tried in each.trace]
            chosen[name] = max(found, key=lambda each: each.value).setting
    return {name: chosen[name] for name in settings}, trace


def _known(train: DataFrame, has_rating: bool) -> Known:
    events = events_of(train)
    seconds = (F.max("time").cast("double") - F.min("time").cast("double")) / 86_400
    found = train.agg(F.count(F.lit(1)), F.count_distinct(*PAIR), seconds).first()
    assert found is not None, "an aggregate has one row"
    return Known(tuple(events), has_rating, found[0] > found[1], found[2] or 0.0)


def _measured(
    request: Request,
    given: Prepared,
    settings: Mapping[str, Setting],
    fallback: Recommender,
    trace: list[Tried],
    tell: Tell,
) -> Report:
    """Fit every model on all of train and measure its lists."""
    longest, trial, candidates = max(request.k), given.trial, given.candidates
    figures, of_lists, filled, notes = dict[str, DataFrame](), dict[str, dict[str, float | None]](), {}, [*given.notes]
    with ExitStack() as stack:
        facts = stack.enter_context(persisted(item_facts(trial.train)))
        for name, setting in settings.items():
            started = time.monotonic()
            found = ranked(setting, fallback, trial, longest if candidates is None else trial.sizes.items)
            lists = found.lists if candidates is None else among(found.lists, candidates, longest)
            likeness = listed_likeness(lists, trial.sizes.users, trial.train, facts, longest)
            own = user_figures(lists, trial.relevant, trial.users, facts, likeness, request.k)
            figures[name] = stack.enter_context(persisted(own))
            figures[name].count()
            of_lists[name] = list_figures(lists, trial.sizes.items, request.k)
            filled[name], places, full = _filling(lists, longest)
            notes += _said(name, found, trial.sizes.users, full, longest, places)
            tell(f"{name}: fitted and measured in {time.monotonic() - started:.1f} s")
        groups = bootstrap(figures, names(request.k), BASELINE, replicates=request.resamples, seed=request.seed)
    return Report(
        request=request,
        inner=given.inner,
        sizes=trial.sizes,
        identical_rows=given.identical_rows,
        settings=settings,
        groups=groups,
        of_lists=of_lists,
        filled=filled,
        baseline=BASELINE,
        trace=trace,
        notes=notes,
    )


def _filling(lists: DataFrame, longest: int) -> tuple[float, int, int]:
    """The share of places that popularity filled, how many there are, and how many lists are full."""
    found = lists.agg(
        F.avg(F.col("filled").cast("double")), F.count(F.lit(1)), F.count_if(F.col("rank") == longest)
    ).first()
    assert found is not None, "an aggregate has one row"
    return round(found[0] or 0.0, 9), found[1], found[2]


def _said(name: str, found: Ranked, users: int, full: int, longest: int, places: int) -> list[str]:
    """What a reader must know of a model's lists."""
    said = [] if found.is_fitted else [f"{name} was not fitted, it finds nothing to learn from: popularity stands in"]
    if full < users:
        said.append(
            f"{name}: {users - full:,} of {users:,} lists hold fewer than {longest} items, all that are left to name "
            f"({places / users:.1f} on average)"
        )
    return said
