"""How often each value comes -> what it stands for: its standardised value, its rank, its bin; and what that says."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shoal.kernels.tallies import Book, Numbers, Whole, on_grid

BINS = 10  # of equal shares of the users, as far as ties allow
CLASSES = 20  # a label of no more different values is taken as it is, others by bins
QUIET = 0.99  # a feature that has the same value, or none, for this share of users says nothing


@dataclass(frozen=True)
class Values:
    """The different values of one column, ascending, and how many users have each."""

    values: Numbers
    users: Whole
    nulls: int

    @property
    def known(self) -> int:
        """How many users have a value."""
        return int(self.users.sum())

    @property
    def rows(self) -> int:
        """How many users there are."""
        return self.known + self.nulls

    @property
    def mean(self) -> float | None:
        """Of the known values; None without any."""
        return float(self.values @ self.users / self.known) if self.known else None

    @property
    def variance(self) -> float | None:
        """Of the known values, that of a population; None without any."""
        if self.mean is None:
            return None
        return float((self.values - self.mean) ** 2 @ self.users / self.known)

    def quantiles(self, shares: Sequence[float]) -> list[float] | None:
        """The least value that so great a share of the known ones does not exceed; None without any."""
        if not self.known:
            return None
        places = np.searchsorted(np.cumsum(self.users), np.asarray(shares) * self.known, side="left")
        return [float(value) for value in self.values[np.minimum(places, len(self.values) - 1)]]

    @property
    def quiet(self) -> str:
        """Why it says nothing; empty where it may say something."""
        if not self.known:
            return "always null"
        share, value = self.users.max() / self.rows, self.values[self.users.argmax()]
        if share == 1:
            return f"always {value:g}"
        if self.nulls / self.rows >= QUIET:
            return f"null for {_percent(self.nulls / self.rows)}"
        return f"{value:g} for {_percent(share)}" if share >= QUIET else ""


def book_of(values: Values, *, is_text: bool, logs: bool, bins: int = BINS) -> Book:
    """What each value of a column stands for.

    Args:
        values: of one column.
        is_text: it has no order: each value is a bin of its own, and correlates with nothing.
        logs: the linear scale is that of ``sign(x) * ln(1 + |x|)``, as models take what is heavy-tailed.
        bins: so many at most.
    """
    users = values.users.astype(np.float64)
    middles = np.cumsum(users) - users / 2  # the rank of tied values is the mean of theirs, less a half
    if is_text or len(users) <= bins:
        places = np.arange(1, 1 + len(users))
    else:
        wanted = np.floor(middles / values.known * bins)
        places = 1 + np.unique(wanted, return_inverse=True)[1]
    scale = np.sign(values.values) * np.log1p(np.abs(values.values)) if logs else values.values
    if is_text:
        scale = middles = np.zeros(len(users))
    linear, ranked = (on_grid(_standardised(each, users), values.rows) for each in (scale, middles))
    return Book(values.values, linear, ranked, places)


def _standardised(values: Numbers, users: Numbers) -> Numbers:
    """Values less their mean, over their standard deviation; zeros where they do not differ."""
    if len(values) < 2:
        return np.zeros(len(values))
    centred = values - np.average(values, weights=users)
    spread = np.sqrt(np.average(centred**2, weights=users))
    return centred / spread if spread > 0 else np.zeros(len(values))


def _percent(share: float) -> str:
    return f"{np.floor(round(share * 1000, 6)) / 10:.1f} %"
