"""What a day must be like for a run to be opened for it."""

import importlib
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame

from shoal.books.runs import Run
from shoal.errors import ConfigError
from shoal.tables import EVENTS

FEATURES = importlib.import_module("shoal.jobs.build_features")


@pytest.mark.parametrize(
    "told", [[], [{"event_date": date(2025, 5, 1), "is_deleted": True}]], ids=["none", "taken back"]
)
def test_without_an_event_that_stands_nothing_is_said_of_days(frame: Callable[..., DataFrame], told: list[Any]) -> None:
    run = Run("features", started_at=None, as_of=date(2025, 6, 1))  # type: ignore[arg-type]  # when does not matter

    with pytest.raises(ConfigError, match="nothing is known of any day: all that was delivered") as refused:
        FEATURES._checked(frame(EVENTS, *told), run)
    assert "None" not in str(refused.value)
