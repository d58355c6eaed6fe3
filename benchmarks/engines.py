"""The engines as contestants start them: Spark as Shoal starts it, DuckDB with the same cores."""

import os
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

    return build_session(name, {"spark.master": f"local[{cores()}]"}, quiet=True)


def duckdb_connection() -> "duckdb.DuckDBPyConnection":
    """DuckDB in memory, in UTC."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {cores()}; SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
    return connection
