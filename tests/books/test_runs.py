"""Which of two runs knows more."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from shoal.books import runs

SILVER = {"silver.events": 7, "silver.users": 3}


def opened(hour: int, **versions: int) -> Any:
    tiles = {"features.user_days": 9 - hour}  # say nothing: tiles are rebuilt whenever a run asks for them
    return {"versions_read": {**SILVER, **tiles, **versions}, "started_at": datetime(2025, 6, 1, hour, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("mine", "other", "expected"),
    [
        (opened(1), opened(2), True),
        (opened(2), opened(1), False),
        (opened(2), opened(1, **{"silver.events": 8}), True),  # a clock of another machine
        (opened(1, **{"silver.events": 8}), opened(2), False),
        (opened(1), opened(2, **{"silver.item_changes": 1}), True),
        (opened(1), None, False),
        (None, opened(1), False),
    ],
)
def test_a_run_is_older_by_its_data_and_then_by_its_time(
    monkeypatch: pytest.MonkeyPatch, mine: Any, other: Any, expected: bool
) -> None:
    monkeypatch.setattr(runs, "opened", lambda _lake, run_id: {"mine": mine, "other": other}[run_id])
    run: Any = SimpleNamespace(key="mine")
    lake: Any = None

    assert runs.is_older(lake, run, "other") is expected
