"""Lists as a run of Shoal makes them: tables in, blocks of users x items, a kernel in each Spark task, a table out."""

import time
from pathlib import Path

import click
from pyspark.sql import functions as F

from benchmarks.contest import told
from benchmarks.engines import spark_session
from benchmarks.recommend.lists import found
from benchmarks.recommend.work_lists import RANK, N
from shoal.models.recommend.scoring import best_by_factors


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(given: Path, out: Path) -> None:
    """Make the lists."""
    spark = spark_session("lists")

    def lists(users: int | None) -> None:
        of_users = spark.read.parquet(str(given / "user_factors.parquet"))
        of_users = of_users if users is None else of_users.where(F.col("number") < users)
        of_items = spark.read.parquet(str(given / "item_factors.parquet"))
        seen = spark.read.parquet(str(given / "seen.parquet")).select("user_id", "item_id")
        everyone = of_users.select(F.col("id").alias("user_id"))
        items = of_items.select(F.col("id").alias("item_id"), F.col("id").alias("item_group_id"))
        size = of_users.count(), of_items.count(), RANK  # of a model they are known
        best = best_by_factors(of_users, of_items, size, everyone, seen, items, N)
        best.write.mode("overwrite").parquet(str(out / "lists"))

    lists(100)  # starts Python, loads the machine code
    started = time.perf_counter()
    lists(None)
    seconds = time.perf_counter() - started
    number = "CAST(substr({}_id, 2) AS INTEGER)".format
    told(seconds, found(given, f"{out}/lists/*.parquet", users=number("user"), items=number("item")))


if __name__ == "__main__":
    main()
