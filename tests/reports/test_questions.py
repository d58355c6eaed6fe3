"""The questions of the README and of docs/features.md on a lake of a few rows, whose answers are evident.

There is a second entry of everything.
"""

import csv
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from shoal.books import releases
from shoal.lake import Lake
from shoal.reports.querying import query_lake
from shoal.tables import (
    BOUGHT_TOGETHER,
    FEATURE_DRIFT,
    GOLD_USERS,
    ITEM_FEATURES,
    ITEMS,
    METRICS,
    PROPENSITIES,
    RECOMMENDATIONS,
    SEGMENT_PROFILES,
    USER_CATEGORIES,
    USER_FEATURES,
    USERS,
)

README = Path(__file__).parents[2] / "README.md"
QUESTIONS = dict(enumerate(re.findall(r"```sql\n(.*?)```", README.read_text(), flags=re.DOTALL), start=1))
FEATURES_PAGE = Path(__file__).parents[2] / "docs" / "features.md"
OF_FEATURES = [
    question
    for question in re.findall(r"```sql\n(.*?)```", FEATURES_PAGE.read_text(), flags=re.DOTALL)
    if "features.current_" in question or "ops.feature_drift" in question
]
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


def liked(run_id, user_id, name, due_on, facet="category"):
    return {"run_id": run_id, "user_id": user_id, "facet": facet, "name": name, "as_of": DAY, "due_on": due_on,
            "interval_days": 30.0, "lines": 4}  # fmt: skip


def of_item(run_id, item_id, popularity, in_catalogue=True):
    return {"run_id": run_id, "item_id": item_id, "title": f"title {item_id}", "popularity": popularity,
            "in_catalogue": in_catalogue, "buyers_30d": 3, "purchases_trend": 1.5, "stock": 7}  # fmt: skip


def moved(run_id, name, state, psi, as_of=DAY):
    return {"run_id": run_id, "as_of": as_of, "feature": name, "state": state, "psi": psi, "users": 9, "mean": 2.5,
            "reference_run_id": BEFORE}  # fmt: skip


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
        USER_CATEGORIES: [
            liked(SHOWN, STAYED, "tea", DAY + timedelta(days=6)), liked(SHOWN, MOVED, "tea", DAY),
            liked(SHOWN, STAYED, "soap", DAY + timedelta(days=7)),
            liked(SHOWN, STAYED, "rice", DAY - timedelta(days=1)),
            liked(SHOWN, STAYED, "salt", None), liked(SHOWN, STAYED, "maker", DAY, "brand"),
            liked(BEFORE, STAYED, "milk", DAY),
        ],
        ITEM_FEATURES: [of_item(SHOWN, "i1", 2.0), of_item(SHOWN, "i2", 5.0), of_item(SHOWN, "i3", 9.0, False),
                        of_item(BEFORE, "i9", 7.0)],
        FEATURE_DRIFT: [
            moved(SHOWN, "net_spend", "drift", 0.4), moved(SHOWN, "frequency", "stable", 0.01),
            moved(SHOWN, "recency_days", "watch", 0.2), moved(SHOWN, "rfm", "drift", 0.7),
            moved(BEFORE, "net_spend", "watch", 0.15, OLD), moved(ARCHIVED, "views", "drift", 0.9),
        ],
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
    if kind.startswith("array"):
        return []
    return {"string": (column.allowed or ["some"])[0], "date": DAY, "timestamp": NOW, "boolean": True}.get(kind, 1)


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


OF_FEATURES_EVIDENT = [
    # Whose purchases are due within the seven days from as_of on, by category.
    [(MOVED, "tea", "2025-06-01", "30.0", "4"), (STAYED, "tea", "2025-06-07", "30.0", "4")],
    [("i2", "title i2", "3", "1.5", "", "", "", "7"), ("i1", "title i1", "3", "1.5", "", "", "", "7")],
    [("rfm", "drift", "0.7", "", "2.5", "", "", BEFORE), ("net_spend", "drift", "0.4", "", "2.5", "", "", BEFORE),
     ("recency_days", "watch", "0.2", "", "2.5", "", "", BEFORE)],
    [("2025-05-01", BEFORE, "9", "2.5", "", "0.15", "watch"), ("2025-06-01", SHOWN, "9", "2.5", "", "0.4", "drift")],
]  # fmt: skip


def test_the_questions_of_the_page_of_features_are_answered_as_is_evident(lake):
    found = [
        [tuple(row) for row in csv.reader(query_lake(lake, question.strip(), "csv"))][1:] for question in OF_FEATURES
    ]

    assert found == OF_FEATURES_EVIDENT


def test_nobody_is_likely_where_the_base_rate_stood_in(lake):
    rows = [{**row, "drivers": []} for row in propensities("base_rate")]
    held = lake.read(PROPENSITIES).collect()
    lake.replace(PROPENSITIES, lake.frame(PROPENSITIES, rows), where=None)
    try:
        assert answer(lake, 2) == []
        assert answer(lake, 8) == [(LOOKED, "0.2")], "who has looked is known all the same"
    finally:
        lake.replace(PROPENSITIES, lake.frame(PROPENSITIES, [row.asDict(recursive=True) for row in held]), where=None)
