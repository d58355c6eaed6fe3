"""Shoal's kernel of lists without Spark: a thread for each core, each with blocks of users as a Spark task has."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from benchmarks.contest import told
from benchmarks.engines import cores
from benchmarks.recommend.lists import found
from benchmarks.recommend.work_lists import RANK, N
from shoal.kernels.top_n import best_inner_products

_USERS_PER_BLOCK = 1_000_000 // RANK  # as models/recommend/scoring.py has it


def _of_rows(factors: Any) -> pa.ListArray:
    return pa.ListArray.from_arrays(np.arange(len(factors) + 1, dtype=np.int32) * RANK, factors.ravel())


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(given: Path, out: Path) -> None:
    """Make the lists."""
    threadpool_limits(1, "blas")

    def lists(users: int | None) -> None:
        of_users, of_items = np.load(given / "users.npy")[:users], np.load(given / "items.npy")
        seen = sp.load_npz(given / "seen.npz")
        targets = np.arange(len(of_items), dtype=np.int32)
        right = pa.table({"target": targets, "group": targets, "factor": _of_rows(of_items)})

        def work(first: int) -> None:
            last = min(first + _USERS_PER_BLOCK, len(of_users))
            barred = seen[first:last]
            left = pa.table(
                {
                    "key": np.arange(first, last, dtype=np.int32),
                    "factor": _of_rows(of_users[first:last]),
                    "barred": pa.ListArray.from_arrays(barred.indptr.astype(np.int32), barred.indices),
                }
            )
            pq.write_table(best_inner_products(left, right, n=N), out / f"lists-{first:09}.parquet")

        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(work, range(0, len(of_users), _USERS_PER_BLOCK)))

    lists(100)  # loads the machine code
    started = time.perf_counter()
    lists(None)
    seconds = time.perf_counter() - started
    told(seconds, found(given, f"{out}/*.parquet", users="key", items="target"))


if __name__ == "__main__":
    main()
