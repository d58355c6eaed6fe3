"""The whole path on a made-up shop, in one Spark session: what a newcomer sees first."""

import shutil
from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession

from shoal.config import load_config
from shoal.errors import ConfigError
from shoal.progress import LogFormat, Progress
from shoal.reports.summary import summary
from shoal.running.job import Arguments, opened_lake, run_on
from shoal.stages import STAGES
from shoal.synthetic import SyntheticShop, synthesize, write

_MARK = ".shoal-demo"
USERS, ITEMS, DAYS, SEED = 17_000, 2_000, 180, 7  # about a million events


def demonstrate(out: Path, progress: Progress, *, verbose: bool = False, log_format: LogFormat = "text") -> str:
    """Make a synthetic shop in ``out/shop``, run every stage into ``out/lake``, tell what was published.

    A shop and a lake that are there already are used again, so the second time nothing is new.

    Returns:
        What the current release says, for people.

    Raises:
        ConfigError: ``out`` holds something else, or Spark cannot start.
    """
    _claim(out)
    given = Arguments(lake=str(out / "lake"), verbose=verbose, log_format=log_format)
    config = load_config(lake=given.lake)
    with opened_lake(config, "demo", given, progress) as lake:
        shop = _shop_in(out / "shop", lake.spark, progress)
        arguments = replace(given, as_of=shop.as_of, inputs=(("shoal", f"{out}/shop/events"),))
        run_on(lake, STAGES, config, arguments, progress)
        return summary(lake)


def _shop_in(folder: Path, spark: SparkSession, progress: Progress) -> SyntheticShop:
    """The shop of that folder, made unless it is there; one that was left half made is made anew."""
    shop = synthesize(spark, users=USERS, items=ITEMS, days=DAYS, seed=SEED)
    if not folder.exists():
        unfinished = folder.with_name("shop.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        with progress.working("synthesize", f"Make a shop of {USERS:,} users, {ITEMS:,} items, {DAYS} days."):
            write(shop, unfinished)
        unfinished.rename(folder)
    return shop


def _claim(out: Path) -> None:
    """Make the folder of a demo, or know it again by its mark; any other folder is somebody's own."""
    mark = out / _MARK
    if mark.exists():
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = "holds files of yours" if out.is_dir() else "is a file"
        raise ConfigError(f"{out} {what}: no demo has made it; name a new folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    mark.write_text("Made by `shoal demo`, which keeps a synthetic shop and its lake here. Remove it as you like.\n")
