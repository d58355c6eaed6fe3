"""One ranking for all: each row's first targets that are not barred to it, for blocks that come as Arrow tables."""

import numpy as np
import pyarrow as pa

from shoal.kernels.sparse import lists_of, places_of


def first_of_all(left: pa.Table, right: pa.Table, *, n: int) -> pa.Table:
    """For each row of ``left`` the ``n`` targets of ``right`` with the highest scores, of each group the best.

    What a row costs is ``n`` and what is barred to it, not how many targets there are.

    Args:
        left: ``key`` (of any type) and ``barred``, targets that must not come.
        right: ``target`` and ``group`` (whole numbers) and ``score``, the same for all.
        n: how many for each row.

    Returns:
        ``key``, ``target`` and ``score``; of equal scores the lower target comes first.
    """
    from shoal.kernels.walking import walk  # numba is loaded in tasks only

    targets, scores = right["target"].to_numpy().astype(np.int64), right["score"].to_numpy().astype(np.float64)
    order = np.lexsort((targets, -scores))
    _, groups = np.unique(right["group"].to_numpy()[order], return_inverse=True)
    bounds, barred = lists_of(left, "barred")
    by_target = np.argsort(targets[order])
    places = places_of(barred, targets[order][by_target])
    barred_places = np.where(places >= 0, by_target[places] if len(by_target) else places, -1)
    counts, chosen = walk(bounds, barred_places, groups.astype(np.int64), n)
    return pa.table(
        {
            "key": left["key"].take(pa.array(np.repeat(np.arange(left.num_rows), counts))),
            "target": pa.array(targets[order][chosen].astype(np.int32)),
            "score": pa.array(scores[order][chosen]),
        }
    )
