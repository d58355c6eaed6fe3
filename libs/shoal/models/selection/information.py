"""How much a feature tells of a label: mutual information, of bins, in bits."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from shoal.kernels.tallies import Numbers

_ERROR = 0.01  # the chance that any of the features of a label is taken to tell something though none does


@dataclass(frozen=True)
class Told:
    """What a feature tells of a label."""

    bits: float  # mutual information, less its bias, at least 0
    share: float  # of the label's entropy; 0 where that is 0
    above_chance: bool  # it is more than chance would show among so many features


@dataclass(frozen=True)
class LabelTold:
    """What each feature tells of one label."""

    users: int  # with a label
    entropy: float  # of the label, in bits: more cannot be told
    features: list[Told]  # in the order of the features


def told(joint: Numbers) -> LabelTold:
    """What each feature tells of a label.

    The estimate from counts is too high by about (cells - bins - classes + 1) / 2n nats, counting those with users
    (Miller 1955); that is taken off. It is above chance where its G statistic, 2n times the estimate in nats, exceeds
    the quantile of chi squared with (bins - 1)(classes - 1) degrees of freedom that only ``_ERROR`` of all reports
    would exceed for any feature if none told anything (Bonferroni).

    Args:
        joint: users by feature, bin of the feature (null is one) and class of the label.
    """
    users = float(joint[0].sum()) if len(joint) else 0.0
    classes = joint[0].sum(axis=0) if len(joint) else np.zeros(1)
    entropy = _entropy(classes)
    found = [_told(each, users, entropy, len(joint)) for each in joint]
    return LabelTold(int(users), entropy, found)


def _told(counts: Numbers, users: float, entropy: float, features: int) -> Told:
    bins, classes = counts.sum(axis=1), counts.sum(axis=0)
    raw = _entropy(bins) + _entropy(classes) - _entropy(counts.ravel())
    used = [int(np.count_nonzero(each)) for each in (bins, classes, counts)]
    if min(used[:2]) < 2:  # nobody, or all of one kind
        return Told(0.0, 0.0, above_chance=False)
    freedom = (used[0] - 1) * (used[1] - 1)
    nats = raw * np.log(2)
    bias = (used[2] - used[0] - used[1] + 1) / (2 * users)
    bits = max(nats - bias, 0.0) / np.log(2)
    least = chi2.isf(_ERROR / features, freedom)
    return Told(float(bits), float(bits / entropy), bool(2 * users * nats > least))


def _entropy(counts: Numbers) -> float:
    """In bits."""
    some = counts[counts > 0]
    if len(some) < 2:
        return 0.0
    shares = some / some.sum()
    return float(-(shares * np.log2(shares)).sum())
