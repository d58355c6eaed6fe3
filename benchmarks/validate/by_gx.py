"""Great Expectations alone: what it offers to tell good rows from bad is the ids of the rows that break each rule."""

import time

import click
import great_expectations as gx
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.core.expect_column_values_to_be_in_set import ExpectColumnValuesToBeInSet
from pyspark.sql import functions as F

from benchmarks.contest import told
from benchmarks.engines import spark_session
from benchmarks.validate.one_pass import FEED, SHOP, mapped
from shoal.frames import few_rows
from shoal.sources.mapping import row_rules


@click.command()
@click.argument("given")
@click.argument("out")
def main(given: str, out: str) -> None:
    """Map, judge and write."""
    spark = spark_session("gx")
    spark.read.parquet(given).limit(1).collect()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    started = time.perf_counter()
    events, rules = mapped(spark, given), row_rules(FEED, SHOP)
    kept = [F.coalesce(F.expr(r.condition), F.lit(True)).alias(f"rule_{n}") for n, r in enumerate(rules)]
    rows = events.select(*(c for c in events.columns if c != "raw"), *kept).persist()
    suite = gx.ExpectationSuite(
        "rules",
        expectations=[ExpectColumnValuesToBeInSet(column=f"rule_{n}", value_set=[True]) for n in range(len(rules))],
    )
    definition = (
        context.data_sources.add_spark("spark", persist=False)
        .add_dataframe_asset("events")
        .add_batch_definition_whole_dataframe("all")
    )
    wanted = {"result_format": "COMPLETE", "unexpected_index_column_names": ["event_id"]}
    results = definition.get_batch({"dataframe": rows}).validate(suite, result_format=wanted).results
    bad: dict[str, list[str]] = {}
    for result in results:
        assert result.expectation_config is not None, "a result carries its expectation"
        rule = rules[int(result.expectation_config.kwargs["column"].removeprefix("rule_"))]
        for index in result.result.get("unexpected_index_list") or []:
            bad.setdefault(index["event_id"], []).append(rule.name)
    reasons = few_rows(spark, "event_id string, reasons array<string>", bad.items())
    told_apart = rows.drop(*(f"rule_{n}" for n in range(len(rules)))).join(reasons, on="event_id", how="left")
    told_apart.where("reasons IS NULL").write.parquet(f"{out}/good")
    told_apart.where("reasons IS NOT NULL").write.parquet(f"{out}/bad")
    seconds = time.perf_counter() - started
    rejected = spark.read.parquet(f"{out}/bad")
    broken = rejected.select(F.explode("reasons").alias("rule")).groupBy("rule").count().collect()
    told(seconds, {
        "good": spark.read.parquet(f"{out}/good").count(), "bad": rejected.count(),
        "broken": sorted([row["rule"], row["count"]] for row in broken),
    })  # fmt: skip


if __name__ == "__main__":
    main()
