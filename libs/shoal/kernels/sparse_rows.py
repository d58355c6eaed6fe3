"""The inner loop of products of sparse matrices of which only the best entries of each row are wanted."""

import numpy as np
import numpy.typing as npt

from shoal.kernels.jit import compiled

Whole = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@compiled(
    "(int64[::1], int64[::1], float64[::1], int64[::1], int64[::1], int64[::1], "
    "int64[::1], float64[::1], int64[::1], float64, int64)"
)
def best_of_rows(
    indptr: Whole,
    sources: Whole,
    weights: Numbers,
    barred_indptr: Whole,
    barred: Whole,
    right_indptr: Whole,
    right_targets: Whole,
    right_weights: Numbers,
    groups: Whole,
    shrink: float,
    n: int,
) -> tuple[Whole, Whole, npt.NDArray[np.float32], Whole]:
    """Each row's ``n`` best entries of left x right, of each group the best one.

    Products are summed in the order of a row's sources, in double precision, and rounded to single: entries that are
    equal tie, and the lower target comes first. An entry that is 0, or that no source leads to, is none.

    Args:
        indptr, sources, weights: the left matrix in compressed rows; a source below 0 is passed over.
        barred_indptr, barred: per row the targets that must not come; one below 0 is passed over.
        right_indptr, right_targets, right_weights: the right matrix, a row per source.
        groups: the group of each target, numbered from 0.
        shrink: where above 0, an entry to which m sources lead is multiplied by m / (m + shrink).
        n: how many.

    Returns:
        Per row how many were found; all targets found, row by row, best first; their scores; how many sources lead to
        each.
    """
    rows, targets = len(indptr) - 1, len(groups)
    sums = np.zeros(targets, np.float64)
    common = np.zeros(targets, np.int64)
    reached = np.empty(targets, np.int64)
    scores = np.zeros(targets, np.float32)
    holder = np.full(targets, -1, np.int64)  # of each group, numbered no higher than targets
    counts = np.zeros(rows, np.int64)
    best_target = np.empty(n, np.int64)
    best_score = np.empty(n, np.float32)
    room = 1024
    found_targets = np.empty(room, np.int64)
    found_scores = np.empty(room, np.float32)
    found_common = np.empty(room, np.int64)
    found = 0
    for row in range(rows):
        touched = 0
        for a in range(indptr[row], indptr[row + 1]):
            source = sources[a]
            if source < 0:
                continue
            for b in range(right_indptr[source], right_indptr[source + 1]):
                target = right_targets[b]
                if common[target] == 0:
                    reached[touched] = target
                    touched += 1
                common[target] += 1
                sums[target] += weights[a] * right_weights[b]
        for b in range(barred_indptr[row], barred_indptr[row + 1]):
            if barred[b] >= 0:
                sums[barred[b]] = 0.0
        for k in range(touched):  # the best of each group holds it
            target = reached[k]
            score = sums[target]
            if shrink > 0:
                score *= common[target] / (common[target] + shrink)
            scores[target] = score
            rival = holder[groups[target]]
            if scores[target] != 0 and (
                rival < 0 or scores[target] > scores[rival] or (scores[target] == scores[rival] and target < rival)
            ):
                holder[groups[target]] = target
        size = 0
        for k in range(touched):
            target = reached[k]
            score32 = scores[target]
            if holder[groups[target]] == target and (
                size < n
                or score32 > best_score[size - 1]
                or (score32 == best_score[size - 1] and target < best_target[size - 1])
            ):
                place = size if size < n else n - 1
                while place > 0 and (
                    score32 > best_score[place - 1]
                    or (score32 == best_score[place - 1] and target < best_target[place - 1])
                ):
                    best_score[place] = best_score[place - 1]
                    best_target[place] = best_target[place - 1]
                    place -= 1
                best_score[place] = score32
                best_target[place] = target
                size = min(size + 1, n)
        if found + size > room:
            room = 2 * (found + size)
            more_targets = np.empty(room, np.int64)
            more_scores = np.empty(room, np.float32)
            more_common = np.empty(room, np.int64)
            more_targets[:found] = found_targets[:found]
            more_scores[:found] = found_scores[:found]
            more_common[:found] = found_common[:found]
            found_targets, found_scores, found_common = more_targets, more_scores, more_common
        found_targets[found : found + size] = best_target[:size]
        found_scores[found : found + size] = best_score[:size]
        for k in range(size):
            found_common[found + k] = common[best_target[k]]
        found += size
        counts[row] = size
        for k in range(touched):
            target = reached[k]
            sums[target] = 0.0
            common[target] = 0
            holder[groups[target]] = -1
    return counts, found_targets[:found], found_scores[:found], found_common[:found]
