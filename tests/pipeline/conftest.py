"""Whole pipelines on one warm session: a lake from a folder, stages run as the command line runs them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import DataFrame
from shelf import Shelf
from submitting import build_wheel, python_without_shoal

from shoal.lake import Lake
from shoal.synthetic import SyntheticShop, synthesize, write


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
def wheel(tmp_path_factory) -> Path:
    """The built wheel."""
    return build_wheel(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory) -> Path:
    """A Python with the dependencies and without Shoal."""
    return python_without_shoal(tmp_path_factory.mktemp("bin"))
