"""The strongest version of an event stands, in whatever order versions come, and every row is accounted for."""

import random
from datetime import UTC, date, datetime, timedelta
from itertools import permutations, zip_longest
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, LongType, StringType

from shoal.frames import rows_of
from shoal.tables import EVENT_VERSIONS, EVENTS, REJECTED_EVENTS, Column, Table
from shoal.tables.table import text
from shoal.transforms import contest
from shoal.transforms.contest import CHANGES, IS_NEWER, JUDGED, Contest, book, outcome, plan_contest, planned
from shoal.transforms.contest import told as counted
from shoal.transforms.known import events_as_known

Row = dict[str, Any]

CANDIDATES = Table(
    name="bronze.candidates",
    doc="One row per candidate event, as validate hands it to the contest.",
    key=("source_file", "position"),
    columns=(
        *EVENTS.columns,
        Column("reasons", ArrayType(StringType()), "name of every rule that the row broke"),
        text("raw", "the row as it came"),
        text("source_file", "file it came in"),
        Column("position", LongType(), "its line"),
    ),
)


def at(day: int) -> datetime:
    return datetime(2021, 6, day, 12, tzinfo=UTC)


def version(
    event: str, content: str, updated: int | None = None, delivered: int = 1, *, day: int = 1, **values: Any
) -> Row:
    """What is said of an event; days are those of June 2021."""
    return {
        "event_id": event, "content_hash": content, "event_type": "view", "item_id": "mug", "event_time": at(day),
        "event_date": date(2021, 6, day), "updated_at": updated and at(updated), "delivered_at": at(delivered),
        "is_deleted": False, "source": "shop", "batch_id": "b", "reasons": [], "source_file": "f", **values,
    }  # fmt: skip


def bad(event: str, content: str, updated: int | None = None, delivered: int = 1, **values: Any) -> Row:
    return version(event, content, updated, delivered, **{"reasons": ["it is bad"], "raw": "{}", **values})


# Of each claim three versions, from the weakest to the strongest: content, updated, delivered.
CLAIMS: dict[str, list[tuple[str, int | None, int]]] = {
    "changed later": [("c", 1, 3), ("b", 2, 2), ("a", 3, 1)],
    "changed at a known time": [("c", None, 8), ("b", None, 9), ("a", 1, 1)],
    "delivered later": [("c", 1, 1), ("b", 1, 2), ("a", 1, 3)],
    "greater hash": [("a", 1, 1), ("b", 1, 1), ("c", 1, 1)],
}
ORDERS = {f"{claim}, {order}": (claim, order) for claim in CLAIMS for order in permutations(range(3))}

_FIRST = {"content": "first", "updated": 1, "day": 1}
_SECOND = {"content": "second", "updated": 2, "day": 5, "previous_event_time": at(1)}
_THIRD = {"content": "third", "updated": 3, "day": 9, "previous_event_time": at(5)}
MOVES = {
    "moved twice": (_FIRST, _SECOND, _THIRD),
    "moved twice, backwards": (_THIRD, _SECOND, _FIRST),
    "moved twice, the middle last": (_FIRST, _THIRD, _SECOND),
    "moved and back again": (_FIRST, _SECOND, {**_THIRD, "day": 1}),
}

# What is said of each event, one batch after the other.
STORIES: dict[str, list[Row]] = {
    **{event: [version(event, *CLAIMS[claim][n]) for n in order] for event, (claim, order) in ORDERS.items()},
    **{event: [version(event, **said) for said in moves] for event, moves in MOVES.items()},
    "deleted": [version("deleted", "bought", 1), version("deleted", "gone", 2, is_deleted=True)],
    "deleted before it came": [
        version("deleted before it came", "gone", 2, is_deleted=True),
        version("deleted before it came", "bought", 1),
    ],
    "said again": [
        version("said again", "yes", delivered=1),
        version("said again", "yes", delivered=3),
        version("said again", "no", delivered=2),
    ],
    # Stronger in every respect, and on another day.
    "good, then bad": [
        version("good, then bad", "good", 1),
        bad("good, then bad", "wrong", 9, 9, day=8),
        bad("good, then bad", "wrong", 9, 9, day=8),
    ],
    "bad, then good": [bad("bad, then good", "wrong", 9, 9, day=8), version("bad, then good", "good", 1)],
}


def local(rows: DataFrame) -> DataFrame:
    """The rows themselves in place of the plan that makes them: what reads them need not plan that again."""
    return rows.sparkSession.createDataFrame(rows.toArrow())


def written(events: DataFrame, result: Contest) -> DataFrame:
    """silver.events after the merge that validate makes of an outcome."""
    gone = result.moved.withColumn("is_gone", F.lit(True))
    arriving = result.upserts.withColumn("is_gone", F.lit(False)).unionByName(gone)
    same = F.expr("t.event_id = s.event_id AND t.event_date = s.event_date")
    met = events.alias("t").join(arriving.alias("s"), on=same, how="full_outer")
    ours, theirs = (F.struct(*(f"{side}.{name}" for name in EVENTS.names)) for side in "ts")
    left = F.when(F.expr(f"t.event_id IS NULL OR {IS_NEWER}"), theirs).otherwise(ours)
    return met.where("NOT coalesce(s.is_gone, false)").select(left.alias("row")).select("row.*")


class Silver:
    """The tables that a contest is about, in memory."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self.events, self.versions, self.rejected = (
            self.frame(table, []) for table in (EVENTS, EVENT_VERSIONS, REJECTED_EVENTS)
        )
        self.changes: list[set[tuple[str, int]]] = []  # per batch: events and the days on which they changed

    def frame(self, table: Table, rows: list[Row]) -> DataFrame:
        return rows_of(self.spark, table, rows)

    @property
    def lake(self) -> tuple[DataFrame, DataFrame, DataFrame]:
        return self.events, self.versions, self.rejected

    def candidates(self, rows: list[Row]) -> DataFrame:
        return local(self.frame(CANDIDATES, [{**row, "position": n} for n, row in enumerate(rows)]))

    def deliver(self, rows: list[Row]) -> tuple[int, int, int]:
        """One batch; returns how many rows were accepted, rejected and duplicates."""
        plan = local(plan_contest(self.candidates(rows), *self.lake))
        result, counts = outcome(plan), book(counted(plan))
        self.changes.append({(row.event_id, row.event_date.day) for row in plan.where(CHANGES).collect()})
        self.judged = contents(plan.where(JUDGED))
        self.events = local(written(self.events, result))
        self.versions = local(self.versions.unionByName(result.replaced))
        self.rejected = local(self.rejected.unionByName(result.rejected))
        return counts["rows_accepted"], counts["rows_rejected"], counts["rows_duplicate"]

    @property
    def standing(self) -> dict[str, tuple[str, int]]:
        """The content and day of each event, which has one row, whatever its day."""
        rows = self.events.collect()
        found = {row.event_id: (row.content_hash, row.event_date.day) for row in rows}
        assert len(found) == len(rows), "an event stands twice"
        return found


def contents(rows: DataFrame) -> list[tuple[str, str]]:
    return sorted((row.event_id, row.content_hash) for row in rows.collect())


def texts(rows: DataFrame) -> list[str]:
    return sorted(map(str, rows.collect()))


@pytest.fixture(scope="module")
def told(spark):
    """After the stories, a batch for each of their rows."""
    silver = Silver(spark)
    for batch in zip_longest(*STORIES.values()):
        silver.deliver([row for row in batch if row])
    return silver


@pytest.fixture(scope="module")
def told_at_once(spark):
    """After the stories, all in one batch."""
    silver = Silver(spark)
    silver.deliver([row for story in STORIES.values() for row in story])
    return silver


@pytest.fixture(params=["told", "told_at_once"])
def silver(request):
    """However the stories were told."""
    return request.getfixturevalue(request.param)


def test_the_greatest_claim_stands_whatever_the_order_of_arrival(silver):
    strongest = {event: CLAIMS[claim][2][0] for event, (claim, _) in ORDERS.items()}
    weaker = sorted((event, CLAIMS[claim][n][0]) for event, (claim, _) in ORDERS.items() for n in (0, 1))

    assert {event: content for event, (content, _) in silver.standing.items() if event in ORDERS} == strongest
    assert [(event, content) for event, content in contents(silver.versions) if event in ORDERS] == weaker


def test_a_deletion_is_a_version_that_wins(silver):
    deleted = {row.event_id for row in silver.events.where("is_deleted").collect()}

    assert deleted == {"deleted", "deleted before it came"}
    assert {(event, "bought") for event in deleted} <= {*contents(silver.versions)}


def test_a_correction_that_moves_an_event_leaves_one_row(silver):
    assert {event: silver.standing[event] for event in MOVES} == {
        "moved twice": ("third", 9),
        "moved twice, backwards": ("third", 9),
        "moved twice, the middle last": ("third", 9),
        "moved and back again": ("third", 1),
    }
    assert {(event, content) for event in MOVES for content in ("first", "second")} <= {*contents(silver.versions)}


def test_a_move_changes_the_day_that_the_event_leaves_and_the_one_it_comes_to(told):
    changes = {event: [{day for e, day in batch if e == event} for batch in told.changes] for event in MOVES}

    assert changes == {
        "moved twice": [{1}, {1, 5}, {5, 9}],
        "moved twice, backwards": [{9}, set(), set()],
        "moved twice, the middle last": [{1}, {1, 9}, set()],
        "moved and back again": [{1}, {1, 5}, {5, 1}],
    }


def test_saying_it_again_is_no_change_but_a_stronger_claim(silver):
    assert silver.standing["said again"] == ("yes", 1)
    assert ("said again", "no") in contents(silver.versions)
    assert ("said again", 1) not in set().union(*silver.changes[1:])


def test_a_version_was_known_from_its_delivery_to_that_of_the_stronger_one(told):
    days = told.versions.select("event_id", "content_hash", F.dayofmonth("known_from"), F.dayofmonth("known_to"))
    known = {(event, content): (since, until) for event, content, since, until in days.collect()}

    assert known["delivered later, (0, 1, 2)", "c"] == (1, 2)
    assert known["delivered later, (0, 1, 2)", "b"] == (2, 3)
    assert known["changed later, (2, 1, 0)", "c"] == (3, 3)  # beaten before it came


def test_a_version_was_known_since_its_first_delivery(silver):
    first = silver.events.where("event_id = 'said again'").select(F.dayofmonth("first_delivered_at")).collect()

    assert first == [(1,)]


def test_an_earlier_delivery_that_comes_later_is_no_change_but_was_known_since_then(spark):
    silver = Silver(spark)
    silver.deliver([version("stands", "a", 2, 9), version("lost", "a", 2, 9), version("lost", "b", 1, 8)])
    before = silver.changes[0]
    assert silver.deliver([version("stands", "a", 2, 3), version("lost", "b", 1, 3)]) == (0, 0, 2)
    assert silver.deliver([version("stands", "a", 2, 5), version("lost", "b", 1, 5)]) == (0, 0, 2)

    stands = silver.events.where("event_id = 'stands'").first()
    assert (stands.first_delivered_at.day, stands.delivered_at.day) == (3, 9)
    lost = silver.versions.agg(F.min(F.dayofmonth("known_from"))).first()
    assert (lost[0], silver.changes) == (3, [before, set(), set()])


@pytest.mark.parametrize("seed", range(3))
def test_what_was_known_before_a_day_is_what_a_lake_of_those_deliveries_holds(spark, seed):
    rng, silver = random.Random(seed), Silver(spark)
    rows = random_rows(seed, events=25, most_deliveries=2)
    places = rng.choices(range(3), k=len(rows))
    for batch in range(3):
        silver.deliver([row for row, place in zip(rows, places, strict=True) if place == batch])

    for day in range(1, 6):
        known = events_as_known(
            silver.events, silver.versions, known_as_of=date(2021, 6, day), time_zone="Europe/London"
        ).collect()
        by_then = [row for row in rows if row["delivered_at"] < at(day) - timedelta(hours=13)]  # London is an hour on
        assert len(known) == len({row.event_id for row in known})
        assert {row.event_id: (row.content_hash, row.event_date.day) for row in known} == strongest(by_then), day
    assert strongest(by_then), "there were deliveries to know of"


def test_a_bad_row_never_stands_and_displaces_nothing(silver):
    events = ["bad, then good", "good, then bad"]

    assert [silver.standing[event] for event in events] == [("good", 1)] * 2
    assert not {*events} & {event for event, _ in contents(silver.versions)}
    assert contents(silver.rejected) == [(event, "wrong") for event in events]
    assert {(*row.reasons, row.feed) for row in silver.rejected.collect()} == {("it is bad", "shop")}
    assert (events[0], 8) not in set().union(*silver.changes)


def test_of_what_was_rejected_only_bad_candidates_need_to_know(spark, monkeypatch):
    rows, silver = random_rows(seed=11, events=8), Silver(spark)
    silver.deliver(rows[::2])
    candidates = silver.candidates(rows[1::2])
    marks = {(row["event_id"], row["content_hash"]) for row in rows[1::2] if row["reasons"]} & {
        (row.event_id, row.content_hash) for row in silver.rejected.collect()
    }
    found = texts(plan_contest(candidates, *silver.lake))
    met = contest._repeated(silver.rejected, contest._bad(candidates))
    assert {tuple(row) for row in met.collect()} == marks
    assert 0 < len(marks) < silver.rejected.count()

    monkeypatch.setattr(contest, "_repeated", lambda rejected, _: rejected.select("event_id", "content_hash"))
    assert texts(plan_contest(candidates, *silver.lake)) == found, "as if all of them were there"


def test_where_nothing_is_bad_nothing_that_was_rejected_is_read(spark):
    silver = Silver(spark)
    unreadable = silver.rejected.where("raise_error('it was read') IS NULL")
    candidates = silver.candidates([version("e", "a")])

    with planned(candidates, silver.events, silver.versions, unreadable) as plan:
        assert contents(plan.where("wins")) == [("e", "a")]


def test_what_was_delivered_before_is_a_duplicate(spark):
    old, new, wrong = version("e", "old", 1), version("e", "new", 2), bad("w", "wrong")
    silver = Silver(spark)

    assert silver.deliver([old, old, new, wrong, wrong]) == (2, 1, 2)
    assert silver.deliver([old, {**new, "batch_id": "again"}, {**wrong, "delivered_at": at(2)}]) == (0, 0, 3)
    assert silver.changes == [{("e", 1)}, set()]
    assert [(row.content_hash, row.batch_id) for row in silver.events.collect()] == [("new", "b")]
    assert (contents(silver.versions), contents(silver.rejected)) == ([("e", "old")], [("w", "wrong")])


def test_the_gate_judges_the_best_version_of_each_event_and_every_bad_row_once(told_at_once):
    best = [(event, content) for event, (content, _) in told_at_once.standing.items()]

    assert told_at_once.judged == sorted([*best, *contents(told_at_once.rejected)])


def random_rows(seed: int, events: int = 15, most_deliveries: int = 3) -> list[Row]:
    """Up to four versions of each event, some deleted, moved or bad, each delivered up to three times."""
    rng = random.Random(seed)
    rows = []
    for event in range(events):
        for content in rng.sample("abcd", rng.randint(1, 4)):
            make = rng.choice([version, version, bad])
            updated, day, is_deleted = rng.choice([None, 1, 2]), rng.randint(1, 3), rng.random() < 0.2
            rows += [
                make(f"e{event}", f"{make.__name__} {content}", updated, delivered, day=day, is_deleted=is_deleted)
                for delivered in rng.choices(range(1, 5), k=rng.randint(1, most_deliveries))
            ]
    return rng.sample(rows, len(rows))


def strongest(rows: list[Row]) -> dict[str, tuple[str, int]]:
    """The rule in Python; an unknown time is less than any."""

    def claim(row: Row) -> tuple[Any, ...]:
        known = row["updated_at"] is not None
        return known, row["updated_at"] if known else 0, row["delivered_at"], row["content_hash"]

    good = sorted((row for row in rows if not row["reasons"]), key=claim)
    return {row["event_id"]: (row["content_hash"], row["event_date"].day) for row in good}


def said(rows: list[Row], *, good: bool) -> set[tuple[str, str]]:
    return {(row["event_id"], row["content_hash"]) for row in rows if (row["reasons"] == []) is good}


def test_batches_merged_are_one_batch_and_every_book_balances(spark):
    rows, rng, batches = random_rows(seed=7), random.Random(8), 3
    # Splits of the same rows, each under events of its own, so that they go through the contest side by side.
    splits = {
        "at once": [0] * len(rows),
        "in turn": [n * batches // len(rows) for n in range(len(rows))],
        **{f"split {n}": rng.choices(range(batches), k=len(rows)) for n in range(3)},
    }
    silver, seen = Silver(spark), []
    for batch in range(batches):
        before = silver.standing
        arriving = [
            {**row, "event_id": f"{name}/{row['event_id']}"}
            for name, places in splits.items()
            for row, place in zip(rows, places, strict=True)
            if place == batch
        ]
        counts = silver.deliver(arriving)

        accepted = said(arriving, good=True) - said(seen, good=True)
        rejected = said(arriving, good=False) - said(seen, good=False)
        assert counts == (len(accepted), len(rejected), len(arriving) - len(accepted) - len(rejected))
        differences = {*before.items()} ^ {*silver.standing.items()}
        assert silver.changes[batch] == {(event, day) for event, (_, day) in differences}
        seen += arriving

    assert silver.standing == strongest(seen)
    assert silver.standing == {f"{name}/{event}": row for name in splits for event, row in strongest(rows).items()}
    assert {*contents(silver.events), *contents(silver.versions)} == said(seen, good=True)
    assert contents(silver.rejected) == sorted(said(seen, good=False))
    assert silver.versions.groupBy(*EVENT_VERSIONS.key).count().where("count > 1").isEmpty()


def test_order_partitioning_and_a_second_writing_change_nothing(told):
    news = [[version(event, "newer", n % 4 + 1, day=2), bad(event, "worse")] for n, event in enumerate(STORIES)]
    rows = [row for story in [*STORIES.values(), *news] for row in story]
    result = outcome(local(plan_contest(told.candidates(rows), *told.lake)))
    with planned(told.candidates(rows[::-1]).repartition(5), *told.lake) as plan:
        other = outcome(local(plan))

    for name in ("upserts", "moved", "replaced"):
        assert texts(getattr(other, name)) == texts(getattr(result, name)) != [], name
    assert contents(other.rejected) == contents(result.rejected) != []
    once = local(written(told.events, result))
    assert texts(written(once, result)) == texts(once) != texts(told.events)
