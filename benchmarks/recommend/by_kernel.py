"""Shoal's loop of ALS without Spark, on the numbers that ``implicit`` gets."""

import time
from pathlib import Path

import click
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.engines import cores
from benchmarks.recommend.quality import Fit, fewest, matrix_of, own_settings
from benchmarks.recommend.work_als import RANK, SEED
from shoal.kernels import als


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--iterations", type=int, help="So many, in place of the fewest that are good enough.")
def main(given: Path, out: Path, iterations: int | None) -> None:
    """Learn until it is good enough."""
    threadpool_limits(1, "blas")
    alpha, reg = own_settings(given, "shoal")

    def fit(many: int) -> Fit:
        started = time.perf_counter()
        pairs = matrix_of(given)
        users, items = als.fit(
            pairs.indptr, pairs.indices, pairs.data, pairs.shape[1], rank=RANK, iterations=many, reg=reg,
            alpha=alpha, seed=SEED, threads=cores(),
        )  # fmt: skip
        np.save(out / "users.npy", users)
        np.save(out / "items.npy", items)
        return Fit(time.perf_counter() - started, users, items)

    fit(1)  # loads the machine code
    fewest(given, "shoal", fit, iterations)


if __name__ == "__main__":
    main()
