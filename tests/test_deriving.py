"""What follows from a batch, over a lake of a few rows."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from shoal import deriving
from shoal.batches import Batch, Claim
from shoal.lake import Lake
from shoal.sources import feed_named
from shoal.tables import ACCOUNT_ALIASES, EVENTS, USER_CHANGES, USERS

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


def test_an_account_that_others_were_merged_into_is_a_user_as_long_as_they_are(silver: Silver) -> None:
    silver.enter("shoal", [seen("old", 1)])
    silver.enter("shoal_users", [told("old", "a", merged_into="new")])
    assert silver.users == {"old", "new"}, "new never acted"

    silver.enter("shoal", [{**seen("new", 1), "is_deleted": True}])  # all that is told of new was taken back
    assert silver.users == {"old", "new"}

    silver.enter("shoal_users", [told("old", "b", updated_at=NOON, merged_into="newer")])  # a correction
    assert silver.users == {"old", "newer"}
