"""What is visible, on a lake of a few rows: releases, races, rollback, and the same views in every reader."""

import json
import re
import shutil
from datetime import UTC, date, datetime

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable
from pyspark.sql import Row

import shoal.lake
from shoal.books import releases
from shoal.errors import ConfigError, PublishRaceError
from shoal.lake import Lake
from shoal.publish import views
from shoal.reports.querying import query_lake, release_lines, rolled_back
from shoal.tables import GOLD_USERS, RELEASES

NOW = datetime(2025, 6, 1, 4, tzinfo=UTC)
USERS = {"run-1": ["ada"], "run-2": ["ada", "bob"], "run-3": ["eve"]}  # each run shows other users
DAYS = {"run-1": date(2025, 5, 1), "run-2": date(2025, 6, 1), "run-3": date(2025, 4, 1)}
CURRENT = "SELECT user_id FROM gold.current_users ORDER BY user_id"


@pytest.fixture(scope="module")
def written(spark, tmp_path_factory):
    """A folder whose gold has the rows of three runs, none of them released."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("shown") / "lake"))
    for run_id, users in USERS.items():
        rows = [
            {"run_id": run_id, "user_id": user, "as_of": DAYS[run_id], "frequency": 1, "probability": {},
             "hold_out": False, "is_suspect": False} for user in users
        ]  # fmt: skip
        lake.replace(GOLD_USERS, lake.frame(GOLD_USERS, rows), where=f"run_id = '{run_id}'")
    return lake


@pytest.fixture
def lake(written):
    """The same lake, with an empty book of releases."""
    if written.exists(RELEASES):
        written.replace(RELEASES, written.frame(RELEASES, []), where=None)
    return written


@pytest.fixture(scope="module")
def released(spark, written, tmp_path_factory):
    """Another lake of the same rows, which shows the second run; to be read only."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("released") / "lake"))
    shutil.copytree(written.path_of(GOLD_USERS), lake.path_of(GOLD_USERS))
    publish(lake, "run-2")
    return lake


def publish(lake, run_id, **more):
    return releases.release(lake, run_id, DAYS[run_id], now=NOW, fallbacks=[], **{"max_retries": 2, **more})


def shown(lake):
    return [*query_lake(lake, CURRENT, "csv")][1:]


def test_the_view_follows_the_releases(lake):
    publish(lake, "run-1")
    assert shown(lake) == USERS["run-1"]

    publish(lake, "run-2")
    assert shown(lake) == USERS["run-2"]


def test_a_query_before_the_first_release_says_so(lake):
    with pytest.raises(ConfigError, match=r"nothing was released in .* yet"):
        query_lake(lake, CURRENT, "table")

    assert [*query_lake(lake, "SELECT current_date() IS NULL AS unknown", "csv")] == ["unknown", "false"]


def test_an_older_day_is_kept_but_not_shown(lake):
    publish(lake, "run-2")
    assert publish(lake, "run-3")["kind"] == "archive"

    assert shown(lake) == USERS["run-2"]
    assert release_lines(lake)[0].split()[:2] == ["2", "archive"]
    assert release_lines(lake)[1].startswith("*")


class Book:
    """In place of a lake: releases that only have to be kept."""

    location = "book"

    def __init__(self):
        self.rows = []

    def insert_new(self, _table, row):
        self.rows.append(Row(**row))
        return self.rows[-1]


@pytest.fixture
def book(monkeypatch):
    monkeypatch.setattr(releases, "history", lambda book: [*book.rows])
    return Book()


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ([], "release"),
        (["older"], "release"),
        (["newer"], "archive"),  # a late file came while the run was under way, and its run was the first
        (["newer", "older"], "release"),
        (["older", "newer", 1], "release"),  # newer was rolled back
        (["older", "newer", 1, 2], "archive"),
    ],
)
def test_a_run_does_not_overtake_one_of_its_day_that_knows_more(book, before, kind):
    def release(run_id, day=DAYS["run-1"]):
        return releases.release(book, run_id, day, now=NOW, fallbacks=[], max_retries=0,
                                is_older_than=lambda run: run_id == "stale" and run == "newer")  # fmt: skip

    for one in before:
        if isinstance(one, int):
            releases.roll_back(book, one, now=NOW, max_retries=0)
        else:
            release(one)

    assert release("stale")["kind"] == kind
    assert release("stale")["seq"] == len(before) + 1, "a run is released once"
    later = releases.release(book, "next day", DAYS["run-2"], now=NOW, fallbacks=[], max_retries=0,
                             is_older_than=lambda _: True)  # fmt: skip
    assert later["kind"] == "release"


def test_a_rollback_shows_what_was_shown_before(lake):
    publish(lake, "run-1")
    publish(lake, "run-2")

    assert "shows run run-1" in rolled_back(lake, None)
    assert shown(lake) == USERS["run-1"]
    assert "shows run run-2" in rolled_back(lake, 2)
    assert shown(lake) == USERS["run-2"]
    assert [row["seq"] for row in releases.history(lake)] == [1, 2, 3, 4], "nothing is taken out of the book"


def test_two_rollbacks_in_a_row_go_further_back(lake):
    publish(lake, "run-3")
    publish(lake, "run-1")
    publish(lake, "run-2")

    rolled_back(lake, None)
    rolled_back(lake, None)

    assert shown(lake) == USERS["run-3"]


@pytest.mark.parametrize(
    ("published", "to", "said"),
    [
        ([], None, "nothing was released"),
        (["run-1"], None, "no release before the current one"),
        (["run-1"], 9, "no release 9 in .*; there are 1"),
    ],
)
def test_a_rollback_to_nowhere_says_where_there_is_something(lake, published, to, said):
    for run_id in published:
        publish(lake, run_id)

    with pytest.raises(ConfigError, match=said):
        rolled_back(lake, to)
    assert len(releases.history(lake)) == len(published)


def overtaken(monkeypatch, lake, times):
    """Have another run take the next place just before ours is written, so many times."""
    left = [f"other-{n}" for n in range(times)]

    def observe(moment, operation, table):
        if moment == "before" and table == RELEASES.name and left:
            row = {"seq": len(releases.history(lake)) + 1, "kind": "release", "run_id": left.pop(),
                   "as_of": DAYS["run-1"], "released_at": NOW, "fallbacks": []}  # fmt: skip
            monkeypatch.setattr(shoal.lake, "observe", lambda *_: None)  # the other run is not overtaken itself
            lake.insert_new(RELEASES, row)
            monkeypatch.setattr(shoal.lake, "observe", observe)

    monkeypatch.setattr(shoal.lake, "observe", observe)


def test_who_is_overtaken_takes_the_next_place(lake, monkeypatch):
    overtaken(monkeypatch, lake, times=1)

    assert publish(lake, "run-2")["seq"] == 2
    assert [row["run_id"] for row in releases.history(lake)] == ["other-0", "run-2"]
    assert releases.history(lake)[1]["replaces_seq"] == 1


def test_who_is_overtaken_again_and_again_gives_up(lake, monkeypatch):
    overtaken(monkeypatch, lake, times=3)

    with pytest.raises(PublishRaceError) as lost:
        publish(lake, "run-2", max_retries=2)
    assert lost.value.exit_code == 4
    assert {row["run_id"] for row in releases.history(lake)} == {"other-0", "other-1", "other-2"}


def test_a_run_is_released_once(lake):
    publish(lake, "run-1")

    assert releases.is_released(releases.history(lake), "run-1")
    assert not releases.is_released(releases.history(lake), "run-2")


def test_duckdb_shows_the_same(released):
    """DuckDB's own delta_scan is fetched over the network; here deltalake opens the same folders."""
    duck = duckdb.connect()

    def opened(match):
        name = "t" + str(abs(hash(match[1])))
        duck.register(name, DeltaTable(match[1]).to_pyarrow_dataset())
        return name

    for statement in views.statements(released, "duckdb"):
        duck.sql(re.sub(r"delta_scan\('(.*?)'\)", opened, statement))

    assert [user for (user,) in duck.sql(CURRENT).fetchall()] == USERS["run-2"]


def test_polars_shows_the_same(released):
    names: dict[str, pl.LazyFrame] = {}

    exec("\n".join(views.statements(released, "polars")), names)

    assert names["current_users"].sort("user_id").collect()["user_id"].to_list() == USERS["run-2"]


def test_trino_and_databricks_name_every_table_and_view(released):
    for dialect in ("trino", "databricks"):
        said = "\n".join(views.statements(released, dialect))
        assert released.path_of(GOLD_USERS) in said
        assert "VIEW gold.current_users AS" in said


def test_a_query_prints_as_table_csv_and_json(released):
    query = "SELECT user_id, frequency FROM gold.current_users ORDER BY user_id"

    assert [*query_lake(released, query, "csv")] == ["user_id,frequency", "ada,1", "bob,1"]
    said = json.loads("\n".join(query_lake(released, query, "json")))
    assert said == [{"user_id": "ada", "frequency": 1}, {"user_id": "bob", "frequency": 1}]
    assert "\n".join(query_lake(released, query, "table")).split() == ["user_id", "frequency", "ada", "1", "bob", "1"]


def test_a_query_that_cannot_run_says_why(released):
    with pytest.raises(ConfigError, match=r"cannot run the query: .*no_such_column"):
        query_lake(released, "SELECT no_such_column FROM gold.current_users", "table")


@pytest.mark.parametrize("statement", ["DELETE FROM gold.users", "DROP TABLE gold.users", "SET spark.x = 1"])
def test_a_query_changes_nothing(released, statement):
    before = released.version(GOLD_USERS)

    with pytest.raises(ConfigError, match="only a query can be run here"):
        query_lake(released, statement, "table")

    assert released.version(GOLD_USERS) == before


def test_what_is_nested_is_json_in_csv_and_a_closing_semicolon_does_not_matter(released):
    said = [*query_lake(released, "SELECT named_struct('a', array(1, 2)) AS s, true AS b; ", "csv")]

    assert said == ["s,b", '"{""a"": [1, 2]}",true']


def test_a_query_names_its_tables_in_any_case_and_in_quotes(released):
    plain = [*query_lake(released, "SELECT count(*) AS n FROM gold.current_users", "csv")]

    assert [*query_lake(released, "SELECT count(*) AS n FROM `Gold`.`CURRENT_Users`", "csv")] == plain


def test_a_catalog_gets_the_views_when_a_run_is_published(spark):
    """Spark's own in-memory catalog is one as good as any: names instead of paths."""
    lake = Lake(spark, "catalog:published")
    row = {"run_id": "run-1", "user_id": "ada", "as_of": NOW.date(), "frequency": 1, "probability": {},
           "hold_out": False, "is_suspect": False}  # fmt: skip
    lake.replace(GOLD_USERS, lake.frame(GOLD_USERS, [row]), where=None)

    views.publish_views(lake)  # as publish does: before the first release, and whatever tables there are
    publish(lake, "run-1")
    views.publish_views(lake)

    assert [*query_lake(lake, "SELECT user_id FROM published_gold.current_users", "csv")] == ["user_id", "ada"]
    with pytest.raises(ConfigError, match="has its views in the catalog"):
        views.statements(lake, "duckdb")


def test_a_view_of_a_catalog_has_the_columns_that_its_table_has_gained(spark):
    lake = Lake(spark, "catalog:upgraded")
    views.publish_views(lake)
    spark.sql(f"ALTER TABLE {lake.name_of(GOLD_USERS)} ADD COLUMNS (gained INT)")
    assert "gained" not in spark.table("upgraded_gold.current_users").columns

    views.publish_views(lake)

    assert spark.table("upgraded_gold.current_users").columns == [*GOLD_USERS.names, "gained"]
