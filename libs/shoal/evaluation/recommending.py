"""A request -> a report: read and split the table, tune on train, fit, and measure on what was held out."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from shoal.config.wording import did_you_mean
from shoal.errors import DataError
from shoal.evaluation.blending import blended
from shoal.evaluation.bootstrap import bootstrap
from shoal.evaluation.lists import Ranked, Setting, among, ranked
from shoal.evaluation.metrics import item_facts, list_figures, listed_likeness, names, user_figures
from shoal.evaluation.pairs import Strength
from shoal.evaluation.reading import interactions, opened
from shoal.evaluation.report import Report
from shoal.evaluation.request import Request, Split
from shoal.evaluation.space import Known, model_space, strength_space
from shoal.evaluation.splits import inner, parted, resembling
from shoal.evaluation.trial import PAIR, Trial, opened_trial
from shoal.evaluation.tuning import Tried, rungs, tuned
from shoal.frames import persisted
from shoal.models.recommend.blend import Blend
from shoal.models.recommend.recommender import Recommender

BASELINE = "popularity"
_BOUGHT = ("purchase", "buy", "transaction", "order")  # what feeds call a purchase
_FEWEST_MEMBERS = 3  # models named beside a blend are its members; with fewer, its own come to them
_MOST_EVENTS = 1000  # different ones, of which the driver sees each

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
    with ExitStack() as stack:
        split, trial, wanted, notes = stack.enter_context(_prepared(spark, request, tell))
        candidates = None
        if request.negatives is not None:
            candidates = stack.enter_context(_candidates(spark, request.negatives, request, trial))
        strength = Strength(
            weights=request.weights or {},
            rating=request.rating or ("as_given" if "rating" in request.columns else "ignored"),
            half_life_days=request.half_life_days,
        )
        models = {name: _seeded(known[name], request.seed) for name in dict.fromkeys([*request.models, BASELINE])}
        settings = {name: Setting(model, strength) for name, model in models.items()}
        fallback, trace = _seeded(known[BASELINE], request.seed), list[Tried]()
        if request.tune:
            settings, trace = _tuned(request, split, trial, wanted, settings, fallback, tell)
        return _measured(request, split, trial, settings, fallback, candidates, trace, notes, tell)


def _seeded(model: Recommender, seed: int) -> Recommender:
    """The model with the evaluation's seed, where it has one."""
    any_model: Any = model
    fields = {field.name for field in dataclasses.fields(any_model)} if dataclasses.is_dataclass(any_model) else set()
    given: dict[str, Any] = {"seed": seed} if "seed" in fields else {}
    if isinstance(model, Blend):
        given["models"] = tuple(_seeded(member, seed) for member in model.models)
    seeded: Recommender = dataclasses.replace(any_model, **given) if given else model
    return seeded


@contextmanager
def _prepared(
    spark: SparkSession, request: Request, tell: Tell
) -> Iterator[tuple[Split, Trial, Column | None, list[str]]]:
    """The split (of train, for tuning), the trial, which rows count when held out, and what is worth saying."""
    weighed = None if request.weights is None else [*request.weights]
    positive = "rating" in request.columns and request.rating != "ignored"
    with ExitStack() as stack:
        raw = opened(spark, request.interactions, request.columns, where=request.where)
        rows = stack.enter_context(persisted(interactions(raw, weighed, needs_positive=positive)))
        notes = list[str]()

        def note(sentence: str) -> None:
            notes.append(sentence)
            tell(sentence)

        events = _events(rows) if "event" in raw.columns else []
        counting, said = _counting(request, events)
        if said:
            note(said)
        wanted = None if counting is None else F.col("event").isin(counting)
        has_time = "time" in raw.columns
        if request.split is not None:
            learned, held = parted(rows, request.split, request.seed, wanted=wanted, keeps_seen=request.keeps_seen)
            split = inner(request.split, has_time)
            counted = held if wanted is None else held.where(wanted)
        else:
            assert request.test is not None, "one of the two is there"
            optional = ("event", "rating", "time")
            test = opened(spark, request.test, request.columns, optional=optional)
            learned, held = rows, stack.enter_context(persisted(interactions(test)))
            tells_event = wanted is not None and "event" in test.columns
            counted = held.where(wanted) if wanted is not None and tells_event else held
            split = _resembling(learned, held, has_time and "time" in test.columns, has_time)
            if request.tune:
                note(f"train is split for tuning by {split}, as the test file may have been")
        held = stack.enter_context(persisted(held))
        trial = stack.enter_context(opened_trial(learned, counted, held.count(), keeps_seen=request.keeps_seen))
        if has_time and request.split is not None and not request.split.needs_time:
            note(f"{request.split} puts rows of later times into train: it compares models, it does not foretell sales")
        yield split, trial, wanted, notes


def _events(rows: DataFrame) -> list[str]:
    """The types of events."""
    found = rows.select("event").distinct().limit(_MOST_EVENTS + 1).collect()
    if len(found) > _MOST_EVENTS:
        raise DataError(f"the column of the event has more than {_MOST_EVENTS:,} different values; name another")
    return sorted(row["event"] for row in found)


def _counting(request: Request, events: list[str]) -> tuple[list[str] | None, str]:
    """The types of events that count when held out (None: all), and what to say of it."""
    if request.relevant is not None:
        unknown = [f"{name!r}{did_you_mean(name, events)}" for name in request.relevant if name not in events]
        if unknown:
            raise DataError(f"--relevant: no row has the event type {', '.join(unknown)}")
        return sorted(request.relevant), ""
    bought = [event for event in events if event.lower() in _BOUGHT]
    if not bought or len(bought) == len(events):
        return None, ""
    return bought, f"only {', '.join(bought)} counts when held out; --relevant names other event types"


def _resembling(train: DataFrame, test: DataFrame, both_have_time: bool, train_has_time: bool) -> Split:
    of_train = train.agg(F.count(F.lit(1)), F.max("time")).first()
    of_test = test.agg(F.count(F.lit(1)), F.min("time")).first()
    most = test.groupBy("user_id").count().agg(F.max("count")).first()
    assert of_train is not None, "an aggregate has one row"
    assert of_test is not None, "an aggregate has one row"
    assert most is not None, "an aggregate has one row"
    later = both_have_time and of_test[1] >= of_train[1]
    return resembling(of_train[0], of_test[0], most[0], later, train_has_time)


@contextmanager
def _candidates(spark: SparkSession, path: str, request: Request, trial: Trial) -> Iterator[DataFrame]:
    """Each user's sampled candidates and what is relevant to it: ``user_id``, ``item_id``."""
    columns = {role: request.columns[role] for role in ("user", "item")}
    given = interactions(opened(spark, path, columns)).select(*PAIR)
    without = trial.users.join(given, "user_id", how="left_anti").count()
    if without:
        raise DataError(
            f"{path}: has no candidates for {without:,} of {trial.sizes.users:,} test users; "
            "they would be ranked among their own test items only"
        )
    with persisted(given.unionByName(trial.relevant).distinct()) as candidates:
        yield candidates


def _tuned(
    request: Request,
    split: Split,
    trial: Trial,
    wanted: Column | None,
    settings: Mapping[str, Setting],
    fallback: Recommender,
    tell: Tell,
) -> tuple[dict[str, Setting], list[Tried]]:
    """The settings chosen on a split of train, and the trace.

    A blend is made of all other models that are measured, as they were tuned, and learns from pairs as the best of them
    does; its weights are learned on the same split.
    """
    fixed = [
        name
        for name, value in (
            ("weights", request.weights), ("rating", request.rating), ("half_life_days", request.half_life_days)
        )
        if value is not None
    ]  # fmt: skip
    of_strength = strength_space(_known(trial.train, "rating" in request.columns), fixed)
    chosen, trace = dict[str, Setting](), list[Tried]()
    blends = {name: setting.model for name, setting in settings.items() if isinstance(setting.model, Blend)}
    with rungs(trial, split, request.seed + 1, wanted, keeps_seen=request.keeps_seen) as ladder:

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
            best = chosen[max(reached, key=lambda each: reached[each])]
            members = [chosen[each].model for each in reached]
            chosen[name], tried = blended(
                name, blend, members, best.strength, ladder[-1].trial, k=request.k[0], seed=request.seed, tell=tell
            )
            trace += tried
    return {name: chosen[name] for name in settings}, trace


def _known(train: DataFrame, has_rating: bool) -> Known:
    events = _events(train.where(F.col("event").isNotNull()))
    seconds = (F.max("time").cast("double") - F.min("time").cast("double")) / 86_400
    found = train.agg(F.count(F.lit(1)), F.count_distinct(*PAIR), seconds).first()
    assert found is not None, "an aggregate has one row"
    return Known(tuple(events), has_rating, found[0] > found[1], found[2] or 0.0)


def _measured(
    request: Request,
    split: Split,
    trial: Trial,
    settings: Mapping[str, Setting],
    fallback: Recommender,
    candidates: DataFrame | None,
    trace: list[Tried],
    notes: list[str],
    tell: Tell,
) -> Report:
    """Fit every model on all of train and measure its lists."""
    longest = max(request.k)
    figures, of_lists, filled, notes = dict[str, DataFrame](), dict[str, dict[str, float | None]](), {}, [*notes]
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
        request=request, split=split, sizes=trial.sizes, settings=settings, groups=groups, of_lists=of_lists,
        filled=filled, baseline=BASELINE, trace=trace, notes=notes,
    )  # fmt: skip


def _filling(lists: DataFrame, longest: int) -> tuple[float, int, int]:
    """The share of places that popularity filled, how many there are, and how many lists are full."""
    found = lists.agg(
        F.avg(F.col("filled").cast("double")), F.count(F.lit(1)), F.count_if(F.col("rank") == longest)
    ).first()
    assert found is not None, "an aggregate has one row"
    return round(found[0] or 0.0, 9), found[1], found[2]


def _said(name: str, found: Ranked, users: int, full: int, longest: int, places: int) -> list[str]:
    """What a reader must know of a model's lists."""
    said = [] if found.is_fitted else [f"{name} was not fitted, the pairs are too few: popularity stands in"]
    if full < users:
        said.append(
            f"{name}: {users - full:,} of {users:,} lists hold fewer than {longest} items, all that are left to name "
            f"({places / users:.1f} on average)"
        )
    return said
