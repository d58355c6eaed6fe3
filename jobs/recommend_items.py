"""features.users, features.user_item_days, features.visitor_item_days, silver.events, silver.items, silver.users,
silver.user_changes, silver.identities, silver.account_aliases ->
gold.recommendations, gold.similar_items, gold.bought_together
"""

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal import assortment, choosing, runs
from shoal.assortment import Assortment
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.lake import Lake
from shoal.models import recommend
from shoal.models.metric import Metric
from shoal.runs import Run
from shoal.tables import BOUGHT_TOGETHER, RECOMMENDATIONS, SIMILAR_ITEMS


def recommend_items(lake: Lake, config: Config, run: Run) -> None:
    """Give every active user the same number of items, once per configured list, and every item its neighbours."""
    if not runs.join_run(lake, run, settings_hash(config)):
        return run.nothing_new(f"run {run.id} has its recommendations")
    with assortment.opened(lake, config, run) as shop:
        metrics = _measured(config, shop)
        for entry, said in _for_users(lake, config, run, shop, metrics).items():
            metrics[entry] += said
        _beside_items(lake, config, run, shop)
    runs.record_metrics(
        lake, run, choosing.STAGE, [(entry, metric) for entry, found in metrics.items() for metric in found]
    )
    run.rows = lake.read(RECOMMENDATIONS).where(run.slice).count()
    return None


def _measured(config: Config, shop: Assortment) -> dict[str, list[Metric]]:
    """What each list is worth, on what was bought since it would have been made."""
    found = dict[str, list[Metric]]()
    for days in sorted({params.test_days for params in config.recommend.values()}):
        with shop.backtest(days) as test:
            found |= recommend.measure(test, {e: p for e, p in config.recommend.items() if p.test_days == days})
    return found


def _for_users(
    lake: Lake, config: Config, run: Run, shop: Assortment, metrics: Mapping[str, list[Metric]]
) -> dict[str, list[Metric]]:
    """Put all lists in place, with what there is to be known of their items; returns what is to be said of each."""
    rows, said = list[DataFrame](), dict[str, list[Metric]]()
    for entry, params in config.recommend.items():
        judged = recommend.judge(metrics[entry], params)
        voices, said[entry] = choosing.voices(lake, config, run, shop, entry, judged)
        barred = recommend.owned(shop.acts) if params.exclude_owned else recommend.nothing(shop.acts)
        found = recommend.lists(
            voices, shop.active(params.active_days), barred, shop.offered(params.in_stock_only), params.top_n
        )
        rows.append(found.withColumn("list_name", F.lit(entry)))
    if rows:
        every = reduce(DataFrame.unionByName, rows).drop("item_group_id").join(shop.items, on="item_id", how="inner")
        lake.replace(RECOMMENDATIONS, every.withColumn("run_id", F.lit(run.key)), where=run.slice, once=run.key)
    return said


def _beside_items(lake: Lake, config: Config, run: Run, shop: Assortment) -> None:
    """Name beside each item those that the same users want, and those that are in the same orders."""
    stamp = {"run_id": F.lit(run.key), "as_of": F.lit(run.day)}
    params = config.similar_items
    similar = recommend.similar_items(shop.liked(params), shop.groups, shop.offered(params.in_stock_only), params)
    lake.replace(SIMILAR_ITEMS, similar.withColumns(stamp), where=run.slice, once=run.key)
    together = config.bought_together
    with shop.orders(together) as orders:
        pairs = recommend.bought_together(orders, shop.groups, shop.offered(together.in_stock_only), together)
        lake.replace(BOUGHT_TOGETHER, pairs.withColumns(stamp), where=run.slice, once=run.key)


if __name__ == "__main__":
    run_job("recommend")
