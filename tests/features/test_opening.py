"""What a day must be like for a run to be opened for it."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame

from shoal.errors import ConfigError
from shoal.features.opening import Days, days_of, problems_of
from shoal.tables import EVENTS


@pytest.mark.parametrize(
    "told", [[], [{"event_date": date(2025, 5, 1), "is_deleted": True}]], ids=["none", "taken back"]
)
def test_without_an_event_that_stands_nothing_is_said_of_days(frame: Callable[..., DataFrame], told: list[Any]) -> None:
    with pytest.raises(ConfigError, match="--as-of 2025-06-01: nothing is known of any day: all that was") as refused:
        days_of(frame(EVENTS, *told), "--as-of 2025-06-01")
    assert "None" not in str(refused.value)


@pytest.mark.parametrize(
    ("cuts", "said"),
    [
        ([date(2025, 5, 2), date(2026, 5, 2)], []),
        ([date(2025, 5, 1), date(2025, 5, 2)], ["--from F: nothing is known before that day; events run from"]),
        ([date(2025, 5, 2), date(2026, 6, 4)], ["--to T: the last event is of 2025-06-01, 367 days before"]),
        ([date(2024, 5, 1), date(2027, 5, 2)], ["--from F: nothing", "--to T: the last event"]),
    ],
    ids=["known", "none before", "long after", "both"],
)
def test_days_that_cannot_be_meant_are_refused(cuts: list[date], said: list[str]) -> None:
    days = Days(first=date(2025, 5, 1), last=date(2025, 6, 1), first_bought=None)
    found = problems_of(days, cuts, first_said="--from F", last_said="--to T")

    assert len(found) == len(said)
    assert all(problem.startswith(start) for problem, start in zip(found, said, strict=True))
