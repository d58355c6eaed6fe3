"""How the columns of a feed change: said once when it happens, and shown batch by batch."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shoal.books import batches
from shoal.errors import ConfigError
from shoal.ingest.drift import came_before, history, news, together
from shoal.lake import Lake
from shoal.sources import FEEDS
from shoal.sources.listing import SourceFile

SHOAL = FEEDS["shoal"]  # event_type and event_time are required; user_id, coupon and others are optional
PLAIN = {"event_type": None, "event_time": None, "user_id": None}
START = datetime(2025, 3, 1, 10, tzinfo=UTC)
FILE = SourceFile("/landing/a.csv", "csv", 10, START, "")


@pytest.fixture
def lake(spark, tmp_path) -> Lake:
    return Lake(spark, str(tmp_path / "lake"))


@pytest.fixture
def came(lake):
    """``came(columns, ...)``: one batch a day with these columns."""

    def plan(*days):
        for day, columns in enumerate(days):
            file = replace(FILE, path=f"/landing/{day}.csv", sha256=str(day))
            batches.plan(lake, SHOAL, [file], START + timedelta(days=day), columns)

    return plan


def test_a_column_that_the_feed_does_not_know_is_said_when_it_first_comes():
    once = {**PLAIN, "till": None}

    assert news(SHOAL, [], once) == ["not declared, kept in extra: till"]
    assert news(SHOAL, [once], once) == []
    assert news(SHOAL, [once, PLAIN], once) == [], "it was seen before it went"
    assert news(SHOAL, [once], {**once, "shelf": None}) == ["not declared, kept in extra: shelf"]


def test_an_optional_column_that_goes_is_said_when_it_goes():
    without = {name: kind for name, kind in PLAIN.items() if name != "user_id"}

    assert news(SHOAL, [PLAIN], without) == ["delivered before and missing now, null from here on: user_id"]
    assert news(SHOAL, [PLAIN, without], without) == []
    assert news(SHOAL, [], without) == []


def test_an_optional_column_that_was_renamed_is_said_with_what_it_may_be_now():
    renamed = {"event_type": None, "event_time": None, "UserId": None}

    assert news(SHOAL, [PLAIN], renamed) == [
        "not declared, kept in extra: UserId",
        "delivered before and missing now, null from here on: user_id",
        "is UserId now what user_id was? then name it so in the export, or declare a feed of your own",
    ]


def test_a_type_that_changes_is_said_against_the_last_that_was_known():
    number, words = {**PLAIN, "quantity": "int"}, {**PLAIN, "quantity": "string"}
    of_a_csv = {**PLAIN, "quantity": None}

    said = ["of another type now, rows that do not convert are rejected: quantity int -> string"]
    assert news(SHOAL, [number], words) == said
    assert news(SHOAL, [number, of_a_csv], words) == said
    assert news(SHOAL, [number], of_a_csv) == []
    assert news(SHOAL, [number, words], words) == []


def test_of_a_thousand_columns_a_few_are_named():
    (said,) = news(SHOAL, [], {**PLAIN, **{f"c{number:03}": None for number in range(1000)}})

    assert said.endswith("c010, c011 and 988 more")


def test_files_that_come_together_are_one_delivery():
    first, second = {"b": "int", "a": None}, {"a": None, "b": "string", "c": "int"}

    assert together([first, second]) == {"b": "int | string", "a": None, "c": "int"}
    assert [*together([first, second])] == ["b", "a", "c"]
    assert together([second, first])["b"] == "int | string"


def test_the_history_tells_what_changed_with_which_batch(lake, came):
    with_till = {**PLAIN, "till": "int"}
    came(PLAIN, PLAIN, PLAIN, with_till, {**with_till, "till": "string"}, {"event_type": None, "event_time": None})

    lines = history(lake, "shoal")

    assert lines[0] == "shoal: 6 batches"
    assert [line.split("  ")[-1] for line in lines[1:]] == [
        "first: event_type, event_time, user_id",
        "no change in 2 batches",
        "added till",
        "changed till int -> string",
        "gone user_id, till",
    ]
    assert lines[3].startswith("2025-03-04 10:00 UTC  shoal-")


def test_batches_of_an_older_lake_say_nothing(lake, came):
    came(None, None, PLAIN, PLAIN)

    assert [line.split("  ")[-1] for line in history(lake, "shoal")] == [
        "shoal: 4 batches",
        "columns were not kept yet in 2 batches",
        "first: event_type, event_time, user_id",
        "no change in 1 batch",
    ]


def test_what_was_refused_unread_is_no_part_of_the_history(lake, came):
    came(PLAIN, {**PLAIN, "till": None})
    last = batches.all_batches(lake)[-1]
    batches.mark_refused(lake, last, "broken")

    assert came_before(batches.all_batches(lake), "shoal") == [PLAIN]
    assert history(lake, "shoal")[0] == "shoal: 1 batch"


def test_a_feed_that_never_came_is_an_error_that_says_which_did(lake, came):
    with pytest.raises(ConfigError, match=r"the feed till has brought nothing to .* yet; feeds that have: none"):
        history(lake, "till")

    came(PLAIN)
    with pytest.raises(ConfigError, match=r"feeds that have: shoal"):
        history(lake, "till")
