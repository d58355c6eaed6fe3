"""Every feature is what its definition says, worked out by another engine from the events themselves."""

import random
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from feature_oracle import SHOWN, differences, features_in, oracle

from shoal.frames import persisted, rows_of
from shoal.tables import EVENTS, ITEMS, USER_CHANGES
from shoal.transforms import derived, tiles
from shoal.transforms.catalogue import catalogue_at
from shoal.transforms.user_features import user_features

Row = dict[str, Any]

AS_OF = date(2024, 4, 20)
USERS = [f"u{n:02}" for n in range(24)]
# Clocks go forward on 31 March 2024 in London, back on 7 April in Auckland: days of 23 and of 25 hours.
ZONES = ["Europe/London", "Pacific/Auckland"]
LONG = pytest.mark.long


# What users said of letters: the last word before ``AS_OF`` counts, by channel and else as such.
SAID = [
    ("u00", datetime(2024, 1, 1, 9, tzinfo=UTC), {"marketing": True}),
    ("u00", datetime(2024, 2, 1, 9, tzinfo=UTC), {"marketing": False}),
    ("u01", datetime(2024, 1, 1, 9, tzinfo=UTC), {"marketing": True, "marketing/email": False}),
    ("u02", datetime(2024, 4, 20, 9, tzinfo=UTC), {"marketing": True}),
    ("u03", datetime(2024, 4, 1, 9, tzinfo=UTC), {"profiling": True, "marketing/email": True}),
]


def change(said: tuple[str, datetime, dict[str, bool]]) -> Row:
    user, moment, names = said
    return {"change_id": f"{user} {moment}", "user_id": user, "changed_at": moment, "changed_date": moment.date(),
            "delivered_at": moment, "content_hash": "h", "consents": names}  # fmt: skip


def events_of(zone: str, seed: int, many: int = 2500) -> list[Row]:
    """Events of 24 users and guests over 500 days, half of them in the last 60 days, and some after ``AS_OF``.

    Many lie around midnight and around the hour that clocks change, some half an hour apart to the second. The first
    users have few, the last never buy. Of five, three are of the same user as the one before, some minutes later.
    """
    rng = random.Random(seed)
    local = ZoneInfo(zone)
    noon = datetime(AS_OF.year, AS_OF.month, AS_OF.day, 12, tzinfo=local).astimezone(UTC)
    kinds = ["view"] * 6 + ["click", "cart", "cart", "search", "favourite", "uncart", "review", "campaign"]
    before = (0, noon)

    def one(number: int) -> Row:
        nonlocal before
        place = min(rng.randrange(24), rng.randrange(30))
        days_ago = rng.choice([rng.randrange(-5, 60), rng.randrange(-5, 60), rng.randrange(500), 20, 13])
        hour = rng.choice([rng.uniform(-12, 12), rng.choice([-11.9, -12, -11.5, -11, 11.99, 12])])
        time = (noon - timedelta(days=days_ago) + timedelta(hours=hour)).replace(microsecond=0)
        if rng.random() < 0.6:
            place, time = before[0], before[1] + timedelta(seconds=rng.randrange(2400))
        before = (place, time)
        user = None if rng.random() < 0.05 else USERS[place]
        kind = rng.choice(kinds if place >= 20 else [*kinds, *["purchase"] * 8, "return", "return"])
        row: Row = {
            "event_id": f"e{number}", "event_type": kind, "event_time": time, "user_id": user,
            "event_date": time.astimezone(local).date(), "is_deleted": rng.random() < 0.05,
            "item_id": None if kind in ("search", "campaign") else f"i{rng.randrange(30):02}",
            "visitor_id": rng.choice([None, "till", f"phone of {user}"]),
            "channel": rng.choice([None, "web", "app", "store"]), "device": rng.choice([None, "phone", "laptop"]),
            "region": rng.choice(["DE", "FR"]),
            "rating": rng.choice([None, 1.0, 3.0, 4.5, 5.0]) if kind == "review" else None,
        }  # fmt: skip
        if kind in ("purchase", "return"):
            price = rng.choice([None, "0.001", "2.50", "19.99", "0"])
            quantity = rng.choice([None, 1, 1, 2, 5])
            row |= {
                # Most orders are of one day, some of several.
                "order_id": f"{user} {row['event_date'] if rng.random() < 0.8 else rng.randrange(3)}",
                "quantity": quantity, "line_kind": rng.choice([None, "goods", "goods", "goods", "shipping"]),
                "unit_price": price and Decimal(price), "discount_amount": rng.choice([None, None, Decimal("0.50")]),
                "amount_base": price and Decimal(price) * (quantity or 1),
            }  # fmt: skip
        return row

    rows = [one(number) for number in range(many)]
    # On the very last day everything is done by somebody.
    last = (noon - timedelta(days=1)).replace(microsecond=0)
    done = {"event_time": last, "event_date": last.astimezone(local).date(), "user_id": USERS[1], "is_deleted": False}
    rows += [
        {**done, "event_id": f"last {kind}", "event_type": kind, "item_id": None if kind == "search" else "i01"}
        for kind in ("search", "favourite", "cart", "return", "review", "campaign")
    ]
    return [*rows, {
        **done, "event_id": "last purchase", "event_type": "purchase", "user_id": USERS[2], "item_id": "i02",
        "order_id": "last", "quantity": 2, "unit_price": Decimal(3), "amount_base": Decimal(6),
    }]  # fmt: skip


@pytest.fixture(scope="module")
def catalogue(spark):
    """Thirty items of eight categories and nine brands, of some of which it is not known; the last two are in none."""
    return rows_of(spark, ITEMS, [
        {"item_id": f"i{n:02}", "item_group_id": f"i{n:02}", "recommendable": True, "valid_from": date(2020, 1, 1),
         "price": Decimal(n) / 4 if n % 3 else None,
         "category": f"c/{n % 8}" if n % 5 else None, "brand": f"b{n % 9}" if n % 7 else None}
        for n in range(28)
    ])  # fmt: skip


@pytest.fixture
def computed(frame, catalogue):
    """``computed(rows)``: features of events; their tiles are put together once."""
    with ExitStack() as stack:

        def build(rows, partitions=1, zone=ZONES[0], **more):
            events = frame(EVENTS, *rows).repartition(partitions)
            days = tiles.user_days(events, derived.orders(events), buckets=4, zone=zone)
            made = [days, tiles.user_item_days(events, buckets=4), derived.users(events)]
            kept = [stack.enter_context(persisted(each)) for each in made]
            items, told = catalogue_at(catalogue, AS_OF), frame(USER_CHANGES, *map(change, SAID))
            return user_features(*kept, as_of=AS_OF, run_id="r", items=items, user_changes=told, **more)

        yield build


@pytest.mark.parametrize("zone", [pytest.param(ZONES[0], marks=LONG), ZONES[1]])
def test_every_feature_is_what_another_engine_finds(frame, computed, catalogue, zone):
    rows = events_of(zone, seed=len(zone))
    con = duckdb.connect()
    con.register("events", frame(EVENTS, *rows).toArrow())
    con.register("items", catalogue.toArrow())
    con.register("features", computed(rows, zone=zone).toArrow())
    con.execute("CREATE TABLE said (user_id TEXT, moment TIMESTAMP, day DATE, name TEXT, given BOOLEAN)")
    con.executemany("INSERT INTO said VALUES (?, ?, ?, ?, ?)", [
        (user, moment, moment.date(), name, given) for user, moment, names in SAID for name, given in names.items()
    ])  # fmt: skip
    found, wanted = features_in(con, "features"), oracle(con, AS_OF, zone)

    assert {*found} == {*wanted} == {*USERS}
    off = differences(found, wanted, SHOWN)
    assert off == [], off[:9]
    said = {name for name in SHOWN if len({str(row[name]) for row in found.values()}) > 1}
    assert {*SHOWN} - said == set(), "a feature that is the same for everybody was not put to the test"


@LONG
def test_order_partitioning_and_the_future_change_nothing(computed):
    rows = events_of(ZONES[0], seed=3, many=800)
    past = [row for row in rows if row["event_date"] < AS_OF]
    mixed = [*rows]
    random.Random(1).shuffle(mixed)

    found = {row.user_id: row for row in computed(mixed, partitions=5).collect()}
    assert found == {row.user_id: row for row in computed(past).collect()}
    assert len(past) < len(rows)


@LONG
def test_some_features_are_the_same_as_among_all(computed):
    """What models ask for at earlier cuts, one of each relation and one that is made of others."""
    rows = events_of(ZONES[0], seed=4, many=800)
    wanted = ["main_brand_affinity", "distinct_items_30d", "overdue_ratio", "spend_90d", "views_trend_7_30"]
    all_of_them = {row.user_id: row for row in computed(rows).collect()}
    some = computed(rows, only=wanted)

    assert {*wanted} < {*some.columns}
    assert {row.user_id: row.asDict() for row in some.collect()} == {
        user: {name: row[name] for name in some.columns} for user, row in all_of_them.items()
    }
