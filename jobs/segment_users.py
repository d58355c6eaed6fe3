"""features.users -> gold.segments, gold.segment_profiles"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books import model_store, runs
from shoal.books.model_store import Stored
from shoal.books.runs import Run
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.features import ordinary
from shoal.features import own as own_features
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.models import segments
from shoal.models.metric import Metric, stands_in
from shoal.models.segments import SegmentModel
from shoal.params import SegmentParams
from shoal.tables import SEGMENT_PROFILES, SEGMENTS, USER_FEATURES

STAGE = "segments"


def segment_users(lake: Lake, config: Config, run: Run) -> None:
    """Group buyers who behave alike, once per configured segmentation."""
    if not runs.join_run(lake, run, settings_hash(config)):
        return run.nothing_new(f"run {run.id} has its segments")
    measured = []
    for entry, params in config.segments.items():
        measured += [(entry, metric) for metric in _segment(lake, config, run, entry, params)]
    runs.record_metrics(lake, run, STAGE, measured)
    run.rows = lake.read(SEGMENTS).where(run.slice).count()
    return None


def _segment(lake: Lake, config: Config, run: Run, entry: str, params: SegmentParams) -> list[Metric]:
    everyone = lake.read(USER_FEATURES, run.versions_read[USER_FEATURES.name]).where(run.slice)
    features = own_features.beside(ordinary.humans(everyone), own_features.among(config, params.inputs))
    with persisted(features):
        return _fitted(lake, config, run, entry, params, features)


def _fitted(
    lake: Lake, config: Config, run: Run, entry: str, params: SegmentParams, features: DataFrame
) -> list[Metric]:
    last = model_store.last_good(lake, run, STAGE, entry, SegmentModel)
    # Rows may have been written by what an earlier try has stored, and other runs may have given ids since.
    model, last_id = model_store.stored_by_now(lake, run, STAGE, entry, SegmentModel, greatest="last_id")
    if model is None:
        model = segments.fit(
            features,
            params,
            last.model if last else None,
            last_id=last_id,
            own=own_features.meanings(config, params.inputs),
        )
    where, once = f"{run.slice} AND segmentation = '{entry}'", f"{run.key}/{entry}"
    if model is None:
        run.stand_in(f"segments.{entry}: needs buyers and found none", "no one is in a segment", config.strict)
        lake.replace(SEGMENTS, lake.frame(SEGMENTS, []), where=where, once=once)
        lake.replace(SEGMENT_PROFILES, lake.frame(SEGMENT_PROFILES, []), where=where, once=once)
        return []
    applied, more = _applied(config, run, entry, params, model, last)
    if applied is None:
        source, model_id = "kmeans", model_store.save_model(lake, run, STAGE, entry, "kmeans", model)
    else:
        source, model_id, model = model_store.LAST_MODEL, applied.model_id, applied.model
    labels = {"run_id": run.key, "segmentation": entry, "source": source, "model_id": model_id}
    constants = [F.lit(value).alias(name) for name, value in labels.items()]
    with persisted(segments.assign(model, features)) as assigned:
        lake.replace(SEGMENTS, assigned.select("*", *constants), where=where, once=once)
        profiles = segments.profiles(model, assigned.join(features, on="user_id", how="inner"))
        lake.replace(SEGMENT_PROFILES, profiles.select("*", *constants), where=where, once=once)
    return [*segments.evaluate(model, features), *more]


def _applied(
    config: Config, run: Run, entry: str, params: SegmentParams, model: SegmentModel, last: Stored[SegmentModel] | None
) -> tuple[Stored[SegmentModel] | None, list[Metric]]:
    """The last model where today's tells fewer segments apart than it should and the last one more; else None."""
    if model.k >= model.k_wanted:
        return None, []
    plural = "s" if model.k > 1 else ""
    lacking = (
        f"{model.k} segment{plural} instead of {model.k_wanted}: each needs {params.min_users_per_segment} buyers, "
        "and enough that differ"
    )
    own = own_features.meanings(config, params.inputs)
    if last is None or last.model.k <= model.k or not last.model.is_of(params, own):
        run.stand_in(f"{STAGE}.{entry}: {lacking}", "these are shown", config.strict)
        return None, []
    run.stand_in(f"{STAGE}.{entry}: {lacking}", last.stands_in, config.strict)
    return last, [stands_in(model_store.LAST_MODEL, lacking, (run.day - last.as_of).days)]


if __name__ == "__main__":
    run_job("segments")
