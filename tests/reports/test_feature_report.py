"""What the report of features says, without a lake."""

import json
from datetime import date

import numpy as np
import pytest

from shoal.features.selecting import Looked
from shoal.features.selection_request import Request
from shoal.kernels.tallies import Sums, value_counts
from shoal.models.selection.codebooks import Values
from shoal.models.selection.examining import Column, books_of, found_of
from shoal.reports.feature_figures import as_json, as_json_text
from shoal.reports.feature_report import as_text

USERS = 1000
NAMES = ["visits", "visits_90d", "noise", "empty", "own.half"]


def looked(labels=("buys",), share=1.0):
    """Visits tell all of the label, are there twice, and differ from noise; a shop's own feature is half unknown."""
    draw = np.random.default_rng(9)
    visits = draw.permutation(USERS).astype(float)
    label = (visits >= USERS / 2).astype(float)
    own = np.where(draw.random(USERS) < 0.5, np.nan, draw.normal(size=USERS))
    features = [visits, visits * 3, draw.normal(size=USERS), np.zeros(USERS), own]
    matrix = np.column_stack([*features, *([label] * len(labels))])
    places, values, users = value_counts(matrix)
    counted = []
    for place in range(matrix.shape[1]):
        own_values, known = places == place, ~np.isnan(values)
        nulls = int(users[own_values & ~known].sum())
        counted.append(Values(values[own_values & known], users[own_values & known], nulls))
    columns = [Column(name, logs=False) for name in NAMES]
    books = books_of(counted, columns)
    sums = Sums.empty(len(columns), len(labels), 12, 2)
    sums.add(matrix, books)
    found = found_of(counted, sums, columns, labels, by="spearman", threshold=0.95)
    request = Request("r1", (30,), None)
    return Looked(found, "r1", date(2025, 4, 1), date(2025, 5, 1), share, request)


def test_people_read_what_says_nothing_what_repeats_and_what_tells_most():
    said = as_text(looked(), top=20)

    assert "5 features of 1,000 users; run r1, as of 2025-04-01, 30 days before it" in said
    assert "Label buys: 1,000 users, entropy 1.0000 bits" in said
    assert "1 feature that says nothing" in said
    assert "always 0" in said
    assert "1 feature that repeats another, in 1 group (|spearman| >= 0.95)" in said
    assert "visits_90d 1.000" in said
    assert "1 feature of 5 is left that says something of a label and repeats no other:\nvisits" in said


def test_a_draw_is_said():
    assert "1,000 users, about 12.5% of all, drawn by a hash of user_id" in as_text(looked(share=0.125), top=20)


def test_tables_are_as_long_as_is_asked_for():
    said = as_text(looked(), top=1)

    assert "2 features that tell of buys more than chance does; the first 1" in said


def test_without_a_label_all_that_repeat_nothing_are_left():
    found = looked(labels=())

    assert as_json(found)["keep"] == ["visits", "noise", "own.half"]
    assert "3 features of 5 are left that say something and repeat no other" in as_text(found, top=20)


def test_machines_read_all_of_it():
    read = json.loads(as_json_text(looked()))

    assert read["keep"] == ["visits"]
    assert read["labels"] == {"buys": {"users": USERS, "entropy_bits": 1.0}}
    (group,) = read["groups"]["groups"]
    (pair,) = group["repeated_by"]
    assert (group["keep"], pair["feature"]) == ("visits", "visits_90d")
    assert [pair["pearson"], pair["spearman"]] == pytest.approx([1, 1], abs=1e-4)
    assert set(read["features"]) == {*NAMES}
    assert read["features"]["empty"]["says_nothing"] == "always 0"
    assert read["features"]["visits_90d"]["repeats"] == "visits"
    assert read["features"]["visits"]["labels"]["buys"]["share_of_entropy"] == pytest.approx(1, abs=0.01)
    assert read["features"]["visits"]["variance"] == pytest.approx((USERS**2 - 1) / 12)  # of 0 ... 999
    assert read["features"]["own.half"]["nulls"] == pytest.approx(USERS / 2, rel=0.1)
    assert read["components"]["features"] == 4
    assert read["components"]["needed"]["0.99"] == 3  # two of the four are one
