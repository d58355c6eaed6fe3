"""`shoal ingest --stream`: whatever comes when, and whoever is killed when, silver holds the rows of one plain run."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from published import silver
from shelf import SHORT_LIFE

import shoal.lake
from shoal.errors import DataError
from shoal.tables import BATCHES, EVENTS, RUNS

DAY = date(2025, 3, 1)
PARTS = 6


def event(number, **values):
    day = DAY + timedelta(days=number % 9)
    return {
        "event_id": f"e{number}", "event_type": "purchase", "event_time": f"{day}T10:00:00Z",
        "user_id": f"u{number % 7}", "item_id": f"i{number % 11}", "quantity": 1, "unit_price": 9.5, "currency": "EUR",
        "order_id": f"o{number}", "updated_at": f"{DAY}T12:00:00Z", **values,
    }  # fmt: skip


def part(number):
    """Ten events, one of the part before told again, and another of it corrected."""
    own = [event(10 * number + n) for n in range(10)]
    before = 10 * (number - 1)
    told = [event(before), event(before + 1, quantity=5, updated_at=f"{DAY}T13:00:00Z")] if number else []
    return [*own, *told]


def write(path, rows):
    """Write lines of JSON under a name that is no data, and give it its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.tmp")
    half.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return half.rename(path)


@pytest.fixture
def land(tmp_path):
    """``land(1, 2)``: files of these parts come into the landing folder, which is returned."""

    def landed(*numbers):
        for number in numbers:
            write(tmp_path / "landing" / f"part {number}.jsonl", part(number))
        return tmp_path / "landing"

    return landed


@pytest.fixture(scope="module")
def plain(shelf_at, tmp_path_factory):
    """Silver after one plain run on all parts, and the commits that it made."""
    folder, commits = tmp_path_factory.mktemp("plain"), list[str]()
    for number in range(PARTS):
        write(folder / "landing" / f"part {number}.jsonl", part(number))
    shelf = shelf_at(folder / "lake")
    with noting(commits.append):
        shelf.run(("shoal", folder / "landing"), until="validate")
    rows = silver(shelf)
    assert len(rows[EVENTS.name]) == 10 * PARTS
    return {"silver": rows, "commits": commits}


@contextmanager
def noting(note):
    """Every commit is told once it was made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shoal.lake, "observe", lambda *c: note(f"{c[1]} {c[2]}") if c[0] == "after" else None)
        yield


def books(shelf):
    """How many files and rows each batch has, in order; every one is validated and balances."""
    batches = shelf.read(BATCHES).orderBy("planned_at").collect()
    for batch in batches:
        assert batch.state == "validated", batch.message
        assert batch.rows_in == batch.rows_accepted + batch.rows_rejected + batch.rows_duplicate
        assert batch.rows_in == shelf.lake.spark.read.format("delta").load(
            f"{shelf.lake.location}/bronze/{batch.feed}"
        ).where(f"batch_id = '{batch.batch_id}'").count()  # fmt: skip
    return [(len(batch.files), batch.rows_in) for batch in batches]


def until(holds):
    end = time.monotonic() + 1200
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


# -- files ------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_what_is_there_comes_in_a_part_at_a_time_and_nothing_comes_twice(shelf, land, plain, capsys):
    folder = land(0, 1, 2)
    (folder / "part 1.jsonl").rename(folder / "deep 100%.jsonl")
    shelf.follow(("shoal", folder), sets=("ingest.max_files=2",))
    assert [files for files, _ in books(shelf)] == [2, 1]

    runs = shelf.read(RUNS).count()
    assert runs == 4  # two of ingest, two of validate
    shelf.follow(("shoal", folder))
    shutil.rmtree(Path(shelf.lake.location) / "_streams")
    shelf.follow(("shoal", folder))
    shelf.run(("shoal", folder), until="ingest")
    assert len(books(shelf)) == 2
    assert shelf.read(RUNS).count() == runs + 1, "a look that finds nothing leaves nothing; the plain run has a row"
    assert "nothing new" in capsys.readouterr().err

    land(3)
    shelf.run(("shoal", folder), until="validate")
    land(4, 5)
    shelf.follow(("shoal", folder), ("shoal", folder / "*.jsonl"))  # two streams see the same
    assert sorted(files for files, _ in books(shelf)) == [1, 1, 2, 2]
    assert silver(shelf) == plain["silver"]


@pytest.mark.slow
def test_files_that_come_while_it_runs_until_it_is_asked_to_stop(shelf, land, plain, capsys):
    """One is empty when it is first seen, one is seen half written, one comes with the time of a year ago."""
    folder = land(0)
    batches = lambda: shelf.lake.exists(BATCHES) and shelf.read(BATCHES, "state = 'validated'").count()  # noqa: E731
    events = lambda: shelf.lake.exists(EVENTS) and shelf.read(EVENTS).count()  # noqa: E731
    failures = []

    def deliver():
        try:
            until(lambda: batches() == 1)
            (folder / "part 1.jsonl").touch()
            old = write(folder.parent / "old.jsonl", part(2))
            os.utime(old, (time.time() - 366 * 86400,) * 2)
            old.rename(folder / "part 2.jsonl")
            until(lambda: batches() == 2)
            write(folder / "part 1.jsonl", part(1))  # the same name, and no news to a stream
            lines = (write(folder.parent / "whole.jsonl", part(3))).read_text().splitlines(keepends=True)
            (folder / "part 3.jsonl").write_text("".join(lines[:4]))
            until(lambda: events() >= 34)
            (folder / "part 3.jsonl").write_text("".join(lines))
            until(lambda: events() == 40)
            write(folder / "part 4.jsonl", part(4))
            write(folder / "part 5.jsonl", part(5))
            until(lambda: events() == 60)
            time.sleep(3)
        except BaseException as error:
            failures.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=deliver).start()
    shelf.follow(("shoal", folder), every=1)

    assert not failures
    assert silver(shelf) == plain["silver"]
    told = capsys.readouterr().err
    assert "part 3.jsonl (" in told, "that it grew is said"
    assert "the same command goes on from here" in told
    brought = len(books(shelf))
    assert shelf.read(RUNS).count() == 2 * brought
    assert told.count(" rows = ") == brought, "one line each"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    shelf.follow(("shoal", folder))
    assert len(books(shelf)) == brought


@pytest.mark.slow
def test_what_is_refused_keeps_nothing_else_out_and_comes_in_once_it_is_mended(shelf, land, plain, capsys):
    folder = land(0, 1, 2)
    whole = (folder / "part 1.jsonl").read_bytes()
    (folder / "part 1.jsonl").write_text('{"event": "view"}\n')
    cut = folder / "part 2.parquet"
    shelf.lake.spark.read.json(str(folder / "part 2.jsonl")).coalesce(1).write.parquet(str(folder.parent / "made"))
    (made,) = (folder.parent / "made").glob("*.parquet")
    (folder / "part 2.jsonl").unlink()
    spoilt = bytearray(made.read_bytes())
    spoilt[4:200] = bytes(196)  # its footer is good: that it cannot be read is seen while it is read
    cut.write_bytes(spoilt)
    (folder / "notes.txt").write_text("hello")
    write(folder / "part 3.jsonl", part(3))

    with pytest.raises(DataError) as caught:
        shelf.follow(("shoal", folder))
    said = str(caught.value)
    assert [name for name in ("part 1.jsonl: lacks", "part 2.parquet", "notes.txt: cannot tell") if name in said] == [
        "part 1.jsonl: lacks", "part 2.parquet", "notes.txt: cannot tell"
    ]  # fmt: skip
    assert shelf.read(EVENTS).count() == 22, "two of part 2 are told by part 3"

    shelf.follow(("shoal", folder))  # nothing of it is told again
    (folder / "part 1.jsonl").write_bytes(whole)
    cut.write_bytes(made.read_bytes())
    land(4, 5)
    shelf.follow(("shoal", folder))

    assert silver(shelf) == plain["silver"]
    assert {batch.state for batch in shelf.read(BATCHES).collect()} == {"validated", "refused"}


@pytest.mark.slow
def test_a_batch_that_does_not_pass_its_gate_is_said_and_the_next_ones_come_in(shelf, land, capsys):
    folder = land(0)
    write(folder / "part 1.jsonl", [event(n, currency="EURO") for n in range(100, 300)])
    land(2)

    with pytest.raises(DataError, match="expectations do not hold"):
        shelf.follow(("shoal", folder), sets=("ingest.max_files=1",))

    states = {batch.rows_in: batch.state for batch in shelf.read(BATCHES).collect()}
    assert states == {10: "validated", 200: "refused", 12: "validated"}
    shelf.follow(("shoal", folder))


# -- tables -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_of_a_table_only_what_was_added_comes_in(shelf, land, plain, tmp_path, capsys):
    spark, table = shelf.lake.spark, tmp_path / "a table"
    folder = land(*range(PARTS))

    def add(number, **options):
        rows = spark.read.json(str(folder / f"part {number}.jsonl")).withColumnsRenamed({})
        writer = rows.repartition(2).write.format("delta").mode("append").partitionBy("item_id")
        writer.options(**options).save(str(table))

    add(0)
    shelf.run(("shoal", table), until="validate")
    add(1)
    add(2)
    shelf.follow(("shoal", table))
    assert books(shelf) == [(1, 10), (1, 24)]
    shelf.follow(("shoal", table))
    shelf.run(("shoal", table), until="validate")
    assert books(shelf) == [(1, 10), (1, 24)], "both know it"

    spark.sql(f"OPTIMIZE delta.`{table}`")
    spark.sql(f"DELETE FROM delta.`{table}` WHERE event_id = 'e3'")  # writes anew what else the file held
    add(3)
    add(4)
    shutil.rmtree(Path(shelf.lake.location) / "_streams")
    shelf.follow(("shoal", table), sets=("ingest.max_files=3",))  # fewer than a version has added
    assert books(shelf)[2:] == [(1, 12), (1, 12)]
    versions = [
        file.path.rpartition("@v")[2] for b in shelf.read(BATCHES).orderBy("planned_at").collect() for file in b.files
    ]
    assert versions == ["0", "1..2", "3..5", "6..6"]

    spark.sql(f"UPDATE delta.`{table}` SET quantity = 1 WHERE event_id = 'e40'")
    with pytest.raises(DataError, match=r"version 7 \(UPDATE\) has changed rows that were there; run `shoal ingest`"):
        shelf.follow(("shoal", table))
    shelf.run(("shoal", table), until="validate")
    add(5)
    shelf.follow(("shoal", table))
    assert books(shelf)[-1] == (1, 12)
    assert silver(shelf) == plain["silver"]


@pytest.mark.slow
def test_a_table_is_followed_also_where_its_columns_change(shelf, tmp_path, capsys):
    spark, table = shelf.lake.spark, tmp_path / "table"

    def add(*rows):
        spark.createDataFrame([*rows]).write.format("delta").mode("append").option("mergeSchema", "true").save(
            str(table)
        )

    add(event(1))
    events = lambda: shelf.lake.exists(EVENTS) and shelf.read(EVENTS).count()  # noqa: E731
    failures = []

    def deliver():
        try:
            for number in range(2, 6):
                until(lambda: events() == number - 1)  # noqa: B023
                add(event(number, **{f"shelf_{number}": "x"}))
            until(lambda: events() == 5)
        except BaseException as error:
            failures.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=deliver).start()
    shelf.follow(("shoal", table), every=1)

    assert not failures
    assert len(books(shelf)) == 5
    assert {row.event_id: dict(row.extra) for row in shelf.read(EVENTS).collect()}["e5"] == {"shelf_5": "x"}


# -- kills ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_between_bronze_and_the_book_and_at_random_the_rows_are_those_of_one_run(
    shelf_at, land, plain, tmp_path
):
    folder, shelf = land(0, 1, 2, 3), shelf_at(tmp_path / "lake")
    (tmp_path / "short.yaml").write_text(json.dumps({"spark": SHORT_LIFE}))  # JSON is YAML
    at = {"append bronze.shoal", "append silver.events"}
    (tmp_path / "survived").write_text("".join(f"{commit}\n" for commit in {*plain["commits"]} - at))
    streaming = ["ingest", "--stream", "--once", "--feed", "shoal", "--input", folder, "--lake", shelf.lake.location,
                 "--set", "ingest.max_files=2"]  # fmt: skip
    short = ["--config", tmp_path / "short.yaml"]

    def ended(moment):
        dying = Path(__file__).with_name("killed.py"), moment, tmp_path / "survived"
        command = [sys.executable, *(dying if moment else ("-m", "shoal.cli")), *streaming, *short]
        ran = subprocess.run([*map(str, command)], capture_output=True, text=True, start_new_session=True, check=False)
        return ran.returncode, ran.stderr

    for _ in at:
        code, said = ended("after")
        assert code == -signal.SIGKILL, said
    land(4, 5)
    draw = random.Random(5)
    for _ in range(3):
        ended(draw.uniform(1, 16))
    code, said = ended(None)

    assert code == 0, said
    assert silver(shelf) == plain["silver"]
    assert sum(rows for _, rows in books(shelf)) == 10 + 5 * 12
