"""Shoal's mapping and its rules in the pass that writes, without the rest of a stage."""

import time

import click
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.contest import told
from benchmarks.engines import spark_session
from shoal.quality.rows import judged_by
from shoal.sources import FEEDS
from shoal.sources.listing import find_files
from shoal.sources.mapping import Shop, candidate_events, row_rules
from shoal.sources.readers import raw_rows

FEED, SHOP = FEEDS["shoal"], Shop("UTC", "EUR")


def mapped(spark: SparkSession, given: str) -> DataFrame:
    """The raw rows of a folder as events, good and bad."""
    raw = raw_rows(spark, FEED, find_files(spark, given), "bench")
    return candidate_events(raw, FEED, SHOP, duplicate_lines="keep")


@click.command()
@click.argument("given")
@click.argument("out")
@click.option("--without-rules", is_flag=True)
def main(given: str, out: str, without_rules: bool) -> None:
    """Map, judge and write."""
    spark = spark_session("one pass")
    spark.read.parquet(given).limit(1).collect()
    started = time.perf_counter()
    events = mapped(spark, given)
    if without_rules:
        events.withColumn("raw", F.lit(None).cast("string")).write.parquet(f"{out}/events")
        told(time.perf_counter() - started, {})
        return
    judged = judged_by(row_rules(FEED, SHOP), events)
    judged = judged.withColumn("raw", F.when(F.size("reasons") > 0, F.to_json("raw")))
    judged.withColumn("is_bad", F.size("reasons") > 0).write.partitionBy("is_bad").parquet(f"{out}/events")
    seconds = time.perf_counter() - started
    told(seconds, found(spark.read.parquet(f"{out}/events")))


def found(judged: DataFrame) -> dict[str, object]:
    """How many rows are good and bad, and how many broke each rule."""
    judged = judged.withColumn("is_bad", F.size("reasons") > 0)
    counts = judged.groupBy("is_bad").count().collect()
    broken = judged.where("is_bad").select(F.explode("reasons").alias("rule")).groupBy("rule").count().collect()
    sizes = {row["is_bad"]: row["count"] for row in counts}
    by_rule = sorted([row["rule"], row["count"]] for row in broken)
    return {"good": sizes.get(False, 0), "bad": sizes.get(True, 0), "broken": by_rule}


if __name__ == "__main__":
    main()
