"""Shoal: events to tiles, tiles to features, each a Delta table as a run writes it, limits of robots among them."""

import time
from datetime import UTC, datetime
from pathlib import Path

import click
from deltalake import DeltaTable

from benchmarks.contest import told
from benchmarks.engines import spark_session
from benchmarks.features.shared import NAMES, found
from benchmarks.features.work import AS_OF
from shoal.books.runs import Run
from shoal.config import load_config
from shoal.features import ordinary
from shoal.features.group import Group
from shoal.lake import Lake
from shoal.tables import USER_DAYS, USER_FEATURES, USER_ITEM_DAYS
from shoal.transforms import derived, tiles
from shoal.transforms.accounts import counted
from shoal.transforms.user_features import user_features


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--shared-only", is_flag=True, help="The features that all contestants have, without limits.")
def main(given: Path, out: Path, shared_only: bool) -> None:
    """Build tiles and features."""
    spark = spark_session("features")
    lake = Lake(spark, str(out / "lake"))
    params = load_config().features
    run = Run("features", datetime(2025, 7, 1, tzinfo=UTC), as_of=AS_OF, id="bench")
    spark.read.parquet(str(given / "events")).limit(1).collect()
    started = time.perf_counter()
    events = spark.read.parquet(str(given / "events"))
    users, items = (spark.read.parquet(str(given / f"{name}.parquet")) for name in ("users", "items"))
    orders = derived.orders(events)
    lake.replace(USER_DAYS, tiles.user_days(events, orders, buckets=params.tile_buckets), where=None)
    lake.replace(USER_ITEM_DAYS, tiles.user_item_days(events, buckets=params.tile_buckets), where=None)
    days, item_days = lake.read(USER_DAYS), lake.read(USER_ITEM_DAYS)
    if shared_only:
        features = user_features(days, item_days, users, as_of=AS_OF, run_id=run.key, only=NAMES)
        features.write.parquet(str(out / "features"))
        seconds = time.perf_counter() - started
        told(seconds, found(f"read_parquet('{out}/features/*.parquet')"))
        return
    limits = ordinary.learn(lake, Group([run]), params, days, item_days, counted(users, None, as_of=AS_OF), [])
    features = user_features(days, item_days, users, as_of=AS_OF, run_id=run.key, items=items, limits=limits)
    lake.replace(USER_FEATURES, features, where=run.slice)
    seconds = time.perf_counter() - started
    told(seconds, found("features", DeltaTable(lake.path_of(USER_FEATURES)).to_pyarrow_dataset()))


if __name__ == "__main__":
    main()
