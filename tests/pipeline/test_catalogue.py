"""Item, user and category feeds on a lake: the same road as events, and what they change downstream."""

import json
import os
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from shelf import SMALL, Shelf, stopped_after

from shoal.books.runs import Replay
from shoal.lake import Lake
from shoal.reports.querying import query_lake
from shoal.reports.summary import summary
from shoal.tables import (
    ACCOUNT_ALIASES,
    AS_NEEDED,
    BATCHES,
    CATEGORIES,
    EVENTS,
    ITEM_CHANGES,
    ITEMS,
    RECOMMENDATIONS,
    REJECTED_EVENTS,
    USER_FEATURES,
    USERS,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "feeds.md").read_text()
SHOP = ("shop.time_zone=Europe/Berlin", "shop.currency=EUR", "validate.max_rejected_share=0.5", *SMALL)


def shown(name):
    """A file that the page shows under its name."""
    found = re.search(rf"`{re.escape(name)}`[^`]*```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"docs/feeds.md shows no {name}"
    return found[1]


def written(folder, name, *rows):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def event(number, item, user="u1", day=1, **values):
    return {"event_id": f"e{number}", "event_type": "purchase", "event_time": f"2025-03-{day:02}T10:00:00Z",
            "user_id": user, "item_id": item, "quantity": 1, "unit_price": 4, "currency": "EUR",
            "order_id": f"o{number}", **values}  # fmt: skip


def said(item, day, **values):
    return {"item_id": item, "changed_at": f"2025-03-{day:02}T10:00:00Z", **values}


EARLY = (said("mug", 1, title="Mug", price=5), said("mug", 3, price=6), said("jug", 1, title="Jug"))
LATE = (said("mug", 2, stock=7), said("mug", 3, price="6.5", updated_at="2025-03-04T10:00:00Z"), EARLY[0])
PEOPLE = (
    {"user_id": "u1", "changed_at": "2025-03-01T08:00:00Z", "region": "DE", "consents": {"marketing/email": True}},
    {"user_id": "u2", "changed_at": "2025-03-01T08:00:00Z", "consents": {"profiling": True}},
    {"user_id": "u2", "changed_at": "2025-03-04T08:00:00Z", "consents": {"profiling": False}},
    {"user_id": "u3", "changed_at": "2025-03-09T08:00:00Z", "account_kind": "test"},
    {"user_id": "u4", "changed_at": "2025-03-01T08:00:00Z", "registered_at": "2025-02-27T10:00:00Z"},
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What a small shop delivers."""
    folder = tmp_path_factory.mktemp("landing")
    bought = [event(n, item, user, day) for n, (item, user, day) in enumerate(
        [("mug", "u1", 1), ("jug", "u2", 2), ("cup", "u3", 2), ("mug", "u2", 3)]
    )]  # fmt: skip
    return {
        "events": written(folder, "events.jsonl", *bought, event(9, "POST", line_kind="shipping")),
        "early": written(folder, "early.jsonl", *EARLY),
        "late": written(folder, "late.jsonl", *LATE, said("mug", 5, price="free")),
        "people": written(folder, "people.jsonl", *PEOPLE),
    }


@pytest.fixture(scope="module")
def shop(spark, files, tmp_path_factory):
    """A shop that had events first, then its items in two deliveries, then its people."""
    shelf = Shelf(Lake(spark, str(tmp_path_factory.mktemp("shop") / "lake")))
    shelf.run(("shoal", files["events"]), until="validate", sets=SHOP)
    without = {*shelf.read(BATCHES).first().silver_versions}
    shelf.run(("shoal_items", files["early"]), ("shoal_items", files["late"]), ("shoal_users", files["people"]),
              until="validate", sets=SHOP)  # fmt: skip
    return shelf, without


def spans(shelf, item):
    rows = shelf.read(ITEMS).where(f"item_id = '{item}'").orderBy("valid_from").collect()
    return [(r.valid_from.day, r.valid_to and r.valid_to.day, r.title, r.price, r.stock) for r in rows]


@pytest.mark.long
def test_a_shop_of_events_alone_has_no_table_of_other_feeds(shop):
    _, without = shop

    assert not without & {table.name for table in AS_NEEDED}


@pytest.mark.long
def test_changes_of_items_are_dated_history_and_events_fill_the_rest(shop):
    shelf, _ = shop
    money = Decimal("6.5")

    assert spans(shelf, "mug") == [(1, 2, "Mug", 5, None), (2, 3, "Mug", 5, 7), (3, None, "Mug", money, 7)]
    assert spans(shelf, "jug") == [(1, None, "Jug", Decimal(4), None)], "its price as it was paid"
    assert spans(shelf, "cup") == [(2, None, None, Decimal(4), None)]


@pytest.mark.long
def test_every_batch_balances_and_a_statement_told_before_is_a_duplicate(shop):
    shelf, _ = shop
    book = {b.rows_in: (b.rows_accepted, b.rows_rejected, b.rows_duplicate) for b in
            shelf.read(BATCHES).where("feed = 'shoal_items'").collect()}  # fmt: skip

    assert book == {3: (3, 0, 0), 4: (2, 1, 1)}
    assert shelf.read(ITEM_CHANGES).count() == 5
    assert shelf.read(REJECTED_EVENTS).first().reasons == ["price is a number"]


@pytest.mark.long
def test_users_are_those_whom_events_or_feeds_know(shop):
    shelf, _ = shop
    found = {u.user_id: u for u in shelf.read(USERS).collect()}

    assert {name: (u.region, u.account_kind, u.first_seen is None) for name, u in found.items()} == {
        "u1": ("DE", "consumer", False), "u2": (None, "consumer", False),
        "u3": (None, "test", False), "u4": (None, "consumer", True),
    }  # fmt: skip
    consent = found["u2"].consents["profiling"]
    assert (consent.given, consent.since.astimezone(UTC)) == (False, datetime(2025, 3, 4, 8, tzinfo=UTC))


@pytest.mark.long
def test_who_objects_at_the_cut_is_in_no_table_of_the_run(shop):
    shelf, _ = shop
    for day, users in ((date(2025, 3, 4), {"u1", "u2"}), (date(2025, 3, 6), {"u1"})):
        run_id = shelf.run(first="features", until="features", as_of=day, sets=SHOP)

        assert {r.user_id for r in shelf.read(USER_FEATURES, f"run_id = '{run_id}'").collect()} == users


@pytest.mark.long
def test_other_readers_open_consents(shop):
    import polars
    from deltalake import DeltaTable

    shelf, _ = shop
    path = shelf.lake.path_of(USERS)
    entries = DeltaTable(path).to_pyarrow_table().to_pylist()
    (ann,) = [dict(row["consents"]) for row in entries if row["user_id"] == "u1"]

    assert ann["marketing/email"]["given"] is True
    assert polars.scan_delta(path).filter(polars.col("user_id") == "u1").collect().height == 1


@pytest.mark.long
def test_deliveries_in_any_order_and_together_make_one_catalogue(shop, shelf, files):
    first, _ = shop
    others = [("shoal_users", files["people"]), ("shoal_items", files["late"]), ("shoal", files["events"])]
    shelf.run(*others, ("shoal_items", files["early"]), until="validate", sets=SHOP)

    for table in (ITEMS, USERS):
        assert sorted(map(str, shelf.read(table).collect())) == sorted(map(str, first.read(table).collect()))


@pytest.mark.long
@pytest.mark.parametrize(
    "commit", ["append silver.item_changes", "append silver.rejected_events", "merge silver.items"]
)
def test_a_killed_batch_of_items_is_finished_as_if_it_had_never_been(shelf, files, commit):
    stopped_after(commit, shelf, ("shoal_items", files["late"]), until="validate", sets=SHOP)
    shelf.run(first="validate", until="validate", sets=SHOP)

    assert spans(shelf, "mug") == [(1, 2, "Mug", 5, None), (2, 3, "Mug", 5, 7), (3, None, "Mug", Decimal("6.5"), 7)]
    (batch,) = shelf.read(BATCHES).collect()
    assert (batch.state, batch.rows_accepted, batch.rows_rejected) == ("validated", 3, 1)
    assert (shelf.read(ITEM_CHANGES).count(), shelf.read(REJECTED_EVENTS).count()) == (3, 1)


@pytest.mark.long
def test_events_of_unknown_items_are_counted_or_rejected_and_come_back_by_a_replay(shelf, files, tmp_path):
    shelf.run(("shoal_items", files["early"]), ("shoal", files["events"]), until="validate", sets=SHOP)
    counted = {b.feed: b.rows_unknown_items for b in shelf.read(BATCHES).collect()}
    more = written(tmp_path, "more.jsonl", event(20, "mug"), event(21, "pot"), event(22, "POST", line_kind="fee"))
    strict = (*SHOP, "validate.unknown_items=reject")
    shelf.run(("shoal", more), until="validate", sets=strict)
    (rejected,) = shelf.read(REJECTED_EVENTS).collect()

    assert counted == {"shoal_items": None, "shoal": 1}, "the cup; postage is no article"
    assert (rejected.event_id, rejected.reasons) == ("e21", ["item_id is in the catalogue"])

    shelf.run(
        ("shoal_items", written(tmp_path, "pot.jsonl", said("pot", 1, title="Pot"))), until="validate", sets=strict
    )
    shelf.run(first="validate", until="validate", replay=Replay((rejected.batch_id,)), sets=strict)

    assert shelf.read(EVENTS, "event_id = 'e21'").count() == 1
    batch = shelf.read(BATCHES, f"batch_id = '{rejected.batch_id}'").first()
    assert (batch.rows_accepted, batch.rows_rejected, batch.rows_unknown_items) == (3, 0, 0)


@pytest.mark.long
def test_a_snapshot_without_times_holds_from_its_delivery(shelf, tmp_path):
    folder = tmp_path / "catalogue"
    folder.mkdir()
    for day, price in ((1, 5), (2, 5), (3, 6)):
        (folder / f"{day}.csv").write_text(f"item_id,title,price\nmug,Mug,{price}\n" + "\n" * day)
        moment = datetime(2025, 3, day, 5, tzinfo=UTC).timestamp()
        os.utime(folder / f"{day}.csv", (moment, moment))
    shelf.run(("shoal_items", folder), until="validate", sets=SHOP)

    assert spans(shelf, "mug") == [(1, 3, "Mug", 5, None), (3, None, "Mug", 6, None)]
    assert shelf.read(ITEM_CHANGES).count() == 3


@pytest.mark.long
def test_retailrocket_s_items_lie_in_its_tree_whichever_comes_first(shelf, shelf_at, data, tmp_path):
    at = 1_433_221_200_000  # the second of June 2015, 05:00 UTC
    week = 7 * 86_400_000
    (tmp_path / "item_properties_part1.csv").write_text(
        "timestamp,itemid,property,value\n"
        f"{at},460429,categoryid,1016\n{at},460429,available,1\n{at},460429,790,n12000.000\n"
        f"{at + week},460429,available,0\n"
    )
    (tmp_path / "item_properties_part2.csv").write_text(
        f"timestamp,itemid,property,value\n{at + 2 * week},460429,categoryid,809\n"
    )
    items, tree = ("retailrocket_items", tmp_path / "item_*.csv"), (
        "retailrocket_categories", data / "retailrocket" / "category_tree.csv.gz",
    )  # fmt: skip
    other = shelf_at(tmp_path / "other")
    shelf.run(items, tree, until="validate")
    other.run(tree, items, until="validate")

    paths = {c.category_id: c.path for c in shelf.read(CATEGORIES).collect()}
    assert len(paths) == 1669
    assert paths["1016"].split("/")[-2:] == ["213", "1016"]
    rows = shelf.read(ITEMS).orderBy("valid_from").collect()
    assert [(str(r.valid_from), r.category, r.recommendable) for r in rows] == [
        ("2015-06-02", paths["1016"], True), ("2015-06-09", paths["1016"], False), ("2015-06-16", paths["809"], False),
    ]  # fmt: skip
    assert sorted(map(str, other.read(ITEMS).collect())) == sorted(map(str, rows))


@pytest.mark.long
def test_the_page_s_files_of_items_and_people_say_what_the_page_says(shelf, tmp_path):
    for name in ("articles.csv", "articles.yaml", "members.csv", "members.yaml"):
        (tmp_path / name).write_text(shown(name))
    feeds = [(str(tmp_path / f"{name}.yaml"), tmp_path / f"{name}.csv") for name in ("articles", "members")]
    shelf.run(*feeds, until="validate", sets=SHOP)

    assert spans(shelf, "4711") == [
        (1, 3, "Mug", Decimal("7.5"), 12), (3, 5, "Mug", Decimal("7.5"), 0), (5, None, "Mug", Decimal(8), 0)
    ]  # fmt: skip
    assert spans(shelf, "4712") == [(1, 4, "Plate", Decimal(12), 3)]
    (item,) = shelf.read(ITEMS, "item_id = '4712'").collect()
    assert (item.category, item.cost) == ("Home/Kitchen", Decimal(6))
    people = {u.user_id: u for u in shelf.read(USERS).collect()}
    assert {n: {k: c.given for k, c in u.consents.items()} for n, u in people.items() if u.consents} == {
        "C1": {"profiling": True, "marketing/email": False}, "C2": {"profiling": False, "marketing/email": False},
    }  # fmt: skip
    assert (people["C1"].birth_year_band, people["C3"].account_kind) == ("1980-1989", "staff")


@pytest.mark.long
def test_lists_and_names_stay_one_row_each_where_items_have_a_past_and_a_future(shop, tmp_path):
    """Of the shop's articles one was withdrawn before the day; another gets a name and a price after it."""
    shelf, _ = shop
    more = [said("cup", 4, is_deleted=True), said("jug", 8, title="Jug of the future", price=9)]
    as_of = date(2025, 3, 6)
    shelf.run(("shoal_items", written(tmp_path, "more.jsonl", *more)), as_of=as_of, sets=SHOP)

    lists = shelf.read(RECOMMENDATIONS, "list_name = 'for_you'").select("user_id", "rank", "item_id").collect()
    assert {tuple(row) for row in lists} == {("u1", 1, "jug")}, "u1 owns the mug; u2 objects, u3 is a test"
    report = summary(shelf.lake)
    assert "future" not in report
    assert all("future" not in (row.title or "") for row in shelf.read(RECOMMENDATIONS).collect())
    named = (
        "SELECT items.title FROM gold.current_recommendations JOIN silver.items USING (item_id) WHERE valid_to IS NULL"
    )
    assert "Jug of the future" in [*query_lake(shelf.lake, named, "csv")]


@pytest.mark.long
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "the other way round"])
def test_a_merge_that_was_taken_back_is_none_whichever_is_told_first(shelf, tmp_path, order):
    moment = {"changed_at": "2025-03-01T08:00:00Z"}
    told = [
        [{"user_id": "old", "merged_into": "new", **moment}, {"user_id": "kept", "merged_into": "new", **moment}],
        [{"user_id": "old", "region": "DE", "updated_at": "2025-03-02T08:00:00Z", **moment}],
    ]
    for number in order:
        path = written(tmp_path, f"{number}.jsonl", *told[number])
        shelf.run(("shoal_users", path), until="validate", sets=SHOP)

    assert [(row.former_user_id, row.user_id) for row in shelf.read(ACCOUNT_ALIASES).collect()] == [("kept", "new")]
    assert {row.user_id for row in shelf.read(USERS).collect()} == {"old", "kept", "new"}
