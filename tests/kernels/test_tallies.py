"""Sums over all pairs of columns: as pandas, scipy and scikit-learn have them, and the same in whatever pieces."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

from shoal.kernels.tallies import Sums, coded, three_digits, value_counts
from shoal.models.selection.codebooks import Values, book_of
from shoal.models.selection.components import components
from shoal.models.selection.repeats import correlations

ROWS, FEATURES = 4000, 8


def values_of(matrix):
    """What counting finds, by column."""
    places, values, users = value_counts(matrix)
    found = []
    for place in range(matrix.shape[1]):
        known = (places == place) & ~np.isnan(values)
        found.append(Values(values[known], users[known], int(users[(places == place) & np.isnan(values)].sum())))
    return found


def summed(matrix, *, labels=0, pieces=1, logs=False):
    """Sums of a matrix that comes in pieces."""
    of_columns = values_of(matrix)
    features = matrix.shape[1] - labels
    books = [book_of(each, is_text=place >= features, logs=logs) for place, each in enumerate(of_columns)]
    bins, classes = (1 + max((b.bins.max(initial=0) for b in part), default=1) for part in
                     (books[:features], books[features:]))  # fmt: skip
    whole = Sums.empty(features, labels, bins, max(classes - 1, 1))
    for piece in np.array_split(matrix, pieces):
        part = Sums.empty(features, labels, bins, max(classes - 1, 1))
        part.add(piece, books)
        whole.add_packed(part.packed())
    return whole


@pytest.fixture(scope="module")
def matrix():
    """Columns that depend on each other, with ties, heavy tails, shares, nulls of the same and of other users."""
    draw = np.random.default_rng(3)
    base = draw.normal(size=ROWS)
    columns = [
        draw.poisson(np.exp(base)), np.exp(2 * base + draw.normal(size=ROWS)), -base + draw.normal(size=ROWS),
        draw.random(ROWS), (base > 1).astype(float), draw.poisson(3, ROWS), base * 1000, draw.exponential(size=ROWS),
    ]  # fmt: skip
    found = three_digits(np.column_stack(columns))
    found[base < -1, 2] = np.nan
    found[draw.random(ROWS) < 0.4, 5] = np.nan
    found[base < -1, 7] = np.nan
    return found


def test_pearson_is_that_of_pandas_over_users_who_have_both(matrix):
    wanted = pd.DataFrame(matrix).corr().to_numpy()

    np.testing.assert_allclose(correlations(summed(matrix), 0), wanted, atol=1e-5)


def test_logarithms_are_taken_first_where_asked_for(matrix):
    logged = pd.DataFrame(np.sign(matrix) * np.log1p(np.abs(matrix)))

    np.testing.assert_allclose(correlations(summed(matrix, logs=True), 0), logged.corr().to_numpy(), atol=1e-5)


def test_spearman_is_that_of_scipy_where_nothing_is_null(matrix):
    whole = matrix[:, [0, 1, 3, 4, 6]]

    np.testing.assert_allclose(correlations(summed(whole), 1), spearmanr(whole).statistic, atol=1e-5)


def test_ranks_are_those_among_all_who_have_a_value(matrix):
    wanted = pd.DataFrame(matrix).rank().corr().to_numpy()

    np.testing.assert_allclose(correlations(summed(matrix), 1), wanted, atol=1e-5)


def test_neither_order_nor_pieces_change_a_bit(matrix):
    shuffled = np.random.default_rng(5).permutation(matrix)

    assert summed(matrix).packed() == summed(shuffled, pieces=7).packed()


def test_what_never_differs_or_is_never_known_together_correlates_with_nothing():
    half = np.repeat([True, False], 50)
    numbers = np.arange(100.0)
    matrix = np.column_stack(
        [numbers, np.full(100, 7.0), np.where(half, numbers, np.nan), np.where(half, np.nan, numbers)]
    )

    found = correlations(summed(matrix), 1)

    assert np.isnan(found[1]).all()
    assert np.isnan(found[2, 3])
    assert found[0, 2] == pytest.approx(1)


def test_bins_are_counted_beside_those_of_labels(matrix):
    label = np.where(np.arange(ROWS) % 5 == 0, np.nan, (matrix[:, 0] > 1).astype(float))
    found = summed(np.column_stack([matrix, label]), labels=1, pieces=3)

    for place in range(FEATURES):
        book = book_of(values_of(matrix)[place], is_text=False, logs=False)
        codes = coded(matrix[:, place], book.values)
        bins = np.where(codes < 0, 0, book.bins[np.maximum(codes, 0)])
        wanted = pd.crosstab(bins[~np.isnan(label)], label[~np.isnan(label)])
        counts = pd.DataFrame(found.joint[0, place])
        np.testing.assert_array_equal(counts.loc[wanted.index].to_numpy(), wanted.to_numpy())
        assert counts.to_numpy().sum() == wanted.to_numpy().sum()


def test_principal_components_are_those_of_scikit_learn(matrix):
    filled = pd.DataFrame(matrix).fillna(pd.DataFrame(matrix).mean())
    wanted = PCA().fit((filled - filled.mean()) / filled.std(ddof=0))

    found = components(summed(matrix), [*range(FEATURES)])

    np.testing.assert_allclose(found.explained, wanted.explained_variance_ratio_, atol=1e-5)
    np.testing.assert_allclose(np.abs(found.loadings), np.abs(wanted.components_), atol=1e-3)
    assert (found.loadings.max(axis=1) >= -found.loadings.min(axis=1)).all()
    for share in (0.8, 0.9, 0.99):
        assert found.needed(share) == np.searchsorted(np.cumsum(wanted.explained_variance_ratio_), share) + 1


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(0.0, 0.0), (-0.0, 0.0), (12345, 12300), (-0.0123456, -0.0123), (1, 1), (999.6, 1000), (1e-9, 1e-9), (7e17, 7e17)],
)
def test_three_digits(value, rounded):
    found = three_digits(np.array([value, np.nan, np.inf, -np.inf]))

    assert found[0] == pytest.approx(rounded, rel=1e-12)
    assert math.copysign(1, found[0]) == math.copysign(1, rounded + 0.0)  # no negative zero
    assert np.isnan(found[1:]).all()
