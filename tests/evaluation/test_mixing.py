"""Mixtures of scores are judged as lists made of them would be, and the search finds the planted one."""

import numpy as np
import oracle
import pyarrow as pa
import pytest

from shoal.evaluation.blending import _mixtures
from shoal.evaluation.mixing import ndcg_of_mixtures, summed_ndcg


def drawn(rng, candidates=30, models=3):
    scores = np.round(rng.random((candidates, models)), 1)  # so that many are equal
    hits = rng.random(candidates) < 0.2
    return scores, hits, int(hits.sum()) + 2  # two wanted items are no candidates


def listed(scores, weights):
    mixed = np.round(scores @ weights, 9)
    return sorted(range(len(scores)), key=lambda n: (-mixed[n], n))


def test_each_mixture_is_judged_by_its_own_list():
    rng = np.random.default_rng(1)
    weights = rng.dirichlet(np.ones(3), 7)
    for _ in range(20):
        scores, hits, wanted = drawn(rng)
        relevant = {*np.flatnonzero(hits)} | {-1, -2}
        found = ndcg_of_mixtures(scores, hits, wanted, weights, 5)

        assert found == pytest.approx([oracle.ndcg(listed(scores, own), relevant, 5) for own in weights])


def test_fewer_candidates_than_places():
    found = ndcg_of_mixtures(np.array([[1.0], [0.5]]), np.array([False, True]), 1, np.array([[1.0]]), 10)

    assert found == pytest.approx([1 / np.log2(3)])


def test_sums_over_users_however_they_are_cut():
    rng = np.random.default_rng(2)
    users = [drawn(rng, candidates=int(rng.integers(1, 20))) for _ in range(11)]
    weights = rng.dirichlet(np.ones(3), 4)

    def batch(part):
        return pa.RecordBatch.from_pydict(
            {
                "scores": pa.array([scores.ravel().tolist() for scores, _, _ in part], pa.list_(pa.float64())),
                "hits": pa.array([hits.tolist() for _, hits, _ in part], pa.list_(pa.bool_())),
                "wanted": pa.array([wanted for _, _, wanted in part], pa.int64()),
            }
        )

    (whole,) = summed_ndcg([batch(users)], weights=weights, k=5)
    (cut,) = summed_ndcg([batch(users[:4]), batch(users[4:]).slice(0, 2), batch(users[6:])], weights=weights, k=5)
    expected = sum(ndcg_of_mixtures(*user, weights, 5) for user in users)
    assert whole.column("total").to_numpy() == pytest.approx(expected)
    assert cut.column("total").to_numpy() == pytest.approx(expected)


def test_mixtures_sum_to_one_and_hold_each_model_alone():
    rng = np.random.default_rng(3)
    first = _mixtures(rng, np.full(4, 0.25), None)
    later = _mixtures(rng, np.array([0.7, 0.3, 0.0, 0.0]), 0.2)

    for mixtures in (first, later):
        assert mixtures.sum(axis=1) == pytest.approx(1)
        assert (mixtures >= 0).all()
    assert (first[:4] == np.eye(4)).all()
    assert any((later == [1.0, 0.0, 0.0, 0.0]).all(axis=1))  # without the second
    assert (later[:, 2] > 0).any()  # with more of the third
