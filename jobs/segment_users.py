"""features.users -> gold.segments, gold.segment_profiles"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal import model_store, releases, runs
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.models import segments
from shoal.models.metric import Metric
from shoal.models.segments import SegmentModel
from shoal.params import SegmentParams
from shoal.runs import Run
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
    features = lake.read(USER_FEATURES, run.versions_read[USER_FEATURES.name]).where(run.slice)
    with persisted(features):
        return _fitted(lake, config, run, entry, params, features)


def _fitted(
    lake: Lake, config: Config, run: Run, entry: str, params: SegmentParams, features: DataFrame
) -> list[Metric]:
    previous, last_id = _before(lake, run, entry)
    model = segments.fit(features, params, previous, last_id=last_id)
    where, once = f"{run.slice} AND segmentation = '{entry}'", f"{run.key}/{entry}"
    if model is None:
        run.stand_in(f"segments.{entry}: needs buyers and found none; no one is in a segment", config.strict)
        lake.replace(SEGMENTS, lake.frame(SEGMENTS, []), where=where, once=once)
        lake.replace(SEGMENT_PROFILES, lake.frame(SEGMENT_PROFILES, []), where=where, once=once)
        return []
    if model.k < model.k_wanted:
        run.stand_in(
            f"segments.{entry}: {model.k} segments instead of {model.k_wanted}: each needs "
            f"{params.min_users_per_segment} buyers, and enough that differ",
            config.strict,
        )
    model_id = model_store.save_model(lake, run, STAGE, entry, "kmeans", model)
    labels = {"run_id": run.key, "segmentation": entry, "source": "kmeans", "model_id": model_id}
    constants = [F.lit(value).alias(name) for name, value in labels.items()]
    with persisted(segments.assign(model, features)) as assigned:
        lake.replace(SEGMENTS, assigned.select("*", *constants), where=where, once=once)
        profiles = segments.profiles(model, assigned.join(features, on="user_id", how="inner"))
        lake.replace(SEGMENT_PROFILES, profiles.select("*", *constants), where=where, once=once)
    return segments.evaluate(model, features)


def _before(lake: Lake, run: Run, entry: str) -> tuple[SegmentModel | None, int]:
    """The model whose segments this run continues, and the highest id that any release has ever shown."""
    names = {row["seq"]: model_store.model_id(row["run_id"], STAGE, entry) for row in releases.history(lake)}
    found = model_store.load_models(lake, {*names.values()}, SegmentModel)
    previous = None if run.previous_seq is None else found.get(names[run.previous_seq])
    return previous, max((model.last_id for model in found.values()), default=0)


if __name__ == "__main__":
    run_job("segments")
