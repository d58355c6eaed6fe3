"""The inner loop of one ranking for all."""

import numpy as np
import numpy.typing as npt

from shoal.kernels.jit import compiled

Whole = npt.NDArray[np.int64]


@compiled("(int64[::1], int64[::1], int64[::1], int64)")
def walk(barred_bounds: Whole, barred: Whole, groups: Whole, n: int) -> tuple[Whole, Whole]:
    """Each row's first ``n`` places that are not barred to it, of each group the first.

    Args:
        barred_bounds, barred: per row the places that must not come; one below 0 is passed over.
        groups: the group of each place, numbered from 0.
        n: how many.

    Returns:
        Per row how many were found, and all places found, row by row.
    """
    rows = len(barred_bounds) - 1
    counts = np.zeros(rows, np.int64)
    found = np.empty((rows, min(n, len(groups))), np.int64)
    barred_to = np.full(len(groups), -1, np.int64)  # the last row to which a place is barred
    named_to = np.full(len(groups), -1, np.int64)  # the last row for which a group was named
    for row in range(rows):
        for b in range(barred_bounds[row], barred_bounds[row + 1]):
            if barred[b] >= 0:
                barred_to[barred[b]] = row
        size = 0
        for place in range(len(groups)):
            if size >= n:
                break
            if barred_to[place] != row and named_to[groups[place]] != row:
                named_to[groups[place]] = row
                found[row, size] = place
                size += 1
        counts[row] = size
    chosen = np.empty(counts.sum(), np.int64)
    at = 0
    for row in range(rows):
        chosen[at : at + counts[row]] = found[row, : counts[row]]
        at += counts[row]
    return counts, chosen
