"""Which stored model a run goes on from, and which numbers are taken."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from shoal.books import model_store, releases
from shoal.books.model_store import Stored, last_good, model_id, stored_by_now
from shoal.books.runs import Run
from shoal.lake import Lake
from shoal.tables import MODELS


@dataclass(frozen=True)
class Model:
    last_id: int


def run(name: str, previous: int | None = None) -> Run:
    return Run(job="segments", started_at=datetime(2025, 6, 1, tzinfo=UTC), as_of=date(2025, 6, 1), id=name,
               previous_seq=previous)  # fmt: skip


def test_numbers_go_on_from_those_of_every_run_and_a_rerun_finds_its_own(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, str(tmp_path / "lake"))
    assert stored_by_now(lake, run("daily"), "segments", "default", Model, greatest="last_id") == (None, 0)
    stored = {("released", "segments", "default"): 9, ("open", "segments", "default"): 10,  # 10 > 9 > 7
              ("open", "segments", "other"): 30, ("open", "recommend", "default"): 40,
              ("daily", "segments", "default"): 11}  # fmt: skip
    lake.record(MODELS, [
        {"model_id": model_id(*of), "run_id": of[0], "stage": of[1], "entry": of[2], "kind": "kmeans",
         "model": f'{{"last_id": {last}}}'} for of, last in stored.items()
    ])  # fmt: skip

    def known(name: str) -> tuple[Model | None, int]:
        return stored_by_now(lake, run(name), "segments", "default", Model, greatest="last_id")

    assert known("backfill") == (None, 11)
    assert known("daily") == (Model(11), 10), "what it gave itself is not taken"


@pytest.mark.parametrize(("age", "looks"), [(1, 1), (8, 1), (9, 2), (100, 3), (None, 3)])
def test_the_last_model_is_the_newest_of_the_lineage_and_few_are_looked_up(
    monkeypatch: pytest.MonkeyPatch, age: int | None, looks: int
) -> None:
    """Of a hundred releases only the one that is so many back, and those before it, had a model; then none."""
    book = [Row(seq=n, run_id=f"r{n}", as_of=date(2025, 1, 1), kind="release", replaces_seq=n - 1 or None)
            for n in range(1, 101)]  # fmt: skip
    stored = {model_id(f"r{n}", "segments", "default"): Model(n) for n in range(1, 102 - age)} if age else {}
    asked = list[int]()

    def load(_lake: Any, names: Collection[str], _as_type: Any) -> dict[str, Model]:
        asked.append(len(names))
        return {name: stored[name] for name in names if name in stored}

    monkeypatch.setattr(releases, "history", lambda _: book)
    monkeypatch.setattr(model_store, "load_models", load)
    lake: Any = None
    found = last_good(lake, run("now", 100), "segments", "default", Model)

    name = f"r{101 - age}" if age else ""
    assert found == (Stored(f"{name}/segments/default", name, date(2025, 1, 1), Model(101 - age)) if age else None)
    assert len(asked) == looks
    assert asked[0] == 8


@pytest.mark.parametrize(("day", "of"), [(4, "r4"), (3, "r3"), (2, "r1"), (1, "r1"), (0, None)])
def test_an_older_day_that_is_filled_in_knows_no_model_of_a_later_one(
    monkeypatch: pytest.MonkeyPatch, day: int, of: str | None
) -> None:
    """Releases r1 to r5 are of the first to the fifth of June, and the second had no model of its own."""
    book = [Row(seq=n, run_id=f"r{n}", as_of=date(2025, 6, n), kind="release", replaces_seq=n - 1 or None)
            for n in range(1, 6)]  # fmt: skip
    stored = {model_id(f"r{n}", "segments", "default"): Model(n) for n in (1, 3, 4, 5)}
    monkeypatch.setattr(releases, "history", lambda _: book)
    monkeypatch.setattr(
        model_store, "load_models", lambda _lake, names, _type: {n: stored[n] for n in names if n in stored}
    )
    lake: Any = None
    opened = replace(run("now", 5), as_of=date(2025, 5, 31) + timedelta(days=day))
    found = last_good(lake, opened, "segments", "default", Model)

    assert (found and found.run_id) == of
