"""Examples at a cut -> a fitted and calibrated model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from math import ceil, expm1, sqrt

from pyspark.ml.classification import LogisticRegression
from pyspark.ml.functions import array_to_vector
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from shoal.frames import persisted
from shoal.models.propensity.bins import bins_of, logit_of, platt
from shoal.models.propensity.model import (
    IDENTITY,
    IS_NULL,
    SIGNED_LOG1P,
    Feature,
    PropensityModel,
    transformed,
)
from shoal.params import PropensityParams
from shoal.tables import USER_FEATURES

ROWS_PER_PARTITION = 100_000  # of the canonical input; some 30 MB of doubles
TOLERANCE = 1e-9  # of the optimiser: a thousandth of what two fits of the same rows may differ by

_SHARES = {c.name for c in USER_FEATURES.columns if c.high == 1}


@dataclass(frozen=True)
class Examples:
    """Users at a cut with what they did afterwards, persisted."""

    cut: date
    rows: DataFrame  # user_id, recency_days, the inputs, label
    users: int
    positives: int  # users who did it

    @property
    def rate(self) -> float:
        """Share of users who did it; 0 without users."""
        return self.positives / self.users if self.users else 0.0


def fit(examples: Examples, params: PropensityParams) -> tuple[PropensityModel, bool] | None:
    """Learn log-odds from one cut.

    The result depends on the set of rows only: they are brought into one order, in partitions of one
    number, before MLlib adds them up.

    Returns:
        The model, not calibrated, and whether the optimiser converged within ``max_iter``; None where no
        input has two values.
    """
    features = _features(examples, params.inputs)
    if not features:
        return None
    vector = array_to_vector(F.array(*(feature.standardised for feature in features)))
    points = (
        examples.rows.repartition(ceil(examples.users / ROWS_PER_PARTITION), "user_id")
        .sortWithinPartitions("user_id")
        .select(vector.alias("features"), "label")
    )
    regression = LogisticRegression(
        regParam=params.reg, maxIter=params.max_iter, tol=TOLERANCE, standardization=False, family="binomial"
    )
    with persisted(points) as kept:
        fitted = regression.fit(kept)
    columns = [feature.column for feature in features]
    model = PropensityModel(
        inputs=tuple(feature.name for feature in features),
        columns=tuple(columns),
        transforms=tuple(feature.transform for feature in features),
        fills=tuple(feature.fill for feature in features),
        means=tuple(feature.mean for feature in features),
        stds=tuple(feature.std for feature in features),
        coefficients=tuple(map(float, fitted.coefficients)),
        intercept=float(fitted.intercept),
        calibration_slope=1.0,
        calibration_intercept=0.0,
        base_rate=examples.rate,
        horizon_days=params.horizon_days,
        fit_cut=examples.cut.isoformat(),
        calibration_cut=None,
        dropped=tuple(name for name in dict.fromkeys(params.inputs) if name not in columns),
    )
    return model, fitted.summary.totalIterations < params.max_iter


def calibrate(model: PropensityModel, examples: Examples) -> PropensityModel:
    """Scale the log-odds (Platt) so that they agree with what happened after a later cut.

    A model whose order does not hold there, or whose log-odds do not differ, comes back with slope 0: it
    says the base rate.
    """
    found = platt(bins_of(examples.rows, model.logit))
    slope, intercept = found if found and found[0] > 0 else (0.0, logit_of(examples.rate))
    return replace(
        model,
        calibration_slope=slope,
        calibration_intercept=intercept,
        base_rate=examples.rate,
        calibration_cut=examples.cut.isoformat(),
    )


def _features(examples: Examples, inputs: Sequence[str]) -> list[Feature]:
    """The features that have at least two values, with their scale."""
    names = [*dict.fromkeys(inputs)]
    found = examples.rows.agg(*(sum_ for name in names for sum_ in _sums(name))).first()
    assert found is not None, "an aggregate has one row"
    features: list[Feature] = []
    patterns: set[int] = set()
    for name in names:
        known = found[f"{name}_known"]
        if value := _value(name, found, known, examples.users):
            features.append(value)
        if 0 < known < examples.users and found[f"{name}_nulls"] not in patterns:
            patterns.add(found[f"{name}_nulls"])
            absent = 1 - known / examples.users
            std = sqrt(absent * (1 - absent))
            features.append(Feature(f"{name}_is_null", name, IS_NULL, mean=absent, std=std))
    return features


def _sums(name: str) -> Iterator[Column]:
    # Decimals: exact sums, whatever the order of addition.
    value = transformed(F.col(name).cast("double"), transform_of(name)).cast("decimal(9,6)")
    yield F.count(name).alias(f"{name}_known")
    yield F.sum(value).alias(f"{name}_1")
    yield F.sum(value * value).alias(f"{name}_2")
    # Names the set of users who lack a value: two inputs with the same one need one feature for it.
    yield F.bit_xor(F.when(F.col(name).isNull(), F.xxhash64("user_id"))).alias(f"{name}_nulls")


def transform_of(name: str) -> str:
    """What becomes of an input before it is standardised: shares stay, what may be heavy-tailed becomes logarithmic."""
    return IDENTITY if name in _SHARES else SIGNED_LOG1P


def _value(name: str, found: Row, known: int, users: int) -> Feature | None:
    """The feature of a column's values; nulls take the mean of the others."""
    if not known:
        return None
    mean = Fraction(found[f"{name}_1"]) / known
    squares = Fraction(found[f"{name}_2"]) - mean * mean * known
    if squares <= 0:
        return None
    centre, transform = float(mean), transform_of(name)
    fill = centre if transform == IDENTITY else expm1(abs(centre)) * (1 if centre >= 0 else -1)
    return Feature(name, name, transform, fill, centre, sqrt(squares / users))
