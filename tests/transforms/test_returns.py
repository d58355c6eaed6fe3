"""A return takes back what was bought before it, and what is told of later days changes no link."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from shoal.tables import EVENTS, RETURN_LINKS
from shoal.transforms.returns import return_links, returned

START = datetime(2021, 6, 1, 9, tzinfo=UTC)


@pytest.fixture
def line(event):
    def build(event_id, event_type, day, **values):
        return event(event_id, event_type, START + timedelta(days=day), **{"order_id": event_id, **values})

    return build


@pytest.fixture
def links_of(frame):
    """The links of events (return, purchase, pieces, how), all of them or those from a day on."""

    def build(*rows, since=None, before=(), partitions=1):
        events = frame(EVENTS, *rows).repartition(partitions)
        links = return_links(returned(events, since), events, frame(RETURN_LINKS, *before))
        return [row.asDict() for row in links.collect()]

    return build


def told(links):
    return sorted((link["return_event_id"], link["purchase_event_id"], link["pieces"], link["how"]) for link in links)


def test_users_give_back_their_own_and_guests_what_is_named(line, links_of):
    guest = {"user_id": None}
    rows = [
        line("mine", "purchase", 1, quantity=2), line("others", "purchase", 1, user_id="v", quantity=9),
        line("cup", "purchase", 1, item_id="cup", quantity=9), line("gone", "purchase", 2, is_deleted=True),
        line("r1", "return", 3, quantity=3),  # two of three are known
        line("guest's", "purchase", 1, order_id="g", **guest), line("her other", "purchase", 2, order_id="h", **guest),
        line("r2", "return", 4, order_id="g", **guest), line("r3", "return", 5, **guest),
        line("r4", "return", 5, original_event_id="her other", **guest),
    ]  # fmt: skip
    assert told(links_of(*rows)) == [
        ("r1", "mine", 2, "latest"), ("r2", "guest's", 1, "order"), ("r4", "her other", 1, "original"),
    ]  # fmt: skip


def test_an_order_says_whose_return_it_is(line, links_of):
    """Refunds often come without the user, and some of guests' orders with one who signed up since."""
    rows = [
        line("a", "purchase", 1, order_id="o1"), line("r1", "return", 3, order_id="o1", user_id=None),
        line("b", "purchase", 1, order_id="o2", user_id=None), line("r2", "return", 3, order_id="o2"),
        line("c", "purchase", 1, order_id="o3", user_id=None, item_id="cup"), line("r3", "return", 3, order_id="o3"),
        line("r4", "return", 4),  # there was one mug of the user, and it is back already
    ]  # fmt: skip
    assert told(links_of(*rows)) == [("r1", "a", 1, "order"), ("r2", "b", 1, "order")]


def test_a_named_purchase_may_be_of_another_item_and_then_no_other_is_meant(line, links_of):
    rows = [
        line("whole", "purchase", 1, item_id="set"), line("mug", "purchase", 2), line("set again", "purchase", 2,
        item_id="set", order_id="r"), line("r", "return", 3, quantity=5, original_event_id="whole"),
    ]  # fmt: skip
    assert told(links_of(*rows)) == [("r", "whole", 1, "original")]


def test_a_line_without_a_quantity_is_one_piece(line, links_of):
    rows = [
        *(line(f"p{n}", "purchase", n, quantity=None) for n in range(3)),
        line("r1", "return", 5, quantity=None), line("r2", "return", 6, quantity=5),
    ]  # fmt: skip
    assert told(links_of(*rows)) == [
        ("r1", "p2", 1, "latest"), ("r2", "p0", 1, "latest"), ("r2", "p1", 1, "latest"),
    ]  # fmt: skip


def test_a_link_is_known_since_the_return(event, links_of):
    late = datetime(2021, 6, 5, 22, tzinfo=UTC)  # June 6th in the shop
    (link,) = links_of(event("p", "purchase", START), event("r", "return", late, order_id="x"))

    assert (link["linked_at"].astimezone(UTC), link["linked_date"]) == (late, date(2021, 6, 6))
    assert link["purchase_date"] == date(2021, 6, 1)


def random_rows(line, seed, lines=150):
    """Few users, items and orders, so that all compete for pieces; some returns name a purchase, also of others."""
    rng, rows = random.Random(seed), []
    for n in range(lines):
        user = rng.choice(["ann", "ben", "cat", None])
        values = {
            "user_id": user, "item_id": rng.choice(["mug", "cup"]), "quantity": rng.choice([None, 1, 2, 5]),
            "order_id": f"{user if rng.random() < 0.8 else 'ann'} {rng.randrange(6)}", "is_deleted": rng.random() < 0.1,
        }  # fmt: skip
        kind = "purchase" if rng.random() < 0.6 else "return"
        if kind == "return":
            values["original_event_id"] = rng.choice([None, None, f"e{rng.randrange(lines)}"])
        rows.append(line(f"e{n}", kind, rng.randrange(40) + rng.choice([0, 0.3]), **values))
    return rows


def test_a_purchase_is_never_taken_back_beyond_its_pieces_nor_by_what_came_before_it(line, links_of):
    rows = random_rows(line, 1)
    found, of = links_of(*rows), {row["event_id"]: row for row in rows}
    assert len(found) > 20
    for side in ("return_event_id", "purchase_event_id"):
        taken = Counter()
        for link in found:
            taken[link[side]] += link["pieces"]
        assert all(pieces <= (of[event_id]["quantity"] or 1) for event_id, pieces in taken.items())
    assert {link["how"] for link in found} == {"original", "order", "latest"}
    assert all(of[link["purchase_event_id"]]["event_date"] <= link["linked_date"] for link in found)
    assert told(links_of(*rows[::-1], partitions=3)) == told(found)


@pytest.mark.parametrize("seed", [2, 3])
def test_what_is_told_of_later_days_changes_no_link_and_settling_them_alone_is_settling_all(line, links_of, seed):
    """Every fifth line comes late, every seventh is corrected, from a day on that the batch knows."""
    rows, others = random_rows(line, seed), random_rows(line, seed + 10)
    since, early, late = date(2021, 6, 15), [], []
    for n, (row, other) in enumerate(zip(rows, others, strict=True)):
        before = row if n % 5 else None
        after = row if n % 7 else {**other, "event_id": row["event_id"]}
        if any(each and each["event_date"] < since for each in (before, after)):
            after = before
        early += [before] if before else []
        late += [after] if after else []
    old, everything = links_of(*early), links_of(*late)
    before = [link for link in old if link["linked_date"] < since]
    assert before
    assert told(old) != told(everything)

    assert told(link for link in everything if link["linked_date"] < since) == told(before)
    assert told([*before, *links_of(*late, since=since, before=before)]) == told(everything)
