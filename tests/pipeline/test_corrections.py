"""Corrections, deletions and moves of events that stand in silver, through real batches, in any order."""

import json
import os
from datetime import UTC, date, datetime
from itertools import permutations

import pytest
from published import rows

from shoal.reports.querying import query_lake
from shoal.tables import BATCHES, EVENT_VERSIONS, EVENTS, ORDERS, USER_FEATURES

FIRST = {
    "event_id": "e1", "event_type": "purchase", "event_time": "2025-03-01T10:00:00Z", "user_id": "ada", "item_id": "i1",
    "quantity": 1, "unit_price": 5, "currency": "EUR", "order_id": "o1", "updated_at": "2025-03-01T11:00:00Z",
}  # fmt: skip
MOVED = {
    **FIRST, "event_time": "2025-03-05T09:00:00Z", "previous_event_time": FIRST["event_time"],
    "updated_at": "2025-03-05T12:00:00Z",
}  # fmt: skip
DEARER = {**MOVED, "unit_price": 7, "updated_at": "2025-03-06T12:00:00Z"}
# Another event in every batch, so that no batch consists of corrections only.
OTHERS = [{**FIRST, "event_id": f"x{n}", "order_id": f"p{n}", "user_id": f"u{n}"} for n in range(3)]


@pytest.fixture
def deliver(shelf, tmp_path):
    """Ingest and validate rows as one file, and so as one batch."""

    def batch(*events):
        number = len(list(tmp_path.glob("*.jsonl")))
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        exported = datetime(2025, 3, 7 + number, 12, tzinfo=UTC).timestamp()  # each a day after the one before
        os.utime(path, (exported, exported))
        shelf.run(("shoal", path), until="validate")

    return batch


def standing(shelf, event_id):
    found = shelf.read(EVENTS, f"event_id = '{event_id}'").collect()
    return [(str(e.event_date), str(e.unit_price), e.is_deleted) for e in found]


@pytest.mark.long
def test_corrections_that_arrive_in_the_wrong_order(shelf, deliver):
    """Of e1 the last version comes first; e2 is deleted; e3 moves to another day."""
    e2, e3 = (
        {**FIRST, "event_id": f"e{n}", "order_id": f"o{n}", "user_id": user} for n, user in ((2, "ben"), (3, "eva"))
    )
    deliver(DEARER, e2, e3, OTHERS[0])
    gone = {**e2, "is_deleted": True, "updated_at": "2025-03-02T11:00:00Z"}
    elsewhere = {**MOVED, "event_id": "e3", "order_id": "o3", "user_id": "eva"}
    deliver(FIRST, MOVED, gone, elsewhere, OTHERS[1])

    assert standing(shelf, "e1") == [("2025-03-05", "7.000000", False)]
    assert standing(shelf, "e2") == [("2025-03-01", "5.000000", True)]
    assert standing(shelf, "e3") == [("2025-03-05", "5.000000", False)]
    orders = {row.order_id: (str(row.order_date), row.lines, str(row.gross)) for row in shelf.read(ORDERS).collect()}
    assert orders == {  # the deletion takes its order away
        "o1": ("2025-03-05", 1, "7.000000"), "o3": ("2025-03-05", 1, "5.000000"),
        "p0": ("2025-03-01", 1, "5.000000"), "p1": ("2025-03-01", 1, "5.000000"),
    }  # fmt: skip
    replaced = [(v.event_id, str(v.event_date)) for v in shelf.read(EVENT_VERSIONS).collect()]
    assert sorted(replaced) == [
        ("e1", "2025-03-01"), ("e1", "2025-03-05"), ("e2", "2025-03-01"), ("e3", "2025-03-01"),
    ]  # fmt: skip
    books = shelf.read(BATCHES).orderBy("sequence").collect()
    assert [(b.rows_accepted, b.rows_rejected, b.rows_duplicate) for b in books] == [(4, 0, 0), (5, 0, 0)]
    # The second file was exported on the day after the first: before, e1 cost 7, e2 stood and e3 had not moved.
    query = "SELECT event_id, event_date, unit_price, is_deleted FROM known_events WHERE event_id LIKE 'e%' ORDER BY 1"
    assert [*query_lake(shelf.lake, query, "csv", date(2025, 3, 8))] == [
        "event_id,event_date,unit_price,is_deleted",
        "e1,2025-03-05,7.000000,false", "e2,2025-03-01,5.000000,false", "e3,2025-03-01,5.000000,false",
    ]  # fmt: skip
    assert [*query_lake(shelf.lake, query, "csv", date(2025, 3, 9))] == [
        "event_id,event_date,unit_price,is_deleted",
        "e1,2025-03-05,7.000000,false", "e2,2025-03-01,5.000000,true", "e3,2025-03-05,5.000000,false",
    ]  # fmt: skip
    assert [*query_lake(shelf.lake, query, "csv", date(2025, 3, 7))] == ["event_id,event_date,unit_price,is_deleted"]


@pytest.mark.long
def test_an_order_that_begins_earlier_than_was_known_counts_once(shelf, deliver):
    """A late line from before midnight moves the order to the day before, and off the tile of the day after."""
    late = {**FIRST, "event_id": "e0", "event_time": "2025-02-28T23:50:00Z"}
    deliver({**FIRST, "event_time": "2025-03-01T00:10:00Z"}, OTHERS[0])
    shelf.run(as_of=date(2025, 3, 10), first="features", until="features")
    deliver(late, OTHERS[1])

    run_id = shelf.run(as_of=date(2025, 3, 10), first="features", until="features")

    (ada,) = shelf.read(USER_FEATURES, f"run_id = '{run_id}' AND user_id = 'ada'").collect()
    assert (ada.frequency, str(ada.spend)) == (1, "10.000000")


@pytest.mark.slow
def test_every_order_of_batches_is_the_same_silver(shelf_at, tmp_path):
    versions, found = (FIRST, MOVED, DEARER), []
    for order in permutations(range(3)):
        name = "".join(map(str, order))
        shelf = shelf_at(tmp_path / name)
        for number, place in enumerate(order):
            path = tmp_path / f"{name}-{number}.jsonl"
            path.write_text(json.dumps(versions[place]) + "\n" + json.dumps(OTHERS[place]) + "\n")
            shelf.run(("shoal", path), until="validate")
        found.append([rows(shelf, table) for table in (EVENTS, ORDERS)])

    assert all(one == found[0] for one in found)
