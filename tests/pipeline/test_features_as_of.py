"""Features joined to a list on a real lake: each row is what a run of its day has found, whatever came afterwards."""

import json
import os
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pyarrow.parquet as pq
import pytest
from shelf import SMALL

from shoal.config import load_config
from shoal.errors import ConfigError
from shoal.features.point_in_time import OF_A_RUN, OFFERED, asked, join
from shoal.tables import USER_FEATURES

pytestmark = pytest.mark.long

OWN = {"name": "views_per_day", "over": "user", "sql": "views / active_days", "doc": "d", "unit": "u"}
SETS = (*SMALL, f"features.own={json.dumps([OWN])}")
USERS = [f"u{n}" for n in range(8)]
CUTS = [date(2025, 3, 6), date(2025, 3, 12), date(2025, 3, 25)]
FIRST_CAME, SECOND_CAME = datetime(2025, 3, 28, tzinfo=UTC), datetime(2025, 4, 10, tzinfo=UTC)


def at(day, hour=10):
    return f"{date(2025, 3, 1) + timedelta(days=day - 1)}T{hour:02}:00:00Z"


def act(event_id, event_type, day, **values):
    line = {"quantity": 1, "unit_price": 5, "currency": "EUR", "order_id": event_id, "line_kind": "goods"}
    return {
        "event_id": event_id, "event_type": event_type, "event_time": at(day), "item_id": "i1", "category": "c/1",
        **(line if event_type in ("purchase", "return") else {}), **values,
    }  # fmt: skip


# Users look, some as guests, buy on two days, and log in with their phones on day 10.
TOLD_FIRST = [
    event
    for n, user in enumerate(USERS)
    for event in (
        act(f"guest {n}", "view", 2, visitor_id=f"phone {n}", item_id=f"i{n % 3}"),
        act(f"view {n}", "view", 3 + n % 3, user_id=user, item_id=f"i{n % 2}", category=f"c/{n % 2}"),
        act(f"in {n}", "search", 10, user_id=user, visitor_id=f"phone {n}" if n < 6 else None, item_id=None),
        act(f"early {n}", "purchase", 4, user_id=user, item_id=f"i{n % 4}", unit_price=2 + n),
        act(f"late {n}", "purchase", 15 + n % 4, user_id=user, item_id=f"i{n % 3}", unit_price=3 + n),
    )
]
# What was told in April of March: a late event, a correction, a deletion, and a link.
TOLD_LATER = [
    act("late view", "view", 3, user_id="u1"),
    act("early 2", "purchase", 4, user_id="u2", item_id="i2", unit_price=40, updated_at=at(35)),
    act("early 3", "purchase", 4, user_id="u3", item_id="i3", is_deleted=True, updated_at=at(35)),
    act("in at last", "view", 8, user_id="u7", visitor_id="phone 7"),
]


def deliver(shelf, folder, events, came):
    path = folder / f"{came:%m}.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    os.utime(path, (came.timestamp(), came.timestamp()))
    shelf.run(("shoal", path), until="validate", sets=SETS)


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """Every user at every cut, one of them twice, and somebody whom nobody knows; with labels."""
    path = tmp_path_factory.mktemp("lists") / "spine.csv"
    rows = [(user, cut, f"{user} at {cut}") for user in [*USERS, "ghost"] for cut in CUTS]
    pd.DataFrame([*rows, rows[0]], columns=["user_id", "as_of", "label"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def shelves(shelf_at, tmp_path_factory):
    """A lake that knows the first delivery, and one that knows both."""
    made = {}
    for name, later in {"first": False, "both": True}.items():
        folder = tmp_path_factory.mktemp(name)
        made[name] = shelf_at(folder / "lake")
        deliver(made[name], folder, TOLD_FIRST, FIRST_CAME)
        if later:
            deliver(made[name], folder, TOLD_LATER, SECOND_CAME)
        for cut in CUTS if later else CUTS[:1]:
            made[name].run(as_of=cut, first="features", until="features", sets=SETS)
    return made


def joined(shelf, spine, out, **more):
    """The rows of the joined list by their label, and what was said."""
    config = load_config(sets=SETS, lake=shelf.lake.location)
    told = []
    request = asked(config, **{"spine": str(spine), "out": str(out), "only": None, **more})
    said = join(shelf.lake, config, request, lambda kind, sentence: told.append((kind, sentence)))
    return pq.read_table(out).to_pylist() if request.out.endswith("parquet") else [], said, told


def test_each_row_is_what_a_run_of_its_day_has_found(shelves, lists, tmp_path):
    rows, said, told = joined(shelves["both"], lists, tmp_path / "out.parquet")
    runs = {(row.user_id, row.as_of): row for row in shelves["both"].read(USER_FEATURES).collect()}

    assert len(rows) == 8 * 3 + 3 + 1
    assert [*rows[0]] == ["user_id", "as_of", "label", "is_known", *OFFERED, "views_per_day"]
    assert not {*OF_A_RUN} & {*rows[0]}
    for row in rows:
        assert row["label"] == f"{row['user_id']} at {row['as_of']}"
        of_run = runs.get((row["user_id"], row["as_of"]))
        assert row["is_known"] == (of_run is not None) == (row["user_id"] != "ghost")
        for name in OFFERED:
            wanted = None if of_run is None else of_run[name]
            wanted = wanted.astimezone(UTC) if isinstance(wanted, datetime) else wanted
            assert row[name] == wanted, (row["user_id"], row["as_of"], name)
        assert row["views_per_day"] == (None if of_run is None else of_run.own["views_per_day"])
    assert [row["label"] for row in rows].count(f"u0 at {CUTS[0]}") == 2
    assert f"28 rows, 9 users, 3 cuts (2025-03-06 to 2025-03-25), {len(OFFERED) + 1} features" in said
    assert "3 rows have no features: their users had done nothing before" in said
    assert told == []


def test_what_a_phone_has_seen_is_known_after_the_login_only(shelves, lists, tmp_path):
    rows, *_ = joined(shelves["both"], lists, tmp_path / "out.parquet", only="views")
    views = {(row["user_id"], row["as_of"]): row["views"] for row in rows}

    assert [views["u0", cut] for cut in CUTS] == [1, 2, 2]  # logged in on day 10
    assert [views["u6", cut] for cut in CUTS] == [1, 1, 1]  # never
    assert [views["u7", cut] for cut in CUTS] == [1, 3, 3]  # on day 8, by looking at something


def test_what_was_known_on_a_day_is_what_a_lake_of_that_day_holds(shelves, lists, tmp_path):
    then, *_ = joined(shelves["first"], lists, tmp_path / "then.parquet")
    known, *_ = joined(shelves["both"], lists, tmp_path / "known.parquet", known_as_of=date(2025, 4, 1))
    now, *_ = joined(shelves["both"], lists, tmp_path / "now.parquet")

    def in_order(rows):
        return sorted(rows, key=lambda row: row["label"])

    assert in_order(known) == in_order(then)
    changed = {row["user_id"] for row, other in zip(in_order(now), in_order(then), strict=True) if row != other}
    assert {"u1", "u2", "u3", "u7"} <= changed


def test_a_table_of_text_and_what_is_refused(shelves, tmp_path):
    """Moments, as a person writes them: the shop lives by UTC."""
    spine = tmp_path / "moments.csv"
    spine.write_text('user_id,time,note\nu0,2025-03-12T23:59:59Z,"a, b"\nu0,2025-03-04T10:00:00Z,x\n')
    _, said, _ = joined(shelves["first"], spine, tmp_path / "out.csv", only="views_per_day,recency_days,frequency")
    again = pd.concat(pd.read_csv(part) for part in (tmp_path / "out.csv").glob("part-*"))
    rows = again.sort_values("time").to_dict("records")

    assert [*rows[0]] == ["user_id", "time", "note", "as_of", "is_known", "recency_days", "frequency", "views_per_day"]
    assert [(row["as_of"], row["note"], row["frequency"]) for row in rows] == [
        ("2025-03-04", "x", 0), ("2025-03-12", "a, b", 1),
    ]  # fmt: skip
    assert rows[1]["recency_days"] == 12 - 4
    assert "2 rows, 1 users, 2 cuts" in said
    spine.write_text("user_id,time\nu0,2025-03-02\n")
    with pytest.raises(ConfigError, match="is there already"):
        joined(shelves["first"], spine, tmp_path / "out.csv")
    with pytest.raises(
        ConfigError, match="1 of 1 rows have a cut at or before 2025-03-02, the first day with an event"
    ):
        joined(shelves["first"], spine, tmp_path / "other.csv")


def test_batches_that_are_in_no_tile_are_told(shelf_at, lists, tmp_path):
    shelf = shelf_at(tmp_path / "lake")
    deliver(shelf, tmp_path, TOLD_FIRST, FIRST_CAME)
    with pytest.raises(ConfigError, match="holds no tiles yet"):
        joined(shelf, lists, tmp_path / "out.parquet")
    shelf.run(as_of=CUTS[0], first="features", until="features", sets=SETS)
    deliver(shelf, tmp_path, TOLD_LATER, SECOND_CAME)
    rows, _, told = joined(shelf, lists, tmp_path / "out.parquet", only="views")

    assert [kind for kind, _ in told] == ["warning"]
    assert "batches that are in no tile yet, and are not seen: 1;" in told[0][1]
    assert {row["views"] for row in rows if row["user_id"] == "u1" and row["as_of"] == CUTS[0]} == {1}
