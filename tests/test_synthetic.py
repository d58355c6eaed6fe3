"""The shop's planted truth holds: every expected number is derived here from what was planted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from shoal.errors import ConfigError
from shoal.synthetic import SyntheticShop, synthesize, write
from shoal.synthetic.faults import BAD_SHARE, DUPLICATE_SHARE, FAULTS
from shoal.synthetic.groups import GROUPS, GUEST_PER_VISIT, HORIZON_DAYS, Group, order_chances, season

START = date(2025, 1, 1)
USERS, ITEMS, DAYS, SEED = 600, 200, 75, 7
SIGMAS = 4.0  # one false alarm in 16,000 looks; the data are fixed by their seed


@dataclass(frozen=True)
class Observed:
    """A shop's rows in memory."""

    raw: pd.DataFrame  # as delivered
    good: pd.DataFrame  # without bad rows, each event once
    users: pd.DataFrame
    items: pd.DataFrame
    bad: pd.DataFrame
    duplicates: pd.DataFrame
    as_of: date


def observed(shop: SyntheticShop) -> Observed:
    raw = shop.events.toPandas()
    truth = {name: rows.toPandas() for name, rows in shop.truth.items()}
    good = raw[~raw.event_id.isin(truth["bad_rows"].event_id)].drop_duplicates("event_id")
    return Observed(
        raw=raw,
        good=good.assign(day=pd.to_datetime(good.event_time.str[:10]).dt.date),
        users=truth["users"],
        items=truth["items"],
        bad=truth["bad_rows"],
        duplicates=truth["duplicates"],
        as_of=shop.as_of,
    )


@pytest.fixture(scope="module")
def shop(spark: SparkSession) -> Observed:
    return observed(synthesize(spark, users=USERS, items=ITEMS, days=DAYS, seed=SEED, start=START))


@pytest.fixture(scope="module")
def later(spark: SparkSession) -> Observed:
    """The same shop, watched for a horizon more."""
    return observed(synthesize(spark, users=USERS, items=ITEMS, days=DAYS + HORIZON_DAYS, seed=SEED, start=START))


def assert_binomial(hits: int, trials: int, chance: float, what: str) -> None:
    """A normal bound on a binomial count, with one of room for small expectations."""
    bound = SIGMAS * math.sqrt(trials * chance * (1 - chance)) + 1
    expected = trials * chance
    assert abs(hits - expected) <= bound, f"{what}: {hits} of {trials}, expected {expected:.1f} +- {bound:.1f}"


def sorted_rows(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype(str).sort_values([*rows.columns]).reset_index(drop=True)


# --- the same arguments, the same rows ---


def test_partitioning_changes_nothing(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> tuple[int, pd.DataFrame]:
        events = synthesize(spark, users=120, items=60, days=30, seed=SEED).events
        placed = events.withColumn("part", F.spark_partition_id()).toPandas()
        return placed.pop("part").nunique(), placed

    few, one_way = rows()
    monkeypatch.setattr(import_module("shoal.synthetic.people"), "_USERS_PER_TASK", 17)
    many, another_way = rows()

    assert many > few
    pd.testing.assert_frame_equal(sorted_rows(one_way), sorted_rows(another_way))


def test_another_seed_is_another_shop(spark: SparkSession, shop: Observed) -> None:
    other = synthesize(spark, users=USERS, items=ITEMS, days=DAYS, seed=SEED + 1, start=START).truth["users"].toPandas()
    both = shop.users.merge(other, on="user_id", validate="one_to_one")

    # Two independent draws agree by chance only.
    by_chance = sum(group.share**2 for group in GROUPS)
    assert_binomial(int((both.group_x == both.group_y).sum()), USERS, by_chance, "same group")
    assert_binomial(int((both.taste_x == both.taste_y).sum()), USERS, 1 / 8, "same taste")


def test_a_longer_life_begins_with_the_same_days(shop: Observed, later: Observed) -> None:
    columns = [*shop.raw.columns]
    then = later.good[later.good.day < shop.as_of]
    bad = later.bad[later.bad.event_date < shop.as_of]

    pd.testing.assert_frame_equal(sorted_rows(shop.good[columns]), sorted_rows(then[columns]))
    pd.testing.assert_frame_equal(sorted_rows(shop.bad), sorted_rows(bad))
    assert shop.good.day.max() < shop.as_of == START + timedelta(days=DAYS)


# --- what was planted is there ---


def test_users_come_from_the_planted_groups(shop: Observed) -> None:
    assert len(shop.users) == shop.users.user_id.nunique() == USERS
    for group in GROUPS:
        assert_binomial(int((shop.users.group == group.name).sum()), USERS, group.share, group.name)


def test_orders_follow_rate_and_season(shop: Observed) -> None:
    """Every day of presence is one draw; the variance of such a sum is at most its mean."""
    busy = np.array(season(START, DAYS))
    bought = shop.good[(shop.good.event_type == "purchase") & shop.good.user_id.notna()]
    orders = bought.groupby("user_id").order_id.nunique()
    for group in GROUPS:
        members = shop.users[(shop.users.group == group.name) & shop.users.arrived_on.notna()]
        expected = 0.0
        for arrived, churned in zip(members.arrived_on, members.churned_on, strict=True):
            first, last = (arrived - START).days, ((churned or shop.as_of) - START).days
            chances = np.minimum(1, group.order_rate * busy[first:last])
            expected += chances.sum() + (1 - chances[0] if group.first_order else 0)
        found = int(orders.reindex(members.user_id).fillna(0).sum())
        assert abs(found - expected) <= SIGMAS * math.sqrt(expected) + 1, group.name


def test_season_repeats_weekly_and_peaks_before_christmas() -> None:
    year = np.array(season(date(2025, 1, 1), 365))

    weekly = [year[offset::7].mean() for offset in range(7)]  # the first day was a Wednesday
    assert np.argmax(weekly) == 4, "Sunday is the busiest day of a week"
    whole_weeks = pd.Series(year).rolling(7, center=True).mean()  # in which the weekdays cancel out
    assert abs(whole_weeks.idxmax() - (date(2025, 12, 6) - START).days) <= 3, "the annual wave peaks early in December"
    assert year.mean() == pytest.approx(1, abs=0.01)


def test_guests_are_visits_without_a_user(shop: Observed) -> None:
    visits = shop.good.dropna(subset=["session_id"]).drop_duplicates("session_id")
    guests = int(visits.user_id.isna().sum())

    assert_binomial(guests, len(visits) - guests, GUEST_PER_VISIT, "guests beside users' visits")
    assert shop.good.visitor_id.notna().all()
    assert shop.good.groupby("session_id").visitor_id.nunique().max() == 1
    with_user = shop.good.dropna(subset=["user_id"])
    assert set(with_user.user_id) <= set(shop.users.user_id)
    assert not set(with_user.visitor_id) & set(shop.good[shop.good.user_id.isna()].visitor_id)


def first_looks(shop: Observed) -> pd.DataFrame:
    """Each visit's first article: drawn freely, where later ones must differ from those before."""
    first = shop.good[shop.good.event_id.str.endswith("-0v")]
    looks = first.merge(shop.items, on="item_id", validate="many_to_one")
    assert len(looks) == len(first), "every article is in the catalogue"
    return looks


def test_users_look_at_their_own_taste(shop: Observed) -> None:
    looks = first_looks(shop).merge(shop.users, on="user_id", suffixes=("", "_own"))

    # 0.8 own taste, else any of 8.
    assert_binomial(int((looks.taste == looks.taste_own).sum()), len(looks), 0.8 + 0.2 / 8, "own taste")


def test_popularity_within_a_pool_is_zipf(shop: Observed) -> None:
    looks = first_looks(shop)
    size = looks.merge(shop.items.groupby(["taste", "tier"]).size().rename("n").reset_index(), on=["taste", "tier"]).n

    # Pareto with exponent 0.8, cut to [1, n + 1): P(rank = 1) = (2^0.2 - 1) / ((n + 1)^0.2 - 1).
    chance = (2**0.2 - 1) / ((size + 1) ** 0.2 - 1)
    top = int((looks.popularity_rank == 1).sum())
    assert abs(top - chance.sum()) <= SIGMAS * math.sqrt((chance * (1 - chance)).sum())


def test_an_order_is_made_of_different_articles(shop: Observed) -> None:
    bought = shop.good[shop.good.event_type == "purchase"]
    goods = bought[bought.line_kind == "goods"]

    assert not goods.duplicated(["order_id", "item_id"]).any()
    assert set(bought.order_id) == set(goods.order_id), "no order is of shipping alone"
    carted = shop.good[shop.good.event_type == "cart"]
    assert set(zip(goods.session_id, goods.item_id, strict=True)) <= set(
        zip(carted.session_id, carted.item_id, strict=True)
    )


def test_returns_take_back_earlier_purchases(shop: Observed) -> None:
    returns = shop.good[shop.good.event_type == "return"]
    both = returns.merge(
        shop.good[(shop.good.event_type == "purchase") & (shop.good.line_kind == "goods")],
        left_on="original_event_id",
        right_on="event_id",
        suffixes=("", "_bought"),
    )

    assert len(both) == len(returns) > 20
    for same in ("order_id", "item_id", "unit_price", "visitor_id"):
        assert (both[same] == both[f"{same}_bought"]).all(), same
    assert (both.event_time > both.event_time_bought).all()
    assert both.quantity.between(1, both.quantity_bought).all()
    assert returns.original_event_id.is_unique


def test_users_act_only_between_coming_and_leaving(shop: Observed) -> None:
    acts = shop.good.merge(shop.users, on="user_id").groupby("user_id")
    days = {"first": ("day", "min"), "last": ("day", "max")}
    span = acts.agg(**days, came=("arrived_on", "first"), left=("churned_on", "first"))
    left = span.dropna(subset=["left"])

    assert (span["first"] == span.came).all(), "the first visit is on the day of coming"
    assert len(left) > 50
    assert (left["last"] < left.left).all()
    lapsed = shop.users[shop.users.group == "lapsed"]
    assert (lapsed.churned_on < shop.as_of).all()


# --- bad rows and duplicates ---


def test_every_kind_of_bad_row_is_there_and_their_share_is_the_planned_one(shop: Observed) -> None:
    """That each breaks its rules, and no other row any, is shown where the whole pipeline judges them."""
    assert set(shop.bad.kind) == {fault.kind for fault in FAULTS}
    assert_binomial(len(shop.bad), len(shop.good), BAD_SHARE, "bad rows")


def test_bad_rows_are_added_beside_good_ones(shop: Observed) -> None:
    assert shop.bad.event_id.is_unique
    assert shop.raw.event_id.isin(shop.bad.event_id).sum() == len(shop.bad)
    assert set(shop.bad.event_id.str.removesuffix("x")) <= set(shop.good.event_id)
    bad = shop.raw[shop.raw.event_id.isin(shop.bad.event_id)]
    assert not set(bad.order_id.dropna()) & set(shop.good.order_id.dropna())


def test_ids_are_unique_but_for_planted_duplicates(shop: Observed) -> None:
    times = shop.raw.event_id.value_counts()

    assert set(times[times > 1].index) == set(shop.duplicates.event_id)
    assert times.max() == 2
    assert shop.duplicates.event_id.is_unique
    assert shop.raw.astype(str).drop_duplicates().event_id.is_unique, "a duplicate says the same"
    assert_binomial(len(shop.duplicates), len(shop.good), DUPLICATE_SHARE, "duplicates")


# --- the chance of an order ---


def simulated_chances(group: Group, as_of: int, busy: Sequence[float], people: int) -> list[tuple[int, int]]:
    """Day by day, as the story is told: (with an order, all) of who was there, and of who was away, before as_of."""
    chance = np.random.default_rng(1)
    there, gone, ordered = np.zeros(people, bool), np.zeros(people, bool), np.zeros(people, bool)
    for day in range(as_of + HORIZON_DAYS):
        if day == as_of:
            was_there, was_away = there & ~gone, ~there & ~gone
            ordered[:] = False
        if day >= group.churn_from:
            gone |= chance.random(people) < group.churn_hazard
        if group.churn_by is not None and day >= group.churn_by:
            gone[:] = True
        comes = ~there & (day >= group.arrival_from) & (chance.random(people) < group.arrival_hazard)
        there |= comes
        orders = (chance.random(people) < group.order_rate * busy[day]) | (comes & group.first_order)
        ordered |= there & ~gone & orders
    return [(int(ordered[state].sum()), int(state.sum())) for state in (was_there, was_away)]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
@pytest.mark.parametrize("as_of", [2, 28, 40])
def test_chances_are_those_of_a_simulation(group: Group, as_of: int) -> None:
    busy = season(START, as_of + HORIZON_DAYS)
    counted = simulated_chances(group, as_of, busy, 40_000)

    for exact, (ordered, people) in zip(order_chances(group, as_of, busy), counted, strict=True):
        assert_binomial(ordered, people, exact, group.name)  # of nobody, nobody orders


def test_probability_comes_true(shop: Observed, later: Observed) -> None:
    """Per group and state, the users who order in the 30 days from as_of on are as many as was said."""
    future = later.good[(later.good.day >= shop.as_of) & (later.good.event_type == "purchase")]
    users = shop.users.assign(ordered=shop.users.user_id.isin(future.user_id))
    churned = users.churned_on.notna()

    assert (users.probability[churned] == 0).all()
    assert not users.ordered[churned].any()
    for (group, chance), members in users[~churned].groupby(["group", "probability"]):
        assert_binomial(int(members.ordered.sum()), len(members), chance, group)
    assert users.probability.max() > 0.8
    assert users.probability[~churned].min() < 0.1


def test_kmeans_finds_the_groups(spark: SparkSession) -> None:
    shop = observed(synthesize(spark, users=700, items=ITEMS, days=180, seed=SEED, start=START))
    features = buyer_features(shop)
    scaled = np.log1p(features.fillna({"gap_days": features.gap_days.max()}))
    scaled = (scaled - scaled.mean()) / scaled.std()
    found = KMeans(len(GROUPS), n_init=20, random_state=0).fit_predict(scaled)

    planted = shop.users.set_index("user_id").group.reindex(features.index)
    assert adjusted_rand_score(planted, found) >= 0.9


def buyer_features(shop: Observed) -> pd.DataFrame:
    """The features that segments are made of, as ``tables/features.py`` defines them, of who bought."""
    acts = shop.good.dropna(subset=["user_id"])
    acts = acts.assign(amount=acts.unit_price.astype(float) * acts.quantity, day=pd.to_datetime(acts.day))
    bought, as_of = acts[acts.event_type == "purchase"], pd.Timestamp(shop.as_of)
    goods, returned = bought[bought.line_kind == "goods"], acts[acts.event_type == "return"]
    days = bought.groupby("user_id").day.agg(["min", "max", "nunique"])
    frequency, spend = bought.groupby("user_id").order_id.nunique(), bought.groupby("user_id").amount.sum()
    return pd.DataFrame(
        {
            "recency_days": (as_of - days["max"]).dt.days,
            "frequency": frequency,
            "net_spend": spend - returned.groupby("user_id").amount.sum().reindex(spend.index).fillna(0),
            "order_value": spend / frequency,
            "basket_size": goods.groupby("user_id").size() / frequency,
            "distinct_items": goods.groupby("user_id").item_id.nunique(),
            "gap_days": (days["max"] - days["min"]).dt.days / (days["nunique"] - 1).where(days["nunique"] > 1),
            "tenure_days": (as_of - acts.groupby("user_id").day.min()).dt.days.reindex(spend.index),
        }
    )


# --- arguments and files ---


def test_all_sizes_that_are_too_small_are_named(spark: SparkSession) -> None:
    with pytest.raises(ConfigError) as refusal:
        synthesize(spark, users=0, items=23, days=0, seed=1)

    assert [line.split(":")[0].strip() for line in str(refusal.value).splitlines()[1:]] == [
        "users",
        "items",
        "days",
    ]


def test_write_lays_files_once(spark: SparkSession, tmp_path: Path) -> None:
    shop = synthesize(spark, users=30, items=24, days=10, seed=1)
    out = tmp_path / "shop"
    write(shop, out)

    assert spark.read.parquet(str(out / "events")).count() == shop.events.count()
    assert sorted(folder.name for folder in (out / "truth").iterdir()) == sorted(shop.truth)
    with pytest.raises(ConfigError, match=str(out)):
        write(shop, out)
