"""Which days a backfill is asked for, and what each pass knows."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import Row

from shoal.books import releases, runs
from shoal.books.runs import Run
from shoal.errors import ConfigError
from shoal.features.group import Group
from shoal.features.opening import Ground
from shoal.running import backfilling
from shoal.running.backfilling import Range

NEW_YEAR = date(2024, 1, 1)


def test_days_are_counted_from_the_first_and_the_last_is_among_them_if_a_step_ends_there() -> None:
    assert Range(NEW_YEAR, date(2024, 3, 1)).days == [NEW_YEAR + timedelta(days=n) for n in range(31 + 29 + 1)]
    assert Range(NEW_YEAR, NEW_YEAR).days == [NEW_YEAR]
    assert Range(NEW_YEAR, date(2024, 1, 15), every=7).days == [NEW_YEAR, date(2024, 1, 8), date(2024, 1, 15)]
    assert Range(NEW_YEAR, date(2024, 1, 14), every=7).days == [NEW_YEAR, date(2024, 1, 8)]


def test_every_month_is_the_first_of_each() -> None:
    firsts = [date(2023, 12, 1), NEW_YEAR, date(2024, 2, 1)]

    assert Range(date(2023, 11, 2), date(2024, 2, 29), every="month").days == firsts
    assert Range(date(2023, 12, 1), date(2024, 2, 1), every="month").days == firsts


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Range(date(2024, 1, 2), NEW_YEAR), "--from 2024-01-02 is later than --to 2024-01-01"),
        (Range(date(2024, 1, 2), date(2024, 1, 31), every="month"), "no month begins from 2024-01-02 to 2024-01-31"),
    ],
)
def test_a_range_without_a_day_is_refused(wanted: Range, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        wanted.check()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Range(NEW_YEAR, date(2024, 1, 3)), ("--from 2024-01-01", "--to 2024-01-03")),
        (Range(NEW_YEAR, date(2024, 1, 14), every=7), ("--from 2024-01-01", "2024-01-08 (--to 2024-01-14)")),
        (Range(date(2023, 12, 2), date(2024, 2, 9), every="month"),
         ("2024-01-01 (--from 2023-12-02 --every month)", "2024-02-01 (--to 2024-02-09)")),
    ],
)  # fmt: skip
def test_messages_name_the_days_that_runs_are_of(wanted: Range, said: tuple[str, str]) -> None:
    assert wanted.ends == said


@dataclass(frozen=True)
class Building:
    """Stands for what builds features; notes which release each run of a pass knows as current."""

    ground: Ground
    known: list[int | None]

    def build(self, group: Group) -> None:
        self.known.extend(run.previous_seq for run in group.runs)


def test_each_pass_knows_what_was_released_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    released = [Row(seq=n, run_id=f"of {n}", as_of=NEW_YEAR, kind="release") for n in (1, 2)]
    book = iter([released[:1], released])
    monkeypatch.setattr(releases, "history", lambda _: next(book))
    monkeypatch.setattr(runs, "opened_among", lambda *_: set())
    monkeypatch.setattr(backfilling, "written_down", lambda _lake, _config, _runs, do: do())
    first, second = (
        [Run("features", datetime(2025, 1, 1, tzinfo=UTC), as_of=NEW_YEAR + timedelta(days=n), id=f"r{n}")]
        for n in (1, 2)
    )
    building: Any = Building(Ground([], {}, []), [])
    lake: Any = SimpleNamespace(written={})
    config: Any = None

    for group in (first, second):
        backfilling._pass(lake, config, building, group)

    assert building.known == [1, 2]
