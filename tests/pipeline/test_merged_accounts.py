"""Accounts that the shop has merged, through all stages: who comes out, and who does not."""

import json
from datetime import UTC, date, datetime

import pytest
from shelf import SMALL

from shoal.books import runs
from shoal.books.runs import Run
from shoal.tables import ACCOUNT_ALIASES, GOLD_USERS, RELEASES, USER_FEATURES

pytestmark = pytest.mark.long

AS_OF = date(2025, 3, 25)
TOLD = [
    {"user_id": "u0", "merged_into": "fresh"},  # which never acted
    {"user_id": "u1", "merged_into": "u2", "consents": {"profiling": False}},
    {"user_id": "u3", "account_kind": "staff", "merged_into": "u4", "is_deleted": True},
]


def bought(user, day):
    return {
        "event_id": f"{user} {day}", "event_type": "purchase", "event_time": f"2025-03-{day:02}T10:00:00Z",
        "user_id": user, "item_id": f"i{day % 4}", "quantity": 1, "unit_price": 5, "currency": "EUR",
        "order_id": f"{user} {day}", "line_kind": "goods",
    }  # fmt: skip


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_merged_accounts_did_is_one_person_s_who_is_left_out_if_one_of_them_is(shelf, tmp_path):
    users = [f"u{n}" for n in range(24)]
    events = [bought(user, day) for n, user in enumerate(users) for day in (2 + n % 5, 12 + n % 7)]
    told = [{"changed_at": "2025-03-20T08:00:00Z", **said} for said in TOLD]
    shelf.run(
        ("shoal", written(tmp_path / "events.jsonl", events)), ("shoal_users", written(tmp_path / "users.jsonl", told)),
        until="validate",
    )  # fmt: skip
    run_id = shelf.run(as_of=AS_OF, first="features", sets=(*SMALL, "segments.default.k=2"))

    assert shelf.read(ACCOUNT_ALIASES).count() == 3
    frequencies = {row.user_id: row.frequency for row in shelf.read(USER_FEATURES, f"run_id = '{run_id}'").collect()}
    assert frequencies == dict.fromkeys(["fresh", *users[5:]], 2)
    shown = {row.user_id: row for row in shelf.read(GOLD_USERS).collect()}
    assert {*shown} == {*frequencies}
    assert {row.segmentation for row in shown.values()} == {"default"}
    assert [row.kind for row in shelf.read(RELEASES).collect()] == ["release"]

    later = shelf.run(
        ("shoal", written(tmp_path / "late.jsonl", [bought("u9", 21)])), as_of=AS_OF, until="features",
        sets=(*SMALL, "segments.default.k=2"),
    )  # fmt: skip
    older, newer = (Run("publish", datetime.now(UTC), as_of=AS_OF, id=one) for one in (run_id, later))
    assert runs.is_older(shelf.lake, older, newer.key)
    assert not runs.is_older(shelf.lake, newer, older.key)
