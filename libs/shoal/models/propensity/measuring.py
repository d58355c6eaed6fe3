"""How good a model was at its test cut, beside what a constant and recency alone would have given."""

from math import log

from shoal.models.metric import Metric
from shoal.models.propensity import bins as quality
from shoal.models.propensity.bins import Bins, bins_by_recency, bins_of
from shoal.models.propensity.fitting import Examples
from shoal.models.propensity.model import BASE_RATE, LOGISTIC_REGRESSION, RECENCY, PropensityModel


def measure(model: PropensityModel, test: Examples, *, known_rate: float) -> tuple[list[Metric], float | None]:
    """Measure a model at a cut that it has not seen.

    Args:
        test: has users of both kinds, so that every figure but the calibration's slope exists.
        known_rate: the base rate as it could be known at the test cut: that of the cut before.

    Returns:
        The metrics, each beside its baseline, and the model's AUC.
    """
    predicted = bins_of(test.rows, model.logit)
    by_recency = bins_by_recency(test.rows)
    area = quality.auc(predicted)
    note = f"{_protocol(model, test)}; "
    return [
        *_ranking(LOGISTIC_REGRESSION, predicted, note),
        *_probabilities(predicted, note),
        *_ranking(RECENCY, by_recency, note + "users ranked by days since their last order; "),
        *_constant(known_rate, predicted, note),
        *_counts(test, note),
    ], area


def unmeasured(newest: Examples | None, why: str) -> list[Metric]:
    """What is known without a test: the counts, and that the model has no figure."""
    absent = Metric(LOGISTIC_REGRESSION, "auc", None, f"not measured: {why}")
    if newest is None or not newest.users:
        return [absent]
    note = f"outcomes from {newest.cut} on; "
    rate = Metric(BASE_RATE, "base_rate", newest.rate, note + "share of users who did it")
    return [absent, rate, *_counts(newest, note)]


def _protocol(model: PropensityModel, test: Examples) -> str:
    calibrated = f"calibrated at {model.calibration_cut}" if model.calibration_cut else "not calibrated"
    return f"fitted at {model.fit_cut}, {calibrated}, tested once at {test.cut}"


def _ranking(model: str, bins: Bins, note: str) -> list[Metric]:
    return [
        Metric(model, "auc", quality.auc(bins), note + "0.5 is chance, 1 is best; ties count half"),
        Metric(model, "lift@decile1", quality.lift(bins), note + "see lift_ceiling for the most there can be"),
    ]


def _probabilities(bins: Bins, note: str) -> list[Metric]:
    line = quality.calibration(bins)
    return [
        Metric(LOGISTIC_REGRESSION, "log_loss", quality.log_loss(bins), note + "nats; 0 is best"),
        Metric(
            LOGISTIC_REGRESSION,
            "calibration_slope",
            line[0] if line else None,
            note + "of outcomes on predicted log-odds; 1 is best, below 1 is too sure, above 1 too timid",
        ),
        Metric(LOGISTIC_REGRESSION, "mean_predicted", quality.mean_predicted(bins), note + "see mean_observed"),
        Metric(LOGISTIC_REGRESSION, "mean_observed", bins.rate, note + "share of users who did it"),
    ]


def _constant(known_rate: float, bins: Bins, note: str) -> list[Metric]:
    loss = -bins.rate * log(known_rate) - (1 - bins.rate) * log(1 - known_rate)
    most = min(1 / bins.rate, 1 / quality.TOP)
    return [
        Metric(BASE_RATE, "auc", 0.5, note + "a constant ranks nobody"),
        Metric(BASE_RATE, "log_loss", loss, note + "nats; everybody gets base_rate"),
        Metric(BASE_RATE, "lift@decile1", 1.0, note + "a constant ranks nobody"),
        Metric(BASE_RATE, "base_rate", known_rate, note + "share of users who did it, as known at the test cut"),
        Metric(LOGISTIC_REGRESSION, "lift_ceiling", most, note + "min(1 / mean_observed, 10)"),
    ]


def _counts(examples: Examples, note: str) -> list[Metric]:
    return [
        Metric(LOGISTIC_REGRESSION, "users", float(examples.users), note + "active before the cut"),
        Metric(LOGISTIC_REGRESSION, "positives", float(examples.positives), note + "users who did it"),
    ]
