"""Features at many cuts at once: each row is what a lake that ends before its own cut would say of the user."""

import random
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from feature_oracle import SHOWN, differences, oracle
from pyspark.sql import DataFrame, SparkSession

from shoal.features.as_known import AsKnown
from shoal.features.people import Asked, People
from shoal.frames import few_rows, rows_of
from shoal.tables import (
    ACCOUNT_ALIASES,
    EVENTS,
    IDENTITIES,
    ITEMS,
    USER_CHANGES,
    USER_DAYS,
    USER_ITEM_DAYS,
    USERS,
    VISITOR_DAYS,
    VISITOR_ITEM_DAYS,
)
from shoal.transforms import derived, tiles
from shoal.transforms.catalogue import catalogue_at
from shoal.transforms.cuts import EACH
from shoal.transforms.shop_items import shop_items
from shoal.transforms.user_features import user_features

Row = dict[str, Any]

FIRST = date(2024, 3, 1)
ZONE = "Etc/GMT-3"  # three hours ahead, as the events of conftest.py are
NAMES = ["ann", "ben", "cat", "dan", "bare", "window", "sue", "ghost"]  # the last two: staff, and who does nothing
# One of each relation, of each kind of SQL that names the cut, and of what is compared with the whole shop.
SOME = [
    "recency_days", "views_7d", "spend_30d", "net_spend", "frequency", "gap_median_days", "overdue_ratio",
    "distinct_items_viewed_7d", "distinct_brands", "main_category", "main_category_affinity", "category_entropy",
    "price_ratio", "price_level", "rating_against_items", "main_channel_share", "last_device", "email_consent",
    "typical_hour", "views_trend_7_30", "order_season_day",
]  # fmt: skip


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def moment(number: int, hour: int = 9) -> datetime:
    return datetime(FIRST.year, FIRST.month, FIRST.day, hour, tzinfo=UTC) + timedelta(days=number)


def said(user: str, number: int, **values: Any) -> Row:
    return {"change_id": f"{user} {number}", "user_id": user, "changed_at": moment(number), "changed_date": day(number),
            "delivered_at": moment(number), "content_hash": "h", **values}  # fmt: skip


SAID = [
    said("dan", 25, consents={"profiling": False}), said("dan", 45, consents={"profiling": True}),
    said("ann", 10, consents={"marketing": True}), said("ann", 40, consents={"marketing/email": False}),
]  # fmt: skip
# ben is ann since day 30; cat and bare become each other in a circle, of which the last merge names bare.
MERGES = [
    {"former_user_id": former, "user_id": user, "merged_at": moment(number), "merged_date": day(number)}
    for former, user, number in (("ben", "ann", 30), ("bare", "cat", 20), ("cat", "bare", 50))
]
CATALOGUE = [
    *({"item_id": f"i{n}", "item_group_id": f"i{n}", "recommendable": True, "valid_from": day(0),
       "category": f"c/{n % 3}" if n else None, "brand": f"b{n % 2}"} for n in range(7)),
    {"item_id": "i7", "item_group_id": "i7", "recommendable": True, "valid_from": day(3), "valid_to": day(35),
     "category": "c/0", "brand": "b0"},  # gone from day 35 to day 50, and another thing afterwards
    {"item_id": "i7", "item_group_id": "i7", "recommendable": True, "valid_from": day(50), "category": "c/2"},
]  # fmt: skip


@pytest.fixture(scope="module")
def events_of(random_events):
    """Events of which many are told of a phone alone, with reviews, devices and a till that everybody meets."""

    def build(seed: int, events: int = 500) -> list[Row]:
        rng, rows = random.Random(seed), random_events(seed, FIRST, events)
        for row in rows:
            row["device"] = rng.choice([None, "phone", "laptop"])
            if row["event_type"] == "click" and row["item_id"]:
                row |= {"event_type": "review", "rating": rng.choice([1.0, 3.0, 4.5, 5.0])}
            if rng.random() < 0.02:  # an order is one user's
                row |= {"user_id": "sue", "order_id": row.get("order_id") and f"sue's {row['order_id']}"}
            if str(row["visitor_id"]).startswith("phone") and rng.random() < 0.8:
                row["user_id"] = None
                # An order of a guest and a user would be the user's from its first line with one on, whatever the cut.
                row["order_id"] = row.get("order_id") and f"guest's {row['order_id']}"
        return rows

    return build


@dataclass(frozen=True)
class Shop:
    """A lake of what was told before a day; ``People`` reads it as any other."""

    people: People
    users: DataFrame
    changes: DataFrame
    items: DataFrame

    def at(self, cut: date, **more: Any) -> dict[tuple[str, date], Row]:
        """Features at one cut, as a run has them."""
        with ExitStack() as stack:
            tables = (USER_DAYS, USER_ITEM_DAYS)
            days, item_days = (stack.enter_context(self.people.kept_tiles(table, cut)) for table in tables)
            found = user_features(days, item_days, self.users, as_of=cut, run_id="r", user_changes=self.changes,
                                  items=catalogue_at(self.items, cut), **more)  # fmt: skip
            return by_pair(found)

    def at_each(self, pairs: list[tuple[str, date]], partitions: int = 1, **more: Any) -> dict[tuple[str, date], Row]:
        """Features at many."""
        spark = self.users.sparkSession
        rows = few_rows(spark, "user_id string, as_of date", pairs).repartition(partitions)
        asked = Asked(rows, sorted({cut for _, cut in pairs}))
        with ExitStack() as stack:
            tables = (USER_DAYS, USER_ITEM_DAYS)
            days, item_days = (stack.enter_context(self.people.kept_tiles_at(table, asked)) for table in tables)
            found = user_features(
                days,
                item_days,
                self.users.join(asked.pairs, on="user_id"),
                as_of=None,
                run_id="r",
                items=self.items,
                user_changes=EACH.before(self.changes.join(asked.pairs, on="user_id"), "changed_date"),
                shop=self.people.shop_items_at(asked.cuts, FIRST),
                **more,
            )
            return by_pair(found)


def by_pair(features: DataFrame) -> dict[tuple[str, date], Row]:
    rows = features.collect()
    found = {(row.user_id, row.as_of): row.asDict() for row in rows}
    assert len(found) == len(rows), "a user has two rows at a cut"
    return found


@pytest.fixture
def shop_of(spark: SparkSession):
    """``shop_of(events, before=DAY)``: a shop that knows nothing of that day and later ones."""

    def stored(rows: DataFrame) -> DataFrame:
        """As read from a lake: rows of which no plan tells how they came about."""
        return few_rows(spark, rows.schema, rows.collect())

    def build(rows: list[Row], before: date | None = None, merges: list[Row] = MERGES) -> Shop:
        until = before or date.max
        events = rows_of(spark, EVENTS, [row for row in rows if row["event_date"] < until])
        orders = stored(derived.orders(events))
        tables = {
            USER_DAYS: stored(tiles.user_days(events, orders, buckets=4, zone=ZONE)),
            USER_ITEM_DAYS: stored(tiles.user_item_days(events, buckets=4)),
            VISITOR_DAYS: stored(tiles.visitor_days(events, orders, buckets=4, zone=ZONE)),
            VISITOR_ITEM_DAYS: stored(tiles.visitor_item_days(events, buckets=4)),
            IDENTITIES: stored(derived.identities(events)),
        }
        if merges:
            tables[ACCOUNT_ALIASES] = rows_of(spark, ACCOUNT_ALIASES, [m for m in merges if m["merged_date"] < until])
        kinds = {name: "staff" if name == "sue" else "consumer" for name in NAMES}
        run = SimpleNamespace(versions_read=dict.fromkeys((table.name for table in tables), 0))
        return Shop(
            People(AsKnown({table.name: rows for table, rows in tables.items()}), run,
                   SimpleNamespace(max_users_per_visitor=2)),
            rows_of(spark, USERS, [{"user_id": name, "account_kind": kind} for name, kind in kinds.items()]),
            rows_of(spark, USER_CHANGES, [row for row in SAID if row["changed_date"] < until]),
            rows_of(spark, ITEMS, CATALOGUE),
        )  # fmt: skip

    return build


@pytest.mark.long
@pytest.mark.parametrize(
    ("cuts", "only"),
    [([12, 31, 48], SOME), ([1, 12, 25, 31, 32, 46, 51, 60], None)],
    ids=["some", "all"],
)
def test_each_row_is_what_a_lake_that_ends_before_its_cut_says(events_of, shop_of, cuts, only):
    rows = events_of(seed=len(cuts))
    pairs = [(name, day(cut)) for name in NAMES for cut in cuts]
    found = shop_of(rows).at_each(pairs, only=only)
    wanted = {}
    for cut in cuts:
        wanted |= shop_of(rows, before=day(cut)).at(day(cut), only=only)

    assert {*found} == {*wanted}
    assert found == wanted
    # What the test is about must be among the rows: visitors, merges, objections, and a catalogue that has changed.
    assert {name for name, _ in wanted} == {*NAMES} - {"sue", "ghost"}
    assert 0 < len(wanted) < 6 * len(cuts), "somebody objected, or had become another"


@pytest.mark.long
def test_order_partitioning_and_who_else_is_asked_for_change_nothing(events_of, shop_of):
    rows = events_of(seed=5, events=300)
    pairs = [(name, day(cut)) for name in NAMES for cut in (20, 40)]
    few = [("cat", day(40)), ("ann", day(20))]
    mixed = [*rows]
    random.Random(1).shuffle(mixed)
    only = ["views_30d", "main_category_affinity", "price_ratio", "distinct_items", "gap_median_days"]

    whole = shop_of(rows).at_each(pairs, only=only)
    assert shop_of(mixed).at_each(few, partitions=3, only=only) == {pair: whole[pair] for pair in few}


def test_what_a_visitor_did_is_known_from_the_day_after_the_link(event, shop_of):
    """Buyers look around as guests, and their phones are linked on day 20: until then their looks teach nothing."""
    views_at = {10: 0, 20: 0, 21: 3}
    rows = []
    for name in ("ann", "ben"):
        phone = {"user_id": None, "visitor_id": f"phone of {name}"}
        rows += [event(f"{name} {n}", "view", moment(n), item_id=f"i{n}", **phone) for n in (1, 2, 3)]
        rows += [event(f"{name} buys", "purchase", moment(5), user_id=name, item_id="i1", price="2")]
        rows += [event(f"{name} in", "search", moment(20), user_id=name, visitor_id=phone["visitor_id"], item_id=None)]
    pairs = [(name, day(cut)) for name in ("ann", "ben") for cut in views_at]
    found = shop_of(rows, merges=[]).at_each(pairs, only=["views_30d", "distinct_items_viewed"])

    assert {pair: (row["views_30d"], row["distinct_items_viewed"]) for pair, row in found.items()} == {
        (name, day(cut)): (views, max(1, views))  # one was bought
        for name in ("ann", "ben")
        for cut, views in views_at.items()
    }


@pytest.mark.long
@pytest.mark.parametrize("cut", [25, 60])
def test_each_row_is_what_another_engine_finds_in_the_events(events_of, shop_of, frame, cut):
    """With the merges and visitors left out, of which the oracle knows nothing."""
    rows = [row for row in events_of(seed=3) if row["user_id"]]
    pairs = [(name, day(at)) for name in NAMES for at in (25, 40, 60)]
    shop = shop_of([{**row, "visitor_id": None} for row in rows], merges=[])
    found = {user: row for (user, at), row in shop.at_each(pairs, only=SHOWN).items() if at == day(cut)}
    con = duckdb.connect()
    con.register("events", frame(EVENTS, *rows).toArrow())
    con.register("items", catalogue_at(shop.items, day(cut)).select("item_id", "category", "brand", "price").toArrow())
    con.execute("CREATE TABLE said (user_id TEXT, moment TIMESTAMP, day DATE, name TEXT, given BOOLEAN)")
    con.executemany("INSERT INTO said VALUES (?, ?, ?, ?, ?)", [
        (row["user_id"], row["changed_at"], row["changed_date"], name, given)
        for row in SAID for name, given in row["consents"].items()
    ])  # fmt: skip
    wanted = {user: row for user, row in oracle(con, day(cut), ZONE).items() if user != "sue"}
    if cut == 25:
        assert "dan" in wanted, "dan's objection of day 25 is not seen on it"
    for row in found.values():
        row["last_order_at"] = row["last_order_at"] and int(row["last_order_at"].astimezone(UTC).timestamp() * 1e6)

    assert {*found} == {*wanted}
    off = differences(found, wanted, SHOWN)
    assert off == [], off[:9]


@pytest.mark.parametrize("many", [1, 4, 45])
def test_sums_of_all_users_run_on_from_cut_to_cut(spark, frame, many):
    rng = random.Random(many)
    numbers = sorted(rng.sample(range(1, 60), many))
    rows = [
        {"bucket": 0, "user_id": f"u{n % 4}", "item_id": f"i{n % 5}", "event_date": day(rng.randrange(62)),
         "views": 1, "carts": 0, "purchases": rng.randrange(3), "gross": Decimal(n), "priced_pieces": rng.randrange(3),
         "ratings": rng.randrange(2), "rating_sum": Decimal(n % 5)}
        for n in range(60)
    ]  # fmt: skip
    met = [{**row, "as_of": day(number)} for row in rows[:7] for number in numbers if row["event_date"] < day(number)]
    schema = "item_id string, as_of date, views long, carts long, purchases long, gross decimal(28,6), " \
             "priced_pieces long, ratings long, rating_sum decimal(28,6)"  # fmt: skip
    names = [part.split(" ")[0] for part in schema.split(", ")]
    linked = few_rows(spark, schema, [tuple(row[name] for name in names) for row in met])
    wanted: dict[tuple[str, date], list[Any]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for cut in map(day, numbers):
        for row in [*(row for row in rows if row["event_date"] < cut), *(row for row in met if row["as_of"] == cut)]:
            if row["purchases"] or row["ratings"]:
                paid = row["gross"] if row["priced_pieces"] else 0
                said = (row["purchases"], paid, row["priced_pieces"], row["ratings"], row["rating_sum"])
                so_far = wanted[row["item_id"], cut]
                wanted[row["item_id"], cut] = [one + more for one, more in zip(so_far, said, strict=True)]

    found = shop_items(frame(USER_ITEM_DAYS, *rows).repartition(3), since=FIRST, cuts=[*map(day, numbers)],
                       linked=linked).collect()  # fmt: skip
    assert {(row.item_id, row.as_of): [row.lines, row.paid or 0, row.priced_pieces, row.ratings, row.rating_sum]
            for row in found} == wanted  # fmt: skip
    assert len(found) == len(wanted)
