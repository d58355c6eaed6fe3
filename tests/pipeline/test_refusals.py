"""Bad input gets one clear error and its exit code, and changes nothing that is published."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from published import published
from pyspark.errors import PySparkException
from shelf import Shelf, stopped_after

import shoal.lake
from shoal.books import batches, facts
from shoal.errors import ShoalError
from shoal.sources import feed_named
from shoal.sources.listing import find_files
from shoal.tables import (
    BATCHES,
    EVENTS,
    LAKE,
    ORDERS,
    QUALITY,
    RECOMMENDATIONS,
    RELEASES,
    RUNS,
    SEGMENTS,
    USER_DAYS,
)

DAY = date(2025, 3, 1)


def event(number: int, **values):
    at = f"{DAY + timedelta(days=number % 20)}T10:00:00Z"
    return {
        "event_id": f"e{number}", "event_type": "purchase", "event_time": at, "user_id": f"u{number % 9}",
        "item_id": f"i{number % 31}", "quantity": 1, "unit_price": 9.5, "currency": "EUR", "order_id": f"o{number}",
        **values,
    }  # fmt: skip


def written(path, *events):
    path.write_text("".join(json.dumps(row) + "\n" for row in events))
    return path


@pytest.fixture
def deliver(tmp_path):
    """Write events as a file of JSON lines."""

    return lambda name, *events: written(tmp_path / name, *events)


def refused(shelf, *inputs, code, **more):
    with pytest.raises(ShoalError) as caught:
        shelf.run(*inputs, **more)
    assert caught.value.exit_code == code, caught.value
    return str(caught.value)


def test_files_that_cannot_be_read_are_named_together(shelf, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "nothing.csv").write_text("")
    (tmp_path / "files" / "notes.txt").write_text("hello")

    said = refused(shelf, ("shoal", tmp_path / "files"), code=3, until="ingest")

    assert "nothing.csv: is empty" in said
    assert "notes.txt: cannot tell its format" in said
    assert not shelf.lake.exists(BATCHES)


def test_a_file_that_is_not_what_its_name_says(shelf, tmp_path):
    (tmp_path / "events.parquet").write_text("this is no Parquet")

    said = refused(shelf, ("shoal", tmp_path / "events.parquet"), code=3, until="ingest")

    assert "events.parquet: cannot be read as parquet" in said


def test_a_truncated_parquet_file(spark, shelf, tmp_path):
    spark.createDataFrame([event(n) for n in range(50)]).coalesce(1).write.parquet(str(tmp_path / "whole"))
    (part,) = (tmp_path / "whole").glob("*.parquet")
    (tmp_path / "cut.parquet").write_bytes(part.read_bytes()[:-200])

    said = refused(shelf, ("shoal", tmp_path / "cut.parquet"), code=3, until="ingest")

    assert "cut.parquet: cannot be read as parquet" in said


def test_a_missing_column_is_named_with_what_is_there(shelf, tmp_path):
    (tmp_path / "events.csv").write_text("event_id,kind,event_time\n1,view,2025-03-01T10:00:00Z\n")

    said = refused(shelf, ("shoal", tmp_path / "events.csv"), code=3, until="ingest")

    assert "events.csv: lacks event_type; it has event_id, kind, event_time" in said


@pytest.mark.parametrize("name", ["_metadata", "_shoal_position"])
def test_a_column_whose_name_is_kept_for_reading_is_named(shelf, tmp_path, name):
    (tmp_path / "events.csv").write_text(f"event_type,event_time,{name}\nview,2025-03-01T10:00:00Z,1\n")

    said = refused(shelf, ("shoal", tmp_path / "events.csv"), code=3, until="ingest")

    assert f"events.csv: rename {name}" in said


def test_a_delta_table_that_has_gone_since_it_was_planned_keeps_nothing_else_out(shelf, deliver, tmp_path):
    spark, gone = shelf.lake.spark, tmp_path / "gone"
    rows = "SELECT 'view' AS event_type, '2025-03-01T10:00:00Z' AS event_time, 'i1' AS item_id"
    spark.sql(rows).write.format("delta").save(str(gone))
    batches.plan(shelf.lake, feed_named("shoal"), find_files(spark, str(gone)), datetime(2025, 4, 1, tzinfo=UTC))
    gone.rename(tmp_path / "elsewhere")
    good = ("shoal", deliver("good.jsonl", event(1)))

    assert "gone@v0 has changed or gone" in refused(shelf, good, code=3, until="ingest")
    shelf.run(good, until="ingest")

    assert sorted(batch.state for batch in shelf.read(BATCHES).collect()) == ["ingested", "refused"]


def test_a_header_without_rows(shelf, tmp_path):
    (tmp_path / "events.csv").write_text("event_id,event_type,event_time\n")

    assert "no rows below its header" in refused(shelf, ("shoal", tmp_path / "events.csv"), code=3, until="ingest")


@pytest.mark.long
def test_files_of_a_plan_that_can_no_longer_be_read_come_in_with_the_next_call(shelf, deliver, tmp_path):
    """A kill after the plan, and one of two files replaced before the rerun: the other is not lost."""
    deliver("a.jsonl", event(1), event(2))
    deliver("b.jsonl", event(3))
    feed, inputs = feed_named("shoal"), ("shoal", tmp_path / "*.jsonl")
    batches.plan(shelf.lake, feed, find_files(shelf.lake.spark, str(inputs[1])), datetime(2025, 4, 1, tzinfo=UTC))
    deliver("b.jsonl", event(3), event(4))

    assert "b.jsonl has changed or gone" in refused(shelf, inputs, code=3, until="ingest")
    shelf.run(inputs, until="ingest")

    assert {row.event_id for row in shelf.read(feed.table).collect()} == {"e1", "e2", "e3", "e4"}
    shelf.run(inputs, until="ingest")
    assert shelf.read(feed.table).count() == 4


@pytest.mark.long
def test_what_is_in_bronze_needs_its_files_no_more(shelf, deliver):
    """A kill between bronze and the book, and a landing folder that was cleared before the rerun."""
    path, other = deliver("a.jsonl", event(1), event(2)), deliver("b.jsonl", event(3))

    stopped_after("append bronze.shoal", shelf, ("shoal", path), until="ingest")
    path.unlink()
    shelf.run(("shoal", other), until="ingest")

    assert sorted((b.state, b.rows_in) for b in shelf.read(BATCHES).collect()) == [("ingested", 1), ("ingested", 2)]


@pytest.mark.long
def test_a_mended_file_does_not_keep_what_else_was_refused_from_a_second_try(shelf, deliver):
    broken = deliver("a.csv")
    broken.write_text("event_id,event_type,event_time\n")
    refused(shelf, ("shoal", broken), code=3, until="ingest")
    broken.write_text("event_id,event_type,event_time,item_id\n1,view,2025-03-01T10:00:00Z,i1\n")

    shelf.run(("shoal", broken), until="ingest", retry_refused=True)

    (said,) = shelf.read(RUNS, "outcome = 'done'").first().warnings
    assert "a.csv has changed or gone" in said
    assert sorted(b.state for b in shelf.read(BATCHES).collect()) == ["ingested", "refused"]


@pytest.mark.long
def test_inputs_that_overlap_bring_each_file_once(shelf, deliver, tmp_path):
    deliver("a.jsonl", event(1), event(2))
    both = ("shoal", tmp_path / "*.jsonl"), ("shoal", tmp_path / "a.jsonl")

    shelf.run(*both, until="ingest")

    assert [batch.rows_in for batch in shelf.read(BATCHES).collect()] == [2]


def test_a_fault_of_the_machinery_leaves_the_batch_planned(shelf, deliver, monkeypatch):
    path = deliver("events.jsonl", event(1))

    def full(moment, operation, table):
        if (moment, table) == ("before", "bronze.shoal"):
            raise PySparkException("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shoal.lake, "observe", full)
        with pytest.raises(PySparkException, match="No space left"):
            shelf.run(("shoal", path), until="ingest")
    assert [batch.state for batch in shelf.read(BATCHES).collect()] == ["planned"]

    shelf.run(("shoal", path), until="ingest")
    assert [batch.state for batch in shelf.read(BATCHES).collect()] == ["ingested"]


@pytest.mark.long
def test_silver_that_was_vacuumed_under_a_batch_refuses_and_ends_nothing(shelf, deliver, tmp_path):
    """A batch dies once it has replaced an event; then the version it is judged against is removed."""
    shelf.run(("shoal", deliver("a.jsonl", *(event(n) for n in range(5)))), until="validate")
    mended = event(1, unit_price=7, updated_at="2025-03-25T10:00:00Z")
    stopped_after("merge silver.events", shelf, ("shoal", deliver("b.jsonl", mended, event(9))), until="validate")
    events, spark = shelf.lake.path_of(EVENTS), shelf.lake.spark
    shutil.copytree(events, tmp_path / "backup")
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    spark.sql(f"VACUUM delta.`{events}` RETAIN 0 HOURS").collect()
    spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")

    said = refused(shelf, code=2, first="validate", until="validate")

    assert "VACUUM" in said
    assert f"{events}/event_date=" in said
    book = shelf.read(BATCHES).orderBy("planned_at").collect()
    assert [(batch.state, batch.message) for batch in book] == [("validated", None), ("ingested", None)]

    shutil.copytree(tmp_path / "backup", events, dirs_exist_ok=True)
    shelf.run(first="validate", until="validate")
    assert sorted(e.unit_price for e in shelf.read(EVENTS).collect()) == [7, *[Decimal("9.5")] * 5]
    assert {batch.state for batch in shelf.read(BATCHES).collect()} == {"validated"}


def test_a_glob_without_a_match(shelf, tmp_path):
    said = refused(shelf, ("shoal", tmp_path / "*.csv"), code=2, until="ingest")

    assert "*.csv matches no file" in said


def test_a_lake_of_a_newer_schema(shelf):
    shelf.lake.record(LAKE, [{"name": "schema_version", "value": "999", "reason": "from the future"}])

    assert "schema version 999" in refused(shelf, code=2, as_of=DAY, first="features")


@dataclass(frozen=True)
class Story:
    """What happened to a lake: its first batch was refused, its second stopped midway and finished by another run."""

    shelf: Shelf
    refusal: str  # of the first batch
    settled: set[str]  # facts that it left
    made_events: bool
    refused_again: str  # when it was retried, beside the second
    events_before: int  # version of silver.events before that, and after
    events_after: int


@pytest.fixture(scope="module")
def story(shelf_at, tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    shelf = shelf_at(folder / "lake")
    bad = written(folder / "bad.jsonl", *(event(100 + n, quantity=-1 if n % 2 else 1) for n in range(400)))
    refusal = refused(shelf, ("shoal", bad), code=3, until="validate", sets=("shop.time_zone=Asia/Tokyo",))
    settled, made_events = {*facts.known(shelf.lake)}, shelf.lake.exists(EVENTS)

    good = written(folder / "good.jsonl", *(event(n) for n in range(40)), event(40, quantity=0))
    stopped_after("append silver.events", shelf, ("shoal", good), until="validate")
    shelf.run(first="validate", until="validate", sets=("validate.max_rejected_share=0",))

    before = shelf.lake.version(EVENTS)
    again = refused(shelf, code=3, first="validate", until="validate", retry_refused=True)
    return Story(shelf, refusal, settled, made_events, again, before, shelf.lake.version(EVENTS))


@pytest.fixture
def few(story):
    """A lake with forty purchases of nine users in silver."""
    return story.shelf


def test_a_gate_stops_the_first_batch_and_nothing_is_settled(story):
    assert "quantity >= 1" in story.refusal
    assert {"time_zone", "currency"}.isdisjoint(story.settled)
    assert not story.made_events


def test_later_calls_warn_of_a_refused_batch_and_go_on(story):
    assert "stays refused" in story.shelf.read(RUNS, "job = 'validate' AND outcome = 'done'").first().warnings[0]


def test_a_batch_that_is_refused_again_leaves_silver_as_it_was(story):
    assert "was refused" in story.refused_again
    assert story.events_after == story.events_before
    stopped_at = story.shelf.read(QUALITY, "NOT success AND severity = 'critical'").select("sequence").distinct()
    assert {row.sequence for row in stopped_at.collect()} == {1, 3}


def test_a_verdict_holds_whatever_the_settings_of_whoever_finishes_the_batch(story):
    """Its rows stood in silver: the rerun, which tolerates no bad row, may not refuse it, or its orders never come."""
    states = {(b.state, b.rows_accepted, b.rows_rejected) for b in story.shelf.read(BATCHES).collect()}

    assert states == {("refused", None, None), ("validated", 40, 1)}
    assert story.shelf.read(ORDERS).count() == 40


def test_as_of_before_the_first_event(few):
    said = refused(few, code=2, as_of=DAY, first="features")

    assert f"events run from {DAY} to {DAY + timedelta(days=19)}" in said
    assert not few.lake.exists(RELEASES)


def test_strict_stops_before_publishing(few):
    said = refused(few, code=3, as_of=DAY + timedelta(days=21), first="features", sets=("strict=true",))

    assert "strict is set" in said
    assert not few.lake.exists(RELEASES)


@pytest.mark.long
def test_later_stages_belong_to_the_code_that_opened_the_run(few, monkeypatch):
    day = DAY + timedelta(days=20)
    few.run(as_of=day, first="features", until="features")
    monkeypatch.setattr("shoal.books.runs.code_version", lambda: "9.9.9+newer")

    said = refused(few, code=2, as_of=day, first="segments", until="segments")

    assert "was opened by Shoal 0." in said
    assert "this is 9.9.9+newer; `shoal features --as-of 2025-03-21` opens one of this code" in said

    # That deployment opens its own run, and is undone again: the first run is still there for the first code.
    newer = few.run(as_of=day, first="features", until="features")
    monkeypatch.undo()
    older = few.run(as_of=day, first="segments", until="segments")
    assert older != newer


@pytest.fixture(scope="module")
def shown(story):
    """The same lake, with a release."""
    story.shelf.run(as_of=DAY + timedelta(days=21), first="features")
    return story.shelf


@pytest.mark.long
def test_too_little_to_train_is_said_and_baselines_are_named(shown):
    (release,) = shown.read(RELEASES).collect()
    assert len(release.fallbacks) >= 3
    lists = shown.read(RECOMMENDATIONS, "list_name = 'for_you'").collect()
    assert {row.source for row in lists} == {"popularity"}
    assert len(lists) == 9 * 10, "nine users, ten items each of the 31, of which nobody has bought more than 5"
    assert {row.segment_id for row in shown.read(SEGMENTS).collect()} == {1}


@pytest.mark.long
def test_what_is_refused_changes_nothing_that_is_published(shown, deliver, tmp_path):
    before = published(shown)
    (tmp_path / "no.parquet").write_text("this is no Parquet")
    (tmp_path / "short.csv").write_text("event_id,kind\n1,view\n")
    day = DAY + timedelta(days=22)

    refused(shown, ("shoal", tmp_path / "no.parquet"), code=3, as_of=day)
    refused(shown, ("shoal", tmp_path / "short.csv"), code=3, as_of=day)
    refused(shown, ("shoal", tmp_path / "*.none"), code=2, as_of=day)
    refused(shown, ("shoal", deliver("bad.jsonl", *(event(n, quantity=-1) for n in range(200)))), code=3, as_of=day)
    refused(shown, code=2, as_of=DAY, first="features")
    refused(shown, code=3, as_of=day, first="features", sets=("strict=true",))

    assert published(shown) == before
    assert shown.read(RELEASES).count() == 1


# Shops that lack a whole kind of row: each is published all the same, with what there is.
@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("nobody buys", {"event_type": "view", "quantity": None, "unit_price": None, "order_id": None}),
        ("nobody is known", {"user_id": None}),
        (
            "nobody touches an item",
            {"event_type": "search", "item_id": None, "quantity": None, "unit_price": None, "order_id": None},
        ),
    ],
)
def test_a_shop_in_which(shelf, deliver, kind, rows):
    shelf.run(
        ("shoal", deliver("events.jsonl", *(event(n, **rows) for n in range(40)))), as_of=DAY + timedelta(days=21)
    )

    (release,) = shelf.read(RELEASES).collect()
    assert len(release.fallbacks) >= 3, kind
    assert shelf.read(EVENTS).count() == 40


@pytest.mark.long
def test_a_run_that_another_batch_overtakes_gives_up_and_the_tiles_stay(shelf, deliver, monkeypatch):
    """While the first run stands still before its tiles, a second one brings more events and builds them."""
    shelf.run(("shoal", deliver("a.jsonl", *(event(n) for n in range(40)))), until="validate")
    more, as_of = deliver("b.jsonl", *(event(n) for n in range(40, 80))), DAY + timedelta(days=21)

    def meet(moment, operation, table):
        if (moment, operation, table) == ("before", "replace", USER_DAYS.name):
            monkeypatch.setattr(shoal.lake, "observe", lambda *_: None)
            shelf.run(("shoal", more), as_of=as_of, until="features")

    monkeypatch.setattr(shoal.lake, "observe", meet)
    said = refused(shelf, code=1, as_of=as_of, first="features", until="features")

    assert "another run has rebuilt the tiles from other batches; run the command again" in said
    assert sum(day.pieces for day in shelf.read(USER_DAYS).collect()) == 80
    shelf.run(as_of=as_of, first="features", until="features")
