"""Returns take pieces from purchases: by hand where the answer is evident, and against the obvious loop."""

import random
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from shoal.kernels.taking_back import LINKS, Line, links_of_homes, settle

IDS = {"original_event_id": None, "order_id": None}


def bought(event_id, day, pieces, order=None):
    return Line(False, day, pieces, event_id, order, None, False)


def returned(event_id, day, pieces, order=None, original=None, by_user=True):
    return Line(True, day, pieces, event_id, order, original, by_user)


def links(*lines):
    return [(lines[r].event_id, lines[p].event_id, pieces, how) for r, p, pieces, how in settle(lines)]


def by_the_book(lines):
    """The obvious way: for each return, go through every purchase, the surest first and then the latest."""
    left, found = {n: line.pieces for n, line in enumerate(lines) if not line.is_return}, []
    for n, line in enumerate(lines):
        wanted = line.pieces if line.is_return else 0
        choices = [
            (how, p)
            for how in ("original", "order", "latest")
            for p in sorted(left, reverse=True)
            if (how == "original" and lines[p].event_id == line.original_event_id and lines[p].day <= line.day)
            or (how == "order" and line.order_id and lines[p].order_id == line.order_id and lines[p].day <= line.day)
            or (how == "latest" and line.by_user and p < n)
        ]
        for how, p in choices:
            if taken := min(wanted, left[p]):
                left[p] -= taken
                wanted -= taken
                found.append((n, p, taken, how))
    return found


def random_home(rng, lines=12):
    rows, day = [], 0
    for n in range(lines):
        day += rng.choice([0, 0, 1])
        order = rng.choice([None, "o1", "o2"])
        if rng.random() < 0.55:
            rows.append(bought(f"p{n}", day, rng.randrange(4), order))
        else:
            named = rng.choice([None, None, f"p{rng.randrange(lines)}"])
            rows.append(returned(f"r{n}", day, rng.randrange(1, 6), order, named, rng.random() < 0.7))
    return rows


def test_the_latest_purchases_with_pieces_left_are_taken_first():
    lines = [bought("a", 1, 3), bought("b", 2, 2), returned("r", 3, 4), bought("c", 4, 1), returned("s", 5, 9)]

    assert links(*lines) == [
        ("r", "b", 2, "latest"), ("r", "a", 2, "latest"), ("s", "c", 1, "latest"), ("s", "a", 1, "latest"),
    ]  # fmt: skip


def test_what_is_named_comes_first_then_the_order_then_the_latest():
    lines = [
        bought("named", 1, 1), bought("ordered", 2, 1, "o"), bought("other", 3, 1), bought("last", 4, 1),
        returned("r", 5, 3, "o", "named"),
    ]  # fmt: skip

    assert links(*lines) == [("r", "named", 1, "original"), ("r", "ordered", 1, "order"), ("r", "last", 1, "latest")]


def test_only_the_user_of_the_home_takes_what_nobody_names():
    assert links(bought("a", 1, 1, "o"), returned("r", 2, 1, by_user=False)) == []
    assert links(bought("a", 1, 1, "o"), returned("r", 2, 1, "o", by_user=False)) == [("r", "a", 1, "order")]


def test_a_purchase_later_on_the_day_may_be_named_and_one_of_a_later_day_may_not():
    lines = [returned("r", 1, 1, "o", "b"), bought("a", 1, 1, "o"), bought("b", 2, 1)]

    assert links(*lines) == [("r", "a", 1, "order")]


@pytest.mark.parametrize("seed", range(5))
def test_equals_going_through_every_purchase(seed):
    rng = random.Random(seed)
    for _ in range(200):
        lines = random_home(rng)
        assert [tuple(link) for link in settle(lines)] == by_the_book(lines)


def test_no_purchase_is_taken_beyond_its_pieces_and_no_return_takes_more_than_came():
    rng = random.Random(9)
    for _ in range(200):
        lines = random_home(rng, 30)
        found = [*settle(lines)]
        taken = {n: sum(link.pieces for link in found if n in (link.of_return, link.of_purchase)) for n in range(30)}

        assert all(link.pieces > 0 for link in found)
        assert all(taken[n] <= line.pieces for n, line in enumerate(lines))
        assert len({(link.of_return, link.of_purchase) for link in found}) == len(found)


def arrow(homes, rows_per_batch):
    start = datetime(2021, 6, 1, tzinfo=UTC)
    rows = [
        {"home": f"h{n:03}", "event_time": start + timedelta(days=line.day), **line._asdict(),
         "event_date": date(2021, 6, 1) + timedelta(days=line.day)}
        for n, lines in enumerate(homes) for line in lines
    ]  # fmt: skip
    schema = pa.schema([
        ("home", pa.string()), ("is_return", pa.bool_()), ("by_user", pa.bool_()), ("event_id", pa.string()),
        ("event_time", pa.timestamp("us", "UTC")), ("event_date", pa.date32()), ("pieces", pa.int64()),
        ("order_id", pa.string()), ("original_event_id", pa.string()),
    ])  # fmt: skip
    names = schema.names
    table = pa.Table.from_pylist([{name: row[name] for name in names} for row in rows], schema=schema)
    return iter(table.to_batches(max_chunksize=rows_per_batch))


@pytest.mark.parametrize("rows_per_batch", [1, 7, 10_000])
def test_homes_are_settled_whole_however_the_batches_are_cut(rows_per_batch):
    rng = random.Random(3)
    homes = [random_home(rng, rng.randrange(1, 20)) for _ in range(50)]
    expected = [
        (lines[r].event_id, lines[p].event_id, pieces, how, lines[r].day, lines[p].day)
        for lines in homes for r, p, pieces, how in settle(lines)
    ]  # fmt: skip
    found = [*links_of_homes(arrow(homes, rows_per_batch))]

    assert all(batch.schema == LINKS for batch in found)
    first = date(2021, 6, 1)
    assert [
        (row["return_event_id"], row["purchase_event_id"], row["pieces"], row["how"],
         (row["linked_date"] - first).days, (row["purchase_date"] - first).days)
        for batch in found for row in batch.to_pylist()
    ] == expected  # fmt: skip


def test_nothing_comes_of_nothing():
    assert [*links_of_homes(iter([]))] == []
    assert [*links_of_homes(arrow([[]], 5))] == []
