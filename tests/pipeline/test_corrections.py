"""Corrections, deletions and moves of events that stand in silver, through real batches, in any order."""

import json
from datetime import date
from itertools import permutations

import pytest
from published import rows

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
        path = tmp_path / f"{len(list(tmp_path.glob('*.jsonl')))}.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        shelf.run(("shoal", path), until="validate")

    return batch


def standing(shelf, event_id):
    found = shelf.read(EVENTS, f"event_id = '{event_id}'").collect()
    return [(str(e.event_date), str(e.unit_price), e.is_deleted) for e in found]


def test_corrections_that_arrive_in_the_wrong_order(shelf, deliver):
    """Three batches: one event moves to another day and gets dearer, the last version first; one is deleted."""
    gone = {**FIRST, "event_id": "e2", "order_id": "o2", "user_id": "ben"}
    deliver(DEARER, OTHERS[0])
    deliver(FIRST, gone, OTHERS[1])
    deliver(MOVED, {**gone, "is_deleted": True, "updated_at": "2025-03-02T11:00:00Z"}, OTHERS[2])

    assert standing(shelf, "e1") == [("2025-03-05", "7.000000", False)]
    assert standing(shelf, "e2") == [("2025-03-01", "5.000000", True)]
    orders = {row.order_id: row for row in shelf.read(ORDERS).collect()}
    assert orders.keys() == {"o1", "p0", "p1", "p2"}, "the deletion takes its order away"
    bought = orders["o1"]
    assert (str(bought.order_date), bought.lines, str(bought.gross)) == ("2025-03-05", 1, "7.000000")
    replaced = [(v.event_id, str(v.unit_price)) for v in shelf.read(EVENT_VERSIONS).collect()]
    assert sorted(replaced) == [("e1", "5.000000"), ("e1", "5.000000"), ("e2", "5.000000")]
    books = shelf.read(BATCHES).orderBy("sequence").collect()
    assert [(b.rows_accepted, b.rows_rejected, b.rows_duplicate) for b in books] == [(2, 0, 0), (3, 0, 0), (3, 0, 0)]


@pytest.mark.slow
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
