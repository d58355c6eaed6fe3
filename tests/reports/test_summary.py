"""What the summary says of figures, without a lake."""

from pyspark.sql import Row

from shoal.models.propensity.model import LOGISTIC_REGRESSION, RECENCY
from shoal.reports.summary import worse_than_recency


def metric(entry, name, model, value, stage="propensity"):
    return Row(stage=stage, entry=entry, metric=name, model=model, value=value)


def test_a_model_that_recency_beats_is_named_with_both_figures():
    metrics = [
        metric("buys", "auc", LOGISTIC_REGRESSION, 0.74), metric("buys", "auc", RECENCY, 0.68),
        metric("buys", "lift@decile1", LOGISTIC_REGRESSION, 1.967), metric("buys", "lift@decile1", RECENCY, 2.006),
    ]  # fmt: skip

    (said,) = worse_than_recency(metrics)

    assert said == "propensity.buys: by lift@decile1, recency alone (2.006) did better than the model (1.967)"


def test_what_was_not_measured_is_not_compared():
    unmeasured = metric("buys", "auc", LOGISTIC_REGRESSION, None)

    assert worse_than_recency([unmeasured]) == []
    assert worse_than_recency([unmeasured, metric("buys", "auc", RECENCY, 0.6)]) == []
