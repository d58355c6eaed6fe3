"""What is written for one run, and for several."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from shoal.books import runs as book
from shoal.books.runs import Run
from shoal.errors import RaceError
from shoal.features.group import Group
from shoal.tables import LIMITS


def run(day: int) -> Run:
    return Run("features", datetime(2025, 6, 1, tzinfo=UTC), as_of=date(2025, 5, day), id=f"r{day}")


def written(group: Group, monkeypatch: pytest.MonkeyPatch, opened: set[str]) -> list[Any]:
    """The conditions and names under which a group wrote, where some runs are open."""
    found: list[Any] = []
    lake: Any = SimpleNamespace(replace=lambda _table, _rows, where, once: found.append((where, once)))
    monkeypatch.setattr(book, "opened_among", lambda _lake, run_ids: opened & {*run_ids})
    rows: Any = None
    group.put(lake, LIMITS, rows)
    return found


def test_rows_of_one_run_are_written_once_and_of_several_by_every_try(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written(Group([run(1)]), monkeypatch, set()) == [("run_id = 'r1'", "r1")]
    assert written(Group([run(1), run(2)]), monkeypatch, {"r3"}) == [("run_id IN ('r1', 'r2')", None)]


def test_several_are_not_written_once_another_process_has_opened_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RaceError, match="opened by another process meanwhile: r2; run the command again"):
        written(Group([run(1), run(2)]), monkeypatch, {"r2", "r3"})
