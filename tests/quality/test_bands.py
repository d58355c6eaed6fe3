"""What is usual for a day, and which days are odd: planted days, floors, and what must change nothing."""

import random
from datetime import date, timedelta
from math import asin, expm1, log1p, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.quality import bands
from shoal.quality.bands import Day, Found, found_on

MONDAY = date(2025, 3, 3)
WIDTH = 4.5


def day_of(events: int, *, purchases: float = 0.1, guests: float = 0.3) -> Day:
    """A day of views and purchases, a share of them by guests."""
    bought = round(purchases * events)
    return Day(events, {"view": events - bought, "purchase": bought}, {"user_id": round(guests * events)})


def weeks(number: int, *, events: int = 1000, noise: float = 0.05, closed: tuple[int, ...] = ()) -> dict[date, Day]:
    """Days up to the one before ``MONDAY``, each within ``noise`` of ``events``; none on weekdays that are closed."""
    rng = random.Random(1)
    days = (MONDAY - timedelta(days=back) for back in range(1, 7 * number + 1))
    return {
        day: day_of(round(events * (1 + rng.uniform(-noise, noise)))) for day in days if day.weekday() not in closed
    }


def odd_on(days: dict[date, Day], day: date = MONDAY, apart: frozenset[date] = frozenset()) -> dict[str, Found]:
    """By measure, the values of a day that are outside of their bands; with several, the farthest."""
    found = [one for one in found_on(days, day, width=WIDTH, apart=apart) if abs(one.deviation) > WIDTH]
    return {one.measure: one for one in sorted(found, key=lambda one: abs(one.deviation))}


@pytest.mark.parametrize("events", [0, 100, 500, 2000, 3000])
def test_a_day_that_is_far_from_usual_is_odd(events: int) -> None:
    odd = odd_on({**weeks(8), MONDAY: day_of(events)} if events else weeks(8))

    assert {*odd} == {"volume"}
    assert odd["volume"].usual == pytest.approx(1000, rel=0.05)
    assert (odd["volume"].value < odd["volume"].low) == (events < 1000)


@pytest.mark.parametrize("events", [800, 950, 1000, 1200, 1450])  # a spread is at least a tenth: e^0.45 is 1.57
def test_a_day_that_is_about_as_usual_is_not(events: int) -> None:
    assert odd_on({**weeks(8), MONDAY: day_of(events)}) == {}


def test_a_day_on_which_a_shop_is_never_open_is_as_usual_and_one_on_which_it_opens_is_not() -> None:
    days = weeks(8, closed=(0,))

    assert odd_on(days) == {}
    (found,) = found_on(days, MONDAY, width=WIDTH, apart=())
    assert (found.value, found.usual) == (0, 0)
    assert {*odd_on({**days, MONDAY: day_of(500)})} == {"volume"}


@pytest.mark.parametrize(("back", "said"), [(3, False), (4, False), (5, True), (8, True)])
def test_nothing_is_said_of_fewer_than_four_such_days(back: int, said: bool) -> None:
    """The first day of a feed may not be whole, so four Mondays need a fifth before them or a day of that week."""
    days = {day: told for day, told in weeks(8).items() if day >= MONDAY - timedelta(weeks=back)}
    days[MONDAY] = day_of(10)

    assert bool(odd_on(days)) == said


def test_what_came_before_a_feed_began_is_not_learned_as_days_without_events() -> None:
    days = {**weeks(5), date(1970, 1, 1): day_of(1), MONDAY: day_of(1000)}

    assert len(bands.usual_days(days, MONDAY, ())) == 4
    assert odd_on(days) == {}


def test_a_weekend_is_compared_with_weekends() -> None:
    """Sundays have a tenth of a Monday: each is as usual among its own."""
    days = {day: day_of(100) if day.weekday() == 6 else told for day, told in weeks(9).items()}
    sunday = MONDAY - timedelta(days=1)

    assert odd_on(days, sunday) == {}
    assert {*odd_on({**days, sunday: day_of(1000)}, sunday)} == {"volume"}


def test_days_of_the_calendar_are_neither_judged_nor_learned_from() -> None:
    sales = frozenset(MONDAY - timedelta(weeks=back) for back in range(1, 5))
    days = {**weeks(9), **dict.fromkeys(sales, day_of(5000)), MONDAY: day_of(1000)}

    assert {one.events for one in bands.usual_days(days, MONDAY, ())} > {5000}
    assert {one.events for one in bands.usual_days(days, MONDAY, sales)} & {5000} == set()
    assert odd_on({**days, MONDAY: day_of(5000)}, apart=sales) != {}
    assert odd_on({**days, MONDAY: day_of(5000)}, apart=sales | {MONDAY}) == {}


def test_half_of_the_days_may_be_odd_without_moving_the_band() -> None:
    """Three of eight Mondays lost their export: the median of the others stands."""
    days = {**weeks(9), MONDAY: day_of(100)}
    for back in (2, 4, 6):
        del days[MONDAY - timedelta(weeks=back)]

    assert {*odd_on(days)} == {"volume"}


def test_a_shift_of_the_types_is_odd_whatever_the_volume() -> None:
    odd = odd_on({**weeks(8), MONDAY: day_of(1000, purchases=0.4)})

    assert {*odd} == {"event types"}
    assert (odd["event types"].value, odd["event types"].usual) == (0.4, pytest.approx(0.1, abs=0.001))


def test_a_type_that_is_gone_is_odd_and_one_that_is_new() -> None:
    lost = odd_on({**weeks(8, events=20_000), MONDAY: day_of(20_000, purchases=0)})
    new = Day(20_000, {"view": 15_000, "purchase": 2_000, "search": 3_000}, {"user_id": 6_000})

    assert lost["event types"].what in ("purchase", "view")
    assert odd_on({**weeks(8, events=20_000), MONDAY: new})["event types"].what == "search"


def test_values_that_are_missing_more_often_are_odd_and_so_are_those_that_are_filled_all_at_once() -> None:
    for guests in (0.7, 0.0):
        odd = odd_on({**weeks(8), MONDAY: day_of(1000, guests=guests)})

        assert {*odd} == {"missing values"}
        assert (odd["missing values"].what, odd["missing values"].value) == ("user_id", guests)


def test_a_column_is_missing_only_where_events_may_have_it() -> None:
    """Prices belong to purchases: fewer purchases are no missing prices, and a purchase without one is."""
    usual = {day: Day(1000, {"view": 900, "purchase": 100}) for day in weeks(8)}
    views = Day(1000, {"view": 930, "purchase": 70})
    without = Day(1000, {"view": 900, "purchase": 100}, {"unit_price": 90})

    assert odd_on({**usual, MONDAY: views}) == {}
    found = odd_on({**usual, MONDAY: without})["missing values"]
    assert (found.what, found.value) == ("unit_price", 0.9)


@pytest.mark.parametrize(("events", "said"), [(190, True), (210, False), (4900, False), (5100, True)])
def test_weeks_that_differ_wildly_leave_no_more_room_than_five_times(events: int, said: bool) -> None:
    wild = [Day(number) for number in (1000, 10, 100_000, 1000, 1000, 50, 50_000, 1000)]

    assert (abs(bands.volume(Day(events), wild, MONDAY, WIDTH).deviation) > WIDTH) == said


def test_weeks_of_the_same_leave_room_for_chance() -> None:
    """No spread at all: a day of a tenth more, or of a few events more, is no news."""
    days = {day: Day(1000, {"view": 1000}) for day in weeks(8)}
    small = {day: Day(9, {"view": 9}) for day in weeks(8)}

    assert odd_on({**days, MONDAY: Day(1100, {"view": 1098, "search": 2}, {"user_id": 3})}) == {}
    assert odd_on({**small, MONDAY: Day(3, {"view": 1, "search": 2}, {"user_id": 1})}) == {}


def test_the_band_is_that_of_the_formula() -> None:
    """Against numpy: median and 1.4826 times the median absolute deviation, of logarithms and of angles."""
    events = [700, 800, 1000, 1300, 750, 900, 1150, 1600]
    guests = [0.1, 0.3, 0.2, 0.5, 0.4, 0.25, 0.15, 0.6]
    days = {
        MONDAY - timedelta(weeks=n + 1): day_of(e, guests=g)
        for n, (e, g) in enumerate(zip(events, guests, strict=True))
    }
    days |= {day - timedelta(days=1): day_of(1) for day in [*days]}  # so that each week is alive
    days[MONDAY] = day_of(3000, guests=0.9)

    found = {(one.measure, one.what): one for one in found_on(days, MONDAY, width=WIDTH, apart=())}

    logs = np.log1p(events)
    spread = 1.4826 * np.median(np.abs(logs - np.median(logs)))
    volume = found["volume", ""]
    assert volume.deviation == pytest.approx((log1p(3000) - np.median(logs)) / spread)
    assert volume.low == pytest.approx(expm1(np.median(logs) - WIDTH * spread))
    angles = np.arcsin(
        np.sqrt([days[MONDAY - timedelta(weeks=n + 1)].missing["user_id"] / e for n, e in enumerate(events)])
    )
    spread = 1.4826 * np.median(np.abs(angles - np.median(angles)))
    missing = found["missing values", "user_id"]
    assert missing.deviation == pytest.approx((asin(sqrt(0.9)) - np.median(angles)) / spread)
    assert missing.high == pytest.approx(min(1.0, np.sin(np.median(angles) + WIDTH * spread) ** 2))


@given(st.integers(0, 10**7), st.lists(st.integers(0, 10**7), min_size=4, max_size=8), st.randoms())
@settings(max_examples=200, deadline=None)
def test_a_value_is_outside_where_its_deviation_says_so_and_order_changes_nothing(events, before, rng) -> None:
    usual = [Day(number) for number in before]

    found = bands.volume(Day(events), usual, MONDAY, WIDTH)

    near = 1e-6 * (1 + found.high)  # where it lies on the edge either is right
    if abs(found.deviation) > WIDTH:
        assert events <= found.low + near or events >= found.high - near
    else:
        assert found.low - near <= events <= found.high + near
    assert bands.volume(Day(events), rng.sample(usual, len(usual)), MONDAY, WIDTH) == found


@pytest.mark.parametrize(
    ("usual", "least"),
    [(1000, 200), (100, 20), (25, 5), (16, 3.0625), (10, (sqrt(10) - 2.25) ** 2), (5, 0), (0, 0)],
)
def test_nearly_empty_is_a_share_of_usual_but_not_what_chance_may_do(usual: int, least: float) -> None:
    found = bands.nearly_empty([Day(usual)] * 8, share=0.2, width=WIDTH)

    assert found == (usual, pytest.approx(least))
    assert bands.nearly_empty([Day(usual)] * 3, share=0.2, width=WIDTH) is None


def test_only_what_is_older_than_usual_is_not_fresh() -> None:
    usual = [3.0, 4.0, 5.0, 3.5, 4.5]

    def deviation(hours: float) -> float:
        found = bands.freshness(hours, MONDAY, usual, WIDTH)
        assert found is not None
        return found.deviation

    assert deviation(27.9) <= WIDTH < deviation(28.1)  # the median and a day
    assert deviation(-100) < WIDTH
    assert bands.freshness(1000, MONDAY, usual[:3], WIDTH) is None


def test_bands_are_rarely_left_by_days_of_chance() -> None:
    """Poisson days, 200 to the week: of 40 weeks, fewer than one day in a hundred."""
    rng = np.random.default_rng(7)
    first = MONDAY - timedelta(weeks=40)
    days = {first + timedelta(days=n): Day(int(x), {"view": int(x)}) for n, x in enumerate(rng.poisson(30, 280))}

    odd = [day for day in days if odd_on(days, day)]

    assert len(odd) <= 2
