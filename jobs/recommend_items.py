"""features.users, features.user_item_days, features.visitor_item_days, silver.items, silver.user_changes,
silver.identities, silver.account_aliases -> gold.recommendations
"""

from contextlib import ExitStack
from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal import model_store, ordinary, runs
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.lake import Lake
from shoal.models import recommend
from shoal.models.metric import Metric, stands_in
from shoal.models.recommend import AlsModel, FittedAls, Judgement
from shoal.params import RecommendParams
from shoal.people import People
from shoal.runs import Run
from shoal.tables import ITEMS, RECOMMENDATIONS, USER_CHANGES, USER_FEATURES, USER_ITEM_DAYS
from shoal.transforms.catalogue import catalogue_at

STAGE = "recommend"


def recommend_items(lake: Lake, config: Config, run: Run) -> None:
    """Give every active user the same number of items, once per configured list."""
    if not runs.join_run(lake, run, settings_hash(config)):
        return run.nothing_new(f"run {run.id} has its recommendations")
    measured = []
    for entry, params in config.recommend.items():
        measured += [(entry, metric) for metric in _recommend(lake, config, run, entry, params)]
    runs.record_metrics(lake, run, STAGE, measured)
    run.rows = lake.read(RECOMMENDATIONS).where(run.slice).count()
    return None


def _recommend(lake: Lake, config: Config, run: Run, entry: str, params: RecommendParams) -> list[Metric]:
    with ExitStack() as held:
        people = People(lake, run, config.features)
        kept = held.enter_context(people.kept_tiles(USER_ITEM_DAYS, run.day))
        earlier = run.day - timedelta(days=params.test_days)
        before = held.enter_context(people.kept_tiles(USER_ITEM_DAYS, earlier))
        item_days = kept.where(F.col("event_date") < F.lit(run.day))
        return _recommended(lake, config, run, entry, params, item_days, before)


def _recommended(
    lake: Lake,
    config: Config,
    run: Run,
    entry: str,
    params: RecommendParams,
    item_days: DataFrame,
    earlier: DataFrame,
) -> list[Metric]:
    known = catalogue_at(lake.read(ITEMS, run.versions_read[ITEMS.name]), run.day)
    items = known.where("recommendable").select("item_id", "item_group_id")
    features = lake.read(USER_FEATURES, run.versions_read[USER_FEATURES.name]).where(run.slice)
    found = ordinary.suspects_of(features)
    if found is not None:
        item_days, earlier = (tiles.join(found, on="user_id", how="left_anti") for tiles in (item_days, earlier))
    if USER_CHANGES.name in run.versions_read:  # who is left out of the features teaches nothing either
        item_days = item_days.join(features.select("user_id"), on="user_id", how="left_semi")
    users = ordinary.humans(features).where(F.col("recency_event_days") <= params.active_days).select("user_id")

    metrics = recommend.measure(item_days, items, run.day, params, known_before=earlier)
    judged = recommend.judge(metrics, params)
    failed = judged.failed
    fitted = None if failed else recommend.fit(recommend.strengths(item_days, as_of=run.day, params=params), params)
    model_id: str | None
    if fitted is not None:
        source, model_id = recommend.ALS, _stored(lake, config, run, entry, fitted, judged)
    else:
        failed = failed or f"needs {params.min_interactions:,} pairs of user and item and found fewer"
        fitted, source, model_id, said = _stand_in(lake, config, run, entry, failed)
        metrics = [*metrics, said]
    owned = recommend.owned(item_days, as_of=run.day)
    limit = recommend.popular_limit(owned, items, params)
    popular = recommend.popular(item_days, items, as_of=run.day, days=params.popularity_days, limit=limit)
    by_model = F.col("source") == recommend.ALS
    lists = recommend.recommend(fitted, users, popular.checkpoint(), owned, items, params).withColumns({
        "run_id": F.lit(run.key),
        "list_name": F.lit(entry),
        "model_id": F.when(by_model, F.lit(model_id).cast("string")),
        "source": F.when(by_model, F.lit(source)).otherwise(F.col("source")),
    })  # fmt: skip
    lake.replace(RECOMMENDATIONS, lists, where=f"{run.slice} AND list_name = '{entry}'", once=f"{run.key}/{entry}")
    return metrics


def _stored(lake: Lake, config: Config, run: Run, entry: str, fitted: FittedAls, judged: Judgement) -> str:
    """Store the model of today, and say what is to be known of it; returns its id."""
    if fitted.model.engine != config.recommend[entry].engine:
        run.note(f"{STAGE}.{entry}: {fitted.model.interactions:,} pairs are more than one task takes: "
                 f"{fitted.model.engine} has fitted them")  # fmt: skip
    if judged.untested:
        run.stand_in(f"{STAGE}.{entry}: {judged.untested}", "it is used as it is", config.strict)
    if judged.undecided:
        run.warn(f"{STAGE}.{entry}: {judged.undecided}")
    model_store.save_factors(lake, run, STAGE, entry, fitted.user_factors.unionByName(fitted.item_factors))
    return model_store.save_model(lake, run, STAGE, entry, recommend.ALS, fitted.model)


def _stand_in(
    lake: Lake, config: Config, run: Run, entry: str, failed: str
) -> tuple[FittedAls | None, str, str | None, Metric]:
    """What takes the place of today's model: the last one that was released, or popularity alone.

    Returns:
        It, the source and the model's id of its rows, and a metric that says so.
    """
    last = model_store.last_good(lake, run, STAGE, entry, AlsModel)
    if last is None:
        run.stand_in(f"{STAGE}.{entry}: {failed}", "popularity stands in", config.strict)
        return None, recommend.POPULARITY, None, stands_in(recommend.POPULARITY, failed)
    run.stand_in(f"{STAGE}.{entry}: {failed}", last.stands_in, config.strict)
    factors = model_store.load_factors(lake, last)
    users, items = (factors.where(F.col("side") == side) for side in ("user", "item"))
    said = stands_in(model_store.LAST_MODEL, failed, (run.day - last.as_of).days)
    return FittedAls(last.model, users, items), model_store.LAST_MODEL, last.model_id, said


if __name__ == "__main__":
    run_job("recommend")
