"""Factors of users and items as a fit leaves them, and what each user has seen."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

RANK = 64
N = 20
_SEEN = 30  # per user, some of them twice


def make(folder: Path, users: int, items: int, *, alike: bool) -> None:
    """Write factors and seen pairs, as arrays and as the tables of a lake; the same for the same numbers.

    Args:
        alike: all items' factors are of one length, so that none can be passed over; else their lengths are spread as
            those of a fit are, popular items being the longest.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    of_users = rng.standard_normal((users, RANK), np.float32)
    of_items = rng.standard_normal((items, RANK), np.float32)
    if alike:
        of_items /= np.linalg.norm(of_items, axis=1, keepdims=True)
    else:
        of_items *= rng.gamma(1.0, 1.0, (items, 1)).astype(np.float32)
    by_length = np.argsort(-np.linalg.norm(of_items, axis=1), kind="stable")
    user = np.repeat(np.arange(users), _SEEN)
    item = by_length[(rng.random(len(user)) ** 2 * items).astype(np.int64)]  # popular items were seen more often
    seen = sp.csr_matrix((np.ones(len(user), np.float32), (user, item)), (users, items))
    seen.sum_duplicates()
    seen.sort_indices()
    np.save(folder / "users.npy", of_users)
    np.save(folder / "items.npy", of_items)
    sp.save_npz(folder / "seen.npz", seen, compressed=False)
    for side, factors in (("user", of_users), ("item", of_items)):
        offsets = np.arange(len(factors) + 1, dtype=np.int32) * RANK
        table = pa.table(
            {
                "id": [f"{side[0]}{number:08}" for number in range(len(factors))],
                "number": np.arange(len(factors), dtype=np.int32),
                "factor": pa.ListArray.from_arrays(offsets, factors.ravel().astype(np.float64)),
            }
        )
        pq.write_table(table, folder / f"{side}_factors.parquet", row_group_size=25_000)
    pair_user, pair_item = (side.astype(np.int32) for side in seen.tocoo().coords)
    ids = [pa.array([f"{name}{number:08}" for number in range(count)]) for name, count in (("u", users), ("i", items))]
    pairs = {
        "user_id": ids[0].take(pa.array(pair_user)), "item_id": ids[1].take(pa.array(pair_item)),
        "user": pair_user, "item": pair_item,
    }  # fmt: skip
    pq.write_table(pa.table(pairs), folder / "seen.parquet", row_group_size=1_000_000)
