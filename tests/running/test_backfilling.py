"""Which days a backfill is asked for."""

from datetime import date, timedelta

import pytest

from shoal.errors import ConfigError
from shoal.running.backfilling import Range

NEW_YEAR = date(2024, 1, 1)


def test_both_ends_are_part_of_the_range() -> None:
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
