"""A kill at any moment, a rerun, a late file, two runs at once: the same published rows as one clean run."""

import json
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from published import published, silver
from pyspark.sql import functions as F
from shelf import SHORT_LIFE, TINY, stopped_after

import shoal.lake
from shoal.synthetic import synthesize, write
from shoal.tables import BATCHES, RELEASES


@pytest.fixture(scope="module")
def small_shop(spark, tmp_path_factory):
    shop = synthesize(spark, users=150, items=48, days=30, seed=3)
    folder = tmp_path_factory.mktemp("small") / "shop"
    write(shop, folder)
    return folder / "events", shop.as_of


@pytest.fixture(scope="module")
def clean(shelf_at, small_shop, tmp_path_factory):
    """What one clean run wrote, and its commits in their order."""
    shelf, commits = shelf_at(tmp_path_factory.mktemp("clean") / "lake"), []
    noting(shelf, small_shop, commits.append)
    return {"rows": published(shelf), "silver": silver(shelf), "commits": commits, "lake": shelf.lake}


def noting(shelf, small_shop, note):
    """Run the whole pipeline and have every commit noted once it was made."""
    events, as_of = small_shop

    def observe(moment, operation, table):
        if moment == "after":
            note(f"{operation} {table}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shoal.lake, "observe", observe)
        shelf.run(("shoal", events), as_of=as_of, sets=TINY)


@pytest.mark.long
def test_commits_are_many_and_the_last_is_the_release(clean):
    assert clean["commits"][-2:] == ["merge ops.releases", "record ops.runs"]
    assert len(clean["commits"]) > 30


@pytest.mark.slow
def test_stopped_after_every_commit_and_run_again(shelf, shelf_at, clean, small_shop, tmp_path):
    """The lake as each commit of a clean run has left it, and the same command on it."""
    events, as_of = small_shop
    states = []

    def keep(commit):
        states.append((commit, shutil.copytree(shelf.lake.location, tmp_path / f"{len(states):03}" / "lake")))

    noting(shelf, small_shop, keep)
    for commit, state in states:
        again = shelf_at(state)
        again.run(("shoal", events), as_of=as_of, sets=TINY)
        assert published(again) == clean["rows"], f"after {commit}"


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_once_at_each_commit_on_one_lake(shelf_at, clean, small_shop, tmp_path, moment):
    """The same command, again and again, killed at each kind of commit that it makes; at last it ends by itself."""
    events, as_of = small_shop
    book = tmp_path / "survived"
    book.touch()
    sets = [part for setting in TINY for part in ("--set", setting)]
    (tmp_path / "short.yaml").write_text(json.dumps({"spark": SHORT_LIFE}))  # JSON is YAML
    command = [sys.executable, Path(__file__).with_name("killed.py"), moment, book, "pipeline", "--feed", "shoal",
               "--input", events, "--lake", tmp_path / "lake", "--as-of", as_of,
               "--config", tmp_path / "short.yaml", *sets]  # fmt: skip
    for kills in count():
        ended = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, start_new_session=True, check=False, timeout=600
        )
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert len(book.read_text().splitlines()) == kills + 1, "each death is another"

    assert {*book.read_text().splitlines()} >= {*clean["commits"]}
    assert published(shelf_at(tmp_path / "lake")) == clean["rows"]


# Where two runs meet: before the batch is claimed, before silver changes, before the release.
@pytest.mark.long
@pytest.mark.parametrize("before", ["merge ops.claims", "append silver.events", "merge ops.releases"])
def test_two_runs_at_once(shelf, clean, small_shop, monkeypatch, before):
    """The second run does everything while the first stands still before one commit; then the first goes on."""
    events, as_of = small_shop

    def meet(moment, operation, table):
        if (moment, f"{operation} {table}") == ("before", before):
            monkeypatch.setattr(shoal.lake, "observe", lambda *_: None)
            shelf.run(("shoal", events), as_of=as_of, sets=TINY)

    monkeypatch.setattr(shoal.lake, "observe", meet)
    shelf.run(("shoal", events), as_of=as_of, sets=TINY)

    assert published(shelf) == clean["rows"]
    assert silver(shelf) == clean["silver"]
    assert [row.seq for row in shelf.read(RELEASES).collect()] == [1]


@pytest.mark.long
def test_other_files_in_another_order_and_stops_between_are_the_same_shop(spark, shelf, clean, small_shop):
    """Two deliveries that overlap, stopped between the tables that a batch fills, and before the release."""
    events, as_of = small_shop
    rows = spark.read.parquet(str(events))
    part = F.expr("pmod(crc32(coalesce(order_id, event_id)), 5)")  # cut between orders, and beside orders by event
    folder = Path(shelf.lake.location).parent / "shuffled"
    for name, parts in {"late": [2, 3, 4], "early": [0, 1, 2]}.items():
        rows.where(part.isin(parts)).write.json(str(folder / name))
    late, early = (("shoal", folder / name / "*.json") for name in ("late", "early"))
    stopped_after("append silver.events", shelf, late, until="validate", sets=TINY)
    shelf.run(early, until="validate", sets=TINY)
    stopped_after("replace gold.users", shelf, as_of=as_of, first="features", sets=TINY)
    shelf.run(as_of=as_of, first="features", sets=TINY)

    assert silver(shelf) == clean["silver"]
    assert published(shelf) == clean["rows"]
    books = shelf.read(BATCHES).collect()
    assert all(b.rows_in == b.rows_accepted + b.rows_rejected + b.rows_duplicate for b in books)


@pytest.mark.long
def test_a_late_file_makes_a_new_run_and_leaves_the_published_one(spark, shelf, small_shop):
    events, as_of = small_shop
    rows = spark.read.parquet(str(events))
    folder = Path(shelf.lake.location).parent
    late = "order_id IS NOT NULL AND crc32(order_id) % 10 = 0"
    rows.where(f"NOT coalesce({late}, false)").write.parquet(str(folder / "early"))
    rows.where(late).write.parquet(str(folder / "late"))

    first = shelf.run(("shoal", folder / "early"), as_of=as_of, sets=TINY)
    before = published(shelf, first)
    second = shelf.run(("shoal", folder / "late"), as_of=as_of, sets=TINY)

    assert first != second
    assert published(shelf, first) == before
    assert [r.run_id for r in shelf.read(RELEASES).orderBy("seq").collect()] == [first, second]


@pytest.mark.long
def test_an_older_day_is_archived_and_does_not_overtake(shelf, small_shop):
    events, as_of = small_shop
    today = shelf.run(("shoal", events), as_of=as_of, sets=TINY)
    older = shelf.run(as_of=as_of - timedelta(days=2), first="features", sets=TINY)

    kinds = {r.run_id: r.kind for r in shelf.read(RELEASES).collect()}
    assert kinds == {today: "release", older: "archive"}
