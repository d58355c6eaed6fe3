"""A fitted propensity as plain data, and the expressions that apply it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add

from pyspark.sql import Column
from pyspark.sql import functions as F

from shoal.params import PropensityParams

LOGISTIC_REGRESSION = "logistic_regression"  # names of sources and of measured models
BASE_RATE = "base_rate"
RECENCY = "recency"

SIGNED_LOG1P = "signed_log1p"  # how a column becomes a feature
IDENTITY = "identity"
IS_NULL = "is_null"


@dataclass(frozen=True)
class PropensityModel:
    """A logistic regression and its calibration, as plain data: ``PropensityModel(**json)`` builds it again.

    The log-odds of a user are ``calibration_slope * (intercept + sum(coefficients * z)) +
    calibration_intercept`` with ``z = (transform(fill(column)) - mean) / std``. The first group of fields
    has one value per feature; the user whose features all lie at their mean is the average user.
    """

    inputs: tuple[str, ...]  # names of the features
    columns: tuple[str, ...]  # of features.users, from which each is made
    transforms: tuple[str, ...]  # signed_log1p, identity or is_null (1.0 where the column is null, else 0.0)
    fills: tuple[float, ...]  # what stands for null, in the column's own unit; of no use to is_null
    means: tuple[float, ...]  # after the transform
    stds: tuple[float, ...]
    coefficients: tuple[float, ...]  # log-odds per standard deviation, before calibration

    intercept: float  # log-odds of the average user, before calibration
    calibration_slope: float  # Platt scaling of the log-odds; 1 and 0 where it was not calibrated
    calibration_intercept: float
    base_rate: float  # share of users who did it after the newest cut that the model has seen
    horizon_days: int  # days after a cut that count
    fit_cut: str  # ISO day; features lie before it, outcomes within the horizon from it on
    calibration_cut: str | None  # ISO day; None where it was not calibrated
    dropped: tuple[str, ...] = ()  # columns that were asked for, but have no value or only one
    own: Mapping[str, str] = field(default_factory=dict)  # what those of the columns mean that are the shop's own

    def __post_init__(self) -> None:
        """Take JSON's lists for tuples."""
        for name, value in vars(self).items():
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))

    def is_of(self, params: PropensityParams, own: Mapping[str, str]) -> bool:
        """True where it says what these settings ask for, and from nothing that they do not name, or mean otherwise.

        Args:
            params: the target's settings.
            own: by name what the shop's own features mean now.
        """
        same_meaning = self.own == {name: own[name] for name in self.columns if name in own}
        return self.horizon_days == params.horizon_days and {*self.columns} <= {*params.inputs} and same_meaning

    @property
    def offset(self) -> float:
        """Log-odds of the average user."""
        return self.calibration_slope * self.intercept + self.calibration_intercept

    @property
    def features(self) -> "Iterator[Feature]":
        given = (self.inputs, self.columns, self.transforms, self.fills, self.means, self.stds)
        return (Feature(*values) for values in zip(*given, strict=True))

    @property
    def effects(self) -> dict[str, Column]:
        """Per column what it adds to a user's log-odds against the average user; these and ``offset`` add up.

        A column's value and whether it is null speak as one, so that "never bought" is one driver, not two.
        """
        found: dict[str, Column] = {}
        for feature, coefficient in zip(self.features, self.coefficients, strict=True):
            effect = F.lit(self.calibration_slope * coefficient) * feature.standardised
            found[feature.column] = found[feature.column] + effect if feature.column in found else effect
        return found

    @property
    def logit(self) -> Column:
        """A user's log-odds."""
        return reduce(add, self.effects.values(), F.lit(self.offset))


@dataclass(frozen=True)
class Feature:
    """How one column becomes one number; never null."""

    name: str
    column: str
    transform: str
    fill: float = 0.0
    mean: float = 0.0
    std: float = 1.0

    @property
    def transformed(self) -> Column:
        """After the transform, before standardising."""
        if self.transform == IS_NULL:
            return F.col(self.column).isNull().cast("double")
        return transformed(F.coalesce(F.col(self.column).cast("double"), F.lit(self.fill)), self.transform)

    @property
    def standardised(self) -> Column:
        return (self.transformed - F.lit(self.mean)) / F.lit(self.std)


def transformed(value: Column, transform: str) -> Column:
    """A number as the feature sees it; null stays null."""
    return F.signum(value) * F.log1p(F.abs(value)) if transform == SIGNED_LOG1P else value
