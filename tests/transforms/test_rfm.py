"""Buyers are scored by fifths of the month's first day: equal values alike, and whatever others do meanwhile."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from shoal.books.runs import Run
from shoal.config import load_config
from shoal.features import ordinary
from shoal.features.group import Group
from shoal.features.people import People
from shoal.frames import few_rows
from shoal.lake import Lake
from shoal.tables import LIMITS, USER_DAYS, USER_FEATURES, USER_ITEM_DAYS, USERS
from shoal.tables.vocabulary import SCORED
from shoal.transforms.limits import Limits
from shoal.transforms.rfm import edges
from shoal.transforms.user_features import user_features

Row = dict[str, Any]

MARCH = date(2025, 3, 1)
PARAMS = load_config().features
SCORES = ("recency_score", "frequency_score", "monetary_score", "rfm")
COUNTS = ("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces", "events", "searches",
          "purchase_lines")  # fmt: skip


def bought(user: str, day: date, gross: int | None = 1, orders: int = 1, **more: Any) -> Row:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return {"bucket": 0, "user_id": user, "event_date": day, "first_at": noon, "last_at": noon, "gross": gross,
            **dict.fromkeys(COUNTS, 0), "orders": orders, **more}  # fmt: skip


def consumers(days: list[Row]) -> list[Row]:
    return [{"user_id": user, "account_kind": "consumer"} for user in sorted({row["user_id"] for row in days})]


@pytest.fixture
def scored(frame, spark):
    """Scores by user of days before a cut, by given edges."""

    def build(days: list[Row], cut: date, held: dict[str, list[float]]):
        limits = Limits({}, {}, few_rows(spark, LIMITS.schema, []), PARAMS.limits, "keep", held)
        found = user_features(
            frame(USER_DAYS, *days), frame(USER_ITEM_DAYS), frame(USERS, *consumers(days)),
            as_of=cut, run_id="r", limits=limits, only=SCORES,
        )  # fmt: skip
        return {row.user_id: tuple(row[name] for name in SCORES) for row in found.collect()}

    return build


def test_edges_are_the_fifths_of_the_buyers(frame):
    # A hundred buyers and a value from 1 to 100 each, without prices: between the 20th and the 21st lies 20.8.
    rows = [{"user_id": f"{n}", "as_of": MARCH, "recency_days": n, "frequency": n} for n in range(1, 101)]
    prospects = [{"user_id": f"p{n}", "as_of": MARCH, "frequency": 0} for n in range(50)]
    robots = [{"user_id": f"r{n}", "as_of": MARCH, "recency_days": 1, "frequency": 999, "is_suspect": True}
              for n in range(50)]  # fmt: skip
    found = {row.measure: row for row in edges(frame(USER_FEATURES, *rows, *prospects, *robots), run_id="r").collect()}

    assert {*found} == {"recency_days", "frequency"}
    assert found["frequency"].edges == pytest.approx([20.8, 40.6, 60.4, 80.2])
    assert (found["frequency"].scope, found["frequency"].observed, found["frequency"].as_of) == ("buyer", 100, MARCH)
    (of_robots,) = edges(frame(USER_FEATURES, *robots), run_id="r").where("measure = 'frequency'").collect()
    assert of_robots.edges == [999] * 4, "unless nobody else has bought"


@pytest.mark.parametrize("partitions", [1, 4])
def test_edges_are_what_another_engine_finds(frame, partitions):
    """Values that three digits hold, many of them equal; what is spent may be negative."""
    rng = random.Random(3)
    rows = [
        {"user_id": f"u{n}", "as_of": MARCH, "frequency": min(rng.randrange(20), rng.randrange(20)),
         "recency_days": rng.randrange(1, 300), "net_spend": rng.choice([None, rng.randrange(-99, 999)])}
        for n in range(400)
    ]  # fmt: skip
    found = edges(frame(USER_FEATURES, *rows).repartition(partitions), run_id="r").collect()
    con = duckdb.connect()
    con.execute("CREATE TABLE buyers (frequency BIGINT, recency_days BIGINT, net_spend BIGINT)")
    con.executemany("INSERT INTO buyers VALUES (?, ?, ?)", [
        [row[name] for name in ("frequency", "recency_days", "net_spend")] for row in rows if row["frequency"]
    ])  # fmt: skip

    assert len(found) == len(SCORED)
    for row in found:
        (wanted,) = con.sql(f"""SELECT quantile_cont({row.measure}::DOUBLE, [0.2, 0.4, 0.6, 0.8]) FROM buyers
                                WHERE {row.measure} IS NOT NULL""").fetchall()  # fmt: skip
        assert row.edges == pytest.approx(wanted[0]), row.measure


def test_a_score_says_how_many_edges_a_value_has_passed(scored):
    held = {"recency_days": [10.0, 20, 30, 40], "frequency": [1.0, 2, 3, 4], "net_spend": [10.0, 20, 30, 40]}
    days = [
        bought("best", MARCH - timedelta(days=10), 41, orders=5),
        bought("edges", MARCH - timedelta(days=20), 20, orders=2),
        bought("edges too", MARCH - timedelta(days=20), 20, orders=2),
        bought("last", MARCH - timedelta(days=41), -3),
        bought("no price", MARCH - timedelta(days=31), None),
        bought("prospect", MARCH - timedelta(days=1), None, orders=0, views=3),
        bought("only sent back", MARCH - timedelta(days=1), None, orders=0, returned=5),
    ]
    none = (None, None, None, None)

    assert scored(days, MARCH, held) == {
        # Of days since the last order the edge itself is within, of orders and money it is not passed.
        "best": (5, 5, 5, "555"), "edges": (4, 2, 2, "422"), "edges too": (4, 2, 2, "422"), "last": (1, 1, 1, "111"),
        "no price": (2, 1, None, None), "prospect": none, "only sent back": none,
    }  # fmt: skip
    assert {*scored(days, MARCH, {}).values()} == {none}, "nobody has a score without edges"


@pytest.fixture
def shop(spark, tmp_path):
    """``shop(days)``: edges of a run of a day, and what it noted; in a lake that holds these tiles."""

    def made(days: list[Row], name: str = "lake"):
        lake = Lake(spark, str(tmp_path / name))
        lake.replace(USER_DAYS, lake.frame(USER_DAYS, days), where=None)
        lake.replace(USERS, lake.frame(USERS, consumers(days)), where=None)

        def of_run(as_of: date, shown: Row | None = None):
            notes = list[str]()
            run = Run("features", datetime(2025, 3, 1, tzinfo=UTC), as_of, f"run {as_of}",
                      versions_read=dict(lake.written), tell=lambda _, said: notes.append(said))  # fmt: skip
            people, first = People(lake, run, PARAMS), min(row["event_date"] for row in days)
            rows = ordinary.score_edges(lake, Group([run]), PARAMS, people, {as_of: shown}, first, {})
            assert {row["run_id"] for row in rows} <= {run.key}
            return {row["measure"]: (row["as_of"], row["edges"]) for row in rows}, notes, rows

        return lake, of_run

    return made


def _some(count: int, before: date, seed: int) -> list[Row]:
    rng = random.Random(seed)
    return [bought(f"u{n % 40}", before - timedelta(days=1 + rng.randrange(200)), rng.randrange(1, 99))
            for n in range(count)]  # fmt: skip


def _merged(days: list[Row]) -> list[Row]:
    """One tile per user and day."""
    return [*{(row["user_id"], row["event_date"]): row for row in days}.values()]


@pytest.mark.long
def test_all_days_of_a_month_have_the_edges_of_its_first(shop, scored):
    """In whatever order they come, and whatever is bought within the month."""
    past = _merged(_some(120, MARCH, seed=1))
    meanwhile = [bought(f"new {n}", MARCH + timedelta(days=n % 9), 500, orders=9) for n in range(60)]
    _, plain = shop(past, "past")
    _, of_run = shop([*past, *meanwhile])
    wanted, _, _ = plain(MARCH)

    assert {*wanted} == {*SCORED}
    assert {day for day, _ in wanted.values()} == {MARCH}
    for ago in (0, 9, 30):
        found, said, _ = of_run(MARCH + timedelta(days=ago))
        assert (found, said) == (wanted, [])
    assert of_run(date(2025, 4, 1))[0] != wanted, "the next month has edges of its own"

    # Who does nothing keeps frequency and money, whatever the others did.
    held = {name: values for name, (_, values) in wanted.items()}
    tenth = date(2025, 3, 10)
    before, after = scored(past, tenth, held), scored([*past, *meanwhile], tenth, held)
    assert before == {user: after[user] for user in before}


@pytest.mark.long
def test_edges_of_the_release_that_is_shown_stay_when_the_past_changes(shop):
    past = _merged(_some(120, MARCH, seed=2))
    lake, of_run = shop(past)
    third, tenth, april = MARCH + timedelta(days=2), MARCH + timedelta(days=9), date(2025, 4, 1)
    first, _, rows = of_run(third)
    lake.record(LIMITS, rows)
    late = [*past, *(bought(f"u{n}", MARCH - timedelta(days=3), 900, orders=7) for n in range(40))]
    lake.replace(USER_DAYS, lake.frame(USER_DAYS, late), where=None)
    shown = {"run_id": f"run {third}", "as_of": third}

    assert of_run(tenth, shown)[0] == first
    assert of_run(tenth)[0] != first, "without it, what came late counts"
    assert {day for day, _ in of_run(april, shown)[0].values()} == {april}
    older = {"run_id": "made before there were edges", "as_of": third}
    assert of_run(tenth, older)[0] == of_run(tenth)[0]


def test_where_nobody_had_bought_the_runs_own_day_counts_and_that_is_said(shop):
    tenth = MARCH + timedelta(days=9)
    _, of_run = shop([bought(f"u{n}", MARCH + timedelta(days=n), n) for n in range(1, 6)])
    found, notes, _ = of_run(tenth)

    assert {day for day, _ in found.values()} == {tenth}
    assert len(notes) == 1
    assert str(MARCH) in notes[0]
    assert of_run(MARCH)[0] == {}
