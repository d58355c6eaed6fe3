"""Which features of a run carry the information, and which repeat others: `shoal features report`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books import releases, runs
from shoal.books.runs import Run
from shoal.config import Config
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
_ACTIVE_DAYS = 365  # where no propensity says who is a prospect

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Looked:
    """What was found, and at whom was looked."""

    found: Found
    run_id: str
    as_of: date  # first day that the features have not seen
    run_day: date
    share: float  # of the users, that were drawn
    request: Request


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
        ConfigError: there is no such run, or nobody and nothing to look at.
    """
    run = _run(lake, request.run_id, tell)
    own = own_features.features_of(config)
    if own:
        own_features.check(lake.spark, config)
    everyone = lake.read(USER_FEATURES).where(run.slice)
    with _examples(lake, config, request, run, everyone) as (rows, cut, labels, users):
        share = min(1.0, request.sample / max(users, 1))
        names = named([feature.name for feature in own])
        columns = _columns(names, Features([*FEATURES.values(), *own]))
        numbers = [value_of(name, Cut(cut)).cast("double") for name in names]
        values = F.array(*numbers, *(F.col(name) for name in labels.values()))
        table = _drawn(rows, share, request.seed).select(values.alias("values"))
        with persisted(table) as kept:
            found = examine(kept, columns, [*labels], by=request.by, threshold=request.threshold)
    if not found.users:
        raise ConfigError(f"run {run.key}: there is no user to look at on {cut}, or none of them has a label")
    return Looked(found, run.key, cut, run.day, share, request)


@contextmanager
def _examples(
    lake: Lake, config: Config, request: Request, run: Run, everyone: DataFrame
) -> Iterator[tuple[DataFrame, date, dict[str, str], int]]:
    """Users with features and labels, the features' day, the labels' columns by name, and about how many users."""
    humans = ordinary.humans(everyone)
    if request.file is not None:
        with labels_of_file(lake.spark, request.file) as labels:
            yield humans.join(labels.rows, on="user_id", how="inner"), run.day, labels.columns, labels.users
        return
    if not request.horizons:
        yield humans, run.day, {}, humans.count()
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
    yield rows, cut, columns, humans.count()


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


def _run(lake: Lake, run_id: str | None, tell: Tell) -> Run:
    """The run that is asked for: the one that is shown, or where nothing was released the newest."""
    opened = {
        row["run_id"]: row
        for row in sorted(
            lake.read(RUNS).where("job = 'features' AND outcome = 'done'").collect(), key=lambda row: row["started_at"]
        )
    }
    if not opened:
        raise ConfigError(f"{lake.location} holds no features yet; `shoal features --as-of DAY` computes them")
    shown = releases.current(releases.history(lake))
    wanted = run_id or (shown["run_id"] if shown is not None else [*opened][-1])
    if wanted not in opened:
        raise ConfigError(f"--run-id: there is no run {wanted} in {lake.location}{did_you_mean(wanted, opened)}")
    run = Run("features", datetime.now(UTC), tell=lambda _, sentence: tell(sentence))
    runs.adopt(run, opened[wanted])
    return run
