"""Figures per user -> means with 95 % intervals, and what each model is above a baseline for the same users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.evaluation.resampling import AS_THEY_ARE, Floats, partial_sums, total_sums

_SUMS = "grouping string, replicate int, sums array<double>, weights array<double>"
_DIGITS = 9  # sums of doubles in another order differ beyond
_QUANTILES = (0.025, 0.975)

Figures = dict[str, dict[str, "Estimate"]]  # model -> metric


@dataclass(frozen=True)
class Estimate:
    """A mean over users, and the ends of its 95 % interval; None where there is no user, or only one."""

    mean: float | None
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, float | None]:
        """As the report shows it."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Bootstrapped:
    """Of one group of users (all, warm or cold)."""

    means: Figures
    differences: Figures  # less the baseline's, user by user


def bootstrap(
    by_model: Mapping[str, DataFrame], metrics: Sequence[str], baseline: str, *, replicates: int, seed: int
) -> dict[str, Bootstrapped]:
    """Means over users, with percentile intervals of a Poisson bootstrap.

    How often a replicate draws a user is a function of the user's id, the seed and the replicate: neither order nor
    partitions change it, and all models are measured on the same draws, so that differences are paired. The driver
    sees one row per group and replicate.

    Args:
        by_model: per model ``user_id``, ``warm`` and ``figures`` (array of doubles in the order of ``metrics``, null
            where a user has none); the same users for each.
        metrics: names of the figures.
        baseline: the model that others are compared with.
        replicates: how many.
        seed: of the draws.

    Returns:
        By group; groups without users are left out.
    """
    models = [*by_model]
    numbered = [
        rows.select("user_id", "warm", F.struct(F.lit(place).alias("model"), "figures").alias("of_model"))
        for place, rows in enumerate(by_model.values())
    ]
    of_user = F.sort_array(F.collect_list("of_model"))
    users = (
        reduce(DataFrame.unionByName, numbered)
        .groupBy("user_id", "warm")
        .agg(F.flatten(F.transform(of_user, lambda each: each["figures"])).alias("figures"))
        .select(F.xxhash64(F.lit(seed), "user_id").alias("user"), "warm", "figures")
    )
    summing = partial(partial_sums, replicates=replicates, models=len(models), baseline=models.index(baseline))
    sums = users.mapInArrow(summing, _SUMS).repartition("replicate").mapInArrow(total_sums, _SUMS)
    rows = sums.collect()
    found = dict[str, Bootstrapped]()
    for group in sorted({row["grouping"] for row in rows}):
        own = sorted((row for row in rows if row["grouping"] == group), key=lambda row: row["replicate"])
        estimates = _estimates(np.array([row["sums"] for row in own]), np.array([row["weights"] for row in own]))
        assert own[0]["replicate"] == AS_THEY_ARE, "it sorts first"
        half = len(estimates) // 2
        found[group] = Bootstrapped(
            _named(models, metrics, estimates[:half]), _named(models, metrics, estimates[half:])
        )
    return found


def _estimates(sums: Floats, weights: Floats) -> list[Estimate]:
    """Per column the mean of the first row and the quantiles of the means of the others."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / weights
    found = []
    for column in range(means.shape[1]):
        mean, users = means[0, column], weights[0, column]
        drawn = means[1:, column][weights[1:, column] > 0]
        if users == 0:
            found.append(Estimate(None))
        elif users == 1 or not len(drawn):
            found.append(Estimate(round(float(mean), _DIGITS)))
        else:
            low, high = np.quantile(drawn, _QUANTILES)
            found.append(Estimate(*(round(float(value), _DIGITS) for value in (mean, low, high))))
    return found


def _named(models: Sequence[str], metrics: Sequence[str], estimates: Sequence[Estimate]) -> Figures:
    width = len(metrics)
    return {
        model: dict(zip(metrics, estimates[place * width : (place + 1) * width], strict=True))
        for place, model in enumerate(models)
    }
