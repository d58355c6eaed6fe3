"""The catalogue on a day is what feeds had said by then, each value until another was said; events fill the rest."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from shoal.tables import CATEGORIES, CATEGORY_CHANGES, EVENTS, ITEM_CHANGES, ITEMS
from shoal.transforms.catalogue import MOST_LEVELS, catalogue_at, categories, goods_at, in_stock
from shoal.transforms.derived import items

Row = dict[str, Any]
FIRST = date(2021, 6, 1)
SAID = ("title", "category", "brand", "price", "cost", "stock", "recommendable", "item_group_id")


def at(day: int, hour: int = 9) -> datetime:
    return datetime(2021, 6, day, hour, tzinfo=UTC)


def told(item: str, time: datetime, *, part: str = "", content: str = "c", delivered: int = 20, **said: Any) -> Row:
    """A statement about an item in a shop three hours ahead of UTC."""
    return {
        "change_id": f"{item} {time} {part}", "item_id": item, "changed_at": time,
        "changed_date": (time + timedelta(hours=3)).date(), "content_hash": content, "delivered_at": at(delivered),
        **said,
    }  # fmt: skip


@pytest.fixture
def history(frame):
    """``history(changes, events, categories)``: rows of silver.items by item, in the order of days."""

    def build(changes, events=(), tree=()):
        found = items(frame(EVENTS, *events), frame(ITEM_CHANGES, *changes), frame(CATEGORIES, *tree)).collect()
        by_item: dict[str, list[Any]] = {}
        for row in sorted(found, key=lambda r: (r.item_id, r.valid_from)):
            by_item.setdefault(row.item_id, []).append(row)
        return by_item

    return build


def test_each_value_holds_from_its_day_until_another_is_said(history):
    mug = [
        told("mug", at(1), title="Mug", price=Decimal(5), stock=9),
        told("mug", at(3), price=Decimal(6)),
        told("mug", at(3, 10), price=Decimal(7)),  # of several on one day the last
        told("mug", at(4), price=Decimal(7)),  # says nothing new
        told("mug", at(5, 22), stock=0),  # the sixth, in the shop
    ]
    rows = history(mug)["mug"]

    assert [(r.valid_from.day, r.valid_to and r.valid_to.day, r.title, int(r.price), r.stock) for r in rows] == [
        (1, 3, "Mug", 5, 9), (3, 6, "Mug", 7, 9), (6, None, "Mug", 7, 0),
    ]  # fmt: skip
    assert {(r.item_group_id, r.recommendable, r.cost, r.brand) for r in rows} == {("mug", True, None, None)}


def test_what_only_events_know_fills_what_no_feed_says(history, event):
    seen = [
        event("1", "purchase", at(2), item_title="mug of events", brand="Acme", price="4"),
        event("2", "view", at(2), item_id="only seen", item_title="cup"),
        event("3", "purchase", at(2), item_id="post", line_kind="shipping"),
    ]
    changes = [told("mug", at(5), title="Mug of the feed"), told("only told", at(6), title="Jug"), told("post", at(7))]
    rows = history(changes, seen)

    assert [(r.valid_from.day, r.valid_to and r.valid_to.day, r.title, r.brand, r.price) for r in rows["mug"]] == [
        (2, 5, "mug of events", "Acme", Decimal(4)), (5, None, "Mug of the feed", "Acme", Decimal(4)),
    ]  # fmt: skip
    assert [(r.valid_from.day, r.valid_to, r.title) for r in rows["only seen"]] == [(2, None, "cup")]
    assert [(r.valid_from.day, r.valid_to, r.title) for r in rows["only told"]] == [(6, None, "Jug")]
    assert [(r.valid_from.day, r.valid_to, r.recommendable) for r in rows["post"]] == [(2, None, False)]


def test_a_deleted_item_is_gone_until_it_is_back(history):
    changes = [
        told("mug", at(1), title="Mug"),
        told("mug", at(3), is_deleted=True),
        told("mug", at(4), price=Decimal(5)),  # does not say that it is back
        told("mug", at(6), is_deleted=False),
    ]

    assert [(r.valid_from.day, r.valid_to and r.valid_to.day, r.title, r.price) for r in history(changes)["mug"]] == [
        (1, 3, "Mug", None), (6, None, "Mug", Decimal(5)),
    ]  # fmt: skip


def test_of_versions_of_one_statement_the_strongest_counts_alone(history):
    first = told("mug", at(1), content="b", delivered=2, title="Mug", stock=9)
    mended = told("mug", at(1), content="a", delivered=3, title="Blue mug")
    late = told("mug", at(1), content="z", delivered=1, title="Old mug")

    (row,) = history([first, mended, late])["mug"]

    assert (row.title, row.stock) == ("Blue mug", None), "the first version said 9, the one in its place says nothing"


def test_parts_of_one_moment_say_different_things(history):
    (row,) = history(
        [told("mug", at(1), part="title", title="Mug"), told("mug", at(1), part="price", price=Decimal(5))]
    )["mug"]

    assert (row.title, row.price) == ("Mug", Decimal(5))


def test_a_category_is_its_path_where_the_tree_is_known(history):
    changes = [
        told("by id", at(1), category_id="c7"),
        told("by path", at(1), category_id="c7", category="Tea/Green"),
        told("unknown", at(1), category_id="c9"),
    ]
    tree = [{"category_id": "c7", "parent_id": "c1", "path": "Drinks/Tea"}]
    found = {item: rows[0].category for item, rows in history(changes, tree=tree).items()}

    assert found == {"by id": "Drinks/Tea", "by path": "Tea/Green", "unknown": "c9"}


def random_changes(seed: int) -> list[Row]:
    rng = random.Random(seed)
    said = {
        "title": lambda: rng.choice(["a", "b"]), "brand": lambda: rng.choice(["x", "y"]),
        "price": lambda: Decimal(rng.randrange(1, 4)), "stock": lambda: rng.randrange(2),
        "recommendable": lambda: rng.random() < 0.7, "is_deleted": lambda: rng.random() < 0.4,
    }  # fmt: skip
    return [
        told(
            f"i{rng.randrange(6)}", at(1) + timedelta(hours=rng.randrange(24 * 12)), content=f"{n:03}",
            delivered=rng.randrange(15, 20), **{k: make() for k, make in said.items() if rng.random() < 0.3},
        )
        for n in range(120)
    ]  # fmt: skip


def on_day(changes: list[Row], item: str, as_of: date) -> dict[str, Any] | None:
    """What a person who reads all statements before a day in their order knows of an item."""
    strongest: dict[str, Row] = {}
    for row in sorted(changes, key=lambda r: (r["delivered_at"], r["content_hash"])):
        strongest[row["change_id"]] = row
    state: dict[str, Any] = {}
    for row in sorted(strongest.values(), key=lambda r: r["changed_at"]):
        if row["item_id"] == item and row["changed_date"] < as_of:
            state |= {name: value for name, value in row.items() if value is not None}
    if not state or state.get("is_deleted"):
        return None
    defaults = {"item_group_id": item, "recommendable": True}
    return {name: state.get(name, defaults.get(name)) for name in SAID}


def test_every_cut_sees_what_was_said_before_it(frame):
    changes = random_changes(5)
    catalogue = items(frame(EVENTS), frame(ITEM_CHANGES, *changes), frame(CATEGORIES)).toArrow()
    stored = frame(ITEMS).sparkSession.createDataFrame(catalogue)
    days = [FIRST + timedelta(days=n) for n in range(-1, 16)]
    cuts = {day: {r.item_id: {n: r[n] for n in SAID} for r in catalogue_at(stored, day).collect()} for day in days}

    names = {row["item_id"] for row in changes}
    assert cuts == {
        day: {item: state for item in names if (state := on_day(changes, item, day)) is not None} for day in days
    }
    spans = "SELECT *, lead(valid_from) OVER (PARTITION BY item_id ORDER BY valid_from) AS next FROM catalogue"
    assert duckdb.sql(f"FROM ({spans}) WHERE next < valid_to OR valid_to <= valid_from").fetchall() == []


def test_order_partitioning_and_the_future_change_no_cut(frame):
    changes = random_changes(6)
    before = [row for row in changes if row["changed_date"] < date(2021, 6, 8)]

    def seen(rows, partitions):
        found = items(frame(EVENTS), frame(ITEM_CHANGES, *rows).repartition(partitions), frame(CATEGORIES))
        return sorted(map(str, catalogue_at(found, date(2021, 6, 8)).drop("valid_to").collect()))

    assert seen(changes[::-1], 3) == seen(before, 1)


# -- categories -------------------------------------------------------------------------------------------------


def placed(category: str, parent: str | None, day: int = 1, **said: Any) -> Row:
    return {
        "change_id": f"{category} {day}", "category_id": category, "parent_id": parent, "changed_at": at(day),
        "changed_date": at(day).date(), "content_hash": "c", "delivered_at": at(day), **said,
    }  # fmt: skip


def test_a_path_leads_from_the_top_through_titles_or_ids(frame):
    found = categories(
        frame(
            CATEGORY_CHANGES,
            placed("home", None, title="Home"),
            placed("mugs", "kitchen"),
            placed("kitchen", "home", title="Kitchen"),
            placed("kitchen", "nowhere", day=2),  # moved; its title still holds
            placed("gone", "home"),
            placed("gone", "home", day=2, is_deleted=True),
            placed("top again", "home"),
            placed("top again", None, day=3),
            placed("own", "own"),
        )
    ).collect()

    assert {(c.category_id, c.parent_id, c.path) for c in found} == {
        ("home", None, "Home"), ("kitchen", "nowhere", "nowhere/Kitchen"), ("mugs", "kitchen", "nowhere/Kitchen/mugs"),
        ("top again", None, "top again"), ("own", None, "own"),
    }  # fmt: skip


def test_circles_and_endless_branches_have_an_end(frame):
    circle = [placed("a", "b"), placed("b", "c"), placed("c", "a"), placed("leaf", "a")]
    deep = [placed(f"{n:02}", f"{n - 1:02}" if n else None) for n in range(MOST_LEVELS + 4)]
    found = {c.category_id: c.path for c in categories(frame(CATEGORY_CHANGES, *circle, *deep)).collect()}

    assert (found["a"], found["b"], found["leaf"]) == ("c/b/a", "a/c/b", "c/b/a/leaf")
    last = MOST_LEVELS + 3
    assert found[f"{last:02}"] == "/".join(f"{n:02}" for n in range(last - MOST_LEVELS + 1, last + 1))
    assert found[f"{MOST_LEVELS - 1:02}"] == "/".join(f"{n:02}" for n in range(MOST_LEVELS))


def test_every_path_of_a_real_tree_is_the_walk_up_from_its_leaf(frame, data):
    """RetailRocket's 1,669 categories, of which 25 are at the top; walked by another engine."""
    source = data / "retailrocket" / "category_tree.csv.gz"
    rows = duckdb.sql(f"SELECT * FROM read_csv('{source}', all_varchar = true)").fetchall()
    walked = duckdb.sql(f"""
        WITH RECURSIVE tree AS (SELECT * FROM read_csv('{source}', all_varchar = true)),
        walk(id, path) AS (SELECT categoryid, categoryid FROM tree WHERE parentid IS NULL
          UNION ALL SELECT t.categoryid, w.path || '/' || t.categoryid FROM tree t JOIN walk w ON t.parentid = w.id)
        FROM walk""").fetchall()

    found = categories(frame(CATEGORY_CHANGES, *(placed(*row) for row in rows))).select("category_id", "path").collect()

    assert len(rows) == 1669
    assert sum("/" not in path for _, path in walked) == 25
    assert sorted(map(tuple, found)) == sorted(walked)


def test_what_lists_show_is_what_was_so_before_the_cut(frame):
    def item(name, **values):
        return {"item_id": name, "item_group_id": name, "recommendable": True, "valid_from": FIRST, **values}

    day = FIRST + timedelta(days=5)
    shown = {"title": "Mug", "price": Decimal("4.500000")}
    rows = [
        item("mug", **shown, stock=3, valid_to=day), item("mug", title="Later", stock=0, valid_from=day),
        item("cup", stock=0), item("owed", stock=-2), item("jug"), item("post", recommendable=False),
        item("next", valid_from=day),
    ]  # fmt: skip
    goods = goods_at(frame(ITEMS, *rows), day)

    assert {row.item_id: (row.title, row.price, row.in_stock) for row in goods.collect()} == {
        "mug": ("Mug", Decimal("4.500000"), True), "cup": (None, None, False), "owed": (None, None, False),
        "jug": (None, None, None),
    }  # fmt: skip
    assert {row.item_id for row in in_stock(goods).collect()} == {"mug", "jug"}
