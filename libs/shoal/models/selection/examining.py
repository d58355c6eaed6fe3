"""All of it: rows of numbers -> what features say and which repeat others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pyspark.sql import DataFrame

from shoal.kernels.tallies import Book, Numbers, Sums
from shoal.models.selection import repeats
from shoal.models.selection.codebooks import CLASSES, Values, book_of
from shoal.models.selection.components import Components, components
from shoal.models.selection.counting import count_values, sum_pairs
from shoal.models.selection.information import LabelTold, told

PEARSON, SPEARMAN = "pearson", "spearman"
_SCALES = {PEARSON: 0, SPEARMAN: 1}


@dataclass(frozen=True)
class Column:
    """A feature that is looked at."""

    name: str
    is_text: bool = False  # its numbers are bins of a hash
    logs: bool = True  # models take the logarithm of it
    depth: int = 0  # of features that it is made of


@dataclass(frozen=True)
class Group:
    """Features that repeat each other."""

    first: int  # place of the one that stands for all
    others: tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """What was found; places are those of ``columns``."""

    columns: Sequence[Column]
    values: Sequence[Values]
    labels: Mapping[str, LabelTold]
    correlations: Mapping[str, Numbers]  # by kind; NaN where it is not known
    groups: Sequence[Group]  # the one that tells most of the labels first
    in_components: Sequence[int]
    components: Components

    @property
    def users(self) -> int:
        """How many were looked at."""
        return self.values[0].rows if self.values else 0

    @property
    def shares(self) -> list[float]:
        """Per feature the share of the labels' entropy that it tells: the mean over labels; 0 without labels."""
        each = [[one.share for one in label.features] for label in self.labels.values()]
        return [float(share) for share in np.mean(each, axis=0)] if each else [0.0] * len(self.columns)

    @property
    def repeated(self) -> dict[int, int]:
        """Per feature that repeats another, the one that stands for it."""
        return {place: group.first for group in self.groups for place in group.others}

    @property
    def kept(self) -> list[int]:
        """Features that are left: neither quiet, nor repeated by a better one, nor telling no label more than chance.

        The one that tells most comes first.
        """
        repeated = self.repeated
        told = [any(label.features[place].above_chance for label in self.labels.values()) or not self.labels
                for place in range(len(self.columns))]  # fmt: skip
        shares = self.shares
        left = [p for p in range(len(self.columns)) if told[p] and p not in repeated and not self.values[p].quiet]
        return sorted(left, key=lambda place: (-shares[place], place))


def examine(
    rows: DataFrame, columns: Sequence[Column], labels: Sequence[str], *, by: str = SPEARMAN, threshold: float = 0.95
) -> Found:
    """Which features say something of labels, which repeat others, and how few directions there are.

    Args:
        rows: ``values``, an array with a number or null per feature, then per label. They are read twice: keep them
            where that is dear.
        columns: the features.
        labels: names of the labels; of a label of more than ``CLASSES`` different values tenths are looked at.
        by: pearson or spearman, whose correlation tells what repeats what.
        threshold: from which size of correlation on.
    """
    counted = count_values(rows, len(columns) + len(labels))
    sums = sum_pairs(rows, books_of(counted, columns), len(labels))
    return found_of(counted, sums, columns, labels, by=by, threshold=threshold)


def books_of(counted: Sequence[Values], columns: Sequence[Column]) -> list[Book]:
    """What each value stands for, of the features and then of the labels."""
    of_features, of_labels = counted[: len(columns)], counted[len(columns) :]
    books = [
        book_of(values, is_text=column.is_text, logs=column.logs)
        for values, column in zip(of_features, columns, strict=True)
    ]
    return books + [book_of(each, is_text=len(each.values) <= CLASSES, logs=False) for each in of_labels]


def found_of(
    counted: Sequence[Values],
    sums: Sums,
    columns: Sequence[Column],
    labels: Sequence[str],
    *,
    by: str,
    threshold: float,
) -> Found:
    """What follows from counts and sums; see :func:`examine`."""
    of_features = counted[: len(columns)]
    ordered = [
        place
        for place, (column, values) in enumerate(zip(columns, of_features, strict=True))
        if not column.is_text and not values.quiet and len(values.values) > 1
    ]
    of_pairs = {kind: repeats.correlations(sums, scale) for kind, scale in _SCALES.items()}
    of_labels = {name: told(joint) for name, joint in zip(labels, sums.joint, strict=True)}
    found = Found(columns, of_features, of_labels, of_pairs, (), ordered, components(sums, ordered))
    order = repeats.in_order(
        ordered, found.shares, [values.nulls for values in of_features], [column.depth for column in columns]
    )
    likeness = repeats.alike(of_pairs[by], sums.together)
    groups = [Group(first, tuple(others)) for first, *others in repeats.groups(likeness, order, threshold)]
    return replace(found, groups=groups)
