"""features.users, features.user_item_days, features.visitor_item_days, silver.events, silver.items, silver.users,
silver.user_changes, silver.identities, silver.account_aliases ->
gold.recommendations, gold.similar_items, gold.bought_together
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal import model_store, ordinary, runs
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.models import recommend
from shoal.models.metric import Metric, stands_in
from shoal.models.recommend import AlsModel, FittedAls, Judgement
from shoal.params import RecommendParams
from shoal.people import People
from shoal.runs import Run
from shoal.tables import (
    BOUGHT_TOGETHER,
    ITEMS,
    RECOMMENDATIONS,
    SIMILAR_ITEMS,
    USER_CHANGES,
    USER_FEATURES,
    USER_ITEM_DAYS,
)
from shoal.transforms.baskets import baskets
from shoal.transforms.catalogue import goods_at, in_stock

STAGE = "recommend"


@dataclass(frozen=True)
class Shop:
    """What a run may learn from and recommend."""

    people: People
    item_days: DataFrame  # tiles before the run's day, of everyone who counts
    items: DataFrame  # what may be recommended, by item_id, with what lists show of it
    features: DataFrame  # features.users of the run
    suspects: DataFrame | None  # user_id; None where there are none

    @property
    def groups(self) -> DataFrame:
        """``item_id`` and ``item_group_id``."""
        return self.items.select("item_id", "item_group_id")

    def offered(self, in_stock_only: bool) -> DataFrame:
        """The same of what may be named."""
        return (in_stock(self.items) if in_stock_only else self.items).select("item_id", "item_group_id")


def recommend_items(lake: Lake, config: Config, run: Run) -> None:
    """Give every active user the same number of items, once per configured list, and every item its neighbours."""
    if not runs.join_run(lake, run, settings_hash(config)):
        return run.nothing_new(f"run {run.id} has its recommendations")
    measured = []
    with ExitStack() as held:
        shop = _shop(lake, config, run, held)
        for entry, params in config.recommend.items():
            measured += [(entry, metric) for metric in _recommend(lake, config, run, shop, entry, params)]
        _beside_items(lake, config, run, shop)
    runs.record_metrics(lake, run, STAGE, measured)
    run.rows = lake.read(RECOMMENDATIONS).where(run.slice).count()
    return None


def _shop(lake: Lake, config: Config, run: Run, held: ExitStack) -> Shop:
    people = People(lake, run, config.features)
    features = lake.read(USER_FEATURES, run.versions_read[USER_FEATURES.name]).where(run.slice)
    suspects = ordinary.suspects_of(features)
    tiles = held.enter_context(people.kept_tiles(USER_ITEM_DAYS, run.day))
    item_days = _but(tiles.where(F.col("event_date") < F.lit(run.day)), suspects)
    if USER_CHANGES.name in run.versions_read:  # who is left out of the features teaches nothing either
        item_days = item_days.join(features.select("user_id"), on="user_id", how="left_semi")
    items = goods_at(lake.read(ITEMS, run.versions_read[ITEMS.name]), run.day)
    return Shop(people, item_days, items, features, suspects)


def _but(acts: DataFrame, suspects: DataFrame | None) -> DataFrame:
    """Acts of others than suspects; those of nobody known stay."""
    return acts if suspects is None else acts.join(suspects, on="user_id", how="left_anti")


def _beside_items(lake: Lake, config: Config, run: Run, shop: Shop) -> None:
    """Name beside each item those that the same users want, and those that are in the same orders."""
    stamp = {"run_id": F.lit(run.key), "as_of": F.lit(run.day)}
    liked = recommend.strengths(shop.item_days, as_of=run.day, params=config.similar_items)
    similar = recommend.similar_items(
        liked, shop.groups, shop.offered(config.similar_items.in_stock_only), config.similar_items
    )
    lake.replace(SIMILAR_ITEMS, similar.withColumns(stamp), where=run.slice, once=run.key)

    params = config.bought_together
    events = shop.people.events(run.day, but=shop.suspects)
    found = baskets(events, as_of=run.day, days=params.days, max_items=params.max_items)
    with persisted(found.select("items")) as orders:
        together = recommend.bought_together(orders, shop.groups, shop.offered(params.in_stock_only), params)
        lake.replace(BOUGHT_TOGETHER, together.withColumns(stamp), where=run.slice, once=run.key)


def _recommend(lake: Lake, config: Config, run: Run, shop: Shop, entry: str, params: RecommendParams) -> list[Metric]:
    with shop.people.kept_tiles(USER_ITEM_DAYS, run.day - timedelta(days=params.test_days)) as before:
        return _recommended(lake, config, run, shop, entry, params, _but(before, shop.suspects))


def _recommended(
    lake: Lake, config: Config, run: Run, shop: Shop, entry: str, params: RecommendParams, earlier: DataFrame
) -> list[Metric]:
    item_days, offered = shop.item_days, shop.offered(params.in_stock_only)
    active = ordinary.humans(shop.features).where(F.col("recency_event_days") <= params.active_days)
    users = active.select("user_id")

    metrics = recommend.measure(item_days, shop.groups, run.day, params, known_before=earlier)
    if params.model == recommend.BUY_AGAIN:
        lists = recommend.buy_again(recommend.habits(item_days, as_of=run.day), users, offered, params)
        _write(lake, run, shop, entry, lists.withColumn("model_id", F.lit(None).cast("string")))
        return metrics
    fitted: FittedAls | None
    model_id: str | None
    fitted, source, model_id = None, recommend.POPULARITY, None
    if params.model == recommend.ALS:
        fitted, source, model_id, said = _chosen(lake, config, run, entry, item_days, recommend.judge(metrics, params))
        metrics = [*metrics, *said]
    owned = recommend.owned(item_days, as_of=run.day)
    limit = recommend.popular_limit(owned, offered, params)
    popular = recommend.popular(item_days, offered, as_of=run.day, days=params.popularity_days, limit=limit)
    lists = recommend.recommend(fitted, users, popular.checkpoint(), owned, offered, params)
    by_model = F.col("source") == recommend.ALS
    _write(lake, run, shop, entry, lists.withColumns({
        "model_id": F.when(by_model, F.lit(model_id).cast("string")),
        "source": F.when(by_model, F.lit(source)).otherwise(F.col("source")),
    }))  # fmt: skip
    return metrics


def _chosen(
    lake: Lake, config: Config, run: Run, entry: str, item_days: DataFrame, judged: Judgement
) -> tuple[FittedAls | None, str, str | None, list[Metric]]:
    """Today's model, or what takes its place; the source and the model's id of its rows, and what is to be said."""
    params, failed = config.recommend[entry], judged.failed
    fitted = None if failed else recommend.fit(recommend.strengths(item_days, as_of=run.day, params=params), params)
    if fitted is not None:
        return fitted, recommend.ALS, _stored(lake, config, run, entry, fitted, judged), []
    failed = failed or f"needs {params.min_interactions:,} pairs of user and item and found fewer"
    stood_in, source, model_id, said = _stand_in(lake, config, run, entry, failed)
    return stood_in, source, model_id, [said]


def _write(lake: Lake, run: Run, shop: Shop, entry: str, lists: DataFrame) -> None:
    """Put a list in place, with what there is to be known of its items."""
    rows = lists.join(shop.items, on="item_id", how="inner").withColumns(
        {"run_id": F.lit(run.key), "list_name": F.lit(entry)}
    )
    lake.replace(RECOMMENDATIONS, rows, where=f"{run.slice} AND list_name = '{entry}'", once=f"{run.key}/{entry}")


def _stored(lake: Lake, config: Config, run: Run, entry: str, fitted: FittedAls, judged: Judgement) -> str:
    """Store the model of today, and say what is to be known of it; returns its id."""
    if judged.untested:
        run.stand_in(f"{STAGE}.{entry}: {judged.untested}", "it is used as it is", config.strict)
    if judged.undecided:
        run.warn(f"{STAGE}.{entry}: {judged.undecided}")
    if fitted.model.engine != config.recommend[entry].engine:
        run.note(f"{STAGE}.{entry}: {fitted.model.interactions:,} pairs are more than one task takes: "
                 f"{fitted.model.engine} has fitted them")  # fmt: skip
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
