"""The library ``implicit``: conjugate gradients in compiled loops, threads of its own."""

import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.engines import cores
from benchmarks.recommend.quality import Fit, fewest, matrix_of, own_settings

RANK = 64


def model_of(reg: float, iterations: int) -> Any:
    """Its model, with a thread for each core and none of OpenBLAS beside them, as its documentation asks for."""
    from implicit.cpu.als import AlternatingLeastSquares

    threadpool_limits(1, "blas")
    return AlternatingLeastSquares(
        factors=RANK, regularization=reg, alpha=1.0, iterations=iterations, num_threads=cores(), random_state=7
    )


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--iterations", type=int, help="So many, in place of the fewest that are good enough.")
def main(given: Path, out: Path, iterations: int | None) -> None:
    """Learn until it is good enough."""
    alpha, reg = own_settings(given, "implicit")

    def fit(many: int) -> Fit:
        started = time.perf_counter()
        confidences = matrix_of(given)
        confidences.data = 1 + np.float32(alpha) * confidences.data
        model = model_of(reg, many)
        model.fit(confidences, show_progress=False)
        np.save(out / "users.npy", model.user_factors)
        np.save(out / "items.npy", model.item_factors)
        return Fit(time.perf_counter() - started, model.user_factors, model.item_factors)

    fit(1)  # its first call reads the file into memory, as everybody's
    fewest(given, "implicit", fit, iterations)


if __name__ == "__main__":
    main()
