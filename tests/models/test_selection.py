"""Features planted to say something, nothing, or what another says are found as such."""

import numpy as np
import pytest
from pyspark.ml.feature import PCA
from pyspark.ml.linalg import DenseMatrix, Vectors
from pyspark.sql import functions as F
from sklearn.metrics import mutual_info_score

from shoal.models.selection import examine
from shoal.models.selection.codebooks import BINS, Values, book_of
from shoal.models.selection.examining import Column
from shoal.models.selection.information import told
from shoal.models.selection.repeats import alike, groups, in_order

USERS = 2000
COLUMNS = ["signal", "its_double", "its_opposite", "noise", "constant", "unknown", "nearly_unknown", "text", "is_rare"]


def values(numbers, nulls=0):
    return Values(*np.unique(np.asarray(numbers, float), return_counts=True), nulls)


# What a column is.


@pytest.mark.parametrize(
    ("numbers", "nulls", "why"),
    [
        ([0] * 50, 0, "always 0"),
        ([], 50, "always null"),
        ([3], 999, "null for 99.9 %"),
        ([5] * 997 + [1, 2, 3], 0, "5 for 99.7 %"),
        ([5] * 98 + [1, 2], 0, ""),
        ([5] * 50, 50, ""),  # whether it is known says something
    ],
)
def test_why_a_feature_says_nothing(numbers, nulls, why):
    assert values(numbers, nulls).quiet == why


def test_moments_and_quantiles_are_those_of_numpy():
    numbers = np.random.default_rng(1).poisson(4, 1001).astype(float)
    found = values(numbers, nulls=5)

    assert found.mean == pytest.approx(numbers.mean())
    assert found.variance == pytest.approx(numbers.var())
    assert found.quantiles([0.1, 0.5, 0.9]) == [*np.quantile(numbers, [0.1, 0.5, 0.9], method="inverted_cdf")]
    assert values([], nulls=5).mean is None
    assert values([], nulls=5).quantiles([0.5]) is None


def test_bins_hold_equal_shares_and_never_part_what_is_tied():
    draw = np.random.default_rng(2)
    even = book_of(values(draw.permutation(1000)), is_text=False, logs=False).bins
    tied = values(np.concatenate([np.zeros(600), np.arange(1, 401)]))
    of_tied = book_of(tied, is_text=False, logs=False).bins

    assert [*np.bincount(even)[1:]] == [100] * BINS
    assert (np.diff(of_tied) >= 0).all()
    assert np.bincount(of_tied, tied.users)[of_tied[0]] == 600  # zeros have a bin of their own
    assert of_tied.max() <= BINS


def test_few_different_values_are_a_bin_each():
    assert [*book_of(values([1, 1, 1, 1, 1, 1, 2, 3]), is_text=False, logs=False).bins] == [1, 2, 3]


# What it tells of a label.


def test_mutual_information_is_that_of_scikit_learn_less_its_bias():
    counts = np.random.default_rng(4).integers(1, 80, size=(6, 3)).astype(float)
    rows = [(b, c) for b in range(6) for c in range(3) for _ in range(int(counts[b, c]))]

    found = told(counts[None]).features[0]

    raw = mutual_info_score(*zip(*rows, strict=True)) / np.log(2)
    bias = (18 - 6 - 3 + 1) / (2 * len(rows)) / np.log(2)
    assert found.bits == pytest.approx(max(raw - bias, 0))


def test_what_is_the_label_itself_tells_all_of_it_and_what_is_one_for_all_tells_nothing():
    counts = np.zeros((2, 3, 2))
    counts[0, 0, 0] = counts[0, 2, 1] = 500
    counts[1, 1] = 500

    itself, constant = told(counts).features

    assert told(counts).entropy == 1
    assert itself.share == pytest.approx(1, abs=2e-3)
    assert itself.above_chance
    assert (constant.bits, constant.above_chance) == (0, False)


def test_chance_is_taken_for_information_in_few_reports_only():
    """Of 300 reports of 20 features that tell nothing some three name one, as 1 % of them may; twelve would not be."""
    draw = np.random.default_rng(6)
    wrong, bits = 0, []
    for _ in range(300):
        counts = np.array([
            np.histogram2d(draw.integers(0, 8, 800), draw.random(800) < 0.3, bins=(8, 2))[0] for _ in range(20)
        ])  # fmt: skip
        found = told(counts).features
        wrong += any(one.above_chance for one in found)
        bits += [one.bits for one in found]

    assert wrong < 12
    assert np.mean(bits) < 0.003  # without the correction 0.0063: 7 degrees of freedom over 2 x 800 x ln 2


@pytest.mark.parametrize("counts", [np.zeros((2, 3, 2)), np.array([[[0, 9], [0, 4]]])])
def test_of_a_label_that_nobody_has_or_that_is_the_same_for_all_nothing_is_told(counts):
    found = told(counts)

    assert found.entropy == 0
    assert not any(one.above_chance or one.bits for one in found.features)


# What repeats what.


def test_of_a_chain_each_stands_for_those_next_to_it_alone():
    apart = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    likeness = 1 - 0.04 * apart

    assert groups(likeness, [0, 1, 2, 3, 4], 0.95) == [[0, 1], [2, 3]]
    assert groups(likeness, [2, 0, 1, 3, 4], 0.95) == [[2, 1, 3]]
    assert groups(likeness, [0, 1, 2, 3, 4], 0.99) == []


@pytest.mark.parametrize("seed", range(5))
def test_all_that_is_left_out_repeats_what_stays_and_nothing_that_stays_repeats_another(seed):
    draw = np.random.default_rng(seed)
    likeness = np.abs(np.corrcoef(draw.normal(size=(40, 6)) @ draw.normal(size=(6, 200))))
    found = groups(likeness, [*draw.permutation(40)], 0.9)
    out = {place for group in found for place in group[1:]}
    stay = [place for place in range(40) if place not in out]

    assert all(likeness[group[0], place] >= 0.9 for group in found for place in group[1:])
    assert all(likeness[a, b] < 0.9 for a in stay for b in stay if a < b)
    assert found


def test_who_stands_for_others_tells_most_then_has_fewest_nulls_then_is_simplest():
    shares, nulls, depths = [0.1, 0.3, 0.3001, 0.3, 0.3], [0, 5, 2, 2, 2], [0, 0, 1, 0, 0]

    assert in_order(range(5), shares, nulls, depths) == [3, 4, 2, 1, 0]


def test_features_that_most_users_have_but_one_of_do_not_repeat_each_other():
    together = np.array([[100.0, 80.0], [80.0, 80.0]])

    assert alike(np.ones((2, 2)), together)[0, 1] == 0
    assert alike(np.ones((2, 2)), np.array([[100.0, 95.0], [95.0, 95.0]]))[0, 1] == 1


# All of it, on the cluster.


def shop():
    """Rows of ``COLUMNS`` and a label, which is yes more often the greater the signal."""
    draw = np.random.default_rng(8)
    signal = draw.exponential(size=USERS) * 10
    label = (draw.random(USERS) < 1 / (1 + np.exp(2 - signal / 5))).astype(float)
    unknown = np.full(USERS, np.nan)
    nearly = np.where(np.arange(USERS) < 10, 1.0, np.nan)
    columns = [signal, signal**2, -signal, draw.normal(size=USERS), np.full(USERS, 4.0), unknown, nearly,
               draw.integers(0, 5, USERS), (np.arange(USERS) < 12).astype(float)]  # fmt: skip
    return np.column_stack([*columns, label])


@pytest.fixture(scope="module")
def looked_at(spark):
    def build(matrix, partitions):
        rows = [([None if np.isnan(value) else float(value) for value in row],) for row in matrix]
        table = spark.createDataFrame(rows, "values array<double>").repartition(partitions)
        columns = [Column(name, is_text=name == "text", logs=False) for name in COLUMNS]
        return examine(table, columns, ["buys"])

    return build


@pytest.fixture(scope="module")
def found(looked_at):
    return looked_at(shop(), 1)


def test_what_was_planted_is_found(found):
    matrix = shop()
    names = [column.name for column in found.columns]
    (group,) = found.groups  # to three digits squares have other tenths, so that any of them may stand for all
    assert {names[place] for place in (group.first, *group.others)} == {"signal", "its_double", "its_opposite"}
    assert [*found.kept] == [group.first]
    assert found.correlations["spearman"][0, 2] == pytest.approx(-1)
    assert found.correlations["pearson"][0, 1] == pytest.approx(np.corrcoef(matrix[:, 0], matrix[:, 1])[0, 1], abs=1e-4)
    assert {n: v.quiet for n, v in zip(names, found.values, strict=True) if v.quiet} == {
        "constant": "always 4", "unknown": "always null", "nearly_unknown": "null for 99.5 %",
        "is_rare": "0 for 99.4 %",
    }  # fmt: skip
    assert found.users == USERS


def test_neither_the_order_of_users_nor_partitions_change_a_digit(found, looked_at):
    again = looked_at(np.random.default_rng(0).permutation(shop()), 3)

    assert found.labels == again.labels
    assert found.groups == again.groups
    for kind, correlations in found.correlations.items():
        np.testing.assert_array_equal(correlations, again.correlations[kind])


def test_principal_components_are_those_of_mllib(spark, found):
    used = shop()[:, found.in_components]
    scaled = (used - used.mean(axis=0)) / used.std(axis=0)
    rows = spark.createDataFrame([(Vectors.dense(row),) for row in scaled], ["features"])

    model = PCA(k=used.shape[1], inputCol="features", outputCol="parts").fit(rows)

    assert isinstance(model.pc, DenseMatrix)
    np.testing.assert_allclose(found.components.explained, model.explainedVariance.toArray(), atol=1e-3)
    np.testing.assert_allclose(np.abs(found.components.loadings[0]), np.abs(model.pc.toArray()[:, 0]), atol=1e-2)


def test_without_users_or_labels_nothing_is_said(spark):
    nobody = spark.range(0).select(F.array(F.lit(1.0), F.lit(2.0)).alias("values"))

    found = examine(nobody, [Column("a"), Column("b")], [])

    assert (found.users, found.kept, found.groups) == (0, [], [])
    assert found.components.needed(0.9) == 0
