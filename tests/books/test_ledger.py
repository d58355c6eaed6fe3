"""What files hold without opening them: the book's word is taken only where it cannot be out of date."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shoal.books import batches, ledger
from shoal.lake import Lake
from shoal.sources import feed_named
from shoal.sources.listing import SourceFile
from shoal.tables import FILES

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
FILE = SourceFile("/landing/a.csv", "csv", 10, NOON, "hash of a")
LATER = replace(FILE, modified_at=NOON + timedelta(hours=1))  # touched


@pytest.fixture
def lake(spark, tmp_path) -> Lake:
    return Lake(spark, str(tmp_path / "lake"))


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize(
    ("after", "is_known"),
    [
        (-60, False),  # of a clock that runs ahead of ours
        (0, False),  # it may be written again in this very tick, and look the same
        (1.999, False),
        (2, True),  # the coarsest tick is over: whoever writes it now changes its time
        (3600, True),
    ],
)
def test_a_file_is_known_unopened_once_a_tick_lay_between_its_writing_and_the_look(lake, after, is_known):
    batch = batches.plan(lake, feed_named("shoal"), [FILE], NOON + seconds(after))

    assert ledger.of_batches([batch]) == ({FILE.state: "hash of a"} if is_known else {})


@pytest.mark.parametrize(
    "other",
    [
        replace(FILE, path="/landing/b.csv"),
        replace(FILE, size=11),
        replace(FILE, modified_at=NOON + seconds(0.001)),
    ],
    ids=["path", "size", "modified_at"],
)
def test_a_file_that_is_listed_otherwise_has_to_be_opened(lake, other):
    batch = batches.plan(lake, feed_named("shoal"), [FILE], NOON + seconds(60))

    assert other.state not in ledger.of_batches([batch])


def test_what_brings_nothing_new_is_remembered_and_the_last_look_counts(lake):
    ledger.remember(lake, {}, [FILE], NOON + seconds(60))
    ledger.remember(lake, {}, [LATER], LATER.modified_at + seconds(60))

    assert ledger.known(lake, []) == {LATER.state: "hash of a"}


def test_what_is_known_or_would_not_be_is_not_written_down(lake):
    table = replace(FILE, path="/landing/t@v3", format="delta")  # its version is cheaper to ask for

    ledger.remember(lake, {FILE.state: "hash of a"}, [FILE, table], NOON + seconds(60))
    ledger.remember(lake, {}, [LATER], LATER.modified_at)

    assert not lake.exists(FILES)


def test_a_file_has_changed_where_its_feed_has_brought_the_path_with_other_content(lake):
    shop, clicks = feed_named("shoal"), feed_named("retailrocket")
    book = [batches.plan(lake, shop, [FILE], NOON)]
    grown, new = replace(FILE, size=20, sha256="more"), replace(FILE, path="/landing/b.csv", sha256="other")

    assert ledger.changed(book, shop, [grown, new]) == {grown: FILE}
    assert ledger.changed(book, clicks, [grown, new]) == {}


def test_a_file_that_was_refused_may_be_mended_in_place(lake):
    shop = feed_named("shoal")
    book = [batches.mark_refused(lake, batches.plan(lake, shop, [FILE], NOON), "broken")]

    assert ledger.changed(book, shop, [replace(FILE, sha256="mended")]) == {}
