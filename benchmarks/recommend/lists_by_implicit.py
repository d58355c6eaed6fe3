"""``implicit.recommend``: blocks of SGEMM and a heap, threads of its own."""

import time
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

from benchmarks.contest import told
from benchmarks.recommend.by_implicit import model_of
from benchmarks.recommend.lists import found
from benchmarks.recommend.work_lists import N


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(given: Path, out: Path) -> None:
    """Make the lists."""
    model = model_of(0.1, 1)

    def lists(users: int | None) -> None:
        model.user_factors, model.item_factors = np.load(given / "users.npy")[:users], np.load(given / "items.npy")
        seen = sp.load_npz(given / "seen.npz")[: len(model.user_factors)]
        everyone = np.arange(len(model.user_factors), dtype=np.int32)
        items, scores = model.recommend(everyone, seen, N=N, filter_already_liked_items=True)
        columns = {"user": np.repeat(everyone, N), "item": items.ravel(), "score": scores.ravel()}
        pq.write_table(pa.table(columns), out / "lists.parquet")

    lists(100)
    started = time.perf_counter()
    lists(None)
    seconds = time.perf_counter() - started
    told(seconds, found(given, f"{out}/lists.parquet"))


if __name__ == "__main__":
    main()
