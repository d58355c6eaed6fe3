"""The planted customer groups, their rhythm in time, and the exact chance of an order that follows from it.

Plain Python: a group is a handful of numbers. Each day of a user who has come and not left is one Bernoulli draw of
an order with the chance ``order_rate x season(day)``; besides, only a certain first order on the day of coming makes
one. So the chance of an order in any window can be computed exactly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

HORIZON_DAYS = 30  # of the probability that truth.users gives

_WEEKDAYS = (0.90, 0.85, 0.90, 0.95, 1.05, 1.15, 1.20)  # Monday first; mean 1: people shop at weekends
_WAVE = 0.2  # height of the annual wave
_PEAK_DAY = 340  # of the year: December


@dataclass(frozen=True)
class Group:
    """One kind of customer. Rates are chances per day; hazards are chances per day to change for good.

    Days count from the shop's first, not back from its last: nobody's past depends on how long the shop is watched.
    """

    name: str
    share: float  # of all users
    order_rate: float
    browse_rate: float  # visits, of which those on days without an order are without one
    lines: tuple[int, int]  # different articles per order, least and greatest, each as likely
    pieces: int  # per line, at most; 1..pieces are as likely
    tiers: tuple[float, float, float]  # shares of budget, standard and premium articles
    coupon_share: float = 0.1  # of orders
    return_share: float = 0.05  # of lines
    arrival_from: int = 0  # day before which nobody comes; the first visit is on the day of coming
    arrival_hazard: float = 0.3
    first_order: bool = False  # True: the first visit ends in an order for certain
    churn_from: int = 1  # day before which nobody leaves
    churn_hazard: float = 0.0003
    churn_by: int | None = None  # day by which everybody has left


# Far enough apart that KMeans on log-scaled behaviour finds them after about 120 days: a group may share its rhythm
# with another, but then not its basket or price.
GROUPS = (
    Group("champions", 0.10, 0.06, 0.02, (5, 5), 2, (0.0, 0.2, 0.8)),
    Group("regulars", 0.17, 0.042, 0.01, (3, 3), 1, (0.4, 0.6, 0.0)),
    Group("big rare baskets", 0.11, 0.012, 0.02, (8, 9), 6, (0.0, 0.2, 0.8), coupon_share=0.2),
    Group("bargain small baskets", 0.20, 0.05, 0.02, (1, 1), 1, (1.0, 0.0, 0.0), coupon_share=0.3),
    Group("one-timers", 0.26, 0.0004, 0.01, (1, 2), 1, (0.1, 0.9, 0.0),
          arrival_from=20, arrival_hazard=0.12, first_order=True, churn_hazard=0.001),
    Group("lapsed", 0.16, 0.12, 0.02, (2, 2), 1, (0.0, 0.1, 0.9),
          churn_hazard=0.1, churn_from=30, churn_by=50),
)  # fmt: skip

GUESTS = Group("guests", 0.0, 0.12, 0.0, (1, 2), 1, (0.3, 0.6, 0.1))  # order_rate: orders per visit
GUEST_PER_VISIT = 0.07  # guest visits per visit of a user, so 0.07 / 1.07 = 6.5 % of all visits are guests'


def season(start: date, days: int) -> list[float]:
    """How busy each day is, from ``start`` on: a weekday's factor times an annual wave; about 1 on average."""
    return [_busy(start + timedelta(days=day)) for day in range(days)]


def geometric_scale(hazard: float) -> float:
    """-1 / ln(1 - hazard), the scale of the exponential whose floor is geometric; 0 for a hazard of 1."""
    return 0.0 if hazard >= 1 else -1 / math.log1p(-hazard)


def order_chances(group: Group, as_of: int, busy: Sequence[float]) -> tuple[float, float]:
    """P(at least one order on the days ``as_of`` .. ``as_of + HORIZON_DAYS - 1``) of who has not left before.

    Backwards over the days. With the hazard h of leaving on a day d, the hazard a of coming and the chance p of an
    order, and quiet(d) = P(no order from day d on | not left before d), 1 after the last day::

        there(d) = h + (1 - h) (1 - p) there(d + 1)
        away(d)  = h + (1 - h) ((1 - a) away(d + 1) + a r there(d + 1))

    where r = P(no order on the day of coming) is 1 - p, or 0 where the first order is certain.

    Args:
        group: whose chances.
        as_of: first day of the window, counted from the shop's first day.
        busy: :func:`season` of at least ``as_of + HORIZON_DAYS`` days.

    Returns:
        The chance of who came before ``as_of``, and of who did not.
    """
    there = away = 1.0
    for day in reversed(range(as_of, as_of + HORIZON_DAYS)):
        leaves, comes = _churn_hazard(group, day), _arrival_hazard(group, day)
        waits = 1 - group.order_rate * busy[day]
        waits_at_first = 0.0 if group.first_order else waits
        away = leaves + (1 - leaves) * ((1 - comes) * away + comes * waits_at_first * there)
        there = leaves + (1 - leaves) * waits * there
    return 1 - there, 1 - away


def _arrival_hazard(group: Group, day: int) -> float:
    """P(comes on ``day`` | had not come)."""
    return group.arrival_hazard if day >= group.arrival_from else 0.0


def _churn_hazard(group: Group, day: int) -> float:
    """P(leaves on ``day`` | had not left)."""
    if group.churn_by is not None and day >= group.churn_by:
        return 1.0
    return group.churn_hazard if day >= group.churn_from else 0.0


def _busy(day: date) -> float:
    angle = 2 * math.pi * (day.timetuple().tm_yday - _PEAK_DAY) / 365.25
    return _WEEKDAYS[day.weekday()] * (1 + _WAVE * math.cos(angle))
