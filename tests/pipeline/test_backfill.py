"""Many days in few passes: every row is what a run of its day writes, however it was stopped, and nothing is shown."""

import json
import random
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from pyspark.sql import functions as F
from shelf import SMALL

import shoal.lake
from shoal.config import load_config
from shoal.errors import ConfigError, RaceError
from shoal.lake import Lake
from shoal.progress import Progress
from shoal.running.backfilling import Range, backfill_on
from shoal.tables import (
    FEATURE_DRIFT,
    GOLD_USERS,
    ITEM_FEATURES,
    LIMITS,
    RELEASES,
    RUNS,
    SEGMENTS,
    USER_CATEGORIES,
    USER_FEATURES,
    VISITOR_DAYS,
)

pytestmark = pytest.mark.long

WRITTEN = (LIMITS, USER_FEATURES, USER_CATEGORIES, ITEM_FEATURES, FEATURE_DRIFT)
OWN = {"name": "views_per_day", "over": "user", "sql": "views / active_days", "doc": "d", "unit": "u"}
SETS = (
    *SMALL, f"features.own={json.dumps([OWN])}", "features.max_users_per_visitor=2",
    # Of a shop of a dozen people limits shall be learned, and some of them be beyond.
    "features.limits.min_users=3", "features.limits.rate=3", "features.limits.breadth=2", "features.limits.hours=3",
    "features.limits.deviations=1", "features.limits.looks_per_purchase=1", "features.limits.item_factor=1.5",
    "features.limits.item_deviations=1", "features.limits.min_purchases=3",
)  # fmt: skip
SALT = "publish.hold_out_salt={}"
USERS = [f"u{n}" for n in range(12)]
FIRST = date(2025, 3, 1)
EVERY_CUT = Range(date(2025, 3, 6), date(2025, 5, 9), every=21)  # four cuts: the day after the last is the end
TWO_CUTS = Range(date(2025, 3, 27), date(2025, 5, 8), every=42)


def at(day, hour=10):
    return f"{FIRST + timedelta(days=day - 1)}T{hour:02}:00:00Z"


def acts(seed=4, count=420):
    """Two months of a dozen people; six of them are guests on phones, with which they log in on day 24."""
    rng, rows = random.Random(seed), []
    for n in range(count):
        user, item = rng.choice(USERS), f"i{rng.randrange(9)}"
        kind = rng.choice(["view", "view", "click", "cart", "search", "purchase", "purchase", "return", "review"])
        row = {"event_id": f"e{n}", "event_type": kind, "event_time": at(1 + rng.randrange(60), rng.randrange(24)),
               "user_id": user, "item_id": item, "device": rng.choice([None, "phone", "laptop"])}  # fmt: skip
        if kind == "search":
            row["item_id"] = None
        if kind == "review":
            row["rating"] = rng.choice([1, 3, 5])
        if kind in ("purchase", "return"):
            row |= {"quantity": rng.choice([1, 1, 2, 9]), "unit_price": rng.choice([2, 5, 5, 19.99]), "currency": "EUR",
                    "order_id": f"{user} {n // 2}", "line_kind": "goods"}  # fmt: skip
        elif user in USERS[:6] and rng.random() < 0.6:
            row |= {"user_id": None, "visitor_id": f"phone {user}"}
        rows.append(row)
    rows += [
        {"event_id": f"in {user}", "event_type": "search", "event_time": at(24), "user_id": user,
         "visitor_id": f"phone {user}"} for user in USERS[:6]
    ]  # fmt: skip
    rows += [
        {"event_id": f"{user} {day} {hour}", "event_type": "view", "event_time": at(day, hour), "user_id": user,
         "item_id": f"i{hour % 7}"} for user, day, hours in (("u3", 2, 1), ("robot", 20, 22)) for hour in range(hours)
    ]  # fmt: skip
    return rows


# Accounts become others between the cuts, somebody objects and changes the mind, and one was staff all the time.
PEOPLE = [
    {"user_id": "u1", "changed_at": at(16), "merged_into": "u2"},
    {"user_id": "u7", "changed_at": at(30), "merged_into": "fresh"},
    {"user_id": "u3", "changed_at": at(10), "consents": {"profiling": False, "marketing/email": True}},
    {"user_id": "u3", "changed_at": at(40), "consents": {"profiling": True}},
    {"user_id": "u11", "changed_at": at(1), "account_kind": "staff"},
    # Merged people of whom one account is told staff after a cut, or no longer.
    {"user_id": "u8", "changed_at": at(16), "merged_into": "u9"},
    {"user_id": "u8", "changed_at": at(45), "account_kind": "staff"},
    {"user_id": "u4", "changed_at": at(1), "account_kind": "staff"},
    {"user_id": "u4", "changed_at": at(18), "merged_into": "u10"},
    {"user_id": "u4", "changed_at": at(45), "account_kind": "consumer"},
]
THINGS = [
    *({"item_id": f"i{n}", "changed_at": at(1), "title": f"T{n}", "category": f"c{n % 3}/x", "brand": f"b{n % 2}",
       "price": 4 + n} for n in range(7)),
    {"item_id": "i2", "changed_at": at(20), "category": "c9/y", "price": 7},
    {"item_id": "i4", "changed_at": at(25), "is_deleted": True},
    {"item_id": "i8", "changed_at": at(45), "title": "T8", "category": "c1/x"},
]  # fmt: skip


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def shop(shelf_at, tmp_path_factory):
    """A lake with silver, and a release of a day between two cuts, of whose month one of them is."""
    folder = tmp_path_factory.mktemp("backfill")
    shelf = shelf_at(folder / "lake")
    shelf.run(
        ("shoal", written(folder / "events.jsonl", acts())), ("shoal_users", written(folder / "people.jsonl", PEOPLE)),
        ("shoal_items", written(folder / "things.jsonl", THINGS)), until="validate", sets=SETS,
    )  # fmt: skip
    as_of = date(2025, 4, 5)
    run_id = run_of(shelf, as_of)
    shelf.lake.record(RELEASES, [{"seq": 1, "kind": "release", "run_id": run_id, "as_of": as_of, "fallbacks": [],
                                  "released_at": datetime(2025, 5, 1, tzinfo=UTC)}])  # fmt: skip
    return shelf


def run_of(shelf, day, *sets, first="features", until="features"):
    return shelf.run(as_of=day, first=first, until=until, sets=(*SETS, *sets))


def filled(shelf, wanted, *sets, at_once=None):
    config = load_config(sets=(*SETS, *sets), lake=shelf.lake.location)
    return backfill_on(Lake(shelf.lake.spark, shelf.lake.location), config, wanted, at_once, Progress())


@pytest.fixture(scope="module")
def alone(shop):
    """``alone(day, treatment)``: the id of a run of that day.

    Its settings differ from those of backfills in what no row of features depends on, so that each has runs of its own.
    """
    return cache(
        lambda day, treatment="keep": run_of(shop, day, f"features.outliers={treatment}", SALT.format("alone"))
    )


def rows_of_runs(shelf, table, run_ids):
    """The rows of runs, without what is a run's own name."""
    rows = shelf.read(table).where(F.col("run_id").isin(run_ids)).collect()
    return sorted((row.asDict(recursive=True) | {"run_id": None} for row in rows), key=repr)


def require_equal(shelf, together, singly):
    for table in WRITTEN:
        rows, wanted = rows_of_runs(shelf, table, together), rows_of_runs(shelf, table, singly)
        assert len(rows) == len(wanted) > 0, table.name
        for row, of_single in zip(rows, wanted, strict=True):
            off = {name: (value, of_single[name]) for name, value in row.items() if value != of_single[name]}
            assert not off, (table.name, row.get("user_id") or row.get("item_id"), row["as_of"], off)


def test_every_row_is_what_a_run_of_its_day_writes(shop, alone):
    """In passes of three cuts and one, over merges, links, objections and a catalogue that change between them."""
    together, singly = filled(shop, EVERY_CUT, at_once=3), [alone(day) for day in EVERY_CUT.days]

    assert len({*singly, *together}) == 2 * len(EVERY_CUT.days) == 8
    assert [run_id[:10] for run_id in together] == [str(day) for day in EVERY_CUT.days]
    require_equal(shop, together, singly)
    pinned = {
        row.run_id: (
            row.as_of,
            {*row.versions_read},
            row.previous_seq,
            row.rows,
            row.outcome,
            [warning.replace(row.run_id, "") for warning in row.warnings],
        )
        for row in shop.read(RUNS, "job = 'features'").collect()
    }
    assert [pinned[run_id] for run_id in together] == [pinned[run_id] for run_id in singly]

    # What the test is about must be among the rows.
    assert [pinned[run_id][2] for run_id in together] == [None, None, 1, 1]
    assert [VISITOR_DAYS.name in pinned[run_id][1] for run_id in together] == [False, True, True, True]
    users = rows_of_runs(shop, USER_FEATURES, together)
    first, second, third, last = ({row["user_id"] for row in users if row["as_of"] == day} for day in EVERY_CUT.days)
    assert "u1" in first - second, "it was merged"
    assert "u9" in first - second, "an account of the same person is staff by now"
    assert "u10" in first & second, "an account of the same person is staff no more"
    assert "fresh" in last - second, "another was merged into it"
    assert "u3" in (first & third) - second, "an objection was taken back"
    assert {row["is_suspect"] for row in users} == {True, False}
    assert any(row["extreme_purchases"] for row in users)
    edges = {row["as_of"] for row in rows_of_runs(shop, LIMITS, together) if row["scope"] == "buyer"}
    assert edges == {date(2025, 3, 6), date(2025, 3, 27), date(2025, 4, 1), date(2025, 5, 1)}
    assert [row.seq for row in shop.read(RELEASES).collect()] == [1], "nothing was released"


def test_extreme_purchases_are_treated_by_the_limits_of_each_cut(shop, alone):
    together = filled(shop, TWO_CUTS, "features.outliers=cap")

    extreme = {row["as_of"] for row in rows_of_runs(shop, USER_FEATURES, together) if row["extreme_purchases"]}
    assert extreme, "there is something to treat"
    require_equal(shop, together, [alone(day, "cap") for day in TWO_CUTS.days])


@contextmanager
def whenever(table, then):
    """Call ``then`` after the first commit of rows to a table, outside of what watches commits."""
    with pytest.MonkeyPatch.context() as patch:

        def watch(moment, operation, name):
            if moment == "after" and name == table.name and operation in ("replace", "record"):
                patch.undo()
                then()

        patch.setattr(shoal.lake, "observe", watch)
        yield


def die():
    raise KeyboardInterrupt


def test_a_backfill_that_is_killed_at_each_commit_goes_on_and_is_what_later_stages_go_on_from(shop, alone, capfd):
    salt, last = SALT.format("killed"), TWO_CUTS.days[-1]
    for table in (*WRITTEN, RUNS):
        with whenever(table, die), pytest.raises(KeyboardInterrupt):
            filled(shop, TWO_CUTS, salt)
    together = filled(shop, TWO_CUTS, salt)

    assert "2 cuts: all of them are there already" in capfd.readouterr().err, "killed after they were opened"
    require_equal(shop, together, [alone(day) for day in TWO_CUTS.days])

    versions = [shop.lake.version(table) for table in WRITTEN]
    assert filled(shop, TWO_CUTS, salt) == together
    assert run_of(shop, last, salt) == together[-1]
    said = capfd.readouterr().err
    assert "2 cuts: all of them are there already" in said
    assert f"run {together[-1]} is already open" in said
    assert [shop.lake.version(table) for table in WRITTEN] == versions
    assert run_of(shop, last, salt, first="segments", until="segments") == together[-1]
    assert {row.run_id for row in shop.read(SEGMENTS).collect()} == {together[-1]}
    assert shop.read(GOLD_USERS).isEmpty()
    assert [row.seq for row in shop.read(RELEASES).collect()] == [1]


def test_a_run_that_is_opened_meanwhile_is_left_as_it_is(shop, alone, capfd):
    """And the rest comes in another pass than that which was stopped."""
    salt, (first, last) = SALT.format("opened"), TWO_CUTS.days
    opened = []

    def open_one():
        opened.append(run_of(shop, first, salt))
        opened.append([shop.lake.version(table) for table in WRITTEN])

    with whenever(LIMITS, open_one), pytest.raises(RaceError, match="opened by another process meanwhile") as stopped:
        filled(shop, TWO_CUTS, salt)
    run_id, versions = opened
    assert run_id in str(stopped.value)
    assert [shop.lake.version(table) for table in WRITTEN] == versions

    capfd.readouterr()
    together = filled(shop, TWO_CUTS, salt)
    said = capfd.readouterr().err

    assert together[0] == run_id
    assert f"2 cuts from {first} to {last}, 1 there already; 1 in a pass" in said
    assert f"2 of 2 cuts (to {last})" in said
    require_equal(shop, together, [alone(day) for day in TWO_CUTS.days])
    outcomes = [row.outcome for row in shop.read(RUNS).where(F.col("run_id").isin(together)).collect()]
    assert sorted(outcomes) == ["done", "done", "failed", "failed"]


def test_rules_that_cannot_be_are_refused_as_by_every_stage(shop):
    with pytest.raises(ConfigError, match="cannot use the settings"):
        filled(shop, TWO_CUTS, 'validate.rules=[{name: price, condition: "unit_prise > 0"}]')


def test_days_of_which_nothing_can_be_known_are_refused(shop):
    with pytest.raises(ConfigError, match="--from 2025-03-01: nothing is known before that day") as refused:
        filled(shop, Range(FIRST, date(2027, 1, 1)))
    assert "--to 2027-01-01: the last event is of 2025-04-29, 611 days before; is that day meant?" in str(refused.value)
