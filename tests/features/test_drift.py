"""Features of a run beside those of an earlier one: what moved is told, and what did not is not."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shoal.books.runs import Run
from shoal.config import load_config
from shoal.features import drift as feature_drift
from shoal.features.group import Group
from shoal.lake import Lake
from shoal.tables import FEATURE_DRIFT, USER_FEATURES

CONFIG = load_config(sets=["propensity.buys_30d.horizon_days=30"])
DAY = date(2025, 3, 10)


def release(seq: int, as_of: date, kind: str = "release") -> dict[str, Any]:
    return {"seq": seq, "as_of": as_of, "kind": kind, "run_id": f"run {as_of}"}


def test_the_reference_is_the_newest_that_is_older_by_a_horizon_else_the_first() -> None:
    book = [release(n, DAY - timedelta(days=days)) for n, days in enumerate((50, 40, 31, 30, 29, 1, 0))]
    archived = release(9, DAY - timedelta(days=35), "archive")

    def chosen(*releases: dict[str, Any], horizon: int = 30) -> date | None:
        found = feature_drift.reference(releases, DAY, horizon)
        return None if found is None else found["as_of"]

    assert chosen(*book) == DAY - timedelta(days=30)
    assert chosen(*book, archived) == DAY - timedelta(days=30)
    assert chosen(*book[:2], archived) == DAY - timedelta(days=35), "an older day that was filled in later counts"
    assert chosen(*book[4:]) == DAY - timedelta(days=29), "none is old enough: the first"
    assert chosen(book[-1]) is None, "the same day says nothing"
    assert chosen(release(1, DAY + timedelta(days=40))) is None, "nor does a later one"
    assert chosen() is None


@pytest.fixture
def measured(spark, tmp_path):
    """``measured(as_of, rows, book)``: rows of ops.feature_drift by feature, and what was said."""
    lake = Lake(spark, str(tmp_path / "lake"))

    def build(as_of: date, rows: list[dict[str, Any]], book: list[dict[str, Any]], times: int = 1):
        said = list[str]()
        run = Run("features", datetime(2025, 3, 1, tzinfo=UTC), as_of, f"run {as_of}",
                  tell=lambda kind, text: said.append(f"{kind}: {text}"))  # fmt: skip
        users = lake.frame(USER_FEATURES, [{"user_id": f"u{n}", **row} for n, row in enumerate(rows)])
        found = feature_drift.measure(users, CONFIG, [as_of])[as_of]
        for _ in range(times):
            feature_drift.record(lake, CONFIG, Group([run]), {as_of: found}, book)
        kept = lake.read(FEATURE_DRIFT).where(run.slice).collect()
        by_name = {row.feature: row for row in kept}
        assert len(by_name) == len(kept)
        return by_name, said, found

    return build


def test_what_moved_is_told_and_what_did_not_is_not(measured):
    """300 users: orders are as before, money is ten times as much, half of the categories were lost."""
    before = DAY - timedelta(days=40)

    def shop(money: int, lost: int) -> list[dict[str, Any]]:
        return [
            {"frequency": n % 7, "net_spend": (n + 1) * money, "is_suspect": n == 0, "extreme_purchases": n % 2,
             "main_category": None if n < lost else f"c{n % 3}", "recency_days": 1 + n % 30}
            for n in range(300)
        ]  # fmt: skip

    first, said_first, found = measured(before, shop(1, 0), [])
    assert (found.users, found.total("is_suspect"), found.total("extreme_purchases")) == (300, 1, 150)
    assert {(row.reference_run_id, row.psi, row.state) for row in first.values()} == {(None, None, None)}
    assert said_first == []
    orders = first["frequency"]
    assert (orders.users, orders.nulls, orders.null_share, orders.mean) == (300, 0, 0, pytest.approx(897 / 300))
    assert sum(each.users for each in orders.histogram) == 300
    assert [each.low for each in orders.histogram][:3] == [0, 1, 2]

    second, said, _ = measured(DAY, shop(10, 150), [release(1, before)])
    assert {row.reference_run_id for row in second.values()} == {f"run {before}"}
    assert (second["frequency"].psi, second["frequency"].state) == (0, "stable")
    assert (second["net_spend"].state, second["main_category"].state) == ("drift", "drift")
    assert (second["main_category"].reference_null_share, second["main_category"].null_share) == (0, 0.5)
    # Money is an input of models and is said; the category is none.
    (warning,) = said
    assert warning.startswith(f"warning: 1 input of models is distributed otherwise than in the run of {before}")
    assert "net_spend" in warning
    assert "main_category" not in warning


def test_a_run_without_users_is_compared_with_nothing(measured):
    before = DAY - timedelta(days=40)
    measured(before, [{"frequency": 1}], [])
    rows, said, found = measured(DAY, [], [release(1, before)], times=2)  # a rerun puts the same in place

    assert (found.users, said) == (0, [])
    assert {(row.users, row.null_share, row.mean, row.psi) for row in rows.values()} == {(0, None, None, None)}
