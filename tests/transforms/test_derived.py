"""Orders, items and users are what the events left say of them, whether derived at once or bit by bit."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame

from shoal.frames import few_rows
from shoal.tables import EVENTS, IDENTITIES, ITEMS, ORDERS, USERS
from shoal.transforms.derived import changes, identities, items, orders, users

DERIVED = {ORDERS: orders, ITEMS: items, USERS: users, IDENTITIES: identities}


def at(day: int, hour: int = 9) -> datetime:
    return datetime(2021, 6, day, hour, tzinfo=UTC)


def utc(seen: datetime) -> datetime:
    """What collect() gives, in the zone of this process, as it is meant."""
    return seen.astimezone(UTC)


def texts(rows: DataFrame) -> list[str]:
    return sorted(map(str, rows.collect()))


def test_an_order_is_the_sum_of_its_purchase_lines_that_are_left(frame, event):
    def line(n, order, day=1, **values):
        return event(f"{order} {n}", "purchase", at(day), order_id=order, **values)

    rows = [
        line(1, "two lines", quantity=3, price="0.001", discount_amount=Decimal("0.50"), channel="web"),
        line(2, "two lines", price="4.95", line_kind="shipping", item_id="post", channel=None),
        line(1, "guest's", user_id=None, price="1"),
        line(1, "of two days", day=2, price="1", channel="web"),
        line(2, "of two days", day=3, price="2", channel="app"),
        line(1, "partly deleted", price="1"),
        line(2, "partly deleted", price="2", is_deleted=True),
        line(1, "without prices", quantity=None),
        line(1, "deleted", is_deleted=True),
        event("returned", "return", at(5), order_id="only a return", price="1"),
        event("return of two lines", "return", at(6), order_id="two lines", price="0.001"),
        line(1, None, price="1"),
    ]
    found = orders(frame(EVENTS, *rows)).collect()

    columns = ("user_id", "order_date", "lines", "pieces", "gross", "discount", "shipping", "channel")
    first, second = date(2021, 6, 1), date(2021, 6, 2)
    cent = Decimal("0.01")
    assert {row.order_id: tuple(row[name] for name in columns) for row in found} == {
        "two lines": ("u", first, 2, 3, Decimal("4.953"), 50 * cent, Decimal("4.95"), "web"),  # 3 x 0.001 + 4.95
        "guest's": (None, first, 1, 1, 100 * cent, None, None, None),
        "of two days": ("u", second, 2, 2, 300 * cent, None, None, "app"),
        "partly deleted": ("u", first, 1, 1, 100 * cent, None, None, None),
        "without prices": ("u", first, 1, None, None, None, None, None),
    }
    assert {utc(row.ordered_at) for row in found if row.order_id == "of two days"} == {at(2)}


def test_an_item_is_recommendable_unless_it_is_mostly_sold_as_something_else(frame, event):
    sold = {  # item: views, goods sold, others sold, is recommendable
        "only seen": (1, 0, 0, True),
        "sold": (0, 1, 0, True),
        "postage": (0, 0, 2, False),
        "a voucher that many look at": (5, 0, 2, False),
        "once a free sample": (0, 2, 1, True),
        "once sold by mistake": (0, 1, 2, False),
    }
    rows = [
        event(f"{item} {kind} {n}", "purchase" if kind else "view", at(1), item_id=item, line_kind=kind)
        for item, (*times, _) in sold.items()
        for kind, often in zip((None, "goods", "voucher"), times, strict=True)
        for n in range(often)
    ]
    found = {row.item_id: row.recommendable for row in items(frame(EVENTS, *rows)).collect()}

    assert found == {item: expected for item, (*_, expected) in sold.items()}


def test_an_item_is_what_its_latest_events_call_it(frame, event):
    rows = [
        event("3", "view", at(3), item_title="blue mug", category=None),
        event("1", "purchase", at(1, 23), item_title="mug", category="Home/Mugs", price="5"),  # June 2nd in the shop
        event("2", "purchase", at(2), item_title="red mug", brand="Acme", price="4"),
        event("4", "purchase", at(4), item_title=None, price=None),
        event("5", "return", at(5), item_title=None, price="3"),
        event("0", "purchase", at(6), item_title="cup", brand="None", price="1", is_deleted=True),
        event("6", "search", at(7), item_id=None, item_title="?"),
    ]
    (row,) = items(frame(EVENTS, *rows)).collect()

    assert row.asDict() == {
        "item_id": "mug", "item_group_id": "mug", "title": "blue mug", "category": "Home/Mugs", "brand": "Acme",
        "recommendable": True, "price": Decimal(4), "valid_from": date(2021, 6, 2), "valid_to": None,
        "cost": None, "stock": None,
    }  # fmt: skip


def test_users_are_who_acted_since_when_and_where_last(frame, event):
    rows = [
        event("1", "view", at(2), region="FR"),
        event("2", "view", at(1), region="DE"),
        event("3", "view", at(3), region=None),
        event("4", "view", at(4), region="IT", is_deleted=True),
        event("5", "view", at(5), user_id=None),
        event("6", "view", at(6), user_id="deleted", is_deleted=True),
    ]
    (row,) = users(frame(EVENTS, *rows)).collect()

    assert (row.user_id, utc(row.first_seen), utc(row.last_seen)) == ("u", at(1), at(3))
    assert (row.region, row.account_kind) == ("FR", "consumer")


def test_a_visitor_and_a_user_are_linked_by_the_first_event_in_which_they_met(frame, event):
    rows = [
        event("3", "view", at(3), visitor_id="phone"),
        event("1", "view", at(1, 22), visitor_id="phone"),  # June 2nd in the shop
        event("2", "view", at(2), visitor_id="phone"),
        event("4", "view", at(4), visitor_id="phone", user_id="other"),
        event("0", "view", at(1), visitor_id="phone", user_id=None),
        event("5", "view", at(1), visitor_id="phone", is_deleted=True),
        event("6", "purchase", at(5), visitor_id="card"),
        event("7", "view", at(1), visitor_id=None),
    ]
    found = identities(frame(EVENTS, *rows)).collect()

    assert {(row.visitor_id, row.user_id): (row.linked_date, row.meetings) for row in found} == {
        ("phone", "u"): (date(2021, 6, 2), 3),
        ("phone", "other"): (date(2021, 6, 4), 1),
        ("card", "u"): (date(2021, 6, 5), 1),
    }
    assert {(utc(row.linked_at), utc(row.last_met_at)) for row in found if row.meetings == 3} == {(at(1, 22), at(3))}


def test_changes_are_the_differences_of_the_touched_keys(spark, frame):
    def found(table, new, old, touched):
        names = few_rows(spark, f"{table.key[0]} string", [(key,) for key in touched])
        differences = changes(table, frame(table, *new), frame(table, *old), names)
        shown = "region" if table is USERS else "valid_from"
        return differences.select(table.key[0], shown, "is_gone").collect()

    old = {"same": None, "moved": "FR", "gone": "FR", "untouched": "FR"}
    new = {"same": None, "moved": None, "new": "FR"}
    rows = ([{"user_id": user, "region": region} for user, region in users.items()] for users in (new, old))
    assert {tuple(row) for row in found(USERS, *rows, ["same", "moved", "gone", "new"])} == {
        ("moved", None, False), ("gone", "FR", True), ("new", "FR", False),
    }  # fmt: skip

    # The key of an item holds its first day: where that moves, one row goes and another comes.
    first, second = ({"item_id": "mug", "valid_from": date(2021, 6, day)} for day in (1, 2))
    assert {tuple(row) for row in found(ITEMS, [second], [first], ["mug"])} == {
        ("mug", date(2021, 6, 1), True), ("mug", date(2021, 6, 2), False),
    }  # fmt: skip


@pytest.mark.parametrize("table", DERIVED, ids=lambda table: table.name)
def test_deriving_what_is_touched_equals_deriving_everything(frame, random_events, table):
    summarise, key = DERIVED[table], table.key[0]
    # Every fifth event comes late, and every seventh is corrected to something else.
    rows, others = (random_events(seed, first=date(2021, 6, 1)) for seed in (3, 4))
    early = [row for n, row in enumerate(rows) if n % 5]
    late = [row if n % 7 else others[n] for n, row in enumerate(rows)]
    touched = {row[key] for row in early + late if not (row in early and row in late) and row.get(key)}
    before, after = frame(EVENTS, *early), frame(EVENTS, *late)
    names = few_rows(before.sparkSession, f"{key} string", [(name,) for name in touched])

    old, everything = summarise(before), summarise(after)
    differences = changes(table, summarise(after.join(names, on=key, how="left_semi")), old, names)
    kept = old.join(differences, on=[*table.key], how="left_anti").select(old.columns)
    new = differences.where("NOT is_gone").select(old.columns)

    assert texts(kept.unionByName(new)) == texts(everything)
    assert changes(table, everything, everything, everything.select(key)).isEmpty()
