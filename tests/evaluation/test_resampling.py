"""The bootstrap's weights are Poisson, belong to the user, and sum up alike however users are cut into batches."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from shoal.evaluation.resampling import AS_THEY_ARE, partial_sums, poisson_weights, total_sums, with_differences

USERS = np.random.default_rng(1).integers(0, 2**64, 3000, dtype=np.uint64)


def test_weights_are_poisson_of_mean_one():
    weights = poisson_weights(USERS, 200)

    shares = np.array([(weights == n).mean() for n in range(4)])
    # P(n) = 1 / (e n!); of 600,000 draws a share of 0.37 has a standard error of 0.0006.
    assert shares == pytest.approx(np.exp(-1) / np.array([1, 1, 2, 6]), abs=0.003)
    assert weights.var() == pytest.approx(1, abs=0.01)


def test_replicates_and_users_are_independent():
    weights = poisson_weights(USERS, 50)

    between = np.corrcoef(weights) - np.eye(50)
    assert abs(between).max() < 5 / 3000**0.5  # five standard errors of a correlation of 3,000 pairs
    neighbours = np.corrcoef(poisson_weights(np.arange(50, dtype=np.uint64), 3000).T) - np.eye(50)
    assert abs(neighbours).max() < 5 / 3000**0.5


def test_a_user_has_the_same_weights_in_any_company():
    assert (poisson_weights(USERS, 7)[:, 5:9] == poisson_weights(USERS[5:9], 9)[:7]).all()


def batches(users, warm, figures, cuts):
    bounds = [0, *cuts, len(users)]
    for start, end in pairwise(bounds):
        yield pa.RecordBatch.from_pydict(
            {
                "user": pa.array(users[start:end].view(np.int64)),
                "warm": pa.array(warm[start:end]),
                "figures": pa.array([[None if np.isnan(v) else v for v in row] for row in figures[start:end]],
                                    pa.list_(pa.float64())),
            }
        )  # fmt: skip


def rows_of(parts):
    return {
        (row["grouping"], row["replicate"]): (np.array(row["sums"]), np.array(row["weights"]))
        for part in parts
        for row in part.to_pylist()
    }


@pytest.fixture
def sample():
    rng = np.random.default_rng(2)
    figures = rng.random((101, 4))
    figures[rng.random((101, 4)) < 0.2] = np.nan
    return USERS[:101], rng.random(101) < 0.7, figures


def test_sums_are_those_of_the_weights(sample):
    users, warm, figures = sample
    found = rows_of(partial_sums(batches(*sample, [40]), replicates=5, models=2, baseline=1))

    weights = poisson_weights(users, 5)
    both = np.hstack([figures, figures - np.tile(figures[:, 2:], 2)])  # two models of two figures each
    for name, mask in (("all", warm | True), ("warm", warm), ("cold", ~warm)):
        assert found[name, AS_THEY_ARE][0] == pytest.approx(np.nansum(both[mask], axis=0))
        for replicate in range(5):
            own = weights[replicate][mask][:, None]
            assert found[name, replicate][0] == pytest.approx(np.nansum(own * both[mask], axis=0))
            assert found[name, replicate][1] == pytest.approx((own * ~np.isnan(both[mask])).sum(axis=0))


def test_cuts_change_nothing(sample):
    def in_parts(*cuts):
        order = np.random.default_rng(len(cuts)).permutation(101)
        parts = [
            batch
            for part in np.array_split(order, 3)
            for batch in partial_sums(
                batches(sample[0][part], sample[1][part], sample[2][part], cuts), replicates=5, models=2, baseline=0
            )
        ]
        return rows_of(total_sums(iter(parts)))

    one, other = in_parts(3), in_parts(10, 20)
    assert one.keys() == other.keys()
    assert len(one) == 3 * 6
    for key, (sums, weights) in one.items():
        assert other[key][0] == pytest.approx(sums)
        assert other[key][1] == pytest.approx(weights)


def test_no_user_no_sum():
    assert list(partial_sums(iter([]), replicates=5, models=1, baseline=0)) == []
    assert list(total_sums(iter([]))) == []


def test_differences_are_from_the_baseline():
    assert with_differences(np.array([[5.0, 7.0, 1.0, 2.0]]), 2, 1).tolist() == [[5, 7, 1, 2, 4, 5, 0, 0]]
