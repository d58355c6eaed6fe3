"""The planted customer groups, their rhythm in time, and the exact chance of an order that follows from it.

Plain Python: a group is a handful of numbers. One day of one living user is one Bernoulli draw with the chance
``order_rate x season(day)``; nothing else makes an order, so the chance of an order in any window has a closed form.
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
    """One kind of customer. Rates are chances per day, hazards are chances per day to change for good."""

    name: str
    share: float  # of all users
    order_rate: float
    browse_rate: float  # visits without an order
    lines: tuple[int, int]  # different articles per order, least and greatest, each as likely
    pieces: int  # per line, at most; 1..pieces are as likely
    tiers: tuple[float, float, float]  # shares of budget, standard and premium articles
    coupon_share: float = 0.1  # of orders
    return_share: float = 0.05  # of lines
    arrival_hazard: float = 1.0  # 1: there from the first day
    first_order: bool = False  # True: orders for certain on the day of arrival
    churn_hazard: float = 0.0005
    churn_from: int = 1  # days after arrival before which nobody leaves
    churn_by: int | None = None  # days after arrival by which everybody has left


GROUPS = (
    Group("champions", 0.08, 0.075, 0.03, (4, 5), 2, (0.0, 0.3, 0.7), churn_hazard=0.0003),
    Group("regulars", 0.25, 0.03, 0.02, (2, 3), 1, (0.0, 1.0, 0.0)),
    Group("big rare baskets", 0.12, 0.014, 0.02, (7, 9), 6, (0.0, 0.3, 0.7), coupon_share=0.2),
    Group("bargain small baskets", 0.17, 0.05, 0.02, (1, 1), 1, (1.0, 0.0, 0.0), coupon_share=0.3),
    Group("one-timers", 0.24, 0.0004, 0.01, (1, 2), 1, (0.1, 0.9, 0.0),
          arrival_hazard=0.02, first_order=True, churn_hazard=0.002),
    Group("lapsed", 0.14, 0.11, 0.04, (2, 3), 1, (0.0, 1.0, 0.0),
          churn_hazard=0.08, churn_from=40, churn_by=70),
)  # fmt: skip

GUESTS = Group("guests", 0.0, 0.12, 0.0, (1, 2), 1, (0.3, 0.6, 0.1))  # order_rate: orders per visit
GUEST_PER_VISIT = 0.07  # guest visits per visit of a user, so 0.07 / 1.07 = 6.5 % of all visits are guests'


def season(start: date, days: int) -> list[float]:
    """How busy each day is, from ``start`` on: a weekday's factor times an annual wave; about 1 on average."""
    return [_busy(start + timedelta(days=day)) for day in range(days)]


def geometric_scale(hazard: float) -> float:
    """-1 / ln(1 - hazard), the scale of the exponential whose floor is geometric; 0 for a hazard of 1."""
    return 0.0 if hazard >= 1 else -1 / math.log1p(-hazard)


def order_chance(group: Group, as_of: int, busy: Sequence[float], *, arrived: bool) -> float:
    """P(at least one order on the days ``as_of`` .. ``as_of + HORIZON_DAYS - 1``), for who has not left before.

    Backwards over the days: with q(d) = P(no order from day d on | neither left nor, if not ``arrived``, come before d)
    and q(end) = 1, an arrived user has q(d) = h + (1 - h) (1 - p(d)) q(d + 1), with the hazard h of leaving on day d
    and the chance p(d) of an order; one who is yet to come has q(d) = (1 - a) q(d + 1) + a r(d), with the hazard a
    of coming on day d and r(d) = P(no order from d on | comes on d), which is 0 where the first order is certain.

    Args:
        group: whose chance.
        as_of: first day of the window, counted from the shop's first day.
        busy: :func:`season` of at least ``as_of + HORIZON_DAYS`` days.
        arrived: came before ``as_of``.
    """
    if not arrived and not group.first_order:
        raise ValueError(f"{group.name} are there from the first day")
    quiet = 1.0  # P(no order from this day on)
    for day in reversed(range(as_of, as_of + HORIZON_DAYS)):
        if arrived:
            leaves = _churn_hazard(group, day)
            quiet = leaves + (1 - leaves) * (1 - group.order_rate * busy[day]) * quiet
        else:
            quiet *= 1 - group.arrival_hazard
    return 1 - quiet


def _churn_hazard(group: Group, day: int) -> float:
    """P(leaves on ``day`` | had not left). Dated hazards are for groups that are there from the first day."""
    if day < group.churn_from and group.arrival_hazard >= 1:
        return 0.0
    if group.churn_by is not None and day >= group.churn_by:
        return 1.0
    return group.churn_hazard


def _busy(day: date) -> float:
    angle = 2 * math.pi * (day.timetuple().tm_yday - _PEAK_DAY) / 365.25
    return _WEEKDAYS[day.weekday()] * (1 + _WAVE * math.cos(angle))
