"""Whole pipelines on one warm session: a lake from a folder, stages run as the command line runs them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame

from shoal.config import load_config
from shoal.job import Arguments, run_on
from shoal.lake import Lake
from shoal.progress import Progress
from shoal.stages import NAMES, STAGES
from shoal.synthetic import SyntheticShop, synthesize, write
from shoal.tables import Table

DATA = Path(os.environ.get("SHOAL_DATA_DIR", "../shared/data"))
SMALL = (  # settings for shops of a few hundred users
    "recommend.for_you.rank=8", "recommend.for_you.max_iter=5", "recommend.for_you.min_interactions=200",
    "features.tile_buckets=2", "segments.default.max_iter=20",
)  # fmt: skip


@dataclass(frozen=True)
class Shelf:
    """A lake in a folder, and how to run stages on it."""

    lake: Lake

    def run(
        self, *inputs: tuple[str, Path | str], as_of: date | None = None, first: str = "ingest", until: str = "publish",
        sets: tuple[str, ...] = SMALL, **more: Any,
    ) -> str | None:  # fmt: skip
        """Run stages from ``first`` to ``until``; returns the run's id."""
        stages = STAGES[NAMES.index(first) : NAMES.index(until) + 1]
        config = load_config(sets=sets, lake=self.lake.location)
        arguments = Arguments(as_of=as_of, inputs=tuple((feed, str(path)) for feed, path in inputs), **more)
        fresh = Lake(self.lake.spark, self.lake.location)
        return run_on(fresh, stages, config, arguments, Progress())

    def read(self, table: Table, where: str = "true") -> DataFrame:
        return self.lake.read(table).where(where)


@pytest.fixture
def shelf(spark, tmp_path) -> Shelf:
    """An empty lake."""
    return Shelf(Lake(spark, str(tmp_path / "lake")))


@pytest.fixture(scope="session")
def shelf_at(spark) -> Callable[[Path], Shelf]:
    """A lake at a folder of one's own."""
    return lambda folder: Shelf(Lake(spark, str(folder)))


@dataclass(frozen=True)
class WrittenShop:
    """A synthetic shop on disk."""

    folder: Path
    shop: SyntheticShop

    @property
    def events(self) -> Path:
        return self.folder / "events"

    def truth(self, name: str) -> DataFrame:
        return self.shop.events.sparkSession.read.parquet(str(self.folder / "truth" / name))


@pytest.fixture(scope="session")
def synthetic_shop(spark, tmp_path_factory) -> WrittenShop:
    """1,500 users, 200 items, 180 days: large enough for every model, small enough for a minute."""
    shop = synthesize(spark, users=1500, items=200, days=180, seed=11)
    folder = tmp_path_factory.mktemp("shop") / "made"
    write(shop, folder)
    return WrittenShop(folder, shop)


@pytest.fixture(scope="session")
def data() -> Path:
    """Real data; tests that need it are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set SHOAL_DATA_DIR")
    return DATA
