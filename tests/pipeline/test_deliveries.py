"""Files that come again: touched, copied, grown, rewritten within a tick, empty. Each row enters once."""

import os
import time

import pytest

from shoal.errors import DataError
from shoal.sources import feed_named
from shoal.tables import BATCHES, EVENTS, FILES, RUNS

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
MUG, PLATE = "1,A,Mug,1,2011-06-01 10:00,2.5,7,EIRE", "1,B,Plate,1,2011-06-01 10:00,4,7,EIRE"
HOUR = 3600


@pytest.fixture
def landing(tmp_path):
    """``landing(name, line, ...)``: a file of invoice lines, written an hour ago, or at another time."""
    start = int(time.time()) - HOUR

    def written(name, *lines, at=0):
        path = tmp_path / "landing" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in (HEADER, *lines)))
        os.utime(path, (start + at, start + at))
        return path

    return written


def ingest(shelf, path, policy="ingest", until="ingest"):
    shelf.run(("online_retail", path), until=until, sets=(f"ingest.changed_files={policy}",))


def rows_in(shelf):
    return sorted(batch.rows_in for batch in shelf.read(BATCHES).collect())


def warnings(shelf):
    last = max(shelf.read(RUNS, "job = 'ingest'").collect(), key=lambda run: run.started_at)
    return "\n".join(last.warnings)


@pytest.mark.long
def test_a_call_opens_what_is_new_and_nothing_else(shelf, landing, opened):
    folder = landing("a.csv", MUG).parent
    ingest(shelf, folder)
    landing("b.csv", PLATE)
    assert opened == ["a.csv"]

    ingest(shelf, folder)
    assert opened == ["a.csv", "b.csv"]
    assert rows_in(shelf) == [1, 1]

    ingest(shelf, folder)
    assert opened == ["a.csv", "b.csv"]


@pytest.mark.long
def test_what_was_touched_or_copied_is_opened_once_more_and_brings_nothing(shelf, landing, opened):
    folder = landing("a.csv", MUG).parent
    ingest(shelf, folder)
    landing("a.csv", MUG, at=60)
    landing("copy.csv", MUG)

    for _ in range(2):
        ingest(shelf, folder)
        assert opened == ["a.csv", "a.csv", "copy.csv"]

    assert (rows_in(shelf), warnings(shelf)) == ([1], "")
    assert shelf.read(FILES).count() == 2


@pytest.mark.long
def test_a_file_rewritten_within_the_tick_of_its_ingestion_is_not_lost(shelf, landing):
    path = landing("a.csv", MUG, at=2 * HOUR)  # an hour ahead: however slow we are, no tick goes by
    before = path.stat()
    ingest(shelf, path)
    path.write_text(path.read_text().replace("Mug", "Cup"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a clock that counts coarsely has it
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)

    ingest(shelf, path)

    assert {row.Description for row in shelf.read(feed_named("online_retail").table).collect()} == {"Mug", "Cup"}


@pytest.mark.long
def test_a_file_that_grew_tells_its_new_rows_once_also_where_identical_rows_are_real(shelf, landing):
    """Two mugs on one invoice are two events; one that is appended later is the third of them, not again the first."""
    path = landing("a.csv", MUG, MUG, PLATE)
    ingest(shelf, path)
    landing("a.csv", MUG, MUG, PLATE, MUG, at=60)

    ingest(shelf, path, until="validate")

    grown = max(shelf.read(BATCHES).collect(), key=lambda batch: batch.planned_at)
    assert (grown.rows_in, grown.rows_accepted, grown.rows_duplicate) == (4, 1, 3)
    assert sorted(event.item_id for event in shelf.read(EVENTS).collect()) == ["A", "A", "A", "B"]
    assert f"{path} (" in warnings(shelf)
    assert "come in as they are now" in warnings(shelf)


@pytest.mark.long
def test_what_changed_is_left_out_and_said_at_every_call_where_the_settings_say_so(shelf, landing, opened):
    path = landing("a.csv", MUG)
    ingest(shelf, path)
    landing("a.csv", MUG, PLATE, at=60)
    landing("b.csv", PLATE)

    for _ in range(2):
        ingest(shelf, path.parent, policy="warn")
        assert "are left out as they are now" in warnings(shelf)

    assert rows_in(shelf) == [1, 1]
    assert opened == ["a.csv", "a.csv", "b.csv"]


@pytest.mark.long
def test_what_changed_refuses_the_call_before_anything_is_read_where_the_settings_say_so(shelf, landing):
    folder = landing("a.csv", MUG).parent
    landing("b.csv", PLATE)
    ingest(shelf, folder)
    landing("a.csv", MUG, PLATE, at=60)
    landing("b.csv", PLATE, MUG, MUG, at=60)
    landing("new.csv", MUG, MUG)

    with pytest.raises(DataError) as caught:
        ingest(shelf, folder, policy="refuse")

    assert caught.value.exit_code == 3
    assert [name for name in ("a.csv (", "b.csv (", "new.csv") if name in str(caught.value)] == ["a.csv (", "b.csv ("]
    assert rows_in(shelf) == [2]


@pytest.mark.long
def test_an_empty_file_beside_others_is_left_out_and_said_once(shelf, landing, capsys):
    path = landing("a.csv", MUG)
    quiet = landing("quiet.csv")
    quiet.write_text("")
    os.utime(quiet, (path.stat().st_mtime, path.stat().st_mtime))

    ingest(shelf, path.parent)
    assert f"as empty: {quiet}" in capsys.readouterr().err
    ingest(shelf, path.parent)
    assert "left out" not in capsys.readouterr().err
    assert rows_in(shelf) == [1]

    landing("quiet.csv", PLATE, at=60)
    ingest(shelf, path.parent)
    assert (rows_in(shelf), warnings(shelf)) == ([1, 1], "")
