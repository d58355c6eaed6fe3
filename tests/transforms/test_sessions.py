"""A session is what a user does without a longer silence, whatever midnight, device or origin lies within.

The shop is three hours ahead of UTC: its midnight between the first and the second of June is at 21:00 in UTC.
"""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial, reduce

import pytest
from pyspark.sql import functions as F

from shoal.frames import persisted
from shoal.tables import EVENTS, ITEMS, USER_DAYS, USERS
from shoal.transforms import tiles
from shoal.transforms.catalogue import catalogue_at
from shoal.transforms.cuts import Cut
from shoal.transforms.derived import orders
from shoal.transforms.sessions import baskets, sessions
from shoal.transforms.user_features import user_features

ZONE = "Etc/GMT-3"  # the name of what is three hours ahead
MIDNIGHT = datetime(2021, 6, 1, 21, tzinfo=UTC)
FIRST, SECOND, THIRD = (date(2021, 6, day) for day in (1, 2, 3))
CUT = Cut(date(2021, 7, 1))  # one for all
ACTS = {"view", "click", "search", "favourite", "cart", "purchase"}
DAY = 24 * 60


def after(minutes: float) -> datetime:
    """A moment so many minutes after midnight."""
    return MIDNIGHT + timedelta(minutes=minutes)


def times_of(found):
    """Rows of sessions by user: day, minutes after midnight of the first and the last act, and the counts."""
    told = {}
    for row in sorted(found.collect(), key=lambda row: row.first_at):
        first, last = ((at.astimezone(UTC) - MIDNIGHT) / timedelta(minutes=1) for at in (row.first_at, row.last_at))
        assert row.seconds == Decimal(str((row.last_at - row.first_at).total_seconds()))
        counts = (row.acts, row.views, row.carts, row.purchases)
        told.setdefault(row.user_id, []).append((row.event_date, first, last, *counts))
    return told


@pytest.fixture
def days_of(frame):
    def build(rows, gap=30, partitions=1):
        events = frame(EVENTS, *rows).repartition(partitions)
        return tiles.user_days(events, orders(events), buckets=4, zone=ZONE, gap_minutes=gap)

    return build


def acts_of(event, cases):
    """The events of each case under a user of its name: minutes after midnight, or those with the kind of event."""
    return [
        event(f"{user} {n}", kind, after(minutes), user_id=user, order_id=f"{user} {n}", **more)
        for user, acts in cases.items()
        for n, (kind, minutes, more) in enumerate((*act, *("view", 0, {})[len(act) :]) for act in acts)
    ]


def views(*minutes, **more):
    return [("view", at, more) for at in minutes]


SESSIONS = {
    "ten to twelve and ten past twelve": (views(-10, 10), [(FIRST, -10, 10, 2)]),
    "a second less than half an hour": (views(-10, 20 - 1 / 60), [(FIRST, -10, 20 - 1 / 60, 2)]),
    "half an hour": (views(-10, 20), [(FIRST, -10, -10, 1), (SECOND, 20, 20, 1)]),
    "half an hour within a day": (views(61, 91), [(SECOND, 61, 61, 1), (SECOND, 91, 91, 1)]),
    "never silent for long": (views(60, 89, 118, 147), [(SECOND, 60, 147, 4)]),
    "two nights and a day": (views(*range(-100, DAY + 100, 29)), [(FIRST, -100, -100 + 29 * 56, 57)]),
    "all in one moment": (
        [("view", 60), ("cart", 60), ("purchase", 60)],
        [(SECOND, 60, 60, 3)],
    ),
    "on two devices": (
        [*views(60, 80, device="phone"), *views(70, 100, device="laptop")],
        [(SECOND, 60, 100, 4)],
    ),
    "midnight sharp is no time": (views(0, 10, DAY), [(SECOND, 10, 10, 1)]),
    "nothing one comes for": ([(kind, 60, {}) for kind in ("return", "review", "campaign", "uncart")], []),
    "taken back": (views(60, is_deleted=True), []),
}


def test_a_session_ends_with_half_an_hour_of_silence_and_not_at_midnight(event, days_of):
    found = times_of(sessions(days_of(acts_of(event, {name: acts for name, (acts, _) in SESSIONS.items()})), cut=CUT))

    for name, (_, expected) in SESSIONS.items():
        wanted = [(day, pytest.approx(first), pytest.approx(last), acts) for day, first, last, acts in expected]
        assert [row[:4] for row in found.get(name, [])] == wanted, name
    (moment,) = found["all in one moment"]
    assert moment[4:] == (1, 1, 1)


def test_the_silence_is_a_setting(event, days_of):
    rows = acts_of(event, {"u": views(-9, 0.5, 10, 25, 60)})

    found = times_of(sessions(days_of(rows, gap=10), cut=CUT))["u"]
    assert [(first, last) for _, first, last, *_ in found] == [(-9, 10), (25, 25), (60, 60)]
    assert [len(day.sessions) for day in days_of(rows, gap=36).collect()] == [1, 1]


def untold(rows, name):
    """Rows as they were before a column was."""
    return rows.withColumn(name, F.lit(None).cast(rows.schema[name].dataType))


def restless(event, seed: int, users=("ann", "ben"), many: int = 200):
    """Events whose silences are now shorter and now longer than half an hour, some of just that, some of none."""
    rng, rows = random.Random(seed), []
    kinds = [*sorted(ACTS), "view", "return", "review", "uncart"]
    for user in users:
        time = after(-20 * 60)
        for n in range(many):
            time += timedelta(seconds=rng.choice([0, 0, 1, 1799, 1800, 1801, rng.randrange(4000), rng.randrange(900)]))
            more = {"device": rng.choice([None, "phone"]), "is_deleted": rng.random() < 0.05}
            rows.append(event(f"{user} {n}", rng.choice(kinds), time, user_id=user, order_id=f"{user} {n}", **more))
    return rows


def by_hand(rows):
    """The sessions of events, one act after the other: those of :func:`times_of`."""
    told = {}
    for row in sorted(rows, key=lambda row: (row["user_id"], row["event_time"])):
        local = row["event_time"] - MIDNIGHT
        if row["is_deleted"] or row["event_type"] not in ACTS or local % timedelta(days=1) == timedelta(0):
            continue
        at, kind = local / timedelta(minutes=1), row["event_type"]
        own = told.setdefault(row["user_id"], [])
        if not own or at - own[-1][2] >= 30 - 1e-9:
            own.append([row["event_date"], at, at, 0, 0, 0, 0])
        own[-1][2] = at
        of_kind = (True, kind in ("view", "click"), kind == "cart", kind == "purchase")
        own[-1][3:] = [before + more for before, more in zip(own[-1][3:], of_kind, strict=True)]
    return {user: [tuple(one) for one in own] for user, own in told.items()}


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)])
def test_sessions_are_those_of_all_acts_one_after_the_other(event, days_of, seed):
    rows = restless(event, seed)
    expected = by_hand(rows)
    days = [*{row["event_date"] for row in rows}]
    random.Random(seed).shuffle(rows)
    one_by_one = reduce(
        lambda so_far, more: so_far.unionByName(more),
        [days_of([row for row in rows if row["event_date"] == day]) for day in days],
    )

    assert len(days) > 2
    assert min(map(len, expected.values())) > 10
    assert times_of(sessions(one_by_one, cut=CUT)) == expected
    with persisted(days_of(rows, partitions=3)) as at_once:
        assert times_of(sessions(at_once, cut=CUT)) == expected
        acts = sum(row.timed_acts for row in at_once.select("timed_acts").collect())
    assert acts == sum(one[3] for own in expected.values() for one in own)


def test_what_was_done_under_several_names_is_joined_in_any_order(frame, event, days_of):
    """A login in the middle of a visit, two devices at once: the parts of a session are told under several names."""
    rows, rng = restless(event, 5, users=("ann",)), random.Random(5)
    names = [rng.choice(["user", "phone", "laptop"]) for _ in rows]
    whole = days_of([{**row, "user_id": name} for row, name in zip(rows, names, strict=True)])
    both = partial(tiles.gathered, key=USER_DAYS.key)

    with persisted(whole.drop("bucket")) as known:
        of = {name: known.where(known.user_id == name).withColumn("user_id", F.lit("ann")) for name in {*names}}
        first = both(both(of["phone"], of["user"]), of["laptop"])
        last = both(of["user"], both(of["laptop"], of["phone"]))
        told = [sorted(map(str, rows.select("event_date", "sessions").collect())) for rows in (first, last)]
    assert told[0] == told[1] == sorted(map(str, days_of(rows).select("event_date", "sessions").collect()))


def test_a_robots_day_is_as_small_as_a_persons(event, days_of):
    """An act every 20 seconds, all day long, of which the day keeps one session."""
    rows = acts_of(event, {"robot": views(*(1 + n / 3 for n in range(3 * (DAY - 2))))})
    (day,) = days_of(rows).collect()

    assert [one.acts for one in day.sessions] == [3 * (DAY - 2)]


def test_days_of_before_sessions_were_counted_have_none(frame, event, days_of):
    known = days_of(acts_of(event, {"u": views(60)}))
    earlier = untold(known, "sessions")

    assert sessions(earlier, cut=CUT).collect() == []
    (still,) = tiles.gathered(earlier, earlier, key=USER_DAYS.key).collect()
    assert still.sessions is None
    (both,) = tiles.gathered(earlier, known, key=USER_DAYS.key).collect()
    assert [one.acts for one in both.sessions] == [1]


def test_what_a_user_does_in_sessions(frame, event, days_of):
    """Three days, and a session that goes on at the midnight that ends them, of which the beginning is seen."""
    rows = acts_of(event, {
        "u": [
            ("view", -DAY + 600), ("cart", -DAY + 615), ("search", -DAY + 620),  # 20 minutes, abandoned
            ("view", 600), ("view", 620), ("cart", 630), ("purchase", 640),  # 40 minutes
            ("view", 900),  # and away
            ("cart", 2 * DAY - 10), ("view", 2 * DAY - 5), ("purchase", 2 * DAY + 5),  # it will be bought, who knows
        ],
        "reads the mail": [("campaign", 600)],
    })  # fmt: skip
    names = [
        "sessions", "sessions_1d", "sessions_7d", "minutes_spent", "minutes_spent_7d", "session_minutes",
        "session_median_minutes", "session_acts", "session_views", "bounce_share", "cart_session_share",
        "purchase_session_share", "view_to_cart_share", "cart_to_purchase_share", "abandoned_carts",
        "abandoned_carts_1d", "recency_session_days", "session_interval_days", "last_session_minutes",
        "last_session_acts", "last_session_abandoned",
    ]  # fmt: skip
    people = frame(USERS, *({"user_id": user, "account_kind": "consumer"} for user in ("u", "reads the mail")))
    items = tiles.user_item_days(frame(EVENTS, *rows), buckets=4)
    found = user_features(days_of(rows), items, people, as_of=date(2021, 6, 4), run_id="r", only=names)
    told = {row.user_id: {name: row[name] for name in names} for row in found.collect()}

    minutes = [20, 40, 0, 5]
    assert told["u"] == pytest.approx({
        "sessions": 4, "sessions_1d": 1, "sessions_7d": 4, "minutes_spent": sum(minutes),
        "minutes_spent_7d": sum(minutes), "session_minutes": sum(minutes) / 4, "session_median_minutes": (5 + 20) / 2,
        "session_acts": (3 + 4 + 1 + 2) / 4, "session_views": (1 + 2 + 1 + 1) / 4, "bounce_share": 1 / 4,
        "cart_session_share": 3 / 4, "purchase_session_share": 1 / 4, "view_to_cart_share": 3 / 4,
        "cart_to_purchase_share": 1 / 3, "abandoned_carts": 2, "abandoned_carts_1d": 1, "recency_session_days": 1,
        "session_interval_days": (2 * DAY - 10 - (-DAY + 600)) / DAY / 3, "last_session_minutes": 5,
        "last_session_acts": 2, "last_session_abandoned": True,
    })  # fmt: skip
    zero = {name for name in names if name.startswith(("sessions", "minutes_spent", "abandoned_carts"))}
    assert told["reads the mail"] == {name: 0 if name in zero else None for name in names}


BASKETS = {
    "put there": ([("cart", 60)], True),
    "bought later": ([("cart", 60), ("purchase", 90)], False),
    "bought days later": ([("cart", 60), ("purchase", 60 + 2 * DAY)], False),
    "bought before": ([("purchase", 60), ("cart", 90)], True),
    "bought, and put there again": ([("cart", 60), ("purchase", 70), ("cart", 80)], True),
    "both on a day without a time": ([("cart", 0), ("purchase", 0)], False),
    "taken out": ([("cart", 60), ("uncart", 61)], False),
    "taken out, and put there again": ([("cart", 60), ("uncart", 61), ("cart", 62)], True),
    "another bought": ([("cart", 60), ("purchase", 90, {"item_id": "cup"})], True),
    "only looked at": ([("view", 60)], False),
    "came back": ([("cart", 60), ("purchase", 90), ("return", 120)], False),
}


def test_the_basket_holds_what_was_neither_bought_nor_taken_out_since(frame, event):
    rows = acts_of(event, {name: acts for name, (acts, _) in BASKETS.items()})
    items = tiles.user_item_days(frame(EVENTS, *rows), buckets=4)
    mug = {"item_id": "mug", "item_group_id": "mug", "recommendable": True, "price": Decimal(7), "valid_from": FIRST}
    found = {row.user_id: row for row in baskets(items, catalogue_at(frame(ITEMS, mug), THIRD), cut=CUT).collect()}

    assert {*found} == {name for name, (_, is_left) in BASKETS.items() if is_left}
    again = found["taken out, and put there again"]
    assert (again.item_id, again.event_date, again.price) == ("mug", SECOND, 7)
    assert again.last_cart_at.astimezone(UTC) == after(62)


def test_a_purchase_of_a_day_that_tells_no_times_empties_the_basket_of_earlier_days(frame, event):
    """Days that were put together before times were kept stand beside those that were put together since."""
    rows = acts_of(event, {"u": [("cart", 60), ("purchase", 60 + DAY)]})
    items = tiles.user_item_days(frame(EVENTS, *rows), buckets=4)
    cart, bought = (items.where(items.event_date == day) for day in (SECOND, THIRD))

    assert baskets(cart, None, cut=CUT).count() == 1
    assert baskets(cart.unionByName(untold(bought, "left_cart_at")), None, cut=CUT).collect() == []
