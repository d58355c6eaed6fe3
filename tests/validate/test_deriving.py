"""What follows from a batch, over a lake of a few rows."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from shoal.books.batches import Batch, Claim
from shoal.lake import Lake
from shoal.sources import feed_named
from shoal.tables import ACCOUNT_ALIASES, EVENTS, USER_CHANGES, USERS, Table
from shoal.validate import deriving

NOON = datetime(2025, 1, 2, 12, tzinfo=UTC)
TABLES = (EVENTS, USERS, USER_CHANGES, ACCOUNT_ALIASES)


class Silver:
    """Batches enter one after the other."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self.batches = lake, 0

    def enter(self, feed: str, rows: list[dict[str, Any]]) -> None:
        self.batches += 1
        order = {"once": "validate", "number": self.batches}
        pins = {t.name: version for t in TABLES if (version := self.lake.version(t)) is not None}
        claim = Claim(Batch(f"b{self.batches}", feed_named(feed), "ingested", (), {}), self.batches, pins)
        table = USER_CHANGES if feed == "shoal_users" else EVENTS
        news = self.lake.frame(table, rows)
        self.lake.append(table, news, **order)
        if table is USER_CHANGES:
            deriving.from_changes(self.lake, claim, news, order)
        else:
            deriving._derive(self.lake, claim, USERS, news, order)

    @property
    def users(self) -> set[str]:
        return {row.user_id for row in self.lake.read(USERS).collect()}


def told(user: str, content: str, **said: Any) -> dict[str, Any]:
    return {
        "change_id": user, "user_id": user, "changed_at": NOON, "changed_date": date(2025, 1, 2),
        "content_hash": content, "delivered_at": NOON, "source": "shoal_users", "batch_id": "b", **said,
    }  # fmt: skip


def seen(user: str, n: int) -> dict[str, Any]:
    return {
        "event_id": f"{user} {n}", "content_hash": "a", "event_type": "view", "item_id": "mug", "event_time": NOON,
        "event_date": NOON.date(), "user_id": user, "delivered_at": NOON, "is_deleted": False, "source": "shoal",
        "batch_id": "b",
    }  # fmt: skip


@pytest.fixture
def silver(spark: SparkSession, tmp_path: Path) -> Silver:
    return Silver(Lake(spark, str(tmp_path / "lake")))


@pytest.mark.long
def test_an_account_that_others_were_merged_into_is_a_user_as_long_as_they_are(silver: Silver) -> None:
    silver.enter("shoal", [seen("old", 1)])
    silver.enter("shoal_users", [told("old", "a", merged_into="new")])
    assert silver.users == {"old", "new"}, "new never acted"

    silver.enter("shoal", [{**seen("new", 1), "is_deleted": True}])  # all that is told of new was taken back
    assert silver.users == {"old", "new"}

    silver.enter("shoal_users", [told("old", "b", updated_at=NOON, merged_into="newer")])  # a correction
    assert silver.users == {"old", "newer"}


def alias(former: str, user: str) -> dict[str, Any]:
    return {"former_user_id": former, "user_id": user}


@pytest.mark.parametrize(
    ("before", "now", "named", "users"),
    [
        ([], [alias("old", "new")], {"old", "new"}, {"new"}),
        ([alias("old", "new")], [], {"old", "new"}, set()),  # taken back
        ([alias("old", "new")], [alias("old", "newer")], {"old", "new", "newer"}, {"newer"}),
        ([alias("a", "ann")], [alias("a", "ann")], {"old"}, set()),  # ann has a row, and nothing is said of a
        ([alias("a", "lost")], [alias("a", "lost")], {"old", "lost"}, {"lost"}),  # of a lake that had no such rows
    ],
)
def test_the_rows_that_hang_on_merges_are_made_anew_with_a_batch(
    frame: Callable[..., DataFrame], before: list[Any], now: list[Any], named: set[str], users: set[str]
) -> None:
    """A batch that names ``old``, of whom no event tells; ``ann`` has a row."""
    rows: dict[tuple[Table, bool], list[Any]] = {
        (ACCOUNT_ALIASES, True): before, (ACCOUNT_ALIASES, False): now,
        (USERS, True): [{"user_id": "ann", "account_kind": "consumer"}],
    }  # fmt: skip
    lake: Any = SimpleNamespace(
        read=lambda table, version=None: frame(table, *rows.get((table, version is not None), [])),
        exists=lambda _: True,
    )
    claim: Any = SimpleNamespace(silver={ACCOUNT_ALIASES.name: 1, USERS.name: 1})
    names = deriving._named(lake, claim, USERS, frame(EVENTS, {"user_id": "old"}))

    assert {row.user_id for row in names.collect()} == named
    assert {row.user_id for row in deriving._summarised(lake, USERS, names).collect()} == users
