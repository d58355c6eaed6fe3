"""The whole path on a made-up shop, in one Spark session: what a newcomer sees first."""

import shutil
from pathlib import Path

from pyspark.sql import SparkSession

from shoal.config import load_config
from shoal.errors import ConfigError
from shoal.job import Arguments, opened_lake, run_on
from shoal.progress import LogFormat, Progress
from shoal.stages import STAGES
from shoal.summary import summary
from shoal.synthetic import SyntheticShop, synthesize, write

USERS, ITEMS, DAYS, SEED = 18_000, 2_000, 180, 7  # about a million events


def demonstrate(out: Path, progress: Progress, *, verbose: bool = False, log_format: LogFormat = "text") -> str:
    """Make a synthetic shop in ``out/shop``, run every stage into ``out/lake``, tell what was published.

    A shop and a lake that are there already are used again, so the second time nothing is new.

    Returns:
        What the current release says, for people.

    Raises:
        ConfigError: ``out`` holds something else, or Spark cannot start.
    """
    strangers = sorted(found.name for found in out.iterdir()) if out.is_dir() else []
    strangers = [name for name in strangers if name not in {"shop", "lake"}]
    if strangers or (out.exists() and not out.is_dir()):
        what = f"holds {', '.join(strangers[:3])}" if strangers else "is a file"
        raise ConfigError(f"{out} {what}, which no demo made; name a new folder with --out")
    given = Arguments(lake=str(out / "lake"), verbose=verbose, log_format=log_format)
    config = load_config(lake=given.lake)
    with opened_lake(config, "demo", given, progress) as lake:
        shop = _shop_in(out / "shop", lake.spark, progress)
        arguments = Arguments(
            lake=given.lake, as_of=shop.as_of, inputs=(("shoal", f"{out}/shop/events"),), log_format=log_format
        )
        run_on(lake, STAGES, config, arguments, progress)
        return summary(lake)


def _shop_in(folder: Path, spark: SparkSession, progress: Progress) -> SyntheticShop:
    """The shop of that folder, made unless it is there; half a shop is made anew."""
    shop = synthesize(spark, users=USERS, items=ITEMS, days=DAYS, seed=SEED)
    if not (folder / "truth" / "duplicates" / "_SUCCESS").exists():  # what is written last
        shutil.rmtree(folder, ignore_errors=True)
        with progress.working("synthesize", f"Make a shop of {USERS:,} users, {ITEMS:,} items, {DAYS} days."):
            write(shop, folder)
    return shop
