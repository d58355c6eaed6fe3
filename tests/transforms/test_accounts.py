"""Who people are and what they allow is what was said last, and who objected by a day is not scored from then on."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shoal.tables import ACCOUNT_ALIASES, EVENTS, USER_CHANGES, USER_DAYS, USER_FEATURES, USER_ITEM_DAYS, USERS
from shoal.transforms.accounts import account_aliases, consents_at, counted, objectors
from shoal.transforms.derived import users
from shoal.transforms.user_features import user_features

Row = dict[str, Any]


def at(day: int, hour: int = 9) -> datetime:
    return datetime(2021, 6, day, hour, tzinfo=UTC)


def told(user: str, day: int, *, content: str = "c", delivered: int = 20, **said: Any) -> Row:
    return {
        "change_id": f"{user} {day}", "user_id": user, "changed_at": at(day), "changed_date": date(2021, 6, day),
        "content_hash": content, "delivered_at": at(delivered), **said,
    }  # fmt: skip


@pytest.fixture
def people(frame):
    """``people(changes, events)``: rows of silver.users by id."""
    return lambda changes, events=(): {
        row.user_id: row for row in users(frame(EVENTS, *events), frame(USER_CHANGES, *changes)).collect()
    }


def test_what_a_feed_says_goes_before_what_events_show(people, event):
    seen = [
        event("1", "view", at(2), user_id="ann", region="FR"),
        event("2", "view", at(3), user_id="ben", region="IT"),
        event("3", "view", at(3), user_id="cat", region="IT"),
    ]
    changes = [
        told("ann", 1, region="DE", birth_year_band="1980-1989", registered_at=at(1)),
        told("ann", 5, account_kind="business"),
        told("ben", 1, account_kind="staff"),
        told("dan", 4, region="ES"),
    ]
    found = people(changes, seen)

    assert {u: (r.region, r.account_kind, r.birth_year_band) for u, r in found.items()} == {
        "ann": ("DE", "business", "1980-1989"), "ben": ("IT", "staff", None),
        "cat": ("IT", "consumer", None), "dan": ("ES", "consumer", None),
    }  # fmt: skip
    assert found["ann"].registered_at.astimezone(UTC) == at(1)
    assert (found["dan"].first_seen, found["dan"].last_seen) == (None, None)
    assert found["ann"].first_seen.astimezone(UTC) == at(2)


def test_a_consent_says_since_when_it_has_been_as_it_is(people):
    changes = [
        told("ann", 1, consents={"profiling": True, "marketing/email": True}),
        told("ann", 2, consents={"profiling": True}),  # again, and no word of mails
        told("ann", 4, consents={"marketing/email": False}),
        told("ann", 5, consents={"profiling": False}),
        told("ann", 6, consents={"profiling": True}),
        told("ann", 7, region="DE"),
    ]
    consents = people(changes)["ann"].consents

    assert {name: (c.given, c.since.astimezone(UTC)) for name, c in consents.items()} == {
        "profiling": (True, at(6)), "marketing/email": (False, at(4)),
    }  # fmt: skip
    assert people([told("ben", 1, region="DE")])["ben"].consents is None


def test_an_account_that_others_were_merged_into_is_a_user_unless_it_is_deleted(frame):
    merges = [{"former_user_id": f"old {n}", "user_id": name} for n, name in enumerate(["new", "new", "ann", "gone"])]
    changes = [told("ann", 1, account_kind="business"), told("gone", 1, is_deleted=True)]
    found = users(frame(EVENTS), frame(USER_CHANGES, *changes), frame(ACCOUNT_ALIASES, *merges)).collect()

    assert sorted((row.user_id, row.account_kind, row.first_seen) for row in found) == [
        ("ann", "business", None), ("new", "consumer", None),
    ]  # fmt: skip


def test_a_deleted_account_is_no_user_until_it_is_back(people, event):
    seen = [event("1", "view", at(2), user_id="ann")]

    assert people([told("ann", 3, is_deleted=True)], seen) == {}
    assert [*people([told("ann", 3, is_deleted=True), told("ann", 4, is_deleted=False)], seen)] == ["ann"]


def test_a_version_that_was_mended_says_nothing_any_more(people):
    wrong = told("ann", 1, content="b", delivered=2, consents={"profiling": False}, region="DE")
    mended = told("ann", 1, content="a", delivered=3, consents={"marketing/email": True})
    row = people([wrong, mended])["ann"]

    assert (row.region, [*row.consents]) == (None, ["marketing/email"])


OBJECTION = [
    told("ann", 3, consents={"profiling": False}),
    told("ann", 6, consents={"profiling": True}),
    told("ann", 9, consents={"profiling": False}),
    told("ben", 1, consents={"marketing/email": False}),
    told("cat", 1, account_kind="consumer"),
]


@pytest.mark.parametrize(
    ("day", "objects"), [(3, False), (4, True), (6, True), (7, False), (9, False), (10, True), (30, True)]
)
def test_an_objection_counts_from_the_day_after_it_was_made(frame, day, objects):
    found = objectors(frame(USER_CHANGES, *OBJECTION), as_of=date(2021, 6, day)).collect()

    assert [row.user_id for row in found] == (["ann"] if objects else [])


def test_who_objects_at_the_cut_has_no_features(frame):
    def tile(user: str) -> Row:
        zero = dict.fromkeys(
            ("events", "searches", "views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces",
             "orders", "purchase_lines"), 0,
        )  # fmt: skip
        return {
            "bucket": 0,
            "user_id": user,
            "event_date": date(2021, 6, 1),
            "first_at": at(1),
            "last_at": at(1),
            **zero,
        }

    names = ["ann", "ben", "cat", "sue"]
    days, item_days = frame(USER_DAYS, *map(tile, names)), frame(USER_ITEM_DAYS)
    everyone = frame(USERS, *({"user_id": u, "account_kind": "staff" if u == "sue" else "consumer"} for u in names))

    def scored(cut: date) -> list[str]:
        found = user_features(days, item_days, everyone, as_of=cut, run_id="r",
                              user_changes=frame(USER_CHANGES, *OBJECTION), only=[])  # fmt: skip
        return sorted(row.user_id for row in found.select("user_id").collect())

    assert scored(date(2021, 6, 5)) == ["ben", "cat"]
    assert scored(date(2021, 6, 5) + timedelta(days=3)) == ["ann", "ben", "cat"]
    assert "user_id" in USER_FEATURES.names


def test_an_account_is_another_since_the_shop_first_said_so(frame):
    changes = [
        told("old", 4, merged_into="new"),
        told("old", 9, merged_into="new"),  # said again
        told("new", 6, merged_into="newest"),
        told("odd", 5, merged_into="odd"),  # into itself
        told("ann", 5, region="DE"),
    ]
    found = {
        (row.former_user_id, row.user_id, row.merged_at.astimezone(UTC), row.merged_date)
        for row in account_aliases(frame(USER_CHANGES, *changes)).collect()
    }

    assert found == {("old", "new", at(4), date(2021, 6, 4)), ("new", "newest", at(6), date(2021, 6, 6))}


# old and older are new by now; badge, of the staff, is sid's former account and deleted.
MERGED = [("old", "new"), ("older", "new"), ("badge", "sid")]
OF_MERGED = [
    told("old", 3, consents={"profiling": False, "marketing": True, "marketing/email": False}),
    told("new", 9, consents={"profiling": True, "marketing": True, "marketing/email": True}),
    told("badge", 1, account_kind="staff", is_deleted=True),
    told("ann", 1, consents={"marketing": True}),
]


@pytest.fixture
def merged_into(spark):
    return spark.createDataFrame(MERGED, "former_user_id string, user_id string")


@pytest.mark.parametrize(
    ("day", "known", "alone"),
    [
        (3, {"old", "older", "new", "ann"}, {"old", "older", "new", "ann", "sid"}),
        (5, {"ann"}, {"older", "new", "ann", "sid"}),
        (15, {"ann"}, {"older", "new", "ann", "sid"}),  # new's consent is no word of old's
    ],
)
def test_what_keeps_one_account_out_keeps_out_the_person(frame, merged_into, day, known, alone):
    users_ = frame(USERS, *({"user_id": u, "account_kind": "consumer"} for u in ("old", "older", "new", "ann", "sid")))
    cut, changes = date(2021, 6, day), frame(USER_CHANGES, *OF_MERGED)

    assert {row.user_id for row in counted(users_, changes, as_of=cut, accounts=merged_into).collect()} == known
    assert {row.user_id for row in counted(users_, changes, as_of=cut).collect()} == alone


def test_merged_accounts_allow_what_none_of_them_objects_to(frame, merged_into):
    found = consents_at(frame(USER_CHANGES, *OF_MERGED), as_of=date(2021, 6, 15), accounts=merged_into).collect()

    assert {row.user_id: row.consents for row in found} == {
        "new": {"profiling": False, "marketing": True, "marketing/email": False}, "ann": {"marketing": True},
    }  # fmt: skip
