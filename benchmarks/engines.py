"""The engines as contestants start them: Spark as Shoal starts it, DuckDB with the same cores."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import SparkSession


def cores() -> int:
    """How many cores a contestant has."""
    return int(os.environ.get("SHOAL_BENCH_CORES", "2"))


def spark_session(name: str) -> "SparkSession":
    """The embedded session that Shoal itself runs on."""
    from shoal.session import build_session

    # Spark limits the threads of its Python workers by OMP_NUM_THREADS, one to a task; these would win over it.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.pop(name, None)
    return build_session(name, {"spark.master": f"local[{cores()}]"}, quiet=True)


def plain_spark_session(name: str, options: Mapping[str, str] | None = None) -> "SparkSession":
    """Spark as people start it, with the memory that Shoal gives it: peers run on this one."""
    from pyspark.sql import SparkSession

    given = {
        "spark.master": f"local[{cores()}]", "spark.driver.memory": "3g", "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC", "spark.log.level": "ERROR", **(options or {}),
    }  # fmt: skip
    builder = SparkSession.builder.appName(name)
    for key, value in given.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def duckdb_connection() -> "duckdb.DuckDBPyConnection":
    """DuckDB in memory, in UTC."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {cores()}; SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
    return connection
