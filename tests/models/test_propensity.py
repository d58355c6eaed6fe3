"""What was planted is found, tested on days the model has not seen, and said so where it could not be."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from shoal.errors import ConfigError
from shoal.models.propensity import Learned, PropensityModel, learn, score
from shoal.models.propensity import bins as quality
from shoal.models.propensity.bins import Bins, bins_by_recency, bins_of
from shoal.params import PropensityParams

AS_OF = date(2025, 6, 1)
LONG_AGO = date(2024, 1, 1)
H = 30
INPUTS = ("recency_days", "frequency", "order_value", "return_rate", "carts_7d", "views_7d")
OWN = {"order_value": "as it is computed", "views_7d": "a column that has no value"}  # as if they were the shop's
Columns = dict[str, np.ndarray]


def params(**changed: Any) -> PropensityParams:
    settings = {
        "horizon_days": H, "inputs": INPUTS, "reg": 0.001,
        "max_iter": 100, "min_positives": 50, "min_auc": 0.55, "active_days": 365,
    }  # fmt: skip
    return PropensityParams(**{**settings, **changed})


def back(horizons: int) -> date:
    return AS_OF - timedelta(days=horizons * H)


def planted(cut: date, users: int = 4000) -> Columns:
    """Users whose log-odds are known: recent and frequent buyers come back, who never bought seldom does.

    Nobody has put anything into a cart (``carts_7d`` is 0); views are not recorded (``views_7d`` is null).
    """
    draw = np.random.default_rng(cut.toordinal())
    recency = draw.integers(1, 300, users).astype(float)
    recency[draw.random(users) < 0.4] = np.nan
    frequency = np.where(np.isnan(recency), 0, draw.geometric(0.3, users))
    order_value = np.where(frequency > 0, draw.lognormal(3, 1, users), np.nan)
    known = 0.2 - 0.6 * np.log1p(np.nan_to_num(recency)) + 0.9 * np.log1p(frequency)
    probability = quality.sigmoid(np.where(frequency > 0, known, -3.5))
    return {
        "user_id": np.array([f"u{n:05}" for n in range(users)]),
        "recency_days": recency,
        "frequency": frequency,
        "order_value": order_value,
        "return_rate": draw.random(users),
        "carts_7d": np.zeros(users, dtype=int),
        "views_7d": np.full(users, np.nan),
        "probability": probability,
        "label": (draw.random(users) < probability).astype(float),
    }


def frame_of(spark: SparkSession, columns: Columns) -> DataFrame:
    """NaN is null, as everywhere in the features."""
    arrays = {name: pa.array(values, from_pandas=True) for name, values in columns.items()}
    types = {"recency_days": "int", "frequency": "bigint", "carts_7d": "bigint", "views_7d": "bigint"}
    table = spark.createDataFrame(pa.table(arrays))  # type: ignore[arg-type]
    return table.withColumns({name: F.col(name).cast(kind) for name, kind in types.items()})


class Shop:
    """Examples at any cut, which remember for which cuts they were asked."""

    def __init__(self, spark: SparkSession, users: int = 1500, **changes: Callable[[Columns], Columns]) -> None:
        self.spark, self.users, self.changes = spark, users, changes
        self.asked: list[date] = []

    def __call__(self, cut: date) -> DataFrame:
        self.asked.append(cut)
        change = self.changes.get(f"at_{(AS_OF - cut).days // H}", lambda columns: columns)
        return frame_of(self.spark, change(planted(cut, self.users)))


def learned_from(shop: Callable[[date], DataFrame], first_day: date = LONG_AGO, **changed: Any) -> Learned:
    return learn(shop, as_of=AS_OF, first_day=first_day, params=params(**changed), own=OWN)


def inverted(columns: Columns) -> Columns:
    return {**columns, "label": 1 - columns["label"]}


def nobody(columns: Columns) -> Columns:
    return {**columns, "label": np.zeros_like(columns["label"])}


def figures(learned: Learned) -> dict[tuple[str, str], float | None]:
    found = {(metric.model, metric.metric): metric.value for metric in learned.metrics}
    assert len(found) == len(learned.metrics), "a model and a metric name one row of ops.metrics"
    return found


def fitted(learned: Learned) -> PropensityModel:
    assert learned.model is not None, learned.failed
    return learned.model


def logits(model: PropensityModel, columns: Columns) -> np.ndarray:
    """What a model says, written down a second time in numpy."""
    total = np.full(len(columns["user_id"]), model.intercept)
    for column, transform, fill, mean, std, coefficient in zip(
        model.columns, model.transforms, model.fills, model.means, model.stds, model.coefficients, strict=True
    ):
        value = columns[column].astype(float)
        filled = np.where(np.isnan(value), fill, value)
        made = {
            "is_null": np.isnan(value).astype(float),
            "identity": filled,
            "signed_log1p": np.sign(filled) * np.log1p(np.abs(filled)),
        }[transform]
        total = total + coefficient * (made - mean) / std
    return model.calibration_slope * total + model.calibration_intercept


@pytest.fixture(scope="module")
def shop(spark: SparkSession) -> Shop:
    return Shop(spark, users=4000)


@pytest.fixture(scope="module")
def learned(shop: Shop) -> Learned:
    return learned_from(shop)


@pytest.fixture(scope="module")
def single(spark: SparkSession) -> Learned:
    """Fitted at one cut and nothing else."""
    return learned_from(Shop(spark), first_day=back(2))


@pytest.fixture(scope="module")
def today() -> Columns:
    return planted(AS_OF, 2003)


@pytest.fixture(scope="module")
def users(spark: SparkSession, today: Columns) -> Iterator[DataFrame]:
    kept = frame_of(spark, today).persist()
    yield kept
    kept.unpersist()


def test_planted_truth_is_found(learned, today):
    model = fitted(learned)
    effect = dict(zip(model.inputs, model.coefficients, strict=True))

    assert (learned.source, learned.failed, learned.untested, learned.warnings) == ("logistic_regression", "", "", [])
    assert effect["recency_days"] < 0 < effect["frequency"]
    assert abs(effect["return_rate"]) < 0.1 < effect["frequency"]  # planted as noise
    assert quality.auc(Bins(*_bins(logits(model, today), today["probability"]))) > 0.7


def test_probabilities_agree_with_the_planted_ones(learned, today):
    # Each user counts as the share p that does it and the share 1 - p that does not: soft labels.
    said, truth = logits(fitted(learned), today), today["probability"]
    line = LogisticRegression(C=np.inf, tol=1e-10).fit(
        np.tile(said, 2)[:, None], np.repeat([1, 0], len(said)), np.concatenate([truth, 1 - truth])
    )

    assert 0.9 < line.coef_[0, 0] < 1.1
    assert quality.sigmoid(said).mean() == pytest.approx(truth.mean(), rel=0.15)


def _bins(scores: np.ndarray, positives: np.ndarray) -> tuple[np.ndarray, ...]:
    order = np.argsort(scores)
    return scores[order], np.ones(len(scores)), positives[order]


def test_coefficients_are_those_of_scikit_learn(single):
    examples, model, reg = planted(back(1), 1500), fitted(single), params().reg
    known = ~np.isnan(examples["recency_days"])
    recency = np.log1p(examples["recency_days"])
    value = np.log1p(examples["order_value"])
    matrix = np.column_stack([
        np.where(known, recency, recency[known].mean()),
        ~known,
        np.log1p(examples["frequency"]),
        np.where(known, value, value[known].mean()),
        examples["return_rate"],
    ])  # fmt: skip
    scaled = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    # MLlib: mean loss + reg / 2 |w|^2; scikit-learn: C * sum of losses + 1 / 2 |w|^2.
    oracle = LogisticRegression(C=1 / (reg * len(scaled)), tol=1e-10, max_iter=1000).fit(scaled, examples["label"])

    assert model.inputs == (
        "recency_days", "recency_days_is_null", "frequency", "order_value", "return_rate"
    )  # fmt: skip
    np.testing.assert_allclose(model.means, matrix.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(model.stds, matrix.std(axis=0), atol=1e-5)
    np.testing.assert_allclose(model.coefficients, oracle.coef_[0], atol=1e-3)
    np.testing.assert_allclose(model.intercept, oracle.intercept_[0], atol=1e-3)


def test_null_is_told_apart_once_and_inputs_that_say_nothing_are_dropped(single):
    model = fitted(single)

    # order_value is null for the same users as recency_days; carts are constant, views all null.
    assert [name for name in model.inputs if name.endswith("_is_null")] == ["recency_days_is_null"]
    assert model.coefficients[model.inputs.index("recency_days_is_null")] < 0  # they seldom buy
    assert model.dropped == ("carts_7d", "views_7d")


def test_metrics_are_those_of_the_test_cut(spark, learned, shop):
    test = planted(back(1))
    found = figures(learned)
    did = test["label"]
    recency = np.nan_to_num(test["recency_days"], nan=9999)

    assert shop.asked == [back(1), back(2), back(3)]
    assert found["logistic_regression", "users"] == len(did)
    assert found["logistic_regression", "positives"] == did.sum()
    assert found["logistic_regression", "mean_observed"] == did.mean()
    assert found["logistic_regression", "mean_predicted"] == pytest.approx(did.mean(), rel=0.15)
    assert found["logistic_regression", "lift_ceiling"] == min(1 / did.mean(), 10)
    assert found["logistic_regression", "auc"] > found["recency", "auc"] > found["base_rate", "auc"] == 0.5
    assert found["recency", "auc"] == pytest.approx(roc_auc_score(did, -recency))
    assert found["base_rate", "base_rate"] == planted(back(2))["label"].mean()
    assert found["base_rate", "log_loss"] == pytest.approx(
        log_loss(did, np.full(len(did), found["base_rate", "base_rate"]))
    )
    assert found["logistic_regression", "log_loss"] < found["base_rate", "log_loss"]
    assert 1 < found["logistic_regression", "lift@decile1"] <= found["logistic_regression", "lift_ceiling"]
    assert 0.7 < found["logistic_regression", "calibration_slope"] < 1.3
    assert learned.base_rate == fitted(learned).base_rate == did.mean()


def test_bins_measure_what_scikit_learn_measures(spark, users, today):
    said = np.round(-2 + 3 * today["return_rate"], 2)  # ties among them
    did = (np.random.default_rng(5).random(len(said)) < quality.sigmoid(0.5 * said)).astype(float)
    rows = frame_of(spark, {**today, "label": did})
    bins = bins_of(rows, F.round(-2 + 3 * F.col("return_rate"), 2))
    line = LogisticRegression(C=np.inf, tol=1e-10).fit(said[:, None], did)
    slope, intercept = quality.calibration(bins)

    assert quality.auc(bins) == pytest.approx(roc_auc_score(did, said), abs=1e-12)
    assert quality.log_loss(bins) == pytest.approx(log_loss(did, quality.sigmoid(said)), abs=1e-3)
    assert quality.mean_predicted(bins) == pytest.approx(quality.sigmoid(said).mean(), abs=5e-4)
    assert (slope, intercept) == pytest.approx((line.coef_[0, 0], line.intercept_[0]), abs=2e-3)
    assert bins_by_recency(rows).users.sum() == len(said)


def test_lift_by_hand():
    # 20 users, 4 of whom did it. The tenth with the highest scores: one for certain, and one of a pair that
    # ties, of which one did it: 1.5 of 2 did it, against 0.2 of all.
    bins = Bins(np.array([0.0, 1.0, 2.0]), np.array([17.0, 2.0, 1.0]), np.array([2.0, 1.0, 1.0]))

    assert quality.lift(bins) == pytest.approx(0.75 / 0.2)


def test_figures_that_do_not_exist():
    alike = Bins(np.array([1.0]), np.array([10.0]), np.array([3.0]))
    apart = Bins(np.array([-1.0, 1.0]), np.array([5.0, 5.0]), np.array([0.0, 5.0]))
    none = Bins(np.array([-1.0, 1.0]), np.array([5.0, 5.0]), np.zeros(2))

    assert quality.auc(alike) == 0.5
    assert quality.auc(none) is None
    assert quality.lift(none) is None
    assert [quality.calibration(bins) for bins in (alike, apart, none)] == [None, None, None]
    slope, _ = quality.platt(apart)  # Platt's prior keeps it finite
    assert slope > 0
    assert quality.platt(alike) is None


def test_the_tested_model_has_not_seen_the_test(spark):
    plain = Shop(spark)
    spoilt = Shop(spark, at_1=inverted)
    few = ("recency_days", "frequency")
    before, after = (learned_from(shop, min_auc=0.0, inputs=few) for shop in (plain, spoilt))
    seen = ("logistic_regression", "mean_predicted")

    # With the outcomes turned round, a model that had seen them would predict them; this one says the same.
    assert figures(after)[seen] == figures(before)[seen]
    assert figures(after)["logistic_regression", "auc"] == pytest.approx(
        1 - figures(before)["logistic_regression", "auc"]
    )
    # The applied model is calibrated there: it must not say the opposite of what happened.
    assert before.model is not None
    assert (after.model, after.source) == (None, "base_rate")
    assert "shows the opposite" in after.failed


def test_the_gate(spark):
    shop = Shop(spark)
    learned = learned_from(shop, min_auc=0.99, inputs=("frequency",))
    area = figures(learned)["logistic_regression", "auc"]

    assert (learned.model, learned.source) == (None, "base_rate")
    assert learned.base_rate == planted(back(1), 1500)["label"].mean()
    assert learned.failed == f"the test needs an AUC of 0.99, {back(1)} has {area:.3f}"


@pytest.mark.parametrize(
    ("first_day", "asked", "fit_cut", "calibration_cut", "said"),
    [
        (back(3) - timedelta(days=16), [1, 2, 3], 2, 1, None),
        (back(3) - timedelta(days=15), [1, 2], 1, None, "not calibrated"),
        (back(2) - timedelta(days=15), [1], 1, None, "neither calibrated nor tested"),
        (back(1) - timedelta(days=15), [1], None, None, "a cut needs"),
        (back(1), [], None, None, "no rate can be measured yet"),
    ],
)
def test_less_history_shortens_the_plan_and_says_so(spark, first_day, asked, fit_cut, calibration_cut, said):
    shop = Shop(spark)
    learned = learned_from(shop, first_day=first_day, inputs=("frequency",))

    assert shop.asked == [back(n) for n in asked]
    assert (learned.model is None) == (fit_cut is None)
    if learned.model:
        assert learned.model.fit_cut == str(back(fit_cut))
        assert learned.model.calibration_cut == (str(back(calibration_cut)) if calibration_cut else None)
    told = learned.untested if learned.model else learned.failed
    assert bool(told) == bool(said)
    if said:
        assert said in told
        assert "needs more than 15 days of history" in told
    tested = figures(learned)["logistic_regression", "auc"] is not None
    assert tested == (len(asked) > 1)


def test_too_few_positives(spark):
    learned = learned_from(Shop(spark, users=100, at_1=nobody))

    assert (learned.model, learned.source, learned.base_rate) == (None, "base_rate", 0.0)
    assert learned.failed == (
        f"a cut needs 50 users who did it within 30 days and 50 who did not, {back(1)} has 0 and 100"
    )


def test_too_few_positives_at_an_older_cut_shorten_the_plan(spark):
    learned = learned_from(Shop(spark, at_2=nobody), inputs=("frequency",))

    assert fitted(learned).fit_cut == str(back(1))
    assert f"{back(2)} has 0 and 1500" in learned.untested


def test_no_input_that_varies(spark):
    learned = learned_from(Shop(spark), inputs=("carts_7d", "views_7d"))

    assert (learned.model, learned.source) == (None, "base_rate")
    assert "needs an input with two values" in learned.failed


def test_a_fit_that_is_cut_short_says_so(spark):
    learned = learned_from(Shop(spark), first_day=back(2), inputs=("recency_days", "frequency"), max_iter=1)

    assert learned.model is not None
    assert "more than max_iter 1 steps" in learned.warnings[-1]


def test_inputs_must_be_numeric_features(spark):
    with pytest.raises(ConfigError, match="is_buyer") as raised:
        learned_from(Shop(spark), inputs=("is_buyer", "frequency", "recencydays"))

    assert "recencydays" in str(raised.value)


def test_order_and_partitioning_change_nothing(spark, single, users):
    def shuffled(cut: date) -> DataFrame:
        return Shop(spark)(cut).orderBy(F.xxhash64("user_id")).repartition(7)

    other = learned_from(shuffled, first_day=back(2))
    one, two = (
        {row.user_id: row for row in score(learned, rows).collect()}
        for learned, rows in [(single, users), (other, users.orderBy(F.desc("user_id")).repartition(5))]
    )

    assert one.keys() == two.keys()
    assert max(abs(one[user].probability - two[user].probability) for user in one) < 1e-6
    assert sum(one[user].decile != two[user].decile for user in one) == 0


def test_a_model_says_the_same_after_json(learned):
    model = fitted(learned)

    assert PropensityModel(**json.loads(json.dumps(asdict(model)))) == model


def test_scores(learned, users, today):
    model = fitted(learned)
    rows = {row.user_id: row for row in score(learned, users).collect()}
    said = logits(model, today)
    found = np.array([rows[user].probability for user in today["user_id"]])
    deciles = np.array([rows[user].decile for user in today["user_id"]])
    sizes = np.bincount(deciles)[1:]

    np.testing.assert_allclose(found, quality.sigmoid(said), atol=1e-12)
    assert {row.source for row in rows.values()} == {"logistic_regression"}
    assert len(sizes) == 10
    assert sizes.max() - sizes.min() <= 1
    for decile in range(1, 10):
        assert found[deciles == decile].min() >= found[deciles == decile + 1].max()


def test_drivers_are_the_largest_of_effects_that_add_up(learned, users, today):
    model = fitted(learned)
    names = [*dict.fromkeys(model.columns)]
    effects = users.select("user_id", *(model.effects[name].alias(name) for name in names)).collect()
    effect_of = {row["user_id"]: {name: row[name] for name in names} for row in effects}
    said = dict(zip(today["user_id"], logits(model, today), strict=True))

    for row in score(model, users).collect():
        effect = effect_of[row.user_id]
        largest = sorted(effect, key=lambda name: (-abs(effect[name]), name))[:3]
        assert [tuple(driver) for driver in row.drivers] == [(name, effect[name]) for name in largest]
        assert model.offset + sum(effect.values()) == pytest.approx(said[row.user_id], abs=1e-9)


def test_the_average_user_has_no_drivers(spark, learned):
    model = replace(fitted(learned), coefficients=(0.0,) * len(fitted(learned).inputs))
    row = score(model, frame_of(spark, planted(AS_OF, 1))).first()

    assert row.drivers == []
    assert row.probability == pytest.approx(quality.sigmoid(np.array(model.offset)))


def test_a_baseline_gives_everybody_its_rate_and_deciles_by_draw(users):
    rows = score(Learned(None, "base_rate", 0.125), users).collect()
    sizes = np.bincount([row.decile for row in rows])[1:]

    assert {(row.probability, row.source, len(row.drivers)) for row in rows} == {(0.125, "base_rate", 0)}
    assert len(sizes) == 10
    assert sizes.max() - sizes.min() <= 1


def test_a_model_of_another_run_says_the_same_under_its_own_source(learned, users):
    """Stored as JSON, read again and put in place of today's model."""
    stored = PropensityModel(**json.loads(json.dumps(asdict(fitted(learned)))))
    failed = Learned(None, "base_rate", 0.125, failed="too little")
    ours, theirs = (
        {row.user_id: row for row in score(one, users).collect()}
        for one in (learned, replace(failed, model=stored, source="last model"))
    )

    assert {row.source for row in theirs.values()} == {"last model"}
    assert {user: row.probability for user, row in theirs.items()} == {u: row.probability for u, row in ours.items()}
    assert {user: row.decile for user, row in theirs.items()} == {user: row.decile for user, row in ours.items()}


def test_a_model_is_of_settings_that_still_name_its_horizon_and_all_it_looks_at(learned):
    model = fitted(learned)

    assert model.is_of(params(), OWN)
    assert model.is_of(params(reg=1.0, min_auc=0.9, inputs=(*INPUTS, "carts_30d")), OWN)
    assert not model.is_of(params(horizon_days=14), OWN)
    assert not model.is_of(params(inputs=("recency_days", "frequency", "return_rate")), OWN)  # no order_value any more


def test_a_model_is_not_of_settings_that_mean_something_else_by_a_column_it_looks_at(learned):
    stored = PropensityModel(**json.loads(json.dumps(asdict(fitted(learned)))))

    assert stored.is_of(params(), {**OWN, "views_7d": "otherwise", "other": "new"})  # it looks at neither
    assert not stored.is_of(params(), {**OWN, "order_value": "otherwise"})
    assert not stored.is_of(params(), {})
    assert not replace(stored, own={}).is_of(params(), OWN), "what it meant then is not known"


@pytest.mark.parametrize("count", [0, 1, 3, 10])
def test_few_users(spark, learned, users, count):
    deciles = sorted(row.decile for row in score(learned, users.limit(count)).collect())

    assert deciles == [rank * 10 // count + 1 for rank in range(count)]


def test_users_without_any_value_are_scored(spark, learned):
    unknown = {name: np.full(3, np.nan) for name in INPUTS} | {"user_id": np.array(["a", "b", "c"])}
    rows = score(learned, frame_of(spark, unknown)).collect()

    assert all(0 < row.probability < 1 for row in rows)


def test_columns_are_those_of_the_published_table(learned, users):
    kinds = {field.name: field.dataType.simpleString() for field in score(learned, users).schema}
    nobody = {f.name: f.dataType.simpleString() for f in score(Learned(None, "base_rate", 0.1), users).schema}

    assert kinds == nobody == {
        "user_id": "string",
        "probability": "double",
        "decile": "int",
        "drivers": "array<struct<feature:string,effect:double>>",
        "source": "string",
    }  # fmt: skip
