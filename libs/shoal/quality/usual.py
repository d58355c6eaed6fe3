"""Whether the days that a batch completes are as its feed's days usually are: what is asked, and in which words.

A day is judged once: by the batch with which it is over, and by one that fills a day on which nothing had come. A day
is over when a batch was delivered after its end, as exports are made of what has happened so far. Days after the newest
event are not judged: how late a feed is says its freshness.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby
from math import isfinite
from typing import Any

from shoal.quality import bands
from shoal.quality.bands import Day, Days, Found, Measure
from shoal.quality.known import AS_USUAL, NEARLY_EMPTY, Expected

_DAY = timedelta(days=1)
_FARTHEST = 3 * 366 * _DAY  # before the newest day of a batch: one event dated 1900 must not make a century of days
_SOON = 2 * _DAY  # after a day: an export of the night, or one that is a day late
_SHOWN = 7  # days with events before a day, which show how a feed comes
_WHOLE_DAYS = 4  # of them: one late or torn export changes nothing, and one load cannot show so many within _SOON
_WHOLE = 0.9  # of a day's events in one batch: the rest are stragglers


@dataclass(frozen=True)
class Brought:
    """What a batch tells that nobody told before."""

    delivered_at: datetime  # when its newest file was exported
    planned_at: datetime  # when it was found in the landing folder: of history long after its days
    days: Days = field(default_factory=dict)
    newest_at: Mapping[date, datetime] = field(default_factory=dict)  # by day, its latest event


@dataclass(frozen=True)
class Part:
    """What one batch told of a day."""

    events: int
    delivered_at: datetime
    planned_at: datetime


@dataclass(frozen=True)
class Past:
    """What the batches before it told."""

    days: Days = field(default_factory=dict)
    largest: Mapping[date, Part] = field(default_factory=dict)  # of each day the part with most events
    newest_at: datetime | None = None  # the latest event
    delivered_at: datetime | None = None  # the latest delivery
    delays: Sequence[float] = ()  # hours between the newest event and each of the last deliveries


@dataclass(frozen=True)
class DayLimits:
    """What the settings say of bands."""

    width: float  # of the bands to either side, in spreads
    least_share: float  # of what is usual: a newest day with less stops its batch
    apart: Collection[date] = ()  # days that are neither judged nor learned from


@dataclass(frozen=True)
class Question:
    """An expectation about a few values, and the answer in words."""

    expected: Expected  # of the column ``column``
    column: str
    values: Sequence[float]  # one per day
    answer: str
    farthest: Mapping[str, Any]  # the value that is farthest from what is usual, and its band

    @property
    def holds(self) -> bool:
        """Whether all values are within the limits of the expectation."""
        limits = self.expected.arguments
        low, high = limits.get("min_value", float("-inf")), limits.get("max_value", float("inf"))
        return all(low <= value <= high for value in self.values)


def questions(past: Past, brought: Brought, zone: tzinfo, limits: DayLimits) -> list[Question]:
    """What is to be judged of a batch; nothing where too little came before to say what is usual."""
    days = together(past.days, brought.days)
    completed = completed_by(past, brought, zone)
    found = [each for day in completed for each in bands.found_on(days, day, width=limits.width, apart=limits.apart)]
    asked = [*_of_days(found, limits.width)]
    asked += _of_freshness(past, brought, zone, limits)
    return asked + _of_newest_day(past, brought, completed, zone, limits)


def together(one: Days, other: Days) -> dict[date, Day]:
    """The sum of two lots of days."""
    return {day: one.get(day, Day()) + other.get(day, Day()) for day in {*one, *other}}


def completed_by(past: Past, brought: Brought, zone: tzinfo) -> list[date]:
    """The days that are over with a batch and were not before, and those before in which it is the first to tell."""
    if not past.days and not brought.days:
        return []
    delivered = max(filter(None, (past.delivered_at, brought.delivered_at)))
    until = newest_over(max([*past.days, *brought.days]), delivered, zone)
    earliest = earliest_judged(brought, zone)
    since = _first_open(past, zone) or (earliest if brought.days else until + _DAY)
    filled = [day for day in brought.days if earliest <= day < since and day not in past.days]
    return [*sorted(filled), *(since + number * _DAY for number in range((until - since).days + 1))]


def earliest_judged(brought: Brought, zone: tzinfo) -> date:
    """The first day of a batch, or that of its delivery where it has none; no straggler of a wrong clock."""
    newest = max(brought.days, default=brought.delivered_at.astimezone(zone).date())
    return max(min(brought.days, default=newest), newest - _FARTHEST)


def _first_open(past: Past, zone: tzinfo) -> date | None:
    """The first day that was not over before; null where nothing came before."""
    if not past.days or past.delivered_at is None:
        return None
    return newest_over(max(past.days), past.delivered_at, zone) + _DAY


def newest_over(last: date, delivered: datetime, zone: tzinfo) -> date:
    """The newest day that is over, of a feed whose newest event lies on ``last``.

    Args:
        delivered: the latest delivery.
    """
    return min(last, delivered.astimezone(zone).date() - _DAY)


def _of_days(found: Sequence[Found], width: float) -> Iterator[Question]:
    """One question per measure, however many days there are: of each day the value that is farthest off."""
    order: list[Measure] = ["volume", "event types", "missing values"]
    for measure, of_measure in groupby(
        sorted(found, key=lambda one: order.index(one.measure)), lambda one: one.measure
    ):
        by_day: dict[date, Found] = {}
        for one in of_measure:
            if one.day not in by_day or abs(one.deviation) > abs(by_day[one.day].deviation):
                by_day[one.day] = one
        yield _question(measure, [*by_day.values()], width)


def _of_freshness(past: Past, brought: Brought, zone: tzinfo, limits: DayLimits) -> list[Question]:
    """How old the newest event of the feed is."""
    if past.delivered_at is not None and brought.delivered_at.astimezone(UTC) < past.delivered_at.astimezone(UTC):
        return []  # a file that lay about says nothing of how late the feed is
    newest = max([*filter(None, [past.newest_at]), *brought.newest_at.values()], default=None)
    day = brought.delivered_at.astimezone(zone).date()
    if newest is None or {day, day - _DAY} & {*limits.apart}:
        return []
    found = bands.freshness(hours_between(newest, brought.delivered_at), day, past.delays, limits.width)
    return [_question("freshness", [found], limits.width)] if found else []


def _of_newest_day(
    past: Past, brought: Brought, completed: Sequence[date], zone: tzinfo, limits: DayLimits
) -> list[Question]:
    """Whether the newest day that is over with this batch is nearly empty, by what earlier batches told.

    Asked of yesterday's export only, and of a feed that brings each day whole: of history and of parts a batch alone
    cannot say that its day is poor, and which batches stop would hang on how they were cut.
    """
    since = _first_open(past, zone)
    day = max((day for day in completed if day in brought.days and since is not None and day >= since), default=None)
    if day is None or day in limits.apart:
        return []
    if not _is_soon(brought.planned_at, day, zone) or not comes_whole(past, day, zone):
        return []
    before = bands.usual_days(past.days, day, limits.apart)
    known = bands.nearly_empty(before, share=limits.least_share, width=limits.width)
    if known is None:
        return []
    usual, least = known
    events = brought.days[day].events + past.days.get(day, Day()).events
    answer = (
        f"{_named(day)} has {_count(events)}, {usual:,.0f} are usual (the median of {len(before)} such weekdays "
        f"before), at least {least:,.0f} must be there"
    )
    if events < least:
        answer += (
            "; deliver the day whole, or, if it is right, pass --retry-refused with the day in validate.calendar "
            "or with --set validate.min_volume_share=0; more of this day is not stopped again"
        )
    expected = Expected(
        NEARLY_EMPTY, "ExpectColumnValuesToBeBetween", {"column": "events", "min_value": least}, policy="stop"
    )
    farthest = {"day": str(day), "value": events, "usual": usual, "low": least}
    return [Question(expected, "events", [events], answer, farthest)]


def comes_whole(past: Past, day: date, zone: tzinfo) -> bool:
    """Whether the feed is one that brings its days whole, soon after their end: most of the week before ``day``.

    A load of history shows two such days at most, whatever its files and batches, as all of it is planned at once.
    """
    before = sorted(one for one, told in past.days.items() if one < day and told.events)[-_SHOWN:]
    return sum(_came_whole(past, one, zone) for one in before) >= _WHOLE_DAYS


def _came_whole(past: Past, day: date, zone: tzinfo) -> bool:
    part = past.largest.get(day)
    if part is None or part.events < _WHOLE * past.days[day].events:
        return False
    return part.delivered_at.astimezone(zone).date() > day and _is_soon(part.planned_at, day, zone)


def _is_soon(planned: datetime, day: date, zone: tzinfo) -> bool:
    return planned.astimezone(zone).date() <= day + _SOON


def _question(measure: Measure, found: Sequence[Found], width: float) -> Question:
    column = f"deviation of {measure}"
    limits = {"max_value": width} if measure == "freshness" else {"min_value": -width, "max_value": width}
    worst = max(found, key=lambda one: (one.deviation if measure == "freshness" else abs(one.deviation), one.day))
    outside = sum(is_outside(one, width) for one in found)
    answer = said(worst) if len(found) == 1 else f"{outside:,} of {len(found):,} days; farthest off: {said(worst)}"
    empty = [one.day for one in found if measure == "volume" and one.value == 0 and is_outside(one, width)]
    if len(empty) > 1:
        shown = ", ".join(map(str, empty[:3]))
        answer += f"; without any event: {shown}{f' and {len(empty) - 3} more' if len(empty) > 3 else ''}"
    named = {"what": worst.what} if worst.what else {}
    numbers = {"value": worst.value, "usual": worst.usual, "low": worst.low, "high": worst.high}
    rounded = {name: round(number, 6) for name, number in numbers.items() if isfinite(number)}
    farthest = {"day": str(worst.day), **named, **rounded}
    expected = Expected(AS_USUAL[measure], "ExpectColumnValuesToBeBetween", {"column": column, **limits})
    return Question(expected, column, [one.deviation for one in found], answer, farthest)


def is_outside(found: Found, width: float) -> bool:
    """Whether a value lies outside of its band."""
    return found.deviation > width or (found.measure != "freshness" and found.deviation < -width)


def said(found: Found) -> str:
    """A value beside its band, in words."""
    if found.measure == "volume":
        usual = f"{found.usual:,.0f} are usual, {found.low:,.0f} to {found.high:,.0f} expected"
        return f"{_named(found.day)} has {_count(int(found.value))}, {usual}"
    if found.measure == "freshness":
        return (
            f"the newest event is {found.value:,.1f} hours older than the delivery, {found.usual:,.1f} are usual, "
            f"up to {found.high:,.1f} expected"
        )
    usual = f"{found.usual:.2%} are usual, {found.low:.2%} to {found.high:.2%} expected"
    what = f"{found.what} is" if found.measure == "event types" else f"{found.what} is missing in"
    return f"{_named(found.day)}: {what} {found.value:.2%} of the events, {usual}"


def hours_between(event: datetime, delivery: datetime) -> float:
    """Hours from an event to a delivery; times without a zone are those of this process."""
    return (delivery.astimezone(UTC) - event.astimezone(UTC)).total_seconds() / 3600


def _named(day: date) -> str:
    return f"{day} ({day:%A})"


def _count(events: int) -> str:
    return f"{events:,} event{'' if events == 1 else 's'}" if events else "no event"
