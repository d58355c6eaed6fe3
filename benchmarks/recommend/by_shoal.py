"""ALS as a run of Shoal does it: ids are texts, the whole loop is one Spark task."""

import shutil
import time
from pathlib import Path

import click

from benchmarks.engines import spark_session
from benchmarks.recommend.quality import Fit, fewest, own_settings, read_factors
from benchmarks.recommend.work_als import RANK, SEED
from shoal.models.recommend.als import Als


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--iterations", type=int, help="So many, in place of the fewest that are good enough.")
def main(given: Path, out: Path, iterations: int | None) -> None:
    """Learn until it is good enough."""
    spark = spark_session("als")
    spark.sparkContext.setCheckpointDir(str(out / "checkpoints"))
    alpha, reg = own_settings(given, "shoal")

    def fit(many: int) -> Fit:
        for side in ("users", "items"):
            shutil.rmtree(out / side, ignore_errors=True)
        started = time.perf_counter()
        pairs = spark.read.parquet(str(given / "pairs.parquet")).select("user_id", "item_id", "strength")
        fitted = Als(rank=RANK, max_iter=many, reg=reg, alpha=alpha, seed=SEED).fit(pairs)
        assert fitted is not None, "there are pairs"
        fitted.user_factors.write.parquet(str(out / "users"))
        fitted.item_factors.write.parquet(str(out / "items"))
        seconds = time.perf_counter() - started
        return Fit(seconds, *(read_factors(out / side, "number", "factor") for side in ("users", "items")))

    fit(1)  # starts Python, loads the machine code
    fewest(given, "shoal", fit, iterations)


if __name__ == "__main__":
    main()
