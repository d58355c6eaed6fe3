"""Whether a value is distributed as it was: the population stability index of two histograms of the same bins.

PSI is the sum over bins of (share now - share then) x ln(share now / share then): the symmetric Kullback-Leibler
divergence (Siddiqi 2006, "Credit Risk Scorecards", with its usual readings: below 0.1 nothing, above 0.25 another
population). Of two samples of the same distribution it is not 0 but about (bins - 1) x (1 / n + 1 / m), as it is
chi-squared times that factor (Yurdakul and Naranjo 2020): what lies within chance says nothing, however large.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Literal

GROUPS = 10  # of equal size then, as far as the bins allow
WATCH, DRIFT = 0.1, 0.25
NULL_JUMP = 0.2  # change of the share of nulls
_Z = 4.0  # standard deviations that chance passes once in thirty thousand comparisons
_HALF = 0.5  # users put into each bin: one that is empty on one side would make the index infinite

State = Literal["stable", "watch", "drift"]


@dataclass(frozen=True)
class Distribution:
    """How the values of one feature are distributed among users."""

    nulls: int = 0
    bins: Mapping[int, int] = field(default_factory=dict)  # users by bin; the order of bins is that of values

    @property
    def known(self) -> int:
        """How many users have a value."""
        return sum(self.bins.values())

    @property
    def users(self) -> int:
        """How many there are."""
        return self.nulls + self.known

    @property
    def null_share(self) -> float:
        """The share of users without a value; 0 of nobody."""
        return self.nulls / self.users if self.users else 0.0


@dataclass(frozen=True)
class Shift:
    """How far a distribution lies from what it was."""

    psi: float
    by_chance: float  # PSI that chance alone hardly ever passes
    state: State


def shift(then: Distribution, now: Distribution) -> Shift | None:
    """Compare two distributions; nulls are a bin of their own. None where one of them is of nobody."""
    if not then.users or not now.users:
        return None
    old, new = _grouped(then, now)
    n, m, groups = then.users, now.users, len(old)
    psi = 0.0
    for before, after in zip(old, new, strict=True):
        p, q = (before + _HALF) / (n + _HALF * groups), (after + _HALF) / (m + _HALF * groups)
        psi += (q - p) * log(q / p)
    by_chance = _chi_squared(groups - 1) * (1 / n + 1 / m)
    jump = abs(now.null_share - then.null_share)
    together = (then.nulls + now.nulls) / (n + m)
    jump_by_chance = _Z * sqrt(together * (1 - together) * (1 / n + 1 / m))
    state: State = "stable"
    if psi > by_chance:
        state = "drift" if psi > DRIFT else "watch" if psi > WATCH else "stable"
    if jump > max(NULL_JUMP, jump_by_chance):
        state = "drift"
    return Shift(psi, by_chance, state)


def _grouped(then: Distribution, now: Distribution) -> tuple[list[int], list[int]]:
    """Users of both by groups of neighbouring bins, each of a tenth of the values then at least; the first are nulls.

    A value that many share fills a group of its own.
    """
    least = then.known / GROUPS
    old, new = [then.nulls], [now.nulls]
    before = after = 0
    for place in sorted({*then.bins, *now.bins}):
        if before and then.bins.get(place, 0) >= least:  # what is gathered so far is no part of a large bin
            old.append(before)
            new.append(after)
            before = after = 0
        before += then.bins.get(place, 0)
        after += now.bins.get(place, 0)
        if before >= max(least, 1):
            old.append(before)
            new.append(after)
            before = after = 0
    if before or after:
        old.append(before)
        new.append(after)
    return old, new


def _chi_squared(freedom: int) -> float:
    """What a chi-squared value passes as seldom as a normal one passes ``_Z`` (Wilson and Hilferty 1931)."""
    if freedom < 1:
        return 0.0
    ninth = 2 / (9 * freedom)
    return float(freedom * (1 - ninth + _Z * sqrt(ninth)) ** 3)
