"""A shop's own file and the mapping of docs/feeds.md: checked, ingested, mended, and known to the lake."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from shelf import stopped_after

from shoal.books import facts
from shoal.config import load_config
from shoal.config.feed_files import feed_given
from shoal.errors import DataError, GateError
from shoal.reports.summary import came_in
from shoal.reports.trying_feeds import checked_feed
from shoal.tables import AS_NEEDED, BATCHES, DECLARED_FEEDS, EVENTS, QUALITY, REJECTED_EVENTS, SILVER

PAGE = (Path(__file__).parents[2] / "docs" / "feeds.md").read_text()
TOLERANT = ("validate.max_rejected_share=0.5",)


def shown(kind):
    """The files of one kind that the page shows."""
    return re.findall(f"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def till(tmp_path):
    """The first mapping of the page and its file."""
    (tmp_path / "till.csv").write_text(shown("csv")[0])
    (tmp_path / "till.yaml").write_text(shown("yaml")[0])
    return tmp_path / "till.yaml", tmp_path / "till.csv"


def mended(mapping, old, new):
    text = mapping.read_text()
    assert old in text
    mapping.write_text(text.replace(old, new))


@pytest.mark.long
def test_the_page_s_own_file_becomes_the_events_that_a_person_reads_in_it(shelf, till):
    mapping, receipts = till

    shelf.run((str(mapping), receipts), until="validate", sets=TOLERANT)

    found = {(e.order_id, e.item_title): e for e in shelf.read(EVENTS).collect()}
    assert {key: (e.event_type, e.quantity, e.amount_base, e.user_id) for key, e in found.items()} == {
        ("R1", "Mug"): ("purchase", 2, Decimal(15), "C1"),
        ("R1", "Plate"): ("purchase", 1, Decimal(12), "C1"),
        ("R2", "Mug"): ("purchase", 1, Decimal("7.5"), None),
        ("R3", "Plate"): ("return", 1, Decimal(12), "C1"),
    }
    mug = found["R1", "Mug"]
    assert mug.event_time.astimezone(UTC) == datetime(2025, 3, 1, 8, 15, tzinfo=UTC), "Berlin is an hour ahead"
    assert (mug.currency, mug.channel, mug.line_kind, mug.extra) == ("EUR", "store", "goods", {"Till": "2"})
    assert {tuple(r.reasons) for r in shelf.read(REJECTED_EVENTS).collect()} == {
        ("event_type is one of its allowed values", "item_id is set for what is done to an item"),
        ("price is a number",),
    }


def test_the_page_s_check_says_what_the_page_shows(spark, shelf, till):
    mapping, receipts = till

    report, is_good = checked_feed(shelf.lake, load_config(), str(mapping), str(receipts))

    shown = PAGE.split("$ shoal feed check till.csv --mapping till.yaml\n")[1].split("```")[0].splitlines()
    parts = [line.replace("till.csv", str(receipts)).rstrip(".") for line in shown if line != "..."]
    assert len(parts) == 5
    assert [part for part in parts if part not in report] == []
    assert not is_good


@pytest.mark.long
def test_a_mapping_that_is_mended_judges_a_refused_batch_anew(shelf, till):
    mapping, receipts = till
    mended(mapping, "kind, values", "title, values")
    with pytest.raises(GateError, match="event_type is one of its allowed values"):
        shelf.run((str(mapping), receipts), until="validate", sets=TOLERANT)

    mended(mapping, "title, values", "kind, values")
    shelf.run((str(mapping), receipts), until="ingest")
    shelf.run(first="validate", until="validate", retry_refused=True, sets=TOLERANT)

    (batch,) = shelf.read(BATCHES).collect()
    assert (batch.state, batch.rows_in, batch.rows_accepted, batch.rows_rejected) == ("validated", 6, 4, 2)
    assert batch.feed_version == feed_given(str(mapping)).version
    assert shelf.read(DECLARED_FEEDS).count() == 2


@pytest.mark.long
def test_a_mapping_that_reads_the_file_otherwise_reads_it_anew(shelf, till):
    mapping, receipts = till
    mended(mapping, 'formats: ["dd.MM.yyyy HH:mm"]', "doc: when")
    with pytest.raises(GateError, match="at is a time"):
        shelf.run((str(mapping), receipts), until="validate", sets=TOLERANT)

    mended(mapping, "doc: when", 'formats: ["dd.MM.yyyy HH:mm"]')
    shelf.run((str(mapping), receipts), until="validate", retry_refused=True, sets=TOLERANT)
    mended(mapping, 'formats: ["dd.MM.yyyy HH:mm"]', "doc: when")  # back again: the rows are not to come in twice
    shelf.run((str(mapping), receipts), until="validate", retry_refused=True, sets=("validate.max_rejected_share=1",))

    assert sorted((b.state, b.rows_accepted) for b in shelf.read(BATCHES).collect()) == [
        ("refused", None), ("validated", 4),
    ]  # fmt: skip


@pytest.mark.long
def test_a_version_with_more_columns_finds_room_also_where_an_earlier_one_makes_the_table(shelf, till):
    """The first version is planned and killed before its rows are in; the second one adds a column."""
    mapping, receipts = till
    stopped_after("merge ops.batches", shelf, (str(mapping), receipts), until="ingest")
    assert not shelf.lake.exists(feed_given(str(mapping)).table)
    more = receipts.with_name("more.csv")
    more.write_text(receipts.read_text().replace("\nR", "\nS"))
    mended(mapping, "  customer: {from: Customer}", "  customer: {from: Customer}\n  till: {from: Till}")
    mended(mapping, "channel: {value: store}", "channel: till")

    shelf.run((str(mapping), more), until="validate", sets=TOLERANT)

    found = {(b.state, b.rows_accepted) for b in shelf.read(BATCHES).collect()}
    assert found == {("validated", 4)}
    assert {(e.order_id[0], e.channel in ("1", "2")) for e in shelf.read(EVENTS).collect()} == {
        ("R", False),
        ("S", True),
    }


@pytest.mark.long
def test_a_version_with_more_columns_comes_after_another_was_ingested(shelf, till):
    mapping, receipts = till
    shelf.run((str(mapping), receipts), until="ingest")
    more = receipts.with_name("more.csv")
    more.write_text(receipts.read_text().replace("\nR", "\nS"))
    mended(mapping, "  customer: {from: Customer}", "  customer: {from: Customer}\n  till: {from: Till}")

    shelf.run((str(mapping), more), until="validate", sets=TOLERANT)

    assert [(b.state, b.rows_accepted) for b in shelf.read(BATCHES).collect()] == [("validated", 4)] * 2


@pytest.mark.long
def test_a_batch_is_judged_by_the_mapping_it_came_with_whatever_became_of_the_file(shelf, till):
    mapping, receipts = till
    stopped_after("append bronze.till", shelf, (str(mapping), receipts), until="ingest")
    version = feed_given(str(mapping)).version
    mapping.unlink()
    receipts.unlink()
    other = receipts.with_name("other.csv")
    other.write_text("event_type,event_time,item_id\nview,2025-03-01T10:00:00Z,i1\n")

    shelf.run(("shoal", other), until="validate", sets=TOLERANT)

    states = {(b.feed, b.feed_version, b.state, b.rows_in) for b in shelf.read(BATCHES).collect()}
    assert states == {("till", version, "validated", 6), ("shoal", None, "validated", 1)}


@pytest.mark.long
def test_sql_that_a_value_breaks_refuses_its_batch_and_no_other(shelf, till):
    mapping, receipts = till
    mended(mapping, "abs(try_cast(pieces AS INT))", "12 / (CAST(line AS INT) - 2)")
    with pytest.raises(DataError, match=r"the SQL of the feed till cannot be carried out.*DIVIDE_BY_ZERO"):
        shelf.run((str(mapping), receipts), until="validate", sets=TOLERANT)
    other = receipts.with_name("other.csv")
    other.write_text("event_type,event_time,item_id\nview,2025-03-01T10:00:00Z,i1\n")

    shelf.run(("shoal", other), until="validate", sets=TOLERANT)

    assert {b.feed: b.state for b in shelf.read(BATCHES).collect()} == {"till": "refused", "shoal": "validated"}


@pytest.mark.long
def test_an_order_with_several_products_is_one_event_for_each(shelf, tmp_path):
    (tmp_path / "tracked.yaml").write_text(shown("yaml")[1])
    (tmp_path / "tracked.jsonl").write_text(shown("json")[0])

    shelf.run((str(tmp_path / "tracked.yaml"), tmp_path / "tracked.jsonl"), until="validate")

    assert {(e.event_id, e.event_type, e.order_id, e.item_id, e.quantity, e.amount_base, e.user_id)
            for e in shelf.read(EVENTS).collect()} == {
        ("m1/0", "purchase", "R1", "4711", 2, Decimal(15), "C1"),
        ("m1/1", "purchase", "R1", "4712", 1, Decimal(12), "C1"),
        ("m2/0", "view", None, "4711", None, None, "C2"),
    }  # fmt: skip
    (batch,) = shelf.read(BATCHES).collect()
    assert (batch.rows_in, batch.rows_accepted, batch.rows_rejected, batch.rows_ignored) == (4, 3, 0, 1)


@pytest.mark.long
def test_a_batch_without_an_event_is_validated_and_leaves_silver_as_it_is(shelf, tmp_path, monkeypatch):
    """A page view alone, in a lake that has nothing yet; a day later the orders of the page come in."""
    monkeypatch.setenv("COLUMNS", "200")  # a narrow terminal folds what is shown
    tracked, lines = tmp_path / "tracked.yaml", shown("json")[0].splitlines()
    tracked.write_text(shown("yaml")[1])
    quiet, busy = tmp_path / "quiet.jsonl", tmp_path / "busy.jsonl"
    quiet.write_text(lines[2])
    busy.write_text("\n".join(lines))

    shelf.run((str(tracked), quiet), until="validate")
    nothing = (facts.known(shelf.lake).keys(), shelf.read(EVENTS).count(), shelf.read(QUALITY).count())
    alone = came_in(shelf.lake)
    shelf.run((str(tracked), busy), until="validate")

    assert nothing == ({"schema_version"}, 0, 0)
    assert [line.split() for line in alone.splitlines()[1:]] == [
        ["feed", "state", "rows_in", "rows_accepted", "rows_rejected", "rows_duplicate", "rows_ignored"],
        ["tracked", "validated", "1", "0", "0", "0", "1"],
    ]
    first, second = sorted(shelf.read(BATCHES).collect(), key=lambda batch: batch.sequence)
    assert (first.touched_days, {*first.silver_versions}) == (
        [],
        {table.name for table in SILVER if table not in AS_NEEDED},
    )
    assert (second.rows_in, second.rows_accepted, second.rows_ignored) == (4, 3, 1)
    assert facts.known(shelf.lake)["currency"] == "EUR"
