"""``recommendForAllUsers``, which cannot leave out what was seen: so many more are asked for, and joined away."""

import time
from pathlib import Path

import click
from pyspark.ml.recommendation import ALSModel
from pyspark.sql import Window
from pyspark.sql import functions as F

from benchmarks.contest import told
from benchmarks.engines import plain_spark_session
from benchmarks.recommend.by_mllib import TUNED
from benchmarks.recommend.lists import TENTH, found
from benchmarks.recommend.work_lists import RANK, N


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--tuned", is_flag=True)
def main(given: Path, out: Path, tuned: bool) -> None:
    """Make the lists of a tenth of the users; ten times their seconds are told."""
    spark = plain_spark_session("lists", {**TUNED, "spark.sql.shuffle.partitions": "8"} if tuned else {})
    jvm = spark._jvm
    assert jvm is not None, "the session has a JVM of its own"

    def lists(users: int) -> None:
        sides = [
            spark.read.parquet(str(given / f"{side}_factors.parquet")).select(
                F.col("number").alias("id"), F.col("factor").cast("array<float>").alias("features")
            )
            for side in ("user", "item")
        ]
        few = sides[0].where(F.col("id") < users)
        seen = spark.read.parquet(str(given / "seen.parquet")).where(F.col("user") < users).select("user", "item")
        most = seen.groupBy("user").count().agg(F.max("count").alias("most")).first()
        assert most is not None, "an aggregate has one row"
        fitted = jvm.org.apache.spark.ml.recommendation.ALSModel("als", RANK, few._jdf, sides[1]._jdf)
        # What a fit makes has these from ALS, by default.
        model = ALSModel(fitted.setUserCol("user").setItemCol("item").setBlockSize(4096))
        best = model.recommendForAllUsers(N + most["most"]).select("user", F.explode("recommendations").alias("one"))
        pairs = best.select("user", "one.item", "one.rating")
        ranked = pairs.join(seen, ["user", "item"], how="left_anti").withColumn(
            "rank", F.row_number().over(Window.partitionBy("user").orderBy(F.desc("rating")))
        )
        ranked.where(F.col("rank") <= N).write.mode("overwrite").parquet(str(out / "lists"))

    everyone = spark.read.parquet(str(given / "user_factors.parquet")).count()
    lists(100)
    started = time.perf_counter()
    lists(everyone // TENTH)
    seconds = time.perf_counter() - started
    told(TENTH * seconds, found(given, f"{out}/lists/*.parquet", share=TENTH))


if __name__ == "__main__":
    main()
