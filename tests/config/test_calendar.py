"""Known events in the settings: days however they are written, and as they are shown."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from shoal.config import explain, load_config
from shoal.errors import ConfigError

SALE = {"name": "sale", "from": "2025-11-28", "to": "2025-12-01"}


@pytest.mark.parametrize(
    "written_as",
    [
        "{name: sale, from: 2025-11-28, to: 2025-12-01}",
        "{name: sale, from: '2025-11-28', to: '2025-12-01'}",
        '{"name": "sale", "from": "2025-11-28", "to": "2025-12-01"}',
    ],
)
def test_an_event_has_its_first_and_last_day(written_as: str) -> None:
    (event,) = load_config(sets=[f"validate.calendar=[{written_as}]"]).validation.calendar

    assert event.days == [date(2025, 11, 28) + timedelta(days=number) for number in range(4)]


def test_an_event_without_an_end_is_one_day(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("validate:\n  calendar:\n    - {name: stocktaking, from: 2025-03-03}\n")

    (event,) = load_config([mine]).validation.calendar

    assert event.days == [date(2025, 3, 3)]


@pytest.mark.parametrize("until", ["9999-12-31", "2026-11-30"])
def test_an_event_of_more_than_a_year_is_a_slip(until: str) -> None:
    with pytest.raises(ConfigError, match=f"calendar.0..to: must lie within 366 days of from, got {until}"):
        load_config(sets=[f"validate.calendar=[{{name: sale, from: 2025-11-28, to: {until}}}]"])


def test_an_event_of_a_year_is_none() -> None:
    (event,) = load_config(
        sets=["validate.calendar=[{name: sale, from: 2025-11-28, to: 2026-11-29}]"]
    ).validation.calendar

    assert len(event.days) == 367


def test_what_is_shown_can_be_said_again() -> None:
    given = "validate.calendar=[{name: sale, from: 2025-11-28, to: 2025-12-01}, {name: day, from: 2025-03-03}]"
    shown = {setting.key: setting.value for setting in explain(sets=[given])}

    assert shown["validate.calendar"] == [SALE, {"name": "day", "from": "2025-03-03"}]
    assert load_config(sets=[f"validate.calendar={shown['validate.calendar']}"]) == load_config(sets=[given])
