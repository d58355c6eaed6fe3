"""The inner loop of arranging: of each user's candidates, place by place, the best that breaks no cap."""

import numpy as np
import numpy.typing as npt

from shoal.kernels.jit import compiled

Whole = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]


@compiled(
    "(int64[::1], int64[::1], int64[::1], float64[::1], int64[:,::1], int64[::1], "
    "int64, int64[::1], float32[:,::1], float64, int64)"
)
def choose(
    bounds: Whole,
    voices: Whole,
    pins: Whole,
    worth: Numbers,
    capped: Whole,
    caps: Whole,
    codes: int,
    places: Whole,
    factors: Floats,
    diversity: float,
    n: int,
) -> tuple[Whole, Whole]:
    """Each user's ``n`` candidates, in the order of their places.

    Args:
        bounds: where each user's candidates begin, and the end.
        voices: of each candidate whose word it is; lower ones come first, whatever the worth.
        pins: of each candidate the place that it must have, from 1; 0 for none.
        worth: of each candidate; of equal ones the first comes first.
        capped: per kind of cap a row, with the code of each candidate, such as that of its brand; -1 is not capped.
        caps: per kind of cap how many candidates of one code a user may have.
        codes: how many there are.
        places: of each candidate the row of its factor; -1 for none.
        factors: of length 1.
        diversity: share of the likeness to what is chosen already in what decides, against the worth (Carbonell,
            Goldstein 1998).
        n: how many.

    Returns:
        Per user how many were chosen, and the candidates chosen, user by user.
    """
    users, kinds = len(bounds) - 1, len(caps)
    counts = np.zeros(users, np.int64)
    found = np.empty((users, n), np.int64)
    held = np.zeros((kinds, max(codes, 1)), np.int64)
    taken = np.zeros(len(voices), np.bool_)
    like = np.zeros(len(voices))
    pinned = np.empty(n + 1, np.int64)
    for user in range(users):
        first, last = bounds[user], bounds[user + 1]
        pinned[:] = -1
        for place in range(1, n + 1):  # pins come first, so that nothing else uses up their caps
            for c in range(first, last):
                if pins[c] == place and pinned[place] < 0 and _fits(c, capped, caps, held):
                    pinned[place] = c
                    _hold(c, capped, held, 1)
        size, upcoming = 0, 1
        while size < n:
            best = -1
            if upcoming <= size + 1:  # the pins of the places up to this one that are not yet there
                while upcoming <= size + 1 and best < 0:
                    best = pinned[upcoming]
                    upcoming += 1
            if best < 0:
                value = 0.0
                for c in range(first, last):
                    if taken[c] or pins[c] > 0 or not _fits(c, capped, caps, held):
                        continue
                    here = (1 - diversity) * worth[c] - diversity * like[c]
                    if best < 0 or voices[c] < voices[best] or (voices[c] == voices[best] and here > value):
                        best, value = c, here
                if best >= 0:
                    _hold(best, capped, held, 1)
            if best < 0:  # nothing is left but pins of later places
                while upcoming <= n and best < 0:
                    best = pinned[upcoming]
                    upcoming += 1
            if best < 0:
                break
            taken[best] = True
            found[user, size] = best
            size += 1
            if diversity > 0 and places[best] >= 0:
                for c in range(first, last):
                    if places[c] >= 0:
                        cosine = 0.0
                        for t in range(factors.shape[1]):
                            cosine += np.float64(factors[places[best], t]) * np.float64(factors[places[c], t])
                        like[c] = max(like[c], cosine)
        counts[user] = size
        for place in range(size):
            _hold(found[user, place], capped, held, -1)
    chosen = np.empty(counts.sum(), np.int64)
    at = 0
    for user in range(users):
        chosen[at : at + counts[user]] = found[user, : counts[user]]
        at += counts[user]
    return counts, chosen


@compiled("")
def _fits(c: int, capped: Whole, caps: Whole, held: Whole) -> bool:
    for kind in range(len(caps)):
        code = capped[kind, c]
        if code >= 0 and held[kind, code] >= caps[kind]:
            return False
    return True


@compiled("")
def _hold(c: int, capped: Whole, held: Whole, change: int) -> None:
    for kind in range(held.shape[0]):
        code = capped[kind, c]
        if code >= 0:
            held[kind, code] += change
