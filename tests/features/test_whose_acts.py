"""Whose acts count at a cut, over a few rows in place of a lake."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import DataFrame

from shoal.features.people import People
from shoal.tables import ACCOUNT_ALIASES, EVENTS, USER_CHANGES, USERS

CUT = date(2021, 6, 10)


def on(day: int) -> dict[str, Any]:
    return {"merged_at": datetime(2021, 6, day, tzinfo=UTC), "merged_date": date(2021, 6, day)}


def objects(user: str, day: int) -> dict[str, Any]:
    moment = datetime(2021, 6, day, tzinfo=UTC)
    return {
        "change_id": user, "user_id": user, "changed_at": moment, "changed_date": moment.date(), "content_hash": "c",
        "delivered_at": moment, "consents": {"profiling": False},
    }  # fmt: skip


@pytest.fixture
def people(frame: Callable[..., DataFrame]) -> People:
    """Accounts of four people: both of one and the former of another say no, a robot has two, cat has two."""
    merges = [("no", "no now", 2), ("later", "later now", 2), ("robot", "robot now", 2), ("cat", "cat now", 2),
              ("cat", "another", 10)]  # fmt: skip
    names = [name for former, now, _ in merges for name in (former, now)]
    rows = {
        ACCOUNT_ALIASES: [{"former_user_id": former, "user_id": now, **on(day)} for former, now, day in merges],
        USERS: [{"user_id": name, "account_kind": "consumer"} for name in dict.fromkeys(names)],
        USER_CHANGES: [objects("no", 1), objects("later now", 9), objects("cat now", 10)],
        EVENTS: [{"event_id": f"of {name}", "user_id": name} for name in [*names[:8], None]],
    }
    told = {table.name: frame(table, *of_table) for table, of_table in rows.items()}
    lake: Any = SimpleNamespace(read=lambda table, _version: told[table.name])
    run: Any = SimpleNamespace(versions_read=dict.fromkeys(told, 1))
    return People(lake, run, params=None)  # type: ignore[arg-type]  # no visitors, so none of its settings is read


def test_events_count_unless_an_account_of_the_person_keeps_them_out(people: People) -> None:
    suspects = people.lake.read(USERS, 1).where("user_id = 'robot now'").select("user_id")

    found = {row.event_id: row.user_id for row in people.events(CUT, but=suspects).collect()}

    assert found == {"of cat": "cat now", "of cat now": "cat now", "of None": None}


def test_every_account_of_a_person_is_named(people: People) -> None:
    suspects = people.lake.read(USERS, 1).where("user_id = 'robot now'").select("user_id")

    assert {row.user_id for row in people.every_account(suspects, CUT).collect()} == {"robot", "robot now"}
    assert {row.user_id for row in people.every_account(suspects, date(2021, 6, 2)).collect()} == {"robot now"}
