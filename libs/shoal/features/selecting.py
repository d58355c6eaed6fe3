"""Which features of a run carry the information, and which repeat others: `shoal features report`."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal.books import releases, runs
from shoal.books.runs import Run
from shoal.config import Config, row_changing
from shoal.errors import ConfigError, did_you_mean
from shoal.features import ordinary
from shoal.features import own as own_features
from shoal.features.earlier import past_of
from shoal.features.label_files import labels_of_file
from shoal.features.selection_request import NONE, WITHIN, Request
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.models.propensity.fitting import transform_of
from shoal.models.propensity.model import IDENTITY
from shoal.models.selection import Found, examine
from shoal.models.selection.examining import Column
from shoal.tables import RUNS, USER_DAYS, USER_FEATURES
from shoal.tables.feature import Features
from shoal.tables.user_features import FEATURES
from shoal.transforms.cuts import Cut
from shoal.transforms.distributions import is_text, named, value_of

_OF_HASH = 2**31
_RECENCY = "recency_event_days"  # says who was active, as labels.with_label asks
_ACTIVE_DAYS = 365  # where no propensity says who is a prospect

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Looked:
    """What was found, and at whom was looked."""

    found: Found
    run_id: str
    as_of: date  # first day that the features have not seen
    run_day: date
    share: float  # of the users who could be looked at, that were drawn
    request: Request


@dataclass(frozen=True)
class _Examples:
    """Users who can be looked at."""

    rows: DataFrame  # features and labels
    cut: date  # first day that the features have not seen
    labels: dict[str, str]  # column of rows by name of the label
    users: DataFrame  # the same users, without what is dear to compute of them
    about: int  # of them there are hardly more


def look(lake: Lake, config: Config, request: Request, tell: Tell) -> Looked:
    """Look at the features of a run, beside what its users did afterwards or what a file says of them.

    With a label of ``bought_within`` features are those of the run's day less the longest horizon, computed as the
    propensity stage does; else those that the run has written. Users who behave as no human does are left out.

    Args:
        lake: where the run is.
        config: the settings, with features of the shop's own.
        request: of ``selection_request.asked``.
        tell: takes a warning.

    Raises:
        ConfigError: there is no such run, it was opened with other settings of features, or there is nobody to look at.
    """
    run = _run(lake, config, request.run_id, tell)
    own = own_features.features_of(config)
    if own:
        own_features.check(lake.spark, config)
    everyone = lake.read(USER_FEATURES, run.versions_read[USER_FEATURES.name]).where(run.slice)
    with _examples(lake, config, request, run, everyone) as examples:
        share, labels = _share(examples, request.sample), examples.labels
        names = named([feature.name for feature in own])
        columns = _columns(names, Features([*FEATURES.values(), *own]))
        numbers = [value_of(name, Cut(examples.cut)).cast("double") for name in names]
        values = F.array(*numbers, *(F.col(name) for name in labels.values()))
        table = _drawn(examples.rows, share, request.seed).select(values.alias("values"))
        with persisted(table) as kept:
            found = examine(kept, columns, [*labels], by=request.by, threshold=request.threshold)
    if not found.users:
        raise ConfigError(f"run {run.key}: there is no user to look at on {examples.cut}, or none of them has a label")
    return Looked(found, run.key, examples.cut, run.day, share, request)


@contextmanager
def _examples(lake: Lake, config: Config, request: Request, run: Run, everyone: DataFrame) -> Iterator[_Examples]:
    """Users with features and labels, for as long as they are used."""
    humans = ordinary.humans(everyone)
    if request.file is not None:
        with labels_of_file(lake.spark, request.file) as labels:
            users = humans.join(labels.rows, on="user_id", how="left_semi").select("user_id")
            rows = humans.join(labels.rows, on="user_id", how="inner")
            yield _Examples(rows, run.day, labels.columns, users, labels.users)
        return
    if not request.horizons:
        yield _Examples(humans, run.day, {}, humans, humans.count())
        return
    cut = run.day - timedelta(days=max(request.horizons))
    _check_history(lake, run, cut, max(request.horizons))
    past = past_of(lake, run, config.features, everyone)
    active = max((target.active_days for target in config.propensity.values()), default=_ACTIVE_DAYS)
    rows, columns = past.features(cut, own=own_features.features_of(config)), dict[str, str]()
    for days in request.horizons:
        columns[f"{WITHIN}:{days}"] = f"_{WITHIN}_{days}d"
        labelled = past.with_label(rows, cut=cut, horizon_days=days, active_days=active)
        rows = labelled.withColumnRenamed("label", f"_{WITHIN}_{days}d")
    users = past.features(cut, only=[_RECENCY]).where(F.col(_RECENCY) <= active)
    yield _Examples(rows, cut, columns, users, humans.count())


def _share(examples: _Examples, sample: int) -> float:
    """Of the users who can be looked at, that part which makes a sample; they are counted where it is less than all."""
    return 1.0 if examples.about <= sample else min(1.0, sample / max(examples.users.count(), 1))


def _check_history(lake: Lake, run: Run, cut: date, horizon: int) -> None:
    first = lake.read(USER_DAYS, run.versions_read[USER_DAYS.name]).agg(F.min("event_date")).first()
    if first is None or first[0] is None or cut <= first[0]:
        since = "there is no event" if first is None or first[0] is None else f"the first event is of {first[0]}"
        raise ConfigError(
            f"--label {WITHIN}:{horizon}: nothing is known of anybody before {cut}, so long before the run's day "
            f"{run.day}: {since}; name a shorter horizon, a file of labels, or {NONE}"
        )


def _drawn(rows: DataFrame, share: float, seed: int) -> DataFrame:
    """About this share of the users, the same ones whatever the order of rows."""
    if share >= 1:
        return rows
    return rows.where(F.pmod(F.xxhash64(F.lit(seed), F.col("user_id")), F.lit(_OF_HASH)) < F.lit(int(share * _OF_HASH)))


def _columns(names: Sequence[str], known: Features) -> list[Column]:
    return [
        Column(
            name,
            is_text=is_text(name),
            logs=transform_of(name) != IDENTITY,
            depth=known.depth(name.removeprefix("own.")),
        )
        for name in names
    ]


def _run(lake: Lake, config: Config, run_id: str | None, tell: Tell) -> Run:
    """The run that is asked for: the one that is shown, or where nothing was released that of the latest day."""
    rows = lake.read(RUNS).where("job = 'features' AND outcome = 'done'").collect()
    # A backfill opens runs of earlier days after later ones.
    opened = {row["run_id"]: row for row in sorted(rows, key=lambda row: (row["as_of"], row["started_at"]))}
    if not opened:
        raise ConfigError(f"{lake.location} holds no features yet; `shoal features --as-of DAY` computes them")
    shown = releases.current(releases.history(lake))
    wanted = run_id or (shown["run_id"] if shown is not None else [*opened][-1])
    if wanted not in opened:
        raise ConfigError(f"--run-id: there is no run {wanted} in {lake.location}{did_you_mean(wanted, opened)}")
    _require_same_settings(opened[wanted], config)
    run = Run("features", datetime.now(UTC), tell=lambda _, sentence: tell(sentence))
    runs.adopt(run, opened[wanted])
    return run


def _require_same_settings(opened: Row, config: Config) -> None:
    """Refuse a run whose features mean something else: its rows would lack the shop's own, or hold others."""
    then, now = json.loads(opened["settings"])["features"], row_changing(config)["features"]
    if differing := sorted(f"features.{name}" for name in {*then, *now} if then.get(name) != now.get(name)):
        raise ConfigError(
            f"run {opened['run_id']} was opened with other settings of {', '.join(differing)}; "
            f"`shoal features --as-of {opened['as_of']}` opens one with these, to be named with --run-id"
        )
