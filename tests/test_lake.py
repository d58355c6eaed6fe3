"""The lake: what is written once is there once, and stays readable by everyone."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from delta import exceptions as conflicts
from pyspark.sql.types import DateType, IntegerType, LongType, StringType

from shoal.books import facts
from shoal.commits import with_retries
from shoal.errors import LakeError, RaceError, SchemaError
from shoal.lake import Lake
from shoal.tables import BATCHES, LAKE, Column, Rule, Table

VISITS = Table(
    name="silver.visits",
    doc="One row per visit.",
    key=("visit_id", "day"),
    partition_by=("day",),
    columns=(
        Column("visit_id", StringType(), "id", required=True),
        Column("day", DateType(), "day", required=True),
        Column("pages", IntegerType(), "pages seen", low=1),
        Column("visitor", StringType(), "who", personal=True),
    ),
    checks=(Rule("not_odd", "visitor != 'odd'"),),
)
MONDAY, TUESDAY = date(2024, 5, 6), date(2024, 5, 7)


@pytest.fixture
def lake(spark, tmp_path):
    return Lake(spark, str(tmp_path / "lake"), stamp={"run_id": "r1"})


def visits(lake, *rows):
    return lake.frame(VISITS, [dict(zip(("visit_id", "day", "pages", "visitor"), row, strict=False)) for row in rows])


def contents(lake, version=None):
    return sorted((r.visit_id, r.day, r.pages) for r in lake.read(VISITS, version).collect())


def test_a_table_never_written_has_no_rows(lake):
    assert not lake.exists(VISITS)
    assert contents(lake) == []


def test_an_append_happens_once(lake):
    rows = visits(lake, ("a", MONDAY, 1))

    lake.append(VISITS, rows, once="batch/1")
    lake.append(VISITS, rows, once="batch/1")
    lake.append(VISITS, visits(lake, ("b", MONDAY, 2)), once="batch/2")

    assert contents(lake) == [("a", MONDAY, 1), ("b", MONDAY, 2)]


def test_the_version_that_a_write_has_made_or_found_is_known(lake):
    rows, noted = visits(lake, ("a", MONDAY, 1)), []
    for once in ("1", "2", "1"):  # the last adds nothing
        lake.append(VISITS, rows, once=once)
        noted.append(lake.written[VISITS.name])
    lake.merge(VISITS, visits(lake))  # nothing to bring in: no commit
    noted.append(lake.written[VISITS.name])
    lake.record(VISITS, [{"visit_id": "b", "day": MONDAY, "pages": 1}])

    assert noted == [1, 2, 2, 2], "version 0 is the empty table"
    assert lake.written[VISITS.name] == lake.version(VISITS) == 3


def test_who_comes_late_in_a_numbered_order_changes_nothing(lake):
    """Writes 1, 2, 3 follow each other; 2 again, after 3, is what a process does that was overtaken."""
    lake.append(VISITS, visits(lake, ("a", MONDAY, 1)), once="order", number=1)
    lake.merge(VISITS, visits(lake, ("a", MONDAY, 2), ("b", MONDAY, 2)), once="order", number=2)
    lake.merge(VISITS, visits(lake, ("a", MONDAY, 3)), once="order", number=3)

    lake.merge(VISITS, visits(lake, ("a", MONDAY, 2), ("c", MONDAY, 2)), once="order", number=2)
    lake.append(VISITS, visits(lake, ("d", MONDAY, 1)), once="order", number=1)

    assert contents(lake) == [("a", MONDAY, 3), ("b", MONDAY, 2)]


@pytest.mark.parametrize(
    ("location", "root"),
    [
        ("s3a://shop/lake/", "s3a://shop/lake"),
        ("dbfs:/lake", "dbfs:/lake"),
        ("/data/lake/", "/data/lake"),
        ("file:///data/lake", "/data/lake"),
        ("file:/data/lake", "/data/lake"),
    ],
)
def test_a_folder_may_lie_in_any_file_system(spark, location, root):
    assert Lake(spark, location).path_of(VISITS) == f"{root}/silver/visits"


@pytest.mark.parametrize(
    ("location", "on_disk"), [("lake", True), ("file:/lake", True), ("s3a://shop/lake", False), ("catalog:shop", False)]
)
def test_what_lies_on_this_machines_disk(spark, location, on_disk):
    assert Lake(spark, location).is_on_disk == on_disk


def test_on_a_disk_no_other_process_writes_a_table_meanwhile(lake):
    lake.append(VISITS, visits(lake, ("a", MONDAY, 1)), once="1")
    lock = f"{lake.root}/_locks/{VISITS.name}"
    asked = f"import fcntl; fcntl.flock(open({lock!r}, 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"

    def free():
        return subprocess.run([sys.executable, "-c", asked], capture_output=True, check=False).returncode == 0

    during = []
    lake._commit(VISITS, "look", lambda: during.append(free()))

    assert during == [False]
    assert free()


@pytest.mark.parametrize("name", conflicts.__all__)
def test_a_lost_race_is_run_again_a_bounded_number_of_times(lake, monkeypatch, name):
    monkeypatch.setattr("shoal.commits.time.sleep", lambda _: None)
    losses = {"left": 2}

    def write():
        if losses["left"]:
            losses["left"] -= 1
            raise getattr(conflicts, name)("another was first")

    with_retries(VISITS.name, write)
    losses["left"] = 99
    with pytest.raises(RaceError, match=r"silver\.visits: lost 6 races"):
        with_retries(VISITS.name, write)


def test_replace_touches_its_slice_only_also_with_nothing(lake):
    lake.append(VISITS, visits(lake, ("a", MONDAY, 1), ("b", TUESDAY, 2)), once="1")

    lake.replace(VISITS, visits(lake), where=f"day = '{MONDAY}'")

    assert contents(lake) == [("b", TUESDAY, 2)]
    assert contents(lake, version=1) == [("a", MONDAY, 1), ("b", TUESDAY, 2)]


def test_merge_updates_inserts_and_deletes(lake):
    lake.append(VISITS, visits(lake, ("a", MONDAY, 1), ("b", MONDAY, 2), ("c", MONDAY, 3)), once="1")
    news = visits(lake, ("a", MONDAY, 9), ("b", MONDAY, None), ("c", MONDAY, 1), ("d", MONDAY, 4))

    lake.merge(VISITS, news, update_when="s.pages > t.pages", delete_when="s.pages IS NULL",
               insert_when="s.pages IS NOT NULL")  # fmt: skip

    assert contents(lake) == [("a", MONDAY, 9), ("c", MONDAY, 3), ("d", MONDAY, 4)]


def test_a_key_is_given_once_and_both_learn_to_whom(lake):
    first = lake.insert_new(VISITS, {"visit_id": "a", "day": MONDAY, "pages": 1})
    version = lake.version(VISITS)
    second = lake.insert_new(VISITS, {"visit_id": "a", "day": MONDAY, "pages": 2})

    assert (first.pages, second.pages) == (1, 1)
    assert lake.version(VISITS) == version


@pytest.mark.parametrize(
    ("row", "named"), [(("a", MONDAY, 0), "pages_at_least_1"), (("a", MONDAY, 1, "odd"), "not_odd"),
                       ((None, MONDAY, 1), "visit_id")],
)  # fmt: skip
def test_the_table_itself_refuses_what_breaks_its_declaration(lake, row, named):
    with pytest.raises(Exception, match=named):
        lake.append(VISITS, visits(lake, row), once="1")

    assert contents(lake) == []


def test_readers_of_version_one_can_open_it_and_no_statistics_are_personal(lake):
    lake.append(VISITS, visits(lake, ("a", MONDAY, 1, "Ann")), once="1")

    log = Path(lake.path_of(VISITS), "_delta_log")
    actions = [json.loads(line) for file in sorted(log.glob("*.json")) for line in file.read_text().splitlines()]
    protocol = next(a["protocol"] for a in actions if "protocol" in a)
    added = next(a["add"] for a in actions if "add" in a)
    stamps = [a["commitInfo"].get("userMetadata") for a in actions if "commitInfo" in a]
    assert protocol["minReaderVersion"] == 1
    assert "Ann" not in added["stats"]
    assert json.loads(stamps[-1]) == {"run_id": "r1"}


def test_a_slice_that_was_put_in_place_under_a_name_stays(lake):
    """Of two processes that make the same run, the slower one must not touch what the faster has released."""
    slice_ = {"where": f"day = DATE '{MONDAY}'", "once": "run/1"}
    lake.replace(VISITS, visits(lake, ("a", MONDAY, 1)), **slice_)
    lake.replace(VISITS, visits(lake, ("a", MONDAY, 2)), **slice_)
    assert contents(lake) == [("a", MONDAY, 1)]

    lake.replace(VISITS, visits(lake, ("a", MONDAY, 3)), **{**slice_, "once": "run/2"})
    assert contents(lake) == [("a", MONDAY, 3)]


def test_who_knows_less_does_not_replace_what_another_knew(lake):
    lake.replace(VISITS, visits(lake, ("a", MONDAY, 3)), where=None, once="tiles", number=3)
    lake.replace(VISITS, visits(lake, ("a", MONDAY, 2)), where=None, once="tiles", number=2, stamp={"through": "2"})

    assert contents(lake) == [("a", MONDAY, 3)]
    assert lake.last_stamp(VISITS, "through") is None


def test_a_version_older_than_the_schema_has_nulls_where_columns_were_added(lake, spark):
    lake.append(VISITS, visits(lake, ("a", MONDAY, 1, "Ann")), once="1")
    before = lake.version(VISITS)
    newer = replace(VISITS, columns=(*VISITS.columns, Column("device", StringType(), "device")))
    spark.sql(f"ALTER TABLE {lake.name_of(VISITS)} ADD COLUMNS (device STRING)")

    assert [row.device for row in lake.read(newer, before).collect()] == [None]
    required = replace(VISITS, columns=(*VISITS.columns, Column("device", StringType(), "device", required=True)))
    with pytest.raises(SchemaError, match="device: missing"):
        lake.read(required, before)


def test_a_version_that_is_gone_is_a_fault_of_the_lake(lake):
    lake.append(VISITS, lake.frame(VISITS, [{"visit_id": "v1", "day": MONDAY, "pages": 1}]), once="a")

    with pytest.raises(LakeError, match=r"silver\.visits in .* at version 99.*VACUUM.*backup"):
        lake.read(VISITS, 99)


def test_the_last_stamp_of_a_key_is_found_behind_other_commits(lake):
    lake.replace(VISITS, visits(lake, ("a", MONDAY, 1)), where=None, stamp={"through": "7"})
    lake.append(VISITS, visits(lake, ("b", MONDAY, 1)), once="1")

    assert lake.last_stamp(VISITS, "through") == (1, "7")
    assert lake.last_stamp(VISITS, "never") is None


def test_a_fact_is_settled_once(lake):
    assert facts.settle(lake, {"time_zone": ("Europe/London", "first")}) == {"time_zone": "Europe/London"}
    both = {"time_zone": "Europe/London", "currency": "GBP"}

    assert facts.settle(lake, {"time_zone": ("UTC", "second"), "currency": ("GBP", "second")}) == both
    assert facts.known(lake) == both


def test_a_lake_of_a_newer_schema_is_refused(lake):
    facts.settle(lake, {"schema_version": ("999", "from the future")})

    with pytest.raises(LakeError, match="schema version 999"):
        facts.upgrade(lake, [VISITS])


def test_a_lake_of_an_older_schema_gains_columns(lake):
    lake.append(VISITS, visits(lake, ("a", MONDAY, 1)), once="1")
    facts.settle(lake, {"schema_version": ("0", "long ago")})
    newer = Table(VISITS.name, VISITS.doc, VISITS.key, (*VISITS.columns, Column("clicks", LongType(), "it's new")))

    with pytest.raises(LakeError, match=r"has schema version 0.*the next job"):
        facts.check_schema(lake)  # who only reads changes nothing
    assert facts.known(lake)["schema_version"] == "0"

    facts.upgrade(lake, [newer])

    assert [r.clicks for r in lake.read(newer).collect()] == [None]
    assert int(facts.known(lake)["schema_version"]) >= 1


def test_a_lake_of_an_older_schema_gains_the_constraints_as_they_are_now(spark, lake):
    """The old check is loosened, a limit is new, one is gone; what has not changed stays as it is."""
    lake.append(VISITS, visits(lake, ("a", MONDAY, 1)), once="1")
    facts.settle(lake, {"schema_version": ("0", "long ago")})
    day, pages = VISITS.columns[1], Column("pages", IntegerType(), "pages seen", high=9)
    newer = replace(
        VISITS,
        columns=(VISITS.columns[0], day, pages, VISITS.columns[3]),
        checks=(Rule("not_odd", "visitor != 'odd' OR pages = 3"),),
    )
    with pytest.raises(Exception, match="not_odd"):
        lake.append(newer, visits(lake, ("b", MONDAY, 3, "odd")), once="2")

    facts.upgrade(lake, [newer])
    upgraded = lake.version(newer)
    lake.append(newer, visits(lake, ("b", MONDAY, 3, "odd"), ("c", MONDAY, 0)), once="2")

    assert contents(lake) == [("a", MONDAY, 1), ("b", MONDAY, 3), ("c", MONDAY, 0)]
    with pytest.raises(Exception, match="not_odd"):
        lake.append(newer, visits(lake, ("d", MONDAY, 4, "odd")), once="3")
    with pytest.raises(Exception, match="pages_at_most_9"):
        lake.append(newer, visits(lake, ("d", MONDAY, 10)), once="3")
    lake.renew_constraints(newer)  # again: as a killed upgrade is
    assert lake.version(newer) == upgraded + 1, "only the append has made a version since"


def test_rows_that_break_a_new_rule_are_told_before_an_old_one_is_taken_away(lake):
    lake.append(VISITS, visits(lake, ("a", MONDAY, 1), ("b", MONDAY, 3), ("c", MONDAY, None)), once="1")
    narrow = Column("pages", IntegerType(), "pages seen", low=1, high=2)
    columns = (*VISITS.columns[:2], narrow, VISITS.columns[3])
    newer = replace(VISITS, columns=columns, checks=(Rule("not_odd", "visitor != 'odd' OR pages = 3"),))
    before = lake.version(VISITS)

    with pytest.raises(LakeError) as refused:
        lake.renew_constraints(newer)

    assert lake.version(VISITS) == before, "also the check that could have been renewed"
    headline, line = str(refused.value).splitlines()
    assert headline.startswith("silver.visits in ")
    rule, rows, query = line.strip().split(": ")
    assert (rule, rows) == ("pages_at_most_2", "1 of its rows")
    assert [row.visit_id for row in lake.spark.sql(query).collect()] == ["b"]


def test_a_lake_of_an_older_schema_lets_be_null_what_may_be_by_now(lake):
    first, day, pages, *others = VISITS.columns
    older = replace(VISITS, columns=(first, day, replace(pages, required=True), *others))
    newer = replace(VISITS, columns=(first, day, replace(pages, required=False), *others))
    lake.append(older, visits(lake, ("a", MONDAY, 1)), once="1")
    facts.settle(lake, {"schema_version": ("0", "long ago")})

    facts.upgrade(lake, [newer])
    upgraded = lake.version(newer)
    lake.allow_nulls(newer)
    lake.append(newer, visits(lake, ("b", MONDAY, None)), once="2")

    assert contents(lake) == [("a", MONDAY, 1), ("b", MONDAY, None)]
    assert lake.version(newer) == upgraded + 1, "a second time there is nothing to do"


def test_a_book_made_before_rows_were_ignored_balances_with_and_without_them(lake):
    """The table as schema version 2 made it: no such column, and a balance without it."""
    old = replace(
        BATCHES,
        columns=[column for column in BATCHES.columns if column.name != "rows_ignored"],
        checks=(
            Rule("books_balance", "state != 'validated' OR rows_in = rows_accepted + rows_rejected + rows_duplicate"),
        ),
    )
    lake.create(old)
    facts.settle(lake, {"schema_version": ("2", "made by this version")})
    at = datetime(2025, 3, 1, tzinfo=UTC)
    before = {"batch_id": "a", "feed": "f", "state": "validated", "files": [], "planned_at": at, "rows_in": 5,
              "rows_accepted": 3, "rows_rejected": 1, "rows_duplicate": 1}  # fmt: skip
    lake.insert_new(old, before)

    facts.upgrade(lake, [BATCHES])
    lake.insert_new(BATCHES, {**before, "batch_id": "b", "rows_in": 9, "rows_ignored": 4})

    assert {row.batch_id: row.rows_ignored for row in lake.read(BATCHES).collect()} == {"a": None, "b": 4}
    with pytest.raises(Exception, match="books_balance"):
        lake.insert_new(BATCHES, {**before, "batch_id": "c", "rows_in": 9, "rows_ignored": 3})


def test_a_frame_that_is_not_as_declared_is_refused_before_any_work(lake):
    with pytest.raises(SchemaError, match="pages: missing"):
        lake.append(VISITS, visits(lake).drop("pages"), once="1")

    assert not lake.exists(VISITS)


def test_every_commit_is_told_before_and_after(lake, monkeypatch):
    told = []
    monkeypatch.setattr("shoal.lake.observe", lambda *moment: told.append(moment))

    facts.settle(lake, {"currency": ("EUR", "test")})

    assert told == [
        (moment, operation, LAKE.name) for operation in ("create", "merge") for moment in ("before", "after")
    ]


@pytest.mark.parametrize(("location", "name"), [
    ("catalog:main.shop", "`main`.`shop_silver`.`visits`"), ("catalog:shop", "`shop_silver`.`visits`"),
])  # fmt: skip
def test_names_in_a_catalog(spark, location, name):
    assert Lake(spark, location).name_of(VISITS) == name


def test_a_catalog_holds_the_same_tables(spark):
    lake = Lake(spark, "catalog:shelf")

    lake.append(VISITS, visits(lake, ("a", MONDAY, 1)), once="1")
    lake.append(VISITS, visits(lake, ("a", MONDAY, 1)), once="1")
    lake.replace(VISITS, visits(lake, ("b", MONDAY, 2)), where=f"day = '{MONDAY}'")
    lake.merge(VISITS, visits(lake, ("b", MONDAY, 5)))

    assert contents(lake) == [("b", MONDAY, 5)]
    assert spark.table("shelf_silver.visits").count() == 1
