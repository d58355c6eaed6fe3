"""The day after between two fits: users with news are folded in and get new lists, the others keep both."""

import time
from dataclasses import dataclass
from pathlib import Path

import click
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.contest import told
from benchmarks.recommend.news import facts_of, lists_of, opened, pairs_of, written
from shoal.models.recommend.als import Als, AlsModel, FittedAls
from shoal.models.recommend.fold_in import fingerprints, folded_in


@dataclass(frozen=True)
class Yesterday:
    """What the last run left: files that the new day reads."""

    model: AlsModel
    factors: Path  # with the fingerprints of users
    lists: Path


def yesterday(spark: SparkSession, given: Path, out: Path) -> Yesterday:
    """Fit what was known then, and make everybody's lists."""
    pairs = pairs_of(spark, given, "at_fit").where("NOT is_new")
    fitted = Als().fit(pairs)
    assert fitted is not None, "there are pairs"
    both = fitted.user_factors.unionByName(fitted.item_factors)
    seen = fingerprints(pairs, nothing(pairs)).withColumnRenamed("user_id", "id")
    rows = both.join(seen.withColumn("side", F.lit("user")), ["side", "id"], how="left")
    everyone = pairs.select("user_id").distinct()
    return Yesterday(
        fitted.model, written(rows, out / "old_factors"), written(lists_of(fitted, everyone, pairs), out / "old_lists")
    )


def nothing(pairs: DataFrame) -> DataFrame:
    """Nothing was bought: pairs say all."""
    return pairs.select("user_id", "item_id").where("false")


def today(spark: SparkSession, given: Path, out: Path, old: Yesterday) -> None:
    """Fold in whoever has news, and write their factors and everybody's lists."""
    pairs = pairs_of(spark, given, "at_fit")
    factors, lists = (spark.read.parquet(str(file)) for file in (old.factors, old.lists))
    items = factors.where("side = 'item'").select("side", "id", "number", "factor")
    users = factors.where("side = 'user'")
    seen = fingerprints(pairs, nothing(pairs)).withColumnRenamed("user_id", "id")
    news = seen.join(users, ["id", "fingerprint"], how="left_anti").select(F.col("id").alias("user_id")).checkpoint()
    count = news.count()
    theirs = pairs.join(F.broadcast(news), "user_id", how="left_semi").drop("is_new").checkpoint()
    solved = folded_in(theirs, items, old.model, count).select(
        F.lit("user").alias("side"), "id", F.lit(0).alias("number"), "factor"
    )
    solved = solved.checkpoint()
    fitted = FittedAls(old.model, solved, items)
    written(solved, out / "own_factors")
    kept = lists.join(F.broadcast(news), "user_id", how="left_anti")
    written(kept.unionByName(lists_of(fitted, news, theirs)), out / "lists")


def all_factors(spark: SparkSession, out: Path, old: Yesterday) -> Path:
    """The own factors of today, and those that stay."""
    own, before = (spark.read.parquet(str(file)) for file in (out / "own_factors", old.factors))
    others = before.select(*own.columns).join(own.select("side", "id"), ["side", "id"], how="left_anti")
    return written(others.unionByName(own), out / "factors")


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(given: Path, out: Path) -> None:
    """Make the lists of the new day."""
    spark = opened(out)
    old = yesterday(spark, given, out)
    today(spark, given, out, old)  # loads what the first call needs
    started = time.perf_counter()
    today(spark, given, out, old)
    seconds = time.perf_counter() - started
    told(seconds, facts_of(given, all_factors(spark, out, old), out / "lists"))


if __name__ == "__main__":
    main()
