"""Which features repeat each other: correlations of all pairs, and groups of features one of which stands for all."""

from collections.abc import Sequence

import numpy as np

from shoal.kernels.tallies import Numbers, Sums

KNOWN_TOGETHER = 0.9  # of the users who have either value so many must have both: a null says something too
_FLAT = 1e-6  # variance, in that of the whole, of what does not differ among the users who have both


def correlations(sums: Sums, scale: int) -> Numbers:
    """Correlation of each pair among the users who have both values; NaN where it is not known.

    Args:
        sums: over all pairs.
        scale: 0: Pearson's, of standardised values; 1: Spearman's, of ranks among all who have a value.
    """
    together, products = sums.together, sums.products[scale]
    with np.errstate(divide="ignore", invalid="ignore"):
        own, others = sums.sums[scale], sums.sums[scale].T
        spread = sums.squares[scale] / together - (own / together) ** 2
        shared = products / together - own * others / together**2
        found = shared / np.sqrt(spread * spread.T)
    flat = ~((spread > _FLAT) & (spread.T > _FLAT))
    found[flat] = np.nan
    clipped: Numbers = np.clip(found, -1.0, 1.0)
    return clipped


def alike(correlation: Numbers, together: Numbers) -> Numbers:
    """How far each pair says the same: the size of its correlation, 0 where too few users have both values."""
    known = np.diagonal(together)
    either = known[:, None] + known[None, :] - together
    enough = together >= KNOWN_TOGETHER * np.maximum(either, 1)
    return np.where(enough & np.isfinite(correlation), np.abs(correlation), 0.0)


def groups(likeness: Numbers, order: Sequence[int], threshold: float) -> list[list[int]]:
    """Features that repeat each other; in each group the one that stands for it comes first, then those alike to it.

    In the given order each that is still free stands for itself and takes all free ones that are alike to it. So
    whoever is left out is as much alike to one that stays as is asked for, and no two that stay are. Connected
    components would not give the first, as a chain of windows, each like the next, would be one group; complete
    linkage would not give the second.

    Args:
        likeness: of :func:`alike`.
        order: places, the best to stand for others first.
        threshold: from which on two features repeat each other.

    Returns:
        Only groups of two and more.
    """
    free, found = dict.fromkeys(order), list[list[int]]()
    while free:
        first = next(iter(free))
        taken = [first, *(place for place in free if place != first and likeness[first, place] >= threshold)]
        free = {place: None for place in free if place not in taken}
        found.append([taken[0], *sorted(taken[1:])])
    return [group for group in found if len(group) > 1]


def in_order(places: Sequence[int], shares: Sequence[float], nulls: Sequence[int], depths: Sequence[int]) -> list[int]:
    """The best to stand for others first: who tells most of the labels, has the fewest nulls, and is the simplest.

    Args:
        places: of features.
        shares: per feature, of the labels' entropy; what differs by less than a thousandth is the same.
        nulls: per feature.
        depths: per feature 0 for an aggregate, else one more than that of the deepest feature that it is made of.
    """
    return sorted(places, key=lambda place: (-round(shares[place], 3), nulls[place], depths[place], place))
