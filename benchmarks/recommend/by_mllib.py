"""MLlib's ALS: the loss and the settings that Shoal has, each row solved exactly."""

import shutil
import time
from pathlib import Path

import click
from pyspark.ml.recommendation import ALS

from benchmarks.engines import cores, plain_spark_session
from benchmarks.recommend.quality import Fit, fewest, own_settings, read_factors
from benchmarks.recommend.work_als import RANK, SEED

# MLlib finds a system's OpenBLAS by itself where there is one; without, Java's vector instructions are the best.
TUNED = {"spark.driver.extraJavaOptions": "--add-modules=jdk.incubator.vector -XX:+UseParallelGC"}


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--tuned", is_flag=True)
@click.option("--iterations", type=int, help="So many, in place of the fewest that are good enough.")
def main(given: Path, out: Path, tuned: bool, iterations: int | None) -> None:
    """Learn until it is good enough."""
    spark = plain_spark_session("als", TUNED if tuned else {})
    spark.sparkContext.setCheckpointDir(str(out / "checkpoints"))
    alpha, reg = own_settings(given, "shoal")
    blocks = cores() if tuned else 10  # as shipped

    def fit(many: int) -> Fit:
        for side in ("users", "items"):
            shutil.rmtree(out / side, ignore_errors=True)
        started = time.perf_counter()
        pairs = spark.read.parquet(str(given / "pairs.parquet")).select("user", "item", "strength")
        fitted = ALS(
            rank=RANK, maxIter=many, regParam=reg, alpha=alpha, seed=SEED, implicitPrefs=True,
            userCol="user", itemCol="item", ratingCol="strength", numUserBlocks=blocks, numItemBlocks=blocks,
        ).fit(pairs)  # fmt: skip
        fitted.userFactors.write.parquet(str(out / "users"))
        fitted.itemFactors.write.parquet(str(out / "items"))
        seconds = time.perf_counter() - started
        return Fit(seconds, *(read_factors(out / side, "id", "features") for side in ("users", "items")))

    fit(1)
    fewest(given, "shoal", fit, iterations)


if __name__ == "__main__":
    main()
