"""The README's ten questions on a lake of a few rows, with a second entry of everything, whose answers are evident."""

import csv
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from shoal import releases
from shoal.lake import Lake
from shoal.tables import (
    BOUGHT_TOGETHER,
    GOLD_USERS,
    ITEMS,
    METRICS,
    PROPENSITIES,
    RECOMMENDATIONS,
    SEGMENT_PROFILES,
    USER_FEATURES,
    USERS,
)
from shoal.tools import query_lake

README = Path(__file__).parents[1] / "README.md"
QUESTIONS = dict(enumerate(re.findall(r"```sql\n(.*?)```", README.read_text(), flags=re.DOTALL), start=1))
DAY, OLD = date(2025, 6, 1), date(2025, 5, 1)
NOW = datetime(2025, 6, 1, 4, tzinfo=UTC)
BEFORE, SHOWN, ARCHIVED = "before", "shown", "archived"  # the second brought a late file of the first one's day
STAYED, MOVED, HELD, LOOKED, SEARCHED, HELD_LOOKER, OBJECTED = "ada", "bob", "cyd", "dee", "eve", "fay", "gus"
SEGMENT = {STAYED: 1, MOVED: 2, HELD: 1, OBJECTED: 2}
NET = {STAYED: 100, MOVED: 20, HELD: 70, OBJECTED: 10}
SCORE = {STAYED: 5, MOVED: 3, HELD: 5, OBJECTED: 3}
CHANCE = {STAYED: 0.9, MOVED: 0.8, HELD: 0.95, LOOKED: 0.2, SEARCHED: 0.1, HELD_LOOKER: 0.3, OBJECTED: 0.5}


def user(run_id, user_id, **more):
    net, segment = NET.get(user_id), SEGMENT.get(user_id)
    return {
        "run_id": run_id, "user_id": user_id, "as_of": DAY, "segment_id": segment,
        "segment_name": segment and f"segment {segment}", "segment_since": segment and DAY, "probability": {},
        "recency_days": net, "frequency": 2 if net else 0, "recency_score": 2 if net else None,
        "monetary_score": SCORE.get(user_id), "net_spend": net and Decimal(net),
        "hold_out": user_id in (HELD, HELD_LOOKER), **more,
    }  # fmt: skip


def scored(run_id, user_id, target, probability, decile, source="logistic_regression"):
    return {"run_id": run_id, "target": target, "user_id": user_id, "probability": probability, "decile": decile,
            "drivers": [], "source": source}  # fmt: skip


def propensities(source="logistic_regression"):
    """Who is likeliest to buy within 90 days is not who is within 30."""
    for user_id, chance in CHANCE.items():
        first = user_id in (STAYED, MOVED, HELD)
        yield scored(SHOWN, user_id, "buys_30d", chance, 1 if first else 5, source)
        yield scored(SHOWN, user_id, "buys_90d", 1 - chance, 5 if first else 1)
    yield scored(BEFORE, OBJECTED, "buys_30d", 0.99, 1)


def offer(run_id, name, user_id, rank, item_id):
    return {"run_id": run_id, "list_name": name, "user_id": user_id, "rank": rank, "item_id": item_id, "score": 1.0,
            "source": "als", "reason": "taste"}  # fmt: skip


def together(run_id, item_id, rank, other, low):
    return {"run_id": run_id, "item_id": item_id, "rank": rank, "other_item_id": other, "lift_low": low,
            "reason": f"with {item_id}"}  # fmt: skip


def profile(run_id, segmentation, rank, users):
    return {"run_id": run_id, "segmentation": segmentation, "segment_id": rank, "segment_rank": rank,
            "segment_name": f"segment {rank}", "users": users, "user_share": users / 4, "net_spend": Decimal(users),
            "marks": "marked", "source": "kmeans"}  # fmt: skip


def feature(run_id, user_id, viewed):
    return {"run_id": run_id, "user_id": user_id, "distinct_items_viewed": viewed}


def metric(run_id, name):
    return {"run_id": run_id, "stage": "propensity", "entry": "buys_30d", "model": "recency", "metric": name,
            "value": 0.5, "note": "noted"}  # fmt: skip


def item(item_id, title, valid_to=None):
    since = NOW if valid_to is None else datetime(2025, 1, 1, tzinfo=UTC)
    return {"item_id": item_id, "title": title, "valid_from": since, "valid_to": valid_to}


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    lake = Lake(spark, str(tmp_path_factory.mktemp("questions") / "lake"))
    objects = {"consents": {"marketing/email": {"given": False, "since": NOW}}, "account_kind": "consumer"}
    rows = {
        GOLD_USERS: [
            *(user(SHOWN, user_id) for user_id in CHANCE),
            *(user(BEFORE, user_id, **({"segment_id": 1, "segment_name": "segment 1"} if user_id == MOVED else {}))
              for user_id in CHANCE),
            *(user(ARCHIVED, user_id, segment_id=9, segment_name="segment 9") for user_id in CHANCE),
        ],
        PROPENSITIES: [*propensities()],
        RECOMMENDATIONS: [
            offer(SHOWN, "win_back", "aaa", 1, "i9"),
            *(offer(SHOWN, name, user_id, rank, item_id) for name, user_id, items in [
                ("for_you", STAYED, ("i2", "i1")), ("for_you", MOVED, ("i1", "i3")), ("win_back", STAYED, ("i9", "i3")),
                ("win_back", MOVED, ("i9", "i3")),
            ] for rank, item_id in enumerate(items, start=1)),
            offer(BEFORE, "for_you", STAYED, 1, "i9"),
        ],
        BOUGHT_TOGETHER: [
            together(SHOWN, "i1", 1, "i2", 5.0), together(SHOWN, "i1", 2, "i9", 2.5),
            together(SHOWN, "i2", 1, "i1", 5.0), together(SHOWN, "i2", 2, "i9", 3.5),
            together(SHOWN, "i2", 3, "i3", 2.0), together(SHOWN, "i9", 1, "i7", 4.0),
            together(BEFORE, "i1", 1, "i3", 9.0),
        ],
        SEGMENT_PROFILES: [profile(SHOWN, "default", 2, 2), profile(SHOWN, "default", 1, 2),
                           profile(SHOWN, "by_value", 1, 4), profile(BEFORE, "default", 1, 4)],
        USER_FEATURES: [feature(run_id, user_id, 0 if user_id == SEARCHED else 2 if run_id == SHOWN else 1)
                        for run_id in (SHOWN, BEFORE) for user_id in CHANCE],
        METRICS: [metric(SHOWN, "auc"), metric(BEFORE, "lift@decile1")],
        ITEMS: [item("i1", "Old name", valid_to=NOW), item("i1", "New name"), item("i2", "Two"), item("i9", "Nine")],
        USERS: [{"user_id": OBJECTED, **objects}, {"user_id": STAYED, "account_kind": "consumer"}],
    }  # fmt: skip
    for table, some in rows.items():
        needed = {column.name: _any(column) for column in table.columns if column.required}
        lake.replace(table, lake.frame(table, [needed | row for row in some]), where=None)
    for run_id, day in [(BEFORE, DAY), (SHOWN, DAY), (ARCHIVED, OLD)]:
        releases.release(lake, run_id, day, now=NOW, fallbacks=[], max_retries=0)
    return lake


def _any(column):
    """A value that a required column may have, for columns that no question is about."""
    kind = column.type.simpleString()
    return {"string": (column.allowed or ["some"])[0], "date": DAY, "timestamp": NOW, "boolean": True,
            "array<string>": []}.get(kind, 1)  # fmt: skip


def answer(lake, number):
    return [tuple(row) for row in csv.reader(query_lake(lake, QUESTIONS[number].strip(), "csv"))][1:]


EVIDENT = {
    1: [("segment 1", "2", "0.5", "2.000000", "marked"), ("segment 2", "2", "0.5", "2.000000", "marked")],
    2: [(STAYED, "0.9"), (MOVED, "0.8")],
    3: [(STAYED, "segment 1"), (MOVED, "segment 2")],
    4: [(STAYED, "100", "100.000000")],
    5: [("1", "i2", "als", "taste"), ("2", "i1", "als", "taste")],
    6: [("i9", "Nine", "3.5", "with i2"), ("i3", "", "2.0", "with i2")],
    7: [(MOVED, "segment 1", "segment 2")],
    8: [(LOOKED, "0.2")],
    9: [("5", "2", "170.000000"), ("3", "2", "30.000000")],
    10: [("buys_30d", "auc", "recency", "0.5", "noted")],
}


@pytest.mark.parametrize("number", EVIDENT)
def test_a_question_is_answered_as_is_evident(lake, number):
    found = answer(lake, number)

    assert (sorted(found) if number in (3, 7) else found) == EVIDENT[number]


def test_every_question_is_asked():
    assert {*QUESTIONS} == {*EVIDENT}


def test_nobody_is_likely_where_the_base_rate_stood_in(lake):
    rows = [{**row, "drivers": []} for row in propensities("base_rate")]
    held = lake.read(PROPENSITIES).collect()
    lake.replace(PROPENSITIES, lake.frame(PROPENSITIES, rows), where=None)
    try:
        assert answer(lake, 2) == []
        assert answer(lake, 8) == [(LOOKED, "0.2")], "who has looked is known all the same"
    finally:
        lake.replace(PROPENSITIES, lake.frame(PROPENSITIES, [row.asDict(recursive=True) for row in held]), where=None)
