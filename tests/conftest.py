"""One small Spark for the whole run, and frames built from the few values a test is about."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from shoal.frames import rows_of
from shoal.session import build_session
from shoal.sources import listing
from shoal.tables import Table

Frame = Callable[..., DataFrame]
DATA = Path(os.environ.get("SHOAL_DATA_DIR", "../shared/data"))

# Small data, many plans: code generated for each plan costs more than it saves.
TEST_OPTIONS = {
    "spark.master": "local[2]",
    "spark.driver.memory": "3g",
    # Two JVMs share two cores: no threads for collecting, and only what is very hot is compiled with all care (as by
    # default, compiling alone took 30 % of the time). A full code cache would end all compiling.
    "spark.driver.extraJavaOptions": (
        "-XX:+UseSerialGC -Xmn1200m -XX:ReservedCodeCacheSize=512m -XX:Tier4InvocationThreshold=20000 "
        "-XX:Tier4MinInvocationThreshold=3000 -XX:Tier4CompileThreshold=50000 -XX:Tier4BackEdgeThreshold=150000"
    ),
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
    "spark.log.level": "OFF",
}


LONGEST = (
    "pipeline/test_synthetic_shop",
    "pipeline/test_online_retail",
    "pipeline/",
    "models/",
    "test_releases",
    "test_lake",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first: it must not be what one worker is left with at the end."""

    def place(item: pytest.Item) -> int:
        return next((n for n, part in enumerate(LONGEST) if part in item.path.as_posix()), len(LONGEST))

    items.sort(key=place)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    warehouse = tmp_path_factory.mktemp("warehouse")
    session = build_session("tests", {**TEST_OPTIONS, "spark.sql.warehouse.dir": str(warehouse)})
    session.sparkContext.setCheckpointDir(str(tmp_path_factory.mktemp("checkpoints")))
    yield session
    session.stop()


@pytest.fixture
def frame(spark: SparkSession) -> Frame:
    """``frame(TABLE, {...}, {...})``: rows of a table; columns left out are null."""

    def build(table: Table, *rows: dict[str, Any]) -> DataFrame:
        unknown = {name for row in rows for name in row} - set(table.names)
        assert not unknown, f"{table.name} has no columns {sorted(unknown)}"
        return rows_of(spark, table, rows)

    return build


@pytest.fixture(scope="session")
def compiled(spark: SparkSession) -> Callable[[], AbstractContextManager[None]]:
    """``with compiled():`` plans are compiled, as they are outside of tests: for data that are large."""

    @contextmanager
    def context() -> Iterator[None]:
        wanted = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
        before = {name: spark.conf.get(name) for name in wanted}
        try:
            for name, value in wanted.items():
                spark.conf.set(name, value)
            yield
        finally:
            for name, value in before.items():
                spark.conf.set(name, str(value))

    return context


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are opened to be hashed."""
    names, hashed = list[str](), listing._hashed

    def noted(spark: SparkSession, fs: Any, entry: Any) -> str:
        names.append(entry.name)
        return hashed(spark, fs, entry)

    monkeypatch.setattr(listing, "_hashed", noted)
    return names


@pytest.fixture(scope="session")
def data() -> Path:
    """Real data; tests that need it are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set SHOAL_DATA_DIR")
    return DATA
