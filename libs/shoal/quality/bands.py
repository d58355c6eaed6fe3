"""What is usual for a day of a feed, learned from the same weekday of the weeks before, and how far a day is from it.

The middle is the median, the spread the median absolute deviation times 1.4826, which for normal values is their
standard deviation (Rousseeuw and Croux 1993, "Alternatives to the median absolute deviation"): half of the days may
be odd without moving the band. Each spread has floors, or a feed that did the same for weeks would have no room at all.

Counts are compared as logarithms, as shops grow and shrink by factors. All of it is a few numbers per calendar day.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import asin, exp, expm1, log, log1p, pi, sin, sqrt
from statistics import median
from typing import Literal

from shoal.tables import WATCHED

WEEKS = 8  # two months: long enough for a median, short enough to follow a season
LEAST_DAYS = 4  # of fewer, half may be odd by chance
DELIVERIES = 28  # of a feed that are looked back at
_SIGMA = 1.4826  # of the median absolute deviation of normal values
_RELATIVE = 0.1  # least spread, as a part of what is usual: no shop does the same within a tenth
_MOST_TIMES = 5.0  # five times as many, or as few, as usual is odd in any shop that has more than noise
_LEAST_CHANGE = 0.001  # of a share: less is of no account to anyone
_TOGETHER = 10  # events of one visit or order, or so
_LEAST_DELAY = 24.0  # hours: a shop thinks in days
_WEEK = timedelta(days=7)

Measure = Literal["volume", "event types", "missing values", "freshness"]


@dataclass(frozen=True)
class Day:
    """What a feed has told of one day, over all its batches."""

    events: int = 0
    event_types: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)  # by column, of the events that it belongs to

    def __add__(self, other: "Day") -> "Day":
        types, missing = Counter(self.event_types), Counter(self.missing)
        types.update(other.event_types)
        missing.update(other.missing)
        return Day(self.events + other.events, types, missing)


Days = Mapping[date, Day]  # a day that is absent has no event


@dataclass(frozen=True)
class Found:
    """One value beside its band."""

    measure: Measure
    day: date  # of a delivery the shop's day on which it was made
    value: float  # events, a share, or hours
    usual: float
    low: float
    high: float
    deviation: float  # from what is usual, in spreads: outside of the band beyond its width
    what: str = ""  # event type or column


def usual_days(days: Days, day: date, apart: Collection[date]) -> list[Day]:
    """The same weekday of the weeks before ``day``, of those that say what is usual.

    A day without events is one like any other, as shops have days on which they are closed, unless nothing came in the
    week before it either: there the feed begins, had not begun or was interrupted. The first day of a feed, which may
    not be whole, is left out likewise.

    Args:
        apart: days that are not learned from.
    """
    before = (day - number * _WEEK for number in range(1, WEEKS + 1))
    return [days.get(one, Day()) for one in before if one not in apart and _is_alive(days, one)]


def found_on(days: Days, day: date, *, width: float, apart: Collection[date]) -> Iterator[Found]:
    """The values of a day beside their bands: the volume, the share of each event type, of each column that of nulls.

    Nothing where fewer than ``LEAST_DAYS`` days can be learned from, or the day itself is ``apart``.

    Args:
        width: of the bands to either side, in spreads.
    """
    usual = usual_days(days, day, apart)
    if day in apart or len(usual) < LEAST_DAYS:
        return
    this = days.get(day, Day())
    yield volume(this, usual, day, width)
    with_events = [one for one in usual if one.events]
    if not this.events or len(with_events) < LEAST_DAYS:
        return
    for kind in sorted({*this.event_types, *(kind for one in with_events for kind in one.event_types)}):
        before = [(one.event_types.get(kind, 0), one.events) for one in with_events]
        yield _of_share("event types", kind, this.event_types.get(kind, 0), this.events, before, day, width)
    for column, kinds in WATCHED.items():
        counted = [(one.missing.get(column, 0), _of_types(one, kinds)) for one in with_events]
        before, events = [one for one in counted if one[1]], _of_types(this, kinds)
        if events and len(before) >= LEAST_DAYS:
            yield _of_share("missing values", column, this.missing.get(column, 0), events, before, day, width)


def volume(this: Day, usual: Sequence[Day], day: date, width: float) -> Found:
    """The number of events beside its band: a spread is at least the Poisson noise of a count, 1 / sqrt(events).

    The deviations of a few weeks may be wide by chance, so they widen the band up to ``_MOST_TIMES`` only.
    """
    logs = [log1p(one.events) for one in usual]
    middle = median(logs)
    spread = max(min(_deviation(logs, middle), log(_MOST_TIMES) / width), _RELATIVE, exp(-middle / 2))
    low, high = (max(0.0, expm1(middle + side * width * spread)) for side in (-1, 1))
    return Found("volume", day, this.events, expm1(middle), low, high, (log1p(this.events) - middle) / spread)


def nearly_empty(usual: Sequence[Day], *, share: float, width: float) -> tuple[float, float] | None:
    """The usual number of events, and the least that a day must have: ``share`` of it.

    Of few events so few may be chance, so that less is asked for: what is ``width`` times the noise of a count below.
    The root of a count has a noise of 1/2, whatever the count.

    Returns:
        None where fewer than ``LEAST_DAYS`` days can be learned from.
    """
    if len(usual) < LEAST_DAYS:
        return None
    middle = median(one.events for one in usual)
    return middle, min(share * middle, max(0.0, sqrt(middle) - width / 2) ** 2)


def freshness(hours: float, day: date, before: Sequence[float], width: float) -> Found | None:
    """How old the newest event of a feed was at a delivery beside those before; only what is older than usual is odd.

    Args:
        hours: between the newest event of the feed and the delivery; below 0 where its clocks run ahead.
        day: of the delivery.
        before: the same of the deliveries before.

    Returns:
        None where fewer than ``LEAST_DAYS`` deliveries came before.
    """
    if len(before) < LEAST_DAYS:
        return None
    middle = median(before)
    spread = max(_deviation(before, middle), _LEAST_DELAY / width)
    return Found("freshness", day, hours, middle, float("-inf"), middle + width * spread, (hours - middle) / spread)


def _of_share(
    measure: Measure, what: str, part: int, events: int, usual: Sequence[tuple[int, int]], day: date, width: float
) -> Found:
    """A share of a day's events beside its band.

    Shares are compared as angles, asin(sqrt(share)), whose binomial noise of n independent events is 1 / (2 sqrt(n))
    whatever the share (Freeman and Tukey 1950). Events come in visits and orders and are less independent.

    Args:
        part, events: of the day.
        usual: the same of the days before.
    """
    angles = [_angle(*one) for one in usual]
    middle, share = median(angles), part / events
    centre = sin(middle) ** 2
    relative = _RELATIVE * min(centre, 1 - centre) / sqrt(max(4 * centre * (1 - centre), 1e-12))
    spread = max(_deviation(angles, middle), sqrt(_TOGETHER / events) / 2, relative)
    deviation = (_angle(part, events) - middle) / spread
    lowest, highest = max(0.0, middle - width * spread), min(pi / 2, middle + width * spread)
    low = min(sin(lowest) ** 2, max(0.0, centre - _LEAST_CHANGE))
    high = max(sin(highest) ** 2, min(1.0, centre + _LEAST_CHANGE))
    if low <= share <= high:
        deviation = max(-width, min(width, deviation))
    return Found(measure, day, share, centre, low, high, deviation, what)


def _angle(part: int, whole: int) -> float:
    return asin(sqrt(part / whole))


def _deviation(values: Sequence[float], middle: float) -> float:
    """The spread of values about their median."""
    return _SIGMA * median(abs(value - middle) for value in values)


def _of_types(day: Day, kinds: Collection[str]) -> int:
    return sum(number for kind, number in day.event_types.items() if kind in kinds)


def _is_alive(days: Days, day: date) -> bool:
    """Whether anything came in the week before a day."""
    return any(day - timedelta(days=number) in days for number in range(1, 8))
