"""features.users, features.limits, features.user_days, features.user_item_days, features.visitor_days,
features.visitor_item_days, silver.items, silver.users, silver.user_changes, silver.identities,
silver.account_aliases -> gold.propensities
"""

from dataclasses import replace
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books import model_store, runs
from shoal.books.runs import Run
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.features import earlier, ordinary
from shoal.features import own as own_features
from shoal.lake import Lake
from shoal.models import propensity
from shoal.models.metric import Metric, stands_in
from shoal.models.propensity import Learned, PropensityModel
from shoal.params import PropensityParams
from shoal.tables import PROPENSITIES, USER_DAYS, USER_FEATURES

STAGE = "propensity"


def score_propensity(lake: Lake, config: Config, run: Run) -> None:
    """Score how likely each active user is to do what each configured target says."""
    if not runs.join_run(lake, run, settings_hash(config)):
        return run.nothing_new(f"run {run.id} has its propensities")
    measured = []
    for target, params in config.propensity.items():
        measured += [(target, metric) for metric in _score(lake, config, run, target, params)]
    runs.record_metrics(lake, run, STAGE, measured)
    run.rows = lake.read(PROPENSITIES).where(run.slice).count()
    return None


def _score(lake: Lake, config: Config, run: Run, target: str, params: PropensityParams) -> list[Metric]:
    everyone = lake.read(USER_FEATURES, run.versions_read[USER_FEATURES.name]).where(run.slice)
    past = earlier.past_of(lake, run, config.features, everyone)
    own = own_features.among(config, params.inputs)
    needed = own_features.features_of(config) if own else []  # they may name each other

    def examples(cut: date) -> DataFrame:
        features = own_features.beside(past.features(cut, only=params.inputs, own=needed), own)
        return past.with_label(features, cut=cut, horizon_days=params.horizon_days, active_days=params.active_days)

    days = lake.read(USER_DAYS, run.versions_read[USER_DAYS.name])
    first = days.agg(F.min("event_date")).first()
    assert first is not None, "an aggregate has one row"
    learned = propensity.learn(
        examples,
        as_of=run.day,
        first_day=first[0] or run.day,
        params=params,
        own=own_features.meanings(config, params.inputs),
    )
    applied, model_id = _applied(lake, config, run, target, params, learned)
    active = ordinary.humans(everyone).where(F.col("recency_event_days") <= params.active_days)
    scored = propensity.score(applied, own_features.beside(active, own)).select(
        "*",
        F.lit(run.key).alias("run_id"),
        F.lit(target).alias("target"),
        F.lit(model_id).cast("string").alias("model_id"),
    )
    lake.replace(PROPENSITIES, scored, where=f"{run.slice} AND target = '{target}'", once=f"{run.key}/{target}")
    return applied.metrics


def _applied(
    lake: Lake, config: Config, run: Run, target: str, params: PropensityParams, learned: Learned
) -> tuple[Learned, str | None]:
    """What today's users are scored with: today's model, the last one that was released, or the base rate."""
    name = f"{STAGE}.{target}"
    for sentence in learned.warnings:
        run.warn(f"{name}: {sentence}")
    if learned.model is not None:
        if learned.untested:
            run.stand_in(f"{name}: {learned.untested}", "it is used as it is", config.strict)
        return learned, model_store.save_model(lake, run, STAGE, target, learned.source, learned.model)
    last = model_store.last_good(lake, run, STAGE, target, PropensityModel)
    if last is None or not last.model.is_of(params, own_features.meanings(config, params.inputs)):
        run.stand_in(f"{name}: {learned.failed}", f"the base rate of {learned.base_rate:.2%} stands in", config.strict)
        return replace(learned, metrics=[*learned.metrics, stands_in(learned.source, learned.failed)]), None
    run.stand_in(f"{name}: {learned.failed}", last.stands_in, config.strict)
    said = stands_in(model_store.LAST_MODEL, learned.failed, (run.day - last.as_of).days)
    return replace(
        learned, model=last.model, source=model_store.LAST_MODEL, metrics=[*learned.metrics, said]
    ), last.model_id


if __name__ == "__main__":
    run_job("propensity")
