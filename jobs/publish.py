"""features.users, gold.segments, gold.segment_profiles, gold.propensities, gold.recommendations,
gold.recommendations_by_segment, gold.similar_items, gold.bought_together, silver.items, silver.users ->
gold.users, ops.quality, ops.releases
"""

from functools import partial

from pyspark.sql import Row
from pyspark.sql import functions as F

from shoal.books import releases, runs, verdicts
from shoal.books.runs import Run
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.lake import Lake
from shoal.publish import gate_of_run, views
from shoal.tables import GOLD_USERS, PROPENSITIES, SEGMENTS, USER_FEATURES, USERS
from shoal.transforms.user_table import user_table

_MODELS = ("segments", "propensity", "recommend")


def publish(lake: Lake, config: Config, run: Run) -> None:
    """Put together what a marketer filters by, then make the whole run visible in one commit."""
    runs.join_run(lake, run, settings_hash(config))
    if releases.is_released(releases.history(lake), run.key):
        return run.nothing_new(f"run {run.id} is released already")
    done = runs.require_done(lake, run, _MODELS)
    shown = next(iter(config.segments), None)
    previous = releases.run_of(lake, run.previous_seq)
    users = user_table(
        lake.read(USER_FEATURES, run.versions_read[USER_FEATURES.name]).where(run.slice),
        lake.read(SEGMENTS).where(run.slice).where(F.col("segmentation") == F.lit(shown)),
        lake.read(PROPENSITIES).where(run.slice),
        lake.read(USERS, run.versions_read[USERS.name]),
        lake.read(GOLD_USERS).where(F.col("run_id") == F.lit(previous)),
        hold_out_share=config.publish.hold_out_share,
        hold_out_salt=config.publish.hold_out_salt,
    )
    lake.replace(GOLD_USERS, users, where=run.slice, once=run.key)
    run.rows = lake.read(GOLD_USERS).where(run.slice).count()
    fallbacks = [sentence for row in done if row["job"] in _MODELS for sentence in row["warnings"]]
    verdicts.pass_gate(lake, run, gate_of_run.of_run(lake, config, run))
    views.publish_views(lake)
    release = releases.release(
        lake,
        run.key,
        run.day,
        now=run.started_at,
        fallbacks=fallbacks,
        max_retries=config.publish.max_retries,
        is_older_than=partial(runs.is_older, lake, run),
    )
    _tell(lake, run, release)
    return None


def _tell(lake: Lake, run: Run, release: Row) -> None:
    """Say whether the run is shown, and why not."""
    if release["kind"] != "archive":
        return run.note(f"release {release['seq']} is current: run {run.id}")
    shown = releases.current(releases.history(lake))
    if shown is not None and shown["as_of"] == run.day:
        return run.warn(
            f"release {release['seq']} is archived: run {run.id} was overtaken by run {shown['run_id']} of the same "
            f"day, which knows newer data or settings and stays current; `shoal rollback --to {release['seq']}` shows "
            "this one nevertheless"
        )
    return run.note(f"release {release['seq']} is archived, an older day than the current one: run {run.id}")


if __name__ == "__main__":
    run_job("publish")
