"""Whose acts count at a cut, over a few rows in place of a lake."""

from collections.abc import Callable, Sequence
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


def said(user: str, day: int, **what: Any) -> dict[str, Any]:
    moment = datetime(2021, 6, day, tzinfo=UTC)
    return {
        "change_id": f"{user} {day}", "user_id": user, "changed_at": moment, "changed_date": moment.date(),
        "content_hash": "c", "delivered_at": moment, **what,
    }  # fmt: skip


def objects(user: str, day: int) -> dict[str, Any]:
    return said(user, day, consents={"profiling": False})


@pytest.fixture
def people(frame: Callable[..., DataFrame]) -> People:
    """Accounts of four people: both of one and the former of another say no, a robot has two, cat has two."""
    merges = [("no", "no now", 2), ("later", "later now", 2), ("robot", "robot now", 2), ("cat", "cat now", 2),
              ("cat", "another", 10)]  # fmt: skip
    return people_of(frame, merges, [objects("no", 1), objects("later now", 9), objects("cat now", 10)])


def people_of(
    frame: Callable[..., DataFrame], merges: Sequence[tuple[str, str, int]], changes: Sequence[dict[str, Any]]
) -> People:
    names = [name for former, now, _ in merges for name in (former, now)]
    rows = {
        ACCOUNT_ALIASES: [{"former_user_id": former, "user_id": now, **on(day)} for former, now, day in merges],
        USERS: [{"user_id": name, "account_kind": "consumer"} for name in dict.fromkeys(names)],
        USER_CHANGES: changes,
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


def test_at_many_cuts_the_same_people_count_as_at_each_alone(frame: Callable[..., DataFrame]) -> None:
    """Whatever is said of an account between the cuts: that it is of the staff, is not any more, or objects."""
    merges = [("clerk", "clerk now", 2), ("quit", "quit now", 2), ("late", "late now", 12), ("no", "no now", 2)]
    told = [
        said("clerk", 15, account_kind="staff"), said("late", 15, account_kind="test"), objects("no", 12),
        said("quit", 1, account_kind="staff"), said("quit", 15, account_kind="consumer"),
    ]  # fmt: skip
    cuts = [date(2021, 6, day) for day in (2, 10, 20)]
    every = people_of(frame, merges, told)

    found = {(row.as_of, row.user_id) for row in every.counted_of_all(cuts).collect()}

    assert found == {(cut, row.user_id) for cut in cuts for row in every.counted(cut).collect()}
    # Who is of the staff by now is so at every cut, and from the merge on the other account as well.
    counted = {name for former, now, _ in merges for name in (former, now)}
    assert [counted - {user for at, user in found if at == cut} for cut in cuts] == [
        {"clerk", "late"}, {"clerk", "clerk now", "late"}, {"clerk", "clerk now", "late", "late now", "no", "no now"}
    ]  # fmt: skip
