"""The inner loops of top-N: running thresholds, and exact scores of the few that are left."""

import numpy as np
import numpy.typing as npt

from shoal.kernels.jit import compiled

Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]


@compiled("(float32[:,::1], int64[::1], int64, float32[:,::1], int64[:,::1])")
def push(scores: Floats, rows: Whole, first: int, best: Floats, groups: Whole) -> None:
    """Merge a tile of scores into each row's heap of the best so far, whose root is the lowest of them.

    Args:
        scores: rows of the tile x groups of the tile; ``-inf`` for what must not come.
        rows: the row of ``best`` of each row of the tile.
        first: the number of the tile's first group.
        best, groups: scores and group numbers of each row's heap, changed in place; ``-inf`` and -1 where it has room.
    """
    size = best.shape[1]
    for r in range(scores.shape[0]):
        heap, names = best[rows[r]], groups[rows[r]]
        threshold = heap[0]
        for c in range(scores.shape[1]):
            score = scores[r, c]
            if score > threshold:
                at = 0
                while True:
                    child = 2 * at + 1
                    if child >= size:
                        break
                    if child + 1 < size and heap[child + 1] < heap[child]:
                        child += 1
                    if heap[child] >= score:
                        break
                    heap[at] = heap[child]
                    names[at] = names[child]
                    at = child
                heap[at] = score
                names[at] = first + c
                threshold = heap[0]


@compiled("(float32[:,::1], float32[:,::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[:,::1], int64)")
def settle(
    users: Floats,
    factors: Floats,
    targets: Whole,
    starts: Whole,
    barred_bounds: Whole,
    barred: Whole,
    groups: Whole,
    n: int,
) -> tuple[Whole, Whole, Floats]:
    """Each row's ``n`` best of the given groups, by products in double precision that are rounded to single.

    Args:
        users: factors of the rows.
        factors, targets: of the items.
        starts: where the items of each group begin, and the end.
        barred_bounds, barred: per row the places of items that must not come.
        groups: per row the groups in question; below 0 is passed over.
        n: how many.

    Returns:
        Per row how many were found, their targets and their scores, best first; of equal ones the lower target first.
    """
    rows = len(users)
    found = np.zeros(rows, np.int64)
    best_target = np.zeros((rows, n), np.int64)
    best_score = np.zeros((rows, n), np.float32)
    is_barred = np.zeros(len(targets), np.bool_)
    for r in range(rows):
        for b in range(barred_bounds[r], barred_bounds[r + 1]):
            if barred[b] >= 0:
                is_barred[barred[b]] = True
        size = 0
        for g in range(groups.shape[1]):
            group = groups[r, g]
            if group < 0:
                continue
            of_group, of_target = np.float32(-np.inf), np.int64(-1)
            for item in range(starts[group], starts[group + 1]):
                if is_barred[item]:
                    continue
                exact = 0.0
                for t in range(factors.shape[1]):
                    exact += np.float64(factors[item, t]) * np.float64(users[r, t])
                score = np.float32(exact)
                if of_target < 0 or score > of_group or (score == of_group and targets[item] < of_target):
                    of_group, of_target = score, targets[item]
            if of_target < 0:
                continue
            place = size
            while place > 0 and (
                of_group > best_score[r, place - 1]
                or (of_group == best_score[r, place - 1] and of_target < best_target[r, place - 1])
            ):
                place -= 1
            if place >= n:
                continue
            size = min(size + 1, n)
            for later in range(size - 1, place, -1):
                best_score[r, later] = best_score[r, later - 1]
                best_target[r, later] = best_target[r, later - 1]
            best_score[r, place] = of_group
            best_target[r, place] = of_target
        found[r] = size
        for b in range(barred_bounds[r], barred_bounds[r + 1]):
            if barred[b] >= 0:
                is_barred[barred[b]] = False
    return found, best_target, best_score
