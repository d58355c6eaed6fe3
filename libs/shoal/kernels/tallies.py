"""Sums over many columns at once: how often each value comes, and how columns move together.

Rows come as a matrix with NaN where nothing is known. What is summed lies on a grid so coarse that sums in double
precision are exact: neither order nor partitioning changes them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

SCALES = 2  # linear and ranked
_EXACT_BITS = 52  # of whole numbers that double precision adds without rounding


class Book(NamedTuple):
    """What each value of one column stands for; one entry per value, ascending."""

    values: Numbers  # to three digits
    linear: Numbers  # standardised, on the grid
    ranked: Numbers  # standardised rank, ties averaged, on the grid
    bins: Whole  # from 1 on; 0 is null

    @property
    def scales(self) -> tuple[Numbers, ...]:
        """In the order of :class:`Sums`."""
        return self.linear, self.ranked


class Sums(NamedTuple):
    """Sums over rows; ``features`` columns by ``features`` columns, where i is the row and j the column."""

    together: Numbers  # rows in which both are known
    products: Numbers  # per scale: of i and j, where both are known
    sums: Numbers  # per scale: of i, where j is known
    squares: Numbers  # per scale: of i squared, where j is known
    joint: Numbers  # per label, feature, bin of the feature and bin of the label: rows whose label is known

    @classmethod
    def empty(cls, features: int, labels: int, bins: int, classes: int) -> Self:
        """Sums over no rows."""
        square, scaled = (features, features), (SCALES, features, features)
        shapes = (square, scaled, scaled, scaled, (labels, features, bins, classes))
        return cls(*(np.zeros(shape) for shape in shapes))

    def add(self, matrix: Numbers, books: Sequence[Book]) -> None:
        """Add rows.

        Args:
            matrix: a row per user; a column per feature, then one per label.
            books: of its columns, in their order.
        """
        features = len(self.together)
        codes = [coded(matrix[:, place], book.values) for place, book in enumerate(books)]
        known = np.column_stack([code >= 0 for code in codes[:features]]).astype(np.float64)
        self.together[:] += known.T @ known
        of_features = [*zip(codes[:features], books[:features], strict=True)]
        for scale in range(SCALES):
            standardised = np.column_stack([looked_up(code, book.scales[scale]) for code, book in of_features])
            self.products[scale] += standardised.T @ standardised
            self.sums[scale] += standardised.T @ known
            self.squares[scale] += (standardised**2).T @ known
        bins = np.column_stack([looked_up(code, book.bins) for code, book in zip(codes, books, strict=True)])
        for label in range(len(self.joint)):
            self._count(bins[:, :features], bins[:, features + label], label)

    def _count(self, bins: Whole, label: Whole, place: int) -> None:
        """Count rows by bin of each feature and bin of a label; those without a label are passed over."""
        _, features, most, classes = self.joint.shape
        told = label > 0
        cells = (np.arange(features) * most + bins[told]) * classes + (label[told] - 1)[:, None]
        counts = np.bincount(cells.ravel(), minlength=features * most * classes)
        self.joint[place] += counts.reshape(features, most, classes)

    def packed(self) -> bytes:
        """All of it in one piece."""
        return np.concatenate([part.ravel() for part in self]).tobytes()

    def add_packed(self, packed: bytes) -> None:
        """Add what :meth:`packed` has made of sums of the same shapes."""
        flat, start = np.frombuffer(packed), 0
        for part in self:
            part += flat[start : start + part.size].reshape(part.shape)
            start += part.size


def three_digits(values: Numbers) -> Numbers:
    """Values rounded to three significant digits; what is not finite as NaN."""
    finite = np.where(np.isfinite(values), values, np.nan)
    size = np.where((finite == 0) | np.isnan(finite), 1.0, np.abs(finite))
    magnitude = 10.0 ** (np.floor(np.log10(size)) - 2)
    return np.round(finite / magnitude) * magnitude + 0.0  # no negative zero


def value_counts(matrix: Numbers) -> tuple[Whole, Numbers, Whole]:
    """How often each value comes in each column, to three digits.

    Returns:
        Column, value (NaN for what is not known) and count.
    """
    places, values, counts = list[Whole](), list[Numbers](), list[Whole]()
    for place, column in enumerate(three_digits(matrix).T):
        found, times = np.unique(column, return_counts=True, equal_nan=True)
        places.append(np.full(len(found), place))
        values.append(found)
        counts.append(times)
    return np.concatenate(places), np.concatenate(values), np.concatenate(counts)


def coded(column: Numbers, values: Numbers) -> Whole:
    """The place of each value of a column among the values of its book; -1 for what is not known."""
    rounded = three_digits(column)
    if not len(values):
        return np.full(len(column), -1)
    found = np.minimum(np.searchsorted(values, rounded), len(values) - 1)
    return np.where(np.isnan(rounded), -1, found)


def looked_up(codes: Whole, entries: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Entries by code; 0 for -1."""
    return np.append(entries, np.zeros(1, entries.dtype))[codes]  # code -1 is the last


def on_grid(values: Numbers, rows: int) -> Numbers:
    """Standardised values on a grid on which sums of products over so many rows are exact.

    By Cauchy and Schwarz no sum of products of two standardised columns exceeds the number of rows.
    """
    grid = 2.0 ** -((_EXACT_BITS - int(np.ceil(np.log2(max(rows, 2))))) // 2)
    return np.round(values / grid) * grid
