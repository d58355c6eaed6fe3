"""Visitors and returns through real batches: linked when it is known, the same in whatever order it is told."""

import json
import re
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from published import rows
from shelf import SMALL, stopped_after

from shoal.books import facts
from shoal.config import load_config
from shoal.features.people import People
from shoal.models.recommend import acts, owned, strengths
from shoal.reports.querying import query_lake
from shoal.tables import (
    BATCHES,
    IDENTITIES,
    LAKE,
    RETURN_LINKS,
    RUNS,
    USER_FEATURES,
    USER_ITEM_DAYS,
    VISITOR_DAYS,
    VISITOR_ITEM_DAYS,
)

pytestmark = pytest.mark.long

PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
BUYERS = range(30)
EARLY, LATE = date(2025, 3, 15), date(2025, 3, 25)
LINKED = date(2025, 3, 20)


def at(day, hour=10):
    return f"{date(2025, 3, 1) + timedelta(days=day - 1)}T{hour:02}:00:00Z"


def act(event_id, event_type, day, hour=10, **values):
    line = {"quantity": 1, "unit_price": 5, "currency": "EUR", "order_id": event_id, "line_kind": "goods"}
    return {
        "event_id": event_id, "event_type": event_type, "event_time": at(day, hour), "item_id": "i1",
        **(line if event_type in ("purchase", "return") else {}), **values,
    }  # fmt: skip


def buyers_events(met_on):
    """Buyers who look and buy as guests, then with their account; ``met_on``: the event in which both meet."""
    for n in BUYERS:
        user, phone = {"user_id": f"u{n}"}, {"visitor_id": f"phone {n}"}
        yield from (act(f"seen {n} {k}", "view", 2 + k, item_id=f"i{k}", **phone) for k in range(1 + n % 4))
        yield act(f"guest's {n}", "purchase", 6, item_id=f"i{n % 5}", quantity=2, **phone)
        yield act(f"bought {n}", "purchase", 8, item_id=f"i{n % 3}", **user)
        yield act(f"in {n}", "view", 20, item_id="i9", **user, **(phone if met_on else {}))
    till = {"visitor_id": "till"}
    yield act("at the till", "view", 5, **till)
    yield from (act(f"till {n}", "view", 9, 11, user_id=f"u{n}", **till) for n in range(8 if met_on else 0))


def deliver(shelf, folder, events, name):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    shelf.run(("shoal", path), until="validate")


@pytest.fixture(scope="module")
def shops(shelf_at, tmp_path_factory):
    """The same shop, once with the meetings and once without."""
    made = {}
    for name, met in {"with": True, "without": False}.items():
        folder = tmp_path_factory.mktemp(name)
        shelf = shelf_at(folder / "lake")
        deliver(shelf, folder, buyers_events(met), "all")
        made[name] = shelf
    return made


def known(shelf, as_of):
    """Features at a day, and what recommendations start from: strengths and what is owned."""
    run_id = shelf.run(as_of=as_of, first="features", until="features")
    (run,) = shelf.read(RUNS, f"run_id = '{run_id}' AND job = 'features' AND outcome = 'done'").collect()
    config = load_config(sets=SMALL, lake=shelf.lake.location)
    people = People(shelf.lake, SimpleNamespace(versions_read=dict(run.versions_read)), config.features)
    item_days = people.tiles(USER_ITEM_DAYS, as_of)
    params = config.recommend["for_you"]
    features = [tuple(row) for row in rows(shelf, USER_FEATURES, f"run_id = '{run_id}'")]
    pairs = [
        sorted(map(tuple, found.collect()))
        for found in (strengths(item_days, as_of=as_of, params=params), owned(acts(item_days, as_of=as_of)))
    ]
    return features, pairs, run


def test_a_link_changes_no_cut_before_it(shops):
    """The till, which eight users have met by then, is nobody's."""
    features, pairs, run = known(shops["with"], EARLY)
    alone, pairs_alone, _ = known(shops["without"], EARLY)
    names = [name for name in USER_FEATURES.names if name != "run_id"]
    meet = {f"u{n}" for n in range(8)}  # whose views at the till are events of theirs

    def others(found):
        return [row for row in found if row[names.index("user_id")] not in meet]

    assert len(others(features)) == len(BUYERS) - 8
    assert others(features) == others(alone)
    assert [[pair for pair in each if pair[0] not in meet] for each in pairs] == [
        [pair for pair in each if pair[0] not in meet] for each in pairs_alone
    ]
    assert any("met more than 5 users each: 1 (the most: 8)" in said for said in run.warnings)


def test_a_cut_after_the_link_knows_what_the_visitor_did_before_it(shops):
    _, pairs, run = known(shops["with"], LATE)
    features = {row.user_id: row for row in shops["with"].read(USER_FEATURES, f"run_id = '{run.run_id}'").collect()}
    strength = {(user, item) for user, item, _ in pairs[0]}

    for n in BUYERS:
        row, at_till = features[f"u{n}"], n < 8
        assert row.views_30d == 1 + n % 4 + 1 + at_till, "seen as a guest, on the day of the link, and at the till"
        assert (row.frequency, row.spend) == (2, 15)
        assert row.active_days == len({*range(2, 3 + n % 4), 6, 8, 20, *([9] if at_till else [])})
        assert (f"u{n}", f"i{n % 5}") in pairs[1]
        assert {(f"u{n}", f"i{k}") for k in range(1 + n % 4)} <= strength


def test_links_have_their_own_time(shops):
    links = {(row.visitor_id, row.user_id): row for row in shops["with"].read(IDENTITIES).collect()}

    assert {key for key in links if key[0] != "till"} == {(f"phone {n}", f"u{n}") for n in BUYERS}
    assert {row.linked_date for (visitor, _), row in links.items() if visitor != "till"} == {LINKED}


def test_a_shop_without_meetings_has_no_such_table(shops):
    lake = shops["without"].lake

    assert not any(lake.exists(table) for table in (IDENTITIES, RETURN_LINKS, VISITOR_DAYS, VISITOR_ITEM_DAYS))


def test_every_stage_reads_the_same_people(shelf_at, tmp_path):
    """A whole run, with models: what guests did is in what was learned, and a rerun finds nothing new."""
    shelf = shelf_at(tmp_path / "lake")
    deliver(shelf, tmp_path, buyers_events(True), "all")
    sets = (*SMALL, "recommend.for_you.test_days=3", "recommend.for_you.min_interactions=5",
            "propensity.buys_30d.horizon_days=4", "propensity.buys_30d.min_positives=1")  # fmt: skip
    run_id = shelf.run(as_of=LATE, first="features", sets=sets)
    shelf.run(as_of=LATE, first="features", sets=sets)

    done = shelf.read(RUNS, f"run_id = '{run_id}'").orderBy("started_at").collect()
    assert [run.outcome for run in done[5:]] == ["nothing new"] * 5
    assert VISITOR_DAYS.name in done[0].versions_read


# Returns of all three kinds, a correction that moves one, a deletion, late purchases, a phone that changes hands.
FIRST = [
    act("p1", "purchase", 2, user_id="ada", quantity=3), act("p2", "purchase", 4, user_id="ada", quantity=1),
    act("g1", "purchase", 3, order_id="g"), act("r1", "return", 6, user_id="ada", quantity=2),
    act("r2", "return", 7, order_id="g"), act("r3", "return", 8, user_id="ada"), act("v1", "view", 4, user_id="ada",
    visitor_id="phone"), act("r4", "return", 9, user_id="ben", original_event_id="p9"),
    act("r5", "return", 9, user_id="ben", item_id="cup", quantity=2),  # bought before all that is known
]  # fmt: skip
SECOND = [
    act("p3", "purchase", 5, user_id="ada", quantity=1),  # late: r1 takes it, and only one of the first three
    act("r3", "return", 10, user_id="ada", previous_event_time=at(8), updated_at=at(11)),
    act("v0", "view", 1, user_id="ben", visitor_id="phone"),
]  # fmt: skip
THIRD = [
    act("p9", "purchase", 1, user_id="ben"),
    act("p2", "purchase", 4, user_id="ada", is_deleted=True, updated_at=at(12)),
    act("v1", "view", 4, user_id="ada", visitor_id="phone", is_deleted=True, updated_at=at(12)),
    act("v2", "view", 13, user_id="ada", visitor_id="card"),
]  # fmt: skip
EXPECTED = [
    ("r1", "p1", 1, "latest"), ("r1", "p3", 1, "latest"), ("r2", "g1", 1, "order"), ("r3", "p1", 1, "latest"),
    ("r4", "p9", 1, "original"),
]  # fmt: skip


def test_batches_in_any_order_and_killed_between_make_the_same_links(shelf_at, tmp_path):
    found = {}
    orders = {"in order": [FIRST, SECOND, THIRD], "backwards": [[*SECOND, *THIRD], FIRST]}
    for name, batches in orders.items():
        folder = tmp_path / name
        folder.mkdir()
        shelf = shelf_at(folder / "lake")
        for number, batch in enumerate(batches):
            (folder / f"{number}.jsonl").write_text("".join(json.dumps(event) + "\n" for event in batch))
            inputs = ("shoal", folder / f"{number}.jsonl")
            if (name, number) == ("in order", 1):
                stopped_after("merge silver.identities", shelf, inputs, until="validate")
            if (name, number) == ("in order", 2):
                stopped_after("merge silver.return_links", shelf, inputs, until="validate")
            shelf.run(inputs, until="validate")
        found[name] = [rows(shelf, table) for table in (IDENTITIES, RETURN_LINKS)]

    links = shelf.read(RETURN_LINKS).select("return_event_id", "purchase_event_id", "pieces", "how").collect()
    assert sorted(map(tuple, links)) == EXPECTED
    assert found["in order"] == found["backwards"]
    unlinked, *_ = re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL)
    assert [*query_lake(shelf.lake, unlinked.strip(), "csv")] == [
        "event_id,event_date,user_id,item_id,pieces", "r5,2025-03-09,ben,cup,2",
    ]  # fmt: skip
    met = {(row.visitor_id, row.user_id, str(row.linked_date)) for row in shelf.read(IDENTITIES).collect()}
    assert met == {("phone", "ben", "2025-03-01"), ("card", "ada", "2025-03-13")}


def test_a_lake_of_an_older_version_gains_the_links_of_all_its_events(shelf, tmp_path, monkeypatch):
    """As it was: events are there, the tables are not, and the next batch tells of other people."""
    with monkeypatch.context() as old:
        old.setattr("shoal.validate.deriving._enter_identities", lambda *_: None)
        old.setattr("shoal.validate.deriving._enter_return_links", lambda *_: ())
        deliver(shelf, tmp_path, [*FIRST, *SECOND, *THIRD], "old")
    shelf.lake.merge(LAKE, shelf.lake.frame(LAKE, [{"name": "schema_version", "value": "3", "reason": "made then"}]))

    deliver(shelf, tmp_path, [act("x1", "view", 2, user_id="zoe"), act("x2", "view", 3, user_id="zoe")], "new")

    assert facts.was_upgraded(shelf.lake)
    links = shelf.read(RETURN_LINKS).select("return_event_id", "purchase_event_id", "pieces", "how").collect()
    assert sorted(map(tuple, links)) == EXPECTED
    assert {row.visitor_id for row in shelf.read(IDENTITIES).collect()} == {"phone", "card"}
    before = [shelf.lake.version(table) for table in (IDENTITIES, RETURN_LINKS)]
    deliver(shelf, tmp_path, [act("x3", "view", 4, user_id="zoe")], "newer")
    assert [shelf.lake.version(table) for table in (IDENTITIES, RETURN_LINKS)] == before
    assert shelf.read(BATCHES, "state = 'validated'").count() == 3
