"""Whether lists are the best there are, against numpy in double precision."""

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from benchmarks.engines import duckdb_connection
from benchmarks.recommend.work_lists import N

TENTH = 10  # of the users, where the whole takes too long
_SAMPLED = 200
_CLOSE = 1e-5  # scores of single precision tie where those of double differ by less, beside the highest


def found(given: Path, files: str, *, users: str = "user", items: str = "item", share: int = 1) -> dict[str, object]:
    """How many of a sample of lists are exact, and whether all lists are there; the sample is of the first tenth.

    Args:
        given: the folder of the input.
        files: the Parquet that was written, a row per user and item.
        users, items: SQL of the numbers.
        share: one in so many users has a list, the first ones.
    """
    of_users, of_items = (np.load(given / f"{side}.npy").astype(np.float64) for side in ("users", "items"))
    seen = sp.load_npz(given / "seen.npz")
    sample = np.unique(np.linspace(0, len(of_users) // TENTH - 1, _SAMPLED).astype(int))
    rows = f"SELECT {users} AS user, {items} AS item FROM read_parquet('{files}')"
    connection = duckdb_connection()
    chosen = ", ".join(map(str, sample))
    listed = connection.execute(f"SELECT user, list(item) FROM ({rows}) WHERE user IN ({chosen}) GROUP BY 1").fetchall()
    total, different = connection.execute(f"SELECT count(*), count(DISTINCT (user, item)) FROM ({rows})").fetchall()[0]
    exact = 0
    for user, items_listed in listed:
        scores = of_items @ of_users[user]
        scores[seen.indices[seen.indptr[user] : seen.indptr[user + 1]]] = -np.inf
        best, theirs = np.sort(scores)[-N:], np.sort(scores[items_listed])
        exact += len(theirs) == N and bool(np.all(np.abs(best - theirs) <= _CLOSE * best[-1]))
    return {
        "lists that are exact, of the sample": exact / len(sample),
        "lists": total / (len(of_users) // share), "items of a list": different / (len(of_users) // share),
    }  # fmt: skip
