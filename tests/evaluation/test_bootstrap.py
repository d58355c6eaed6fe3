"""Intervals against plain resampling; the same whatever the order and the partitions."""

import numpy as np
import pytest

from shoal.evaluation.bootstrap import Estimate, bootstrap
from shoal.frames import few_rows

SCHEMA = "user_id string, warm boolean, figures array<double>"


@pytest.fixture
def estimated(spark):
    def build(figures, partitions=2, replicates=400, warm=lambda _: True):
        """Of models by name a matrix of users x two figures."""
        frames = {
            model: few_rows(
                spark, SCHEMA, [(f"u{n}", warm(n), [*map(float, row)]) for n, row in enumerate(rows)]
            ).repartition(partitions)
            for model, rows in figures.items()
        }
        return bootstrap(frames, ["ndcg@5", "hr@5"], "popularity", replicates=replicates, seed=3)

    return build


def test_intervals_are_those_of_resampled_users(estimated):
    rng = np.random.default_rng(8)
    base = rng.random((400, 2))
    better = base + rng.normal(0.02, 0.05, (400, 2))
    found = estimated({"popularity": base, "als": better}, replicates=2000)["all"]

    draws = rng.integers(0, 400, (4000, 400))
    for rows, known in (
        (base, found.means["popularity"]), (better, found.means["als"]), (better - base, found.differences["als"]),
    ):  # fmt: skip
        for place, name in enumerate(("ndcg@5", "hr@5")):
            low, high = np.quantile(rows[:, place][draws].mean(axis=1), (0.025, 0.975))
            assert known[name].mean == pytest.approx(rows[:, place].mean(), abs=1e-8)
            # An end of such an interval has a standard error of about 2.7 sd / sqrt(2000), 1.5 % of its width.
            assert (known[name].low, known[name].high) == pytest.approx((low, high), abs=0.08 * (high - low))
    # Users differ far more than the models do: unpaired, the difference could not be seen.
    assert found.differences["als"]["ndcg@5"].low > 0
    assert found.means["als"]["ndcg@5"].low < found.means["popularity"]["ndcg@5"].high
    assert found.differences["popularity"]["ndcg@5"] == Estimate(0, 0, 0)


def test_partitions_change_nothing_beyond_the_last_digits(estimated):
    figures = {"popularity": np.random.default_rng(1).random((50, 2)), "als": np.random.default_rng(2).random((50, 2))}

    def flat(found):
        return [
            value
            for group in found.values()
            for by_model in (group.means, group.differences)
            for by_metric in by_model.values()
            for each in by_metric.values()
            for value in each.as_json().values()
        ]

    assert flat(estimated(figures, partitions=1)) == pytest.approx(flat(estimated(figures, partitions=6)), abs=1e-8)


def test_warm_and_cold_users_apart(estimated):
    found = estimated({"popularity": [[1, 0], [0, 1], [0.5, 0]]}, warm=lambda n: n < 2)

    assert {name: group.means["popularity"]["ndcg@5"].mean for name, group in found.items()} == {
        "all": 0.5, "warm": 0.5, "cold": 0.5,
    }  # fmt: skip
    assert found["cold"].means["popularity"]["hr@5"] == Estimate(0.0)  # one user has no interval


def test_what_nobody_has_has_no_mean_and_what_some_lack_is_of_the_others(estimated):
    nan = float("nan")
    found = estimated({"popularity": [[1, nan], [3, nan], [nan, nan]]})["all"].means["popularity"]

    assert found["hr@5"] == Estimate(None)
    assert found["ndcg@5"].mean == 2
