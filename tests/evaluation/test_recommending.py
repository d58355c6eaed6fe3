"""Whole evaluations of a shop with two tastes: what must come out, what must not matter, and the narrowest tables."""

import csv
import json
import random
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import log2
from pathlib import Path
from typing import Any, ClassVar

import pytest
from recommenders import Popular, Taste

from shoal.errors import DataError
from shoal.evaluation.recommending import evaluate
from shoal.evaluation.report import write
from shoal.evaluation.request import Request, parsed_split
from shoal.models.recommend.als import Als
from shoal.models.recommend.blend import Blend
from shoal.models.recommend.content import Content

ROOT = Path(__file__).parents[2]
START = datetime(2024, 1, 1, tzinfo=UTC)
KNOWN = {"popularity": Popular(), "taste": Taste()}
ODD = "a,b \"c\" 'd' `e` ü \U0001f41f %2F"  # added to every id of one user and one item


@pytest.fixture
def run(spark, tmp_path):
    """``run(rows, split="time:0.8")``: the report's JSON, and what was told."""
    said = []

    def build(rows, known=KNOWN, name="rows.csv", columns=("user", "item", "event", "time"), **given):
        path = table(tmp_path / name, columns, rows)
        split = given.pop("split", None)
        plain = {
            "interactions": path, "columns": {role: role for role in columns}, "models": ("taste",), "k": (3,),
            "seed": 5, "split": None if split is None else parsed_split(split), "resamples": 50,
        }  # fmt: skip
        report = evaluate(spark, Request(**{**plain, **given}), known, said.append)
        write(report, tmp_path / "metrics.json")
        build.said, build.report = said, report
        return json.loads((tmp_path / "metrics.json").read_text())

    return build


def table(path, columns, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return str(path)


def shop(users=24, items=16):
    """Even users like even items: they look at six of eight, buy four of them, and at last buy a seventh."""
    rows = []
    for u in range(users):
        mine = [i for i in range(items) if i % 2 == u % 2]
        order = mine[u // 2 % 8 :] + mine[: u // 2 % 8]
        acts = [("view", i) for i in order[:6]] + [("buy", i) for i in order[:4]] + [("buy", order[6])]
        name = f"u{u:02}{ODD if u == 3 else ''}"
        for n, (event, item) in enumerate(acts):
            at = START + timedelta(hours=n, minutes=u)
            rows.append((name, f"i{item:02}{ODD if item == 3 else ''}", event, at.isoformat()))
    return rows


def test_content_finds_what_is_like_what_a_user_likes(run, tmp_path):
    """The table of items says of each twice what it is, and once something else: what most rows say counts."""
    names = sorted({row[1] for row in shop()})
    kind = {name: f"{'even' if n % 2 == 0 else 'odd'} thing" for n, name in enumerate(names)}
    rows = [(name, said, 5) for name in names for said in (kind[name], kind[name], "a mistake")]
    told = {"items": table(tmp_path / "items.csv", ("sku", "name", "cost"), rows),
            "item_columns": {"item": "sku", "title": "name", "price": "cost"}}  # fmt: skip
    known = {"popularity": Popular(), "content": Content()}
    found = run(shop(), known=known, split="leave-last-out", k=(2,), models=("content",), **told)

    assert found["content"]["recall@2"]["mean"] == 1.0
    assert found["content"]["ndcg@2"]["mean"] > found["popularity"]["ndcg@2"]["mean"]
    assert "catalogue" not in found["parameters"]["content"]["model"]


def test_a_table_of_items_that_names_none_is_refused(run, tmp_path):
    told = {"items": table(tmp_path / "items.csv", ("sku", "name"), [("", "mug")]),
            "item_columns": {"item": "sku", "title": "name"}}  # fmt: skip
    with pytest.raises(DataError, match=r"no row of column sku names an item"):
        run(shop(), split="leave-last-out", **told)


def test_the_planted_taste_is_found(run):
    """Two items of each user's taste are left: the list of two within it holds the next; popularity knows no taste."""
    found = run(shop(), split="leave-last-out", k=(2, 8))

    assert found["taste"]["recall@2"]["mean"] == found["taste"]["hr@8"]["mean"] == 1.0
    assert found["taste"]["ndcg@2"]["mean"] > found["popularity"]["ndcg@2"]["mean"]
    difference = found["differences"]["models"]["taste"]["ndcg@2"]
    gap = found["taste"]["ndcg@2"]["mean"] - found["popularity"]["ndcg@2"]["mean"]
    assert difference["mean"] == pytest.approx(gap, abs=1e-8)
    assert difference["low"] > 0
    assert run.report.best() == "taste"
    assert found["split"]["users"] == {"all": 24, "warm": 24, "cold": 0}
    assert found["split"]["train_rows"] == 24 * 10
    assert found["split"]["relevant_pairs"] == found["split"]["test_rows"] == 24
    assert found["taste"]["coverage@2"]["mean"] == 1.0
    assert found["taste"]["coverage@2"]["low"] is None  # one figure of all lists has no interval by users
    assert "cold" not in found["groups"]
    assert "only buy counts when held out; --relevant names other event types" in run.said
    # Only what is not in train can be named: of eight items of a taste two, and eight of the other.
    assert found["filled_by_popularity"]["taste"] == pytest.approx(6 / 8)


@pytest.mark.long
def test_order_partitions_and_duplicates_change_nothing(run):
    rows = shop()
    other = [*rows, *rows[::3]]
    random.Random(1).shuffle(other)

    one = run(rows, split="within-user:0.7", tune=2)
    again = run(other, split="within-user:0.7", tune=2)
    assert (one["split"].pop("identical_rows"), again["split"].pop("identical_rows")) == (0, len(rows) // 3)
    assert [*one.pop("notes"), "88 of 352 rows are the same as another in all columns, and count once with it"] == (
        again.pop("notes")
    )
    assert _rounded(one) == _rounded(again)
    assert one["tuning"]


def _rounded(value):
    """With nine digits of which the last may differ."""
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return round(value, 7) if isinstance(value, float) else value


@pytest.mark.long
def test_tuning_chooses_on_train_what_is_right(run):
    """Upside down the model is wrong everywhere; the held-out rows are never asked."""
    known = {"popularity": Popular(), "taste": Taste(sign=-1)}
    found = run(shop(), known, split="leave-last-out", tune=6, k=(2,))

    assert found["parameters"]["taste"]["model"]["sign"] == 1
    assert found["taste"]["recall@2"]["mean"] == 1.0
    of_taste = [tried for tried in found["tuning"] if tried["model"] == "taste"]
    assert of_taste[0]["configuration"] == {}  # the defaults are among them
    assert 2 <= len(of_taste) <= 6
    best = max(of_taste, key=lambda tried: tried["ndcg@2"])
    assert best["configuration"]["model.sign"] == 1
    assert found["split"]["inner"] == "leave-last-out"
    assert {"weights.view", "weights.buy"} <= {*best["configuration"]}


@pytest.mark.long
def test_other_held_out_rows_choose_the_same_parameters(run, tmp_path):
    """The same train with two test files: what was chosen, and its trace, are the same."""
    rows = shop()
    one = table(tmp_path / "one.csv", ("user", "item"), [(r[0], "i15") for r in rows if r[0] < "u08"])
    other = table(tmp_path / "other.csv", ("user", "item"), [(r[0], "i00") for r in rows[::7]])
    first = run(rows, test=one, tune=4)
    second = run(rows, test=other, tune=4)

    assert first["tuning"] == second["tuning"]
    assert first["parameters"] == second["parameters"]
    assert first["taste"] != second["taste"]


@pytest.mark.long
def test_users_that_train_does_not_know_are_told_apart(run, tmp_path):
    """Two users of the test file are new: they get what is popular."""
    rows = [("a", "x", "buy", "5"), ("b", "x", "buy", "5"), ("b", "y", "buy", "5"), ("c", "z", "buy", "5")]
    test = table(tmp_path / "test.csv", ("user", "item"),
                 [("a", "y"), ("new", "x"), ("newer", "unknown"), ("b", "y")])  # fmt: skip
    found = run(rows, test=test, k=(1,))

    assert found["split"]["users"] == {"all": 3, "warm": 1, "cold": 2}
    assert found["split"]["seen_pairs_removed"] == 1  # b has y
    assert found["split"]["relevant_pairs_of_items_not_in_train"] == 1
    assert found["groups"]["cold"]["taste"]["hr@1"]["mean"] == 0.5  # x is what most have
    assert found["groups"]["warm"]["taste"]["hr@1"]["mean"] == 1.0
    assert found["taste"]["hr@1"]["mean"] == pytest.approx(2 / 3)


@pytest.mark.long
def test_pairs_of_train_count_where_asked(run, tmp_path):
    """The test holds what a already has: removed, nobody is left; kept, it stands first."""
    rows = [("a", "x", "buy", "5"), ("a", "y", "view", "5"), ("b", "x", "buy", "6")]
    test = table(tmp_path / "test.csv", ("user", "item"), [("a", "x")])

    with pytest.raises(DataError, match=r"no test user is left: 1 rows were held out, 1 pairs .* --keep-seen"):
        run(rows, test=test)
    found = run(rows, test=test, keeps_seen=True)
    assert found["popularity"]["mrr@3"]["mean"] == 1.0
    assert found["split"]["seen_pairs_removed"] == 0


@pytest.mark.long
def test_among_sampled_candidates(run, tmp_path):
    """Of x, y and z everybody else has x, then y; among z and the wanted y, y stands first."""
    rows = [(user, item, "buy", "5") for user, items in
            {"p": "xyz", "q": "xy", "r": "xw", "u": "w"}.items() for item in items]  # fmt: skip
    test = table(tmp_path / "test.csv", ("user", "item"), [("u", "y")])
    sampled = table(tmp_path / "negatives.csv", ("user", "item"), [("u", "z")])
    whole, among = run(rows, test=test), run(rows, test=test, negatives=sampled)

    assert whole["popularity"]["ndcg@3"]["mean"] == pytest.approx(1 / log2(3))
    assert among["popularity"]["ndcg@3"]["mean"] == 1.0
    assert any("not comparable with rankings of all items" in said for said in run.report.sentences())
    nobody = table(tmp_path / "nobody.csv", ("user", "item"), [("p", "z")])
    with pytest.raises(DataError, match="has no candidates for 1 of 1 test users"):
        run(rows, test=test, negatives=nobody)


@pytest.mark.long
@pytest.mark.parametrize(
    ("rows", "hit"),
    [
        ([("u", "a"), ("u", "b")], 0),  # one user: what is left out is the only thing not known
        ([("u", "a"), ("v", "a"), ("u", "b"), ("v", "b")], None),
    ],
)
def test_the_narrowest_tables(run, rows, hit):
    found = run(rows, columns=("user", "item"), split="leave-one-out", k=(10,))

    assert found["taste"]["hr@10"]["mean"] in ({hit} if hit is not None else {0, 0.5, 1})
    assert found["split"]["train_rows"] == len(rows) - found["split"]["test_rows"]
    assert any("hold fewer than 10 items, all that are left to name" in note for note in found["notes"])


def test_one_item_leaves_nothing_to_measure(run):
    with pytest.raises(DataError, match=r"no test user is left"):
        run([("u", "a"), ("v", "a"), ("w", "a")], columns=("user", "item"), split="leave-one-out")


@pytest.mark.long
def test_equal_weights_are_no_weights(run):
    rows = shop()
    even = run(rows, split="leave-last-out", weights={"view": 2.0, "buy": 2.0})
    none = run(rows, split="leave-last-out")

    assert even["taste"] == none["taste"]
    with pytest.raises(DataError, match="an event type without a weight in column event"):
        run(rows, split="leave-last-out", weights={"view": 2.0})


@pytest.mark.long
def test_a_model_that_learns_nothing_is_told_and_filled(run):
    known = {"popularity": Popular(), "taste": Taste(least=10_000)}
    found = run(shop(), known, split="leave-last-out")

    assert found["taste"] == found["popularity"]
    assert found["filled_by_popularity"] == {"taste": 1.0, "popularity": 0.0}
    assert "taste was not fitted, it finds nothing to learn from: popularity stands in" in found["notes"]
    assert run.report.best() is None


def test_an_unknown_event_that_shall_count_is_refused(run):
    with pytest.raises(DataError, match="no row has the event type 'buys'; did you mean buy"):
        run(shop(), split="leave-last-out", relevant=("buys",))


@pytest.mark.long
def test_a_blend_is_made_of_the_others_and_lets_go_of_what_is_wrong(run):
    """Upside down and untunable, the taste is worth nothing beside ALS, which finds it."""
    known = {**KNOWN, "taste": Stubborn(), "als": Als(rank=4, max_iter=4), "blend": Blend()}
    found = run(shop(), known, split="leave-last-out", models=("als", "taste", "blend"), tune=1, k=(2,))

    members = found["parameters"]["blend"]["model"]
    weights = dict(zip((each["name"] for each in members["models"]), members["weights"], strict=True))
    assert {*weights} <= {"als", "taste", "popularity"}
    assert weights["als"] > 0.5
    weighed = [tried for tried in found["tuning"] if tried["model"] == "blend"]
    best = max(tried["ndcg@2"] for tried in weighed)
    alone = [t["ndcg@2"] for t in weighed if sorted(t["configuration"]["weights"].values()) == [0.0, 0.0, 1.0]]
    assert len(alone) >= 3
    assert best >= max(alone)


class Stubborn(Taste):
    """Upside down, and not to be tuned."""

    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def __init__(self) -> None:
        super().__init__(sign=-1)


@pytest.mark.long
def test_the_example_of_the_docs(tmp_path):
    """Its command, on a shop with two tastes, in a process of its own."""
    page = (ROOT / "docs" / "evaluation.md").read_text()
    command = page.split("```")[1].replace("\\\n", " ").split()
    table(tmp_path / "acts.csv", ("user_id", "item_id", "event_type", "event_time"), shop())

    ran = subprocess.run(
        [sys.executable, "-m", "shoal.cli", *command[1:]], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads((tmp_path / "metrics.json").read_text())
    figures, models = set(re.findall(r"`(\w+)@k`", page)), {"als", "item_knn", "popularity"}
    assert all({*found[model]} == {f"{name}@10" for name in figures} for model in models)
    documented = set(re.findall(r"`(\w+)`", page.split("| key | what |")[1]))
    assert {"differences", "split", "parameters", "tuning", "notes"} <= {*found} - models <= documented
    assert found["als"]["ndcg@10"]["low"] <= found["als"]["ndcg@10"]["mean"] <= found["als"]["ndcg@10"]["high"]
    assert "Lists of 10 for 24 users (0 not in train)" in ran.stdout

    (tmp_path / "acts.csv").write_text("user_id,item_id,event_type,event_time\na,,view,yesterday\n")
    ran = subprocess.run(
        [sys.executable, "-m", "shoal.cli", *command[1:]], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 3
    assert "1 of 1 rows have no item in column item_id" in ran.stderr
    assert "a time that is none in column event_time" in ran.stderr
