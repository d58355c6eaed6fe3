"""The Spark that people write: one grouping per window with exact distinct counts, joined by user."""

import time
from datetime import date

import click
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from benchmarks.contest import told
from benchmarks.engines import plain_spark_session
from benchmarks.features.shared import BOUGHT, LOOKED, NAMES, VIEWED, found, name_of, windows
from benchmarks.features.work import AS_OF


def _window(events: DataFrame, ending: str, since: date) -> DataFrame:
    def different(column: str, condition: str) -> Column:
        return F.count_distinct(F.when(F.expr(condition), F.col(column)))

    values = {
        "views": F.count_if(F.expr(VIEWED)),
        "purchases": F.count_if(F.expr(BOUGHT)),
        "orders": different("order_id", BOUGHT),
        "active_days": F.count_distinct("event_date"),
        "distinct_items": different("item_id", BOUGHT),
        "distinct_items_viewed": different("item_id", LOOKED),
        "spend": F.sum(F.when(F.expr(BOUGHT), F.col("amount_base"))),
    }
    columns = (value.alias(name_of(name, ending)) for name, value in values.items())
    within = events.where((F.col("event_date") >= F.lit(since)) & (F.col("event_date") < F.lit(AS_OF)))
    return within.groupBy("user_id").agg(*columns)


@click.command()
@click.argument("given")
@click.argument("out")
def main(given: str, out: str) -> None:
    """Compute and write."""
    spark = plain_spark_session("features", {"spark.sql.shuffle.partitions": "8"})
    spark.read.parquet(f"{given}/events").limit(1).collect()
    started = time.perf_counter()
    events = spark.read.parquet(f"{given}/events")
    whole, *others = (_window(events, ending, since) for ending, since in windows())
    for other in others:
        whole = whole.join(other, on="user_id", how="left")
    whole.fillna(0, subset=NAMES).write.parquet(f"{out}/features")
    seconds = time.perf_counter() - started
    told(seconds, found(f"read_parquet('{out}/features/*.parquet')"))


if __name__ == "__main__":
    main()
