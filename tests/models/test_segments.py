"""Groups of buyers that are there are found, keep their ids, and are called what they are."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.metrics import adjusted_rand_score, silhouette_score

from shoal.errors import ConfigError
from shoal.frames import rows_of
from shoal.models.segments import SegmentModel, assign, evaluate, fit, profiles
from shoal.models.segments.naming import CLEAR, SAME, TEMPLATES, Figures, leans, marks, names, same_segments, shown
from shoal.params import SegmentParams
from shoal.tables import SEGMENT_PROFILES, USER_FEATURES

Row = dict[str, Any]
INPUTS = ("recency_days", "frequency", "net_spend", "order_value", "basket_size", "gap_days", "tenure_days")
MONEY = ("net_spend", "spend", "returned", "order_value")
# Typical members of four groups far apart: recency, frequency, order value, basket, tenure.
GROUPS = {
    "regular": (10, 30, 80.0, 6.0, 900),
    "new": (12, 1, 40.0, 2.0, 14),
    "gone": (500, 1, 20.0, 1.0, 520),
    "silent": (300, 20, 200.0, 3.0, 1000),
}


def params(**changed: Any) -> SegmentParams:
    settings = {
        "k": 4, "k_range": (4, 6), "inputs": INPUTS, "seed": 7, "max_iter": 40,
        "min_users_per_segment": 5,
    }  # fmt: skip
    return SegmentParams(**{**settings, **changed})


def buyer(user_id: str, recency: int, frequency: int, value: float, basket: float, tenure: int) -> Row:
    """A buyer whose figures agree with each other: orders evenly spaced, nothing sent back."""
    spend = Decimal(round(value, 2)).quantize(Decimal("0.01")) * frequency
    return {
        "user_id": user_id, "is_buyer": True, "recency_days": recency, "frequency": frequency,
        "order_value": float(spend / frequency), "spend": spend, "returned": Decimal(0), "net_spend": spend,
        "basket_size": float(basket), "tenure_days": tenure,
        "gap_days": (tenure - recency) / (frequency - 1) if frequency > 1 else None,
    }  # fmt: skip


def group(name: str, users: int = 40, seed: int = 1, typical: tuple[float, ...] | None = None) -> list[Row]:
    """Buyers within some 10 % of the group's typical member."""
    recency, frequency, value, basket, tenure = typical or GROUPS[name]
    spread = np.random.default_rng([seed, *name.encode()]).lognormal(0, 0.1, size=(users, 4))
    return [
        buyer(
            f"{name}-{n:03}", max(1, round(recency * s[0])), max(1, round(frequency * s[1])), value * s[2],
            basket * s[3], round(tenure * 1.3 if frequency > 1 else recency * s[0] + 2),
        )
        for n, s in enumerate(spread)
    ]  # fmt: skip


def everyone(**changed: Any) -> list[Row]:
    return [row for name in GROUPS for row in group(name, **changed)]


def users_of(spark: SparkSession, rows: list[Row]) -> DataFrame:
    return rows_of(spark, USER_FEATURES, rows)


def fitted(features: DataFrame, previous: SegmentModel | None = None, **changed: Any) -> SegmentModel:
    model = fit(features, params(**changed), previous)
    assert model is not None
    return model


def segments(model: SegmentModel, features: DataFrame) -> dict[str, int]:
    return {row.user_id: row.segment_id for row in assign(model, features).collect()}


def id_of(model: SegmentModel, features: DataFrame, name: str) -> int:
    """The segment that all of a planted group share."""
    (shared,) = {found for user, found in segments(model, features).items() if user.startswith(name)}
    return shared


def coordinates(model: SegmentModel, table: pd.DataFrame) -> np.ndarray:
    """The scaled space, written down a second time in numpy."""
    columns = zip(model.inputs, model.lows, model.highs, model.fills, model.means, model.stds, strict=True)
    scaled = []
    for name, low, high, fill, mean, std in columns:
        value = np.clip(table[name].astype(float).fillna(fill), low, high)
        scaled.append((np.sign(value) * np.log1p(np.abs(value)) - mean) / std)
    return np.column_stack(scaled)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Several partitions for a few rows; and few fits, as groups that lie so far apart are found by any two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shoal.models.segments.clustering.ROWS_PER_PARTITION", 60)
        patch.setattr("shoal.models.segments.clustering.BEGUN", 2)
        patch.setattr("shoal.models.segments.clustering.CARRIED_ON", 1)
        yield


@pytest.fixture(scope="module")
def shop(spark: SparkSession) -> Iterator[DataFrame]:
    users = users_of(spark, everyone()).persist()
    yield users
    users.unpersist()


@pytest.fixture(scope="module")
def model(shop: DataFrame) -> SegmentModel:
    return fitted(shop)


def test_groups_that_are_there_are_found(shop, model):
    found = segments(model, shop)

    assert adjusted_rand_score([user.split("-")[0] for user in found], [*found.values()]) == 1.0
    assert (model.k, model.k_wanted, model.dropped) == (4, 4, ())


def test_groups_are_found_whatever_the_seed(shop):
    found = segments(fitted(shop, seed=1), shop)

    assert adjusted_rand_score([user.split("-")[0] for user in found], [*found.values()]) >= 0.95


def test_order_partitioning_and_who_never_bought_change_nothing(spark, shop, model):
    prospects = [{"user_id": f"p{n}", "is_buyer": False, "frequency": 0, "tenure_days": n + 1} for n in range(50)]
    others = users_of(spark, prospects).unionByName(shop.orderBy("basket_size").repartition(5, "net_spend"))

    assert fitted(others) == model
    assert segments(model, others) == segments(model, shop)


def test_rank_1_has_the_highest_mean_net_spend(shop, model):
    joined = assign(model, shop).join(shop, on="user_id", how="inner").toPandas()
    by_rank = joined.astype({"net_spend": float}).groupby("segment_rank")["net_spend"].mean()

    assert model.ranks == model.segment_ids == (1, 2, 3, 4)
    assert [*by_rank.index] == [1, 2, 3, 4]
    assert by_rank.is_monotonic_decreasing


def test_assign_takes_the_nearest_centre_and_says_how_far(shop, model):
    table = shop.toPandas()
    far = np.linalg.norm(coordinates(model, table)[:, None, :] - np.array(model.centres)[None], axis=2)
    found = assign(model, shop).toPandas().set_index("user_id").loc[table["user_id"]]

    assert dict(assign(model, shop).dtypes) == {
        "user_id": "string", "segment_id": "int", "segment_rank": "int", "segment_name": "string",
        "distance": "double",
    }  # fmt: skip
    np.testing.assert_array_equal(found["segment_rank"] - 1, far.argmin(axis=1))
    np.testing.assert_allclose(found["distance"], far.min(axis=1), atol=1e-3)  # inputs lie on a grid of 2**-16


def test_scaling_is_clip_log_and_standardise(frame):
    # 1..201, whole numbers of three digits: the 1 % and 99 % quantiles are 3 and 199.
    rows = [{**buyer(f"u{n:03}", n, 2, 10.0, 1.0, 300), "gap_days": None if n == 7 else 1.0 * n}
            for n in range(1, 202)]  # fmt: skip
    model = fitted(frame(USER_FEATURES, *rows), inputs=("recency_days",), min_users_per_segment=1000)
    logged = np.log1p(np.clip(np.arange(1, 202), 3, 199))

    assert (model.lows, model.highs, model.k) == ((3.0,), (199.0,), 1)
    assert model.means == pytest.approx([logged.mean()], abs=1e-5)
    assert model.stds == pytest.approx([logged.std()], abs=1e-5)
    assert model.centres == ((0.0,),)


def test_no_second_order_yet_is_the_slowest_rhythm_and_no_price_is_0(frame):
    rows = [{**row, "return_rate": n % 2 / 2} for n, row in enumerate(everyone())]
    slowest = max(row["gap_days"] for row in rows if row["gap_days"])
    unknown = {**rows[0], "gap_days": None, "net_spend": None, "return_rate": None}
    explicit = {**rows[0], "gap_days": slowest, "net_spend": Decimal(0), "return_rate": 0.0}
    inputs = ("gap_days", "net_spend", "return_rate")
    model = fitted(frame(USER_FEATURES, *rows), inputs=inputs, min_users_per_segment=1000)

    assert model.fills[0] == model.highs[0]
    (one,) = assign(model, frame(USER_FEATURES, unknown)).collect()
    (other,) = assign(model, frame(USER_FEATURES, explicit)).collect()
    assert one == other


def test_a_model_survives_json(shop, model):
    again = SegmentModel(**json.loads(json.dumps(asdict(model))))

    assert again == model
    assert assign(again, shop).collect() == assign(model, shop).collect()


def test_ids_stay_when_data_shift_and_ranks_flip(spark, shop, model):
    # Other buyers of the same kinds, and those who had gone turn out to have spent most.
    rows = [row for name in GROUPS for row in group(name, seed=2, users=45)]
    rich = [{**row, "net_spend": row["net_spend"] * 1000} if "gone" in row["user_id"] else row for row in rows]
    later = users_of(spark, rich)
    inputs = tuple(name for name in INPUTS if name != "net_spend")
    now = fitted(later, model, inputs=inputs)

    assert id_of(model, shop, "gone") == 4  # they ranked last
    assert now.ranks[now.segment_ids.index(4)] == 1
    assert now.last_id == 4
    for name in GROUPS:
        assert id_of(now, later, name) == id_of(model, shop, name), name


@pytest.mark.long
def test_an_id_is_never_given_twice(spark):
    def of(*groups: str) -> DataFrame:
        return users_of(spark, [row for name in groups for row in group(name)])

    inputs = ("recency_days", "frequency", "order_value")
    three, two, other = of("regular", "new", "gone"), of("regular", "gone"), of("regular", "gone", "silent")
    first = fitted(three, inputs=inputs, k=3)
    second = fitted(two, first, inputs=inputs, k=2)
    third = fitted(other, second, inputs=inputs, k=3)

    assert {*second.segment_ids} == {id_of(first, three, "regular"), id_of(first, three, "gone")}
    assert id_of(third, other, "silent") == 4  # not the id that "new" had, which now nobody has
    assert id_of(third, other, "regular") == id_of(first, three, "regular")
    assert id_of(third, other, "gone") == id_of(first, three, "gone")


@pytest.mark.long
def test_ids_that_another_release_has_shown_are_not_given_again(spark, shop, model):
    """After a rollback, or for an older day, the model that is continued is not the one that gave the last id."""
    anew, onward = fit(shop, params(), None, last_id=9), fit(shop, params(), model, last_id=9)

    assert sorted(anew.segment_ids) == [10, 11, 12, 13]
    assert {*onward.segment_ids} == {*model.segment_ids}
    assert onward.last_id == 9


@pytest.mark.long
def test_ids_stay_when_one_input_falls_away(spark, shop, model):
    unpriced = users_of(spark, [{**row, "order_value": None} for row in everyone()])
    without = fitted(unpriced, model)

    assert without.dropped == ("order_value",)
    for name in GROUPS:
        assert id_of(without, unpriced, name) == id_of(model, shop, name)


def test_a_model_is_not_of_settings_that_mean_something_else_by_an_input(model):
    remembering = replace(model, own={"net_spend": "as it was"})

    assert remembering.is_of(params(), {"net_spend": "as it was"})
    assert not remembering.is_of(params(), {"net_spend": "otherwise"})
    assert not remembering.is_of(params(), {})
    assert not model.is_of(params(), {"net_spend": "as it was"}), "what it meant then is not known"


@pytest.mark.parametrize(("changed", "stay"), [(3, True), (4, False)])
def test_ids_go_on_by_the_inputs_that_mean_what_they_meant_if_they_are_half_of_all(shop, model, changed, stay):
    previous = replace(model, own=dict.fromkeys(INPUTS[:4], "then"))
    now = {name: "now" if place < changed else "then" for place, name in enumerate(INPUTS[:4])}

    found = fit(shop, params(), previous, own=now)

    assert found is not None
    assert found.own == now
    assert {*found.segment_ids} == ({1, 2, 3, 4} if stay else {5, 6, 7, 8})


def test_one_huge_buyer_takes_no_segment(spark, shop, model):
    whale = {**buyer("whale", 9, 31, 1e7, 900.0, 1100), "gap_days": 35.0}
    with_whale = users_of(spark, [*everyone(), whale])
    found = segments(fitted(with_whale), with_whale)
    planted = {user: segment for user, segment in found.items() if user != "whale"}

    assert found["whale"] == found["regular-000"]
    assert adjusted_rand_score([user.split("-")[0] for user in planted], [*planted.values()]) == 1.0


def test_a_shop_without_prices_is_ranked_by_orders(spark):
    unpriced = users_of(spark, [{**row, **dict.fromkeys(MONEY)} for row in everyone()])
    model = fitted(unpriced)
    described = profiles(model, assign(model, unpriced).join(unpriced, on="user_id", how="inner")).toPandas()

    assert model.dropped == ("net_spend", "order_value")
    assert {*model.inputs} == {*INPUTS} - {*model.dropped}
    assert np.isfinite([model.centres]).all()
    assert model.ranks[model.segment_ids.index(id_of(model, unpriced, "regular"))] == 1
    assert described["mean_frequency"].is_monotonic_decreasing
    assert described[["net_spend", "net_spend_share", "mean_net_spend", "mean_order_value"]].isna().all(axis=None)
    assert not any("spend" in sentence or "per order" in sentence.replace("lines of goods per order", "")
                   for sentence in model.marks)  # fmt: skip
    assert not any("spend" in TEMPLATES.get(name, {}) for name in model.names)


def test_a_constant_input_is_dropped(frame):
    rows = [{**row, "basket_size": 3.0} for row in everyone(users=5)]
    model = fitted(frame(USER_FEATURES, *rows), min_users_per_segment=1000)

    assert model.dropped == ("basket_size",)
    assert model.inputs == tuple(name for name in INPUTS if name != "basket_size")


@pytest.mark.parametrize(("buyers", "asked", "k"), [(9, 4, 1), (10, "auto", 2)])
def test_few_buyers_make_few_segments(frame, buyers, asked, k):
    features = frame(USER_FEATURES, *everyone(users=5)[:buyers])
    model = fitted(features, k=asked, inputs=("recency_days", "frequency"))

    assert (model.k, model.k_wanted) == (k, 4)  # 5 users make a segment
    assert len(segments(model, features)) == buyers


def test_a_single_buyer_is_a_segment_and_none_are_none(frame):
    alone = frame(USER_FEATURES, buyer("u", 3, 2, 10.0, 1.0, 9))
    model = fitted(alone)

    assert (model.k, model.names, model.inputs, model.dropped) == (1, ("All buyers",), (), INPUTS)
    (row,) = assign(model, alone).collect()
    assert (row.user_id, row.segment_id, row.distance) == ("u", 1, 0.0)
    assert [m.value for m in evaluate(model, alone)] == [None, 0.0, 1.0, 1.0]
    assert fitted(alone, model).segment_ids == (1,)
    assert fit(frame(USER_FEATURES, {"user_id": "p", "is_buyer": False}), params(), None) is None


def test_fewer_kinds_of_buyers_than_segments(frame):
    kinds = [buyer("", *GROUPS[name]) for name in ("regular", "gone", "silent")]
    rows = [{**kind, "user_id": f"{n}-{place}"} for place, kind in enumerate(kinds) for n in range(20)]
    model = fitted(frame(USER_FEATURES, *rows), k=6)

    assert (model.k, model.k_wanted) == (3, 6)


@pytest.mark.long
def test_auto_finds_how_many_groups_there_are(spark):
    extra = group("small", typical=(40, 4, 9.0, 20.0, 200))

    inputs = ("recency_days", "frequency", "basket_size")
    assert fitted(users_of(spark, [*everyone(), *extra]), k="auto", inputs=inputs).k == 5


def test_inputs_that_are_no_figures_are_refused_together(shop):
    with pytest.raises(ConfigError, match=r"(?s)last_order_at.*recncy"):
        fit(shop, params(inputs=("frequency", "last_order_at", "recncy")), None)


def test_metrics_agree_with_scikit_learn(shop, model):
    scaled = coordinates(model, shop.toPandas())
    squared = ((scaled[:, None, :] - np.array(model.centres)[None]) ** 2).sum(axis=2)
    measured = {metric.metric: metric.value for metric in evaluate(model, shop)}

    assert measured["silhouette"] == pytest.approx(
        silhouette_score(scaled, squared.argmin(axis=1), metric="sqeuclidean"), abs=1e-4
    )
    assert measured["wssse"] == pytest.approx(squared.min(axis=1).sum(), rel=1e-3)
    assert (measured["smallest_segment_share"], measured["k"]) == (0.25, 4.0)  # four groups of one size


def test_profiles_agree_with_pandas(shop, model):
    joined = assign(model, shop).join(shop, on="user_id", how="inner")
    described = profiles(model, joined)
    table = joined.toPandas().astype({"net_spend": float, "spend": float})
    grouped = table.groupby("segment_rank")
    found = described.toPandas().set_index("segment_rank")

    assert [*described.columns] == [
        name for name in SEGMENT_PROFILES.names if name not in ("run_id", "segmentation", "source", "model_id")
    ]
    assert [*found["segment_id"]] == [*model.segment_ids]
    assert [*found["marks"]] == [*model.marks]
    expected = {
        "users": grouped.size(), "user_share": grouped.size() / len(table),
        "net_spend_share": grouped["net_spend"].sum() / table["net_spend"].sum(),
        "mean_net_spend": grouped["net_spend"].mean(), "mean_frequency": grouped["frequency"].mean(),
        "median_recency_days": grouped["recency_days"].median(),
        "mean_order_value": grouped["spend"].sum() / grouped["frequency"].sum(),
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].astype(float), values, rtol=1e-9, err_msg=name)


def test_names_tell_the_truth_about_plain_means(shop, model):
    table = assign(model, shop).join(shop, on="user_id", how="inner").toPandas().astype({"net_spend": float})
    table = table.assign(once=(table["frequency"] == 1).astype(float))
    columns = {
        "recency": "recency_days", "frequency": "frequency", "spend": "net_spend", "tenure": "tenure_days",
        "basket": "basket_size", "ticket": "order_value", "once": "once",
    }  # fmt: skip
    name_of = {user.split("-")[0]: name for user, name in zip(table["user_id"], table["segment_name"], strict=True)}

    assert len({*model.names}) == model.k
    for name, members in table.groupby("segment_name"):
        for figure, sign in TEMPLATES[name].items():
            mine, average = members[columns[figure]].mean(), table[columns[figure]].mean()
            assert (mine - average) * sign > 0, (name, figure)
    assert TEMPLATES[name_of["regular"]]["recency"] == -1
    assert TEMPLATES[name_of["new"]]["tenure"] == -1
    assert TEMPLATES[name_of["gone"]]["recency"] == TEMPLATES[name_of["silent"]]["recency"] == 1


@pytest.mark.parametrize("k", [2, 6, 50])
def test_names_are_unique_and_claim_only_what_is_clear(k):
    figures = sorted({figure for claims in TEMPLATES.values() for figure in claims})
    for seed in range(20):
        drawn = np.random.default_rng([k, seed]).normal(size=(k, len(figures)))
        found = [dict(zip(figures, row, strict=True)) for row in drawn.tolist()]
        given = names(found, [None] * k)

        assert len({*given}) == k
        for name, lean in zip(given, found, strict=True):
            assert all(lean[figure] * sign >= CLEAR for figure, sign in TEMPLATES.get(name, {}).items())


def test_a_name_stays_while_it_is_true():
    away, close = {"recency": 1.0, "spend": 0.4}, {"recency": -1.0}

    assert names([away, close], [None, None])[0] == "Lapsed"  # 1.0 along it, against (1.0 + 0.4) / sqrt 2 = 0.99
    assert names([away, close], ["Lapsed big spenders", None])[0] == "Lapsed big spenders"
    assert names([{**away, "spend": 0.0}, close], ["Lapsed big spenders", None])[0] == "Lapsed"
    assert names([{}, {}], ["Champions", None]) == ["Average buyers", "Average buyers (2)"]


def figures(**changed: Any) -> Figures:
    plain = {
        "users": 10, "recency": 50.0, "median_recency": 45.0, "frequency": 2.5, "tenure": 100.0, "once": 0.5,
        "basket": 2.0, "net": Decimal(1000), "ticket": 40.0,
    }  # fmt: skip
    return Figures(**{**plain, **changed})


def test_a_lean_counts_only_where_the_plain_mean_agrees():
    segment = figures(recency=60.0, frequency=3.0, net=None, once=1.0)
    scaled = {"recency": 0.8, "frequency": -0.5, "spend": 1.0}

    assert leans(segment, figures(), scaled) == {"recency": 0.8, "frequency": 0.0, "once": 1.0}
    assert leans(figures(once=0.8), figures(), {}) == {"once": 0.0}  # four of five are not "one-time buyers"
    # A few who went long ago make the mean; the median, which is shown, says that they ordered lately.
    assert leans(figures(recency=60.0, median_recency=9.0), figures(), {"recency": 0.8})["recency"] == 0.0


def test_marks_tell_first_what_the_name_speaks_of():
    regulars = figures(frequency=8.0, tenure=310.4, median_recency=12.5, net=Decimal(4100), basket=1.25)
    orders = "8.0 orders per buyer, first seen 310 days ago (means; all buyers 2.5 and 100)"
    recency, spend = "last order 12.5 days ago (median; all buyers 45)", "net spend 410.00 per buyer (4.1x the average)"
    basket, ticket = "1.2 lines of goods per order (all buyers 2.0)", "40.00 per order (all buyers 40.00)"

    told = {
        "All buyers": [orders, recency, spend],
        "Loyal regulars": [recency, orders, spend],
        "Big spenders (2)": [orders, recency, spend],
        "Frequent small baskets": [orders, basket, recency, spend],
        "Small low-value baskets": [ticket, basket, orders, recency, spend],
        "Silent, small-basket buyers": [recency, basket, orders, spend],
    }
    assert {name: marks(regulars, figures(), name) for name in told} == {
        name: ", ".join(phrases) for name, phrases in told.items()
    }


def test_marks_of_one_order_each_and_of_money_that_went_back():
    assert marks(figures(once=1.0, frequency=1.0, tenure=14.0, net=Decimal(-30)), figures(), "New one-time buyers") == (
        "last order 45 days ago (median; all buyers 45), 1 order per buyer, first seen 14 days ago "
        "(means; all buyers 2.5 and 100), net spend -3.00 per buyer"
    )
    assert "per order" not in marks(figures(basket=None, ticket=None), figures(), "Small low-value baskets")


LEANING = ("recency", "frequency", "spend", "tenure", "basket", "ticket")
FIGURE_OF = {"recency": "median_recency"}
UNSPOKEN = {  # what no reader takes the name to compare with other segments
    "Champions": {"recency", "frequency"}, "Loyal regulars": {"recency", "tenure"}, "Fast starters": {"frequency"},
    "New customers": {"recency"}, "New one-time buyers": {"recency"}, "At risk": {"frequency"},
    "Occasional buyers": {"tenure"},
}  # fmt: skip
IN_WORDS = {
    "recent": ("recency", -1), "silent": ("recency", 1), "rare": ("frequency", -1), "frequent": ("frequency", 1),
    "low-spend": ("spend", -1), "high-spend": ("spend", 1), "newer": ("tenure", -1), "older": ("tenure", 1),
    "small-basket": ("basket", -1), "large-basket": ("basket", 1), "low-ticket": ("ticket", -1),
    "high-ticket": ("ticket", 1), "one-time": ("once", 1),
}  # fmt: skip


def claimed(name: str) -> dict[str, int]:
    """The directions that a name claims."""
    name = name.split(" (")[0]
    words = name.lower().removesuffix(" buyers").split(", ")
    return dict(TEMPLATES.get(name) or (IN_WORDS[word] for word in words if word in IN_WORDS))


def contradictions(given: list[str], segments: list[Figures]) -> list[tuple[str, str, str]]:
    """Where another segment goes as far in what a name compares, and its own name does not say so."""
    return [
        (name, figure, other)
        for name, mine in zip(given, segments, strict=True)
        for figure, sign in claimed(name).items()
        for other, theirs in zip(given, segments, strict=True)
        if other != name and figure not in UNSPOKEN.get(name, ()) and claimed(other).get(figure) != sign
        and sign * (valued(theirs, figure) - valued(mine, figure)) >= 0
    ]  # fmt: skip


def valued(segment: Figures, figure: str) -> float:
    return float(getattr(segment, FIGURE_OF.get(figure, figure)))


def named(segments: list[Figures], scaled: list[dict[str, float]], kept: list[str | None] | None = None) -> list[str]:
    everyone = figures(recency=93.1, median_recency=51.0, frequency=4.3, tenure=226.0, once=0.4, basket=22.1,
                       net=Decimal(19160), ticket=448.0)  # fmt: skip
    return names(
        [leans(segment, everyone, lean) for segment, lean in zip(segments, scaled, strict=True)],
        kept or [None] * len(segments),
        [shown(segment) for segment in segments],
    )


# The six segments of Online Retail at the end of 2011, and how far they lean.
RETAIL = [
    (figures(recency=16.2, median_recency=9.0, frequency=15.02, tenure=321.2, once=0.0, basket=22.3,
             net=Decimal(82761), ticket=570.6),
     {"recency": -1.17, "frequency": 1.82, "spend": 1.48, "tenure": 0.65, "basket": 0.13, "ticket": 0.41}),
    (figures(recency=51.5, median_recency=33.0, frequency=3.88, tenure=247.6, once=0.01, basket=34.8,
             net=Decimal(17853), ticket=475.2),
     {"recency": -0.27, "frequency": 0.3, "spend": 0.4, "tenure": 0.24, "basket": 0.75, "ticket": 0.3}),
    (figures(recency=75.1, median_recency=41.0, frequency=3.55, tenure=227.9, once=0.0, basket=10.4,
             net=Decimal(8220), ticket=301.6),
     {"recency": -0.08, "frequency": 0.2, "spend": -0.07, "tenure": 0.11, "basket": -0.63, "ticket": -0.45}),
    (figures(recency=192.2, median_recency=187.0, frequency=1.30, tenure=246.2, once=0.71, basket=27.1,
             net=Decimal(5377), ticket=424.0),
     {"recency": 0.94, "frequency": -0.79, "spend": -0.38, "tenure": 0.29, "basket": 0.42, "ticket": 0.1}),
    (figures(recency=37.8, median_recency=37.0, frequency=1.08, tenure=38.5, once=0.93, basket=27.9,
             net=Decimal(3751), ticket=361.3),
     {"recency": -0.33, "frequency": -0.93, "spend": -0.72, "tenure": -1.94, "basket": 0.3, "ticket": -0.05}),
    (figures(recency=190.4, median_recency=195.0, frequency=1.30, tenure=227.9, once=0.76, basket=6.1,
             net=Decimal(1594), ticket=288.2),
     {"recency": 0.89, "frequency": -0.8, "spend": -1.33, "tenure": 0.13, "basket": -1.28, "ticket": -1.2}),
]  # fmt: skip
BEFORE = ["Champions", "Big-basket buyers", "Small low-value baskets", "Lapsed", "New one-time buyers", "Low spenders"]


def test_names_that_contradict_the_figures_of_others_are_found():
    """Those longest gone were called low spenders, and so were those with the smallest baskets."""
    found = {(name, figure, other) for name, figure, other in contradictions(BEFORE, [s for s, _ in RETAIL])}

    assert found == {
        ("Lapsed", "recency", "Low spenders"),
        ("Small low-value baskets", "basket", "Low spenders"),
        ("Small low-value baskets", "ticket", "Low spenders"),
    }


@pytest.mark.parametrize("kept", [None, BEFORE])
def test_no_name_contradicts_the_figures_of_another_segment(kept):
    given = named([segment for segment, _ in RETAIL], [lean for _, lean in RETAIL], kept)

    assert contradictions(given, [segment for segment, _ in RETAIL]) == []
    assert given[0] == "Champions"
    assert claimed(given[3])["recency"] == claimed(given[5])["recency"] == 1  # both are long gone, and said to be
    assert not any("Other" in name or "Average" in name for name in given)


def test_what_one_segment_cannot_say_no_other_claims():
    """The median of the second lies beyond that of the first, but not clearly: nobody is called lapsed."""
    gone = figures(recency=200.0, median_recency=150.0)
    longer = figures(recency=93.5, median_recency=160.0)
    given = named([gone, longer], [{"recency": 0.9}, {"recency": 0.05}])

    assert [claimed(name).get("recency") for name in given] == [None, None]


def test_a_tie_marks_nobody_out():
    """Both are known for as long, and only one of them clearly, on the scale that no single buyer can bend."""
    both = [figures(tenure=300.2, recency=95.0), figures(tenure=299.9, recency=95.0)]

    assert "tenure" not in claimed(named(both, [{"tenure": 0.6}, {"tenure": 0.2}])[0])
    assert claimed(named(both, [{"tenure": 0.6}, {"tenure": 0.5}])[0]) == {"tenure": 1}


@pytest.mark.parametrize("k", [2, 4, 6, 10])
def test_no_names_of_segments_drawn_at_random_contradict_their_figures(k):
    for seed in range(30):
        draw = np.random.default_rng([k, seed, 1])
        drawn = [
            figures(
                recency=recency, median_recency=recency * draw.uniform(0.7, 1.2), frequency=draw.lognormal(1, 1),
                tenure=draw.uniform(30, 400), once=draw.choice([0.0, 0.5, 0.95]), basket=draw.lognormal(2.5, 1),
                net=Decimal(round(draw.lognormal(8, 2), 2)), ticket=draw.lognormal(5, 1),
            )
            for recency in draw.uniform(5, 250, size=k)
        ]  # fmt: skip
        scaled = [
            {name: sign * abs(draw.normal()) for name, sign in zip(LEANING, draw.choice([-1, 1], 6), strict=True)}
            for _ in drawn
        ]
        given = named(drawn, scaled)

        assert len({*given}) == k
        assert contradictions(given, drawn) == [], (k, seed)


def test_segments_are_recognised_one_to_one_and_only_when_near():
    previous = np.array([[0.0, 0.0], [3.0, 3.0], [-3.0, 3.0]])

    moved = np.array([[0.0, 0.0], [SAME * 1.1] * 2, [SAME * 0.9] * 2])

    assert same_segments(previous[[2, 0, 1]] + 0.1, previous) == [2, 0, 1]
    assert same_segments(previous + moved, previous) == [0, None, 2]
    # Both near the same one: the nearer continues it. More centres than before: the rest are new.
    assert same_segments(np.array([[0.2, 0.2], [0.1, 0.1], [9, 9], [3, 3]]), previous) == [None, 0, None, 1]


def test_a_feature_of_the_shops_own_may_decide(spark):
    """Buyers who are alike in all else, of whom half are loud."""
    rows = [{**row, "own": {"loud": 1000.0 if n % 2 else 1.0}} for n, row in enumerate(group("regular", users=60))]
    features = users_of(spark, rows).withColumn("loud", F.col("own")["loud"])
    model = fitted(features, inputs=("loud",), k=2)
    found = segments(model, features)

    assert model.inputs == ("loud",)
    loud = {row["user_id"] for row in rows if row["own"]["loud"] > 1}
    assert len({found[user] for user in loud}) == 1
    assert len({*found.values()}) == 2
    assert {user for user in found if found[user] == found[min(loud)]} == loud
