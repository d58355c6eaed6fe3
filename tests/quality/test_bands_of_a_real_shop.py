"""Online Retail, a day at a time as a shop would deliver it: good days come in, holidays are said, poor days stop."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import mean, stdev

import pyarrow.parquet as pq
import pytest

from shoal.books.day_book import limits_of
from shoal.config import load_config
from shoal.quality.bands import Day, usual_days
from shoal.quality.usual import Brought, Part, Past, Question, hours_between, questions, together

LIMITS = limits_of(load_config().validation)

# The days on which nothing came though such a weekday usually brings something: all are holidays in England, or lie
# between Christmas and New Year. Saturdays, on which the shop never opens, are none of them.
HOLIDAYS = [
    *(date(2010, 12, day) for day in (30, 31)), date(2011, 1, 2), date(2011, 1, 3),
    date(2011, 4, 22), date(2011, 4, 24), date(2011, 4, 25), date(2011, 4, 29),  # Easter, and a royal wedding
    date(2011, 5, 2), date(2011, 5, 30), date(2011, 8, 29),
]  # fmt: skip


@pytest.fixture(scope="module")
def sold(data: Path) -> dict[date, Day]:
    """The lines with a price, by day: sales and returns, and how many have no customer."""
    table = pq.read_table(
        data / "online_retail" / "online_retail.parquet", columns=["Quantity", "UnitPrice", "InvoiceDate", "CustomerID"]
    )
    types, guests = dict[date, Counter[str]](), Counter[date]()
    for quantity, price, at, customer in zip(*(column.to_pylist() for column in table.columns), strict=True):
        if price > 0:
            kind = "return" if quantity < 0 else "purchase"
            types.setdefault(at.date(), Counter())[kind] += 1
            guests[at.date()] += customer is None
    return {day: Day(kinds.total(), kinds, {"user_id": guests[day]}) for day, kinds in sorted(types.items())}


def night_after(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 2, tzinfo=UTC) + timedelta(days=1)


def day_by_day(sold: dict[date, Day]) -> Iterator[tuple[date, Past, Brought]]:
    """Each day beside those before."""
    past = Past()
    for day, told in sold.items():
        newest = datetime(day.year, day.month, day.day, 17, tzinfo=UTC)
        batch = Brought(night_after(day), night_after(day), {day: told}, {day: newest})
        yield day, past, batch
        delays = [*past.delays, hours_between(newest, batch.delivered_at)][-28:]
        largest = {**past.largest, day: Part(told.events, batch.delivered_at, batch.planned_at)}
        past = Past(together(past.days, batch.days), largest, newest, batch.delivered_at, delays)


def odd(asked: list[Question]) -> dict[str, int]:
    """By column, how many days are outside of their bands."""
    counted = {}
    for one in asked:
        limits = one.expected.arguments
        low, high = limits.get("min_value", float("-inf")), limits.get("max_value", float("inf"))
        counted[one.column] = sum(not low <= value <= high for value in one.values)
    return {column: number for column, number in counted.items() if number}


def found(past: Past, batch: Brought) -> dict[str, int]:
    return odd(questions(past, batch, UTC, LIMITS))


def plain(values: list[float], value: float) -> bool:
    """Whether a value is within three standard deviations of the mean."""
    return abs(value - mean(values)) <= 3 * stdev(values)


def test_good_days_come_in_and_few_are_said_to_be_odd(sold: dict[date, Day]) -> None:
    warned, said, judged, plainly = Counter[str](), set[date](), 0, set[date]()
    missing = list[date]()
    for day, past, batch in day_by_day(sold):
        asked = questions(past, batch, UTC, LIMITS)
        broken = odd(asked)
        assert "events" not in broken, f"{day} would stop"
        volume = next((one for one in asked if one.column == "deviation of volume"), None)
        if volume is None:
            continue
        *before, last = volume.values
        since = day - timedelta(days=len(before))
        missing += [since + timedelta(days=n) for n, value in enumerate(before) if value < -LIMITS.width]
        judged += 1
        warned["volume"] += abs(last) > LIMITS.width
        warned.update(column for column in broken if column != "deviation of volume")
        if abs(last) > LIMITS.width or broken.keys() - {"deviation of volume"}:
            said.add(day)
        usual = [one for one in usual_days(past.days, day, ()) if one.events]
        this = sold[day]
        measures = (
            ([float(one.events) for one in usual], float(this.events)),
            (
                [one.event_types.get("return", 0) / one.events for one in usual],
                this.event_types["return"] / this.events,
            ),
            ([one.missing.get("user_id", 0) / one.events for one in usual], this.missing["user_id"] / this.events),
        )
        if len(usual) >= 4 and not all(plain(*measure) for measure in measures):
            plainly.add(day)

    assert (len(sold), judged) == (305, 285)
    assert missing == HOLIDAYS
    print(f"{judged} days: {len(said)} said to be odd {dict(warned)}, {len(plainly)} by mean and deviation")
    assert len(said) <= 0.05 * judged  # a person who is called at one good day in twenty still comes
    assert len(plainly) > 3 * len(said)  # of the same measures and days


# Each day in turn has a part of its events, or a multiple: which share of such days must stop, and be said.
SPOILT = {0.05: (1.0, 1.0), 0.1: (0.95, 0.99), 0.33: (0.0, 0.45), 3.0: (0.0, 0.5), 10.0: (0.0, 0.99)}


def test_days_that_lost_or_doubled_their_events_are_found(sold: dict[date, Day]) -> None:
    """All days before are as they were. The shop itself sells twice as much on one Monday as on another."""
    stopped, warned, judged = Counter[float](), Counter[float](), 0
    for day, past, batch in day_by_day(sold):
        if len(past.days) < 40:  # fewer than four of some weekday
            continue
        judged += 1
        for factor in SPOILT:
            events = round(factor * sold[day].events)
            spoilt = Brought(
                batch.delivered_at, batch.planned_at, {day: Day(events, {"purchase": events})}, batch.newest_at
            )
            broken = found(past, spoilt)
            stopped[factor] += "events" in broken
            warned[factor] += "deviation of volume" in broken

    print(f"{judged} days: stopped {dict(stopped)}, warned {dict(warned)}")
    for factor, (stops, warns) in SPOILT.items():
        assert stopped[factor] >= stops * judged
        assert warned[factor] >= warns * judged
    assert stopped[3.0] == stopped[10.0] == 0
