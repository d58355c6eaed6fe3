"""What lay together in an order: by evident orders, and by what must change nothing."""

import random
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest

from shoal.tables import EVENTS, USERS
from shoal.transforms.baskets import baskets, of_users_and_guests

AS_OF = date(2024, 6, 1)
NUMBERS = count()


def line(order, item, days_ago=1, **values) -> dict:
    day = AS_OF - timedelta(days=days_ago)
    return {
        "event_id": f"e{next(NUMBERS)}", "event_type": "purchase", "event_date": day,
        "event_time": datetime(day.year, day.month, day.day, 12, tzinfo=UTC), "user_id": "u", "item_id": item,
        "order_id": order, "line_kind": "goods", "is_deleted": False, **values,
    }  # fmt: skip


@pytest.fixture
def found(frame):
    def build(*lines, parts=None, **changes):
        events = frame(EVENTS, *lines)
        events = events if parts is None else events.repartition(parts)
        rows = baskets(events, **{"as_of": AS_OF, "days": 30, "max_items": 3, **changes}).collect()
        assert len({row["order_id"] for row in rows}) == len(rows)
        return {row["order_id"]: row["items"] for row in rows}

    return build


PAST = [line("o1", "b"), line("o1", "a"), line("o2", "c", 30), line("o2", "a", 30)]
TWO = {"o1": ["a", "b"], "o2": ["a", "c"]}


def test_orders_of_several_goods_and_no_others(found):
    alone = line("one", "a")
    no_order = [line(None, "a"), line(None, "b")]
    not_goods = [line("o1", "post", line_kind="shipping"), line("one", "fee", line_kind="fee")]
    not_bought = [line("o1", "z", event_type="return"), line("o1", "z", event_type="cart"), line("o1", None)]
    untold = [line("kind", "a", line_kind=None), line("kind", "b", line_kind=None)]

    assert found(*PAST, alone, *no_order, *not_goods, *not_bought, *untold) == {**TWO, "kind": ["a", "b"]}


def test_the_baskets_of_guests_count(found):
    guest = [line("g", "x", user_id=None), line("g", "y", user_id=None)]

    assert found(*PAST, *guest) == {**TWO, "g": ["x", "y"]}


def test_what_was_taken_back_by_the_producer_is_not_read(found):
    assert found(*PAST, line("o1", "gone", is_deleted=True)) == TWO


def test_the_future_and_what_lies_before_the_window_change_nothing(found):
    others = [line("o1", "later", 0), line("next", "a", -1), line("next", "b", -1), line("o2", "old", 31)]

    assert found(*PAST, *others) == TWO


def test_a_wholesale_order_is_left_out_whole(found):
    three = [line("three", item) for item in "abc"]
    four = [line("four", item) for item in "abcd"]

    assert found(*PAST, *three, *four) == {**TWO, "three": ["a", "b", "c"]}


def test_order_partitions_and_repeated_lines_change_nothing(found):
    twice = [*PAST, *PAST]

    assert found(*random.Random(3).sample(twice, len(twice)), parts=5) == TWO


def test_who_is_not_to_be_learned_from_is_left_out_and_guests_are_not(frame):
    lines = [line("o1", "a"), line("o2", "a", user_id="staff"), line("o3", "a", user_id=None), line("o4", "a")]
    kept = of_users_and_guests(frame(EVENTS, *lines), frame(USERS, {"user_id": "u"}, {"user_id": "other"}))

    assert kept.columns == [*dict.fromkeys(["user_id", *EVENTS.names])]
    assert sorted(row["order_id"] for row in kept.collect()) == ["o1", "o3", "o4"]
