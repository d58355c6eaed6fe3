"""features.users, features.user_item_days, features.visitor_item_days, silver.events, silver.items, silver.users,
silver.user_changes, silver.identities, silver.account_aliases, gold.segments ->
gold.recommendations, gold.recommendations_by_segment, gold.similar_items, gold.bought_together
"""

from collections.abc import Collection, Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.books import runs
from shoal.books.runs import Run
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.lake import Lake
from shoal.lists import assortment, between, choosing
from shoal.lists.assortment import Assortment
from shoal.lists.between import Kept
from shoal.models import recommend
from shoal.models.metric import Metric
from shoal.tables import BOUGHT_TOGETHER, RECOMMENDATIONS, RECOMMENDATIONS_BY_SEGMENT, SIMILAR_ITEMS


def recommend_items(lake: Lake, config: Config, run: Run) -> None:
    """Give every active user the same number of items, once per configured list, and every item its neighbours."""
    if not runs.join_run(lake, run, settings_hash(config)):
        return run.nothing_new(f"run {run.id} has its recommendations")
    runs.require_done(lake, run, ["segments"] if config.segments else [])  # what is popular in each is read
    with assortment.opened(lake, config, run) as shop:
        kept = between.kept_models(lake, config, run, shop)
        metrics = _measured(config, shop, kept) | {e: between.measured_at_fit(lake, e, one) for e, one in kept.items()}
        for entry, said in _for_users(lake, config, run, shop, metrics, kept).items():
            metrics[entry] += said
        places = _places(lake, run)
        for entry, params in config.recommend.items():
            metrics[entry].append(
                choosing.short(params, shop, places.get((entry, 1), 0), places.get((entry, params.top_n), 0))
            )
        run.rows = sum(places.values())
        _for_segments(lake, config, run, shop)
        _beside_items(lake, config, run, shop)
    runs.record_metrics(
        lake, run, choosing.STAGE, [(entry, metric) for entry, found in metrics.items() for metric in found]
    )
    return None


def _measured(config: Config, shop: Assortment, but: Collection[str]) -> dict[str, list[Metric]]:
    """What each list is worth, on what was bought since it would have been made.

    Args:
        but: lists whose model is kept, which was measured when it was fitted.
    """
    wanted = {entry: params for entry, params in config.recommend.items() if entry not in but}
    found = dict[str, list[Metric]]()
    for days in sorted({params.test_days for params in wanted.values()}):
        with shop.backtest(days) as test:
            found |= recommend.measure(test, {e: p for e, p in wanted.items() if p.test_days == days})
    return found


def _for_users(
    lake: Lake,
    config: Config,
    run: Run,
    shop: Assortment,
    metrics: Mapping[str, list[Metric]],
    kept: Mapping[str, Kept],
) -> dict[str, list[Metric]]:
    """Put all lists in place, with what there is to be known of their items; returns what is to be said of each."""
    rows, said = list[DataFrame](), dict[str, list[Metric]]()
    for entry, params in config.recommend.items():
        judged = recommend.judge(metrics[entry], params)
        chosen = choosing.voices(lake, config, run, shop, entry, judged, kept.get(entry))
        said[entry] = chosen.said
        rows.append(choosing.named(chosen, shop, params).withColumn("list_name", F.lit(entry)))
    if rows:
        every = shop.shown(reduce(DataFrame.unionByName, rows))
        lake.replace(RECOMMENDATIONS, every.withColumn("run_id", F.lit(run.key)), where=run.slice, once=run.key)
    return said


def _for_segments(lake: Lake, config: Config, run: Run, shop: Assortment) -> None:
    """Put in place what is popular in each segment and region."""
    near = shop.by_segment(next(iter(config.segments), None), config.by_segment)
    rows = shop.shown(recommend.shown_by_segment(near, config.by_segment.top_n))
    lake.replace(RECOMMENDATIONS_BY_SEGMENT, rows.withColumns(_stamp(run)), where=run.slice, once=run.key)


def _places(lake: Lake, run: Run) -> dict[tuple[str, int], int]:
    """How many users have an item at each place of each list."""
    counts = lake.read(RECOMMENDATIONS).where(run.slice).groupBy("list_name", "rank").count()
    return {(row["list_name"], row["rank"]): row["count"] for row in counts.collect()}


def _stamp(run: Run) -> dict[str, Column]:
    return {"run_id": F.lit(run.key), "as_of": F.lit(run.day)}


def _beside_items(lake: Lake, config: Config, run: Run, shop: Assortment) -> None:
    """Name beside each item those that the same users want, and those that are in the same orders."""
    stamp = _stamp(run)
    params = config.similar_items
    similar = recommend.similar_items(shop.liked(params), shop.groups, shop.offered(params.in_stock_only), params)
    lake.replace(SIMILAR_ITEMS, similar.withColumns(stamp), where=run.slice, once=run.key)
    together = config.bought_together
    with shop.orders(together) as orders:
        pairs = recommend.bought_together(orders, shop.groups, shop.offered(together.in_stock_only), together)
        lake.replace(BOUGHT_TOGETHER, pairs.withColumns(stamp), where=run.slice, once=run.key)


if __name__ == "__main__":
    run_job("recommend")
