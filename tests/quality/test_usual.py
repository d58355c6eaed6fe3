"""Which days of a batch are judged, what stops it, and what is said: the days are Mondays and others of March 2025."""

import json
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.quality import gate, usual
from shoal.quality.bands import Day
from shoal.quality.docs import Judgement, pages
from shoal.quality.gate import Verdict
from shoal.quality.known import AS_USUAL, NEARLY_EMPTY
from shoal.quality.usual import Brought, DayLimits, Part, Past, completed_by, questions
from shoal.tables import EVENTS

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2025, 3, 3)
LIMITS = DayLimits(width=4.5, least_share=0.2)


def at(day: date, hour: int = 12) -> datetime:
    """A time of the shop's day."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=BERLIN).astimezone(UTC)


def after(day: date, days: int = 0) -> datetime:
    """Two in the morning of the day after."""
    return at(day + timedelta(days=1 + days), 2)


def told(events: int) -> Day:
    return Day(events, {"view": events})


def past(until: date = MONDAY, number: int = 70, events: int = 1000, closed: tuple[int, ...] = ()) -> Past:
    """What a feed told day by day before ``until``, delivered in the night after each."""
    days = [day for day in (until - timedelta(days=back) for back in range(1, number)) if day.weekday() not in closed]
    parts = {day: Part(events, after(day), after(day)) for day in days}
    return Past({day: told(events) for day in days}, parts, at(max(days)), after(max(days)), [14.0] * 28)


def brought(days: dict[date, int], delivered: datetime | None = None) -> Brought:
    night = delivered or after(max(days))
    return Brought(night, night, {day: told(n) for day, n in days.items()}, {day: at(day) for day in days})


def following(before: Past, batch: Brought) -> Past:
    """What is known once a batch is in as well."""
    largest = dict(before.largest)
    for day, part in batch.days.items():
        mine = Part(part.events, batch.delivered_at, batch.planned_at)
        largest[day] = max(largest.get(day, mine), mine, key=lambda one: one.events)
    newest = max(filter(None, [before.newest_at, *batch.newest_at.values()]))
    delivered = max(filter(None, [before.delivered_at, batch.delivered_at]))
    return Past(usual.together(before.days, batch.days), largest, newest, delivered, [*before.delays, 14.0])


def answers(before: Past, batch: Brought, limits: DayLimits = LIMITS) -> dict[str, Verdict]:
    """The verdicts that do not hold, by their names."""
    verdicts = gate.judge_few(EVENTS, questions(before, batch, BERLIN, limits))
    return {verdict.name: verdict for verdict in verdicts if not verdict.success}


def days(*numbers: int) -> list[date]:
    """Days counted from the Monday."""
    return [MONDAY + timedelta(days=number) for number in numbers]


@pytest.mark.parametrize(
    ("before", "batch", "judged"),
    [
        pytest.param(past(), brought({MONDAY: 9}), days(0), id="a day and its night"),
        pytest.param(past(), brought({MONDAY: 9}, at(MONDAY, 18)), [], id="a day that is not over"),
        pytest.param(past(), brought({MONDAY: 9}, at(MONDAY, 23)), [], id="a day that is over in UTC only"),
        pytest.param(past(), brought(dict.fromkeys(days(0, 1), 9), at(days(1)[0], 9)), days(0), id="one and a half"),
        pytest.param(past(), brought({days(3)[0]: 9}), days(0, 1, 2, 3), id="after missing days"),
        pytest.param(past(), brought({days(-3)[0]: 9}, after(MONDAY, 5)), [], id="a late file of a day that came"),
        pytest.param(past(closed=(5,)), brought({days(-2)[0]: 9}), days(-2), id="a late file of a day that did not"),
        pytest.param(past(), brought({days(-2)[0]: 9, MONDAY: 9}), days(0), id="a straggler beside today's"),
        pytest.param(Past(), brought(dict.fromkeys(days(0, 2), 9)), days(0, 1, 2), id="the first load"),
        pytest.param(past(), Brought(after(MONDAY), after(MONDAY)), [], id="corrections only"),
        pytest.param(Past(), Brought(after(MONDAY), after(MONDAY)), [], id="nothing, and nothing before"),
    ],
)
def test_a_day_is_judged_by_the_batch_with_which_it_is_over(before: Past, batch: Brought, judged: list[date]) -> None:
    assert completed_by(before, batch, BERLIN) == judged


def test_many_small_batches_of_a_day_are_judged_once_as_their_sum() -> None:
    """As a stream brings them: every hour a part of a Monday that has a third of its usual events at its end."""
    state, judged, odd = past(), list[date](), list[str]()
    for hour in range(1, 30):
        now = at(MONDAY) + timedelta(hours=hour - 12)
        day = now.astimezone(BERLIN).date()
        batch = Brought(now, now, {day: told(15)}, {day: now})
        judged += completed_by(state, batch, BERLIN)
        odd += [verdict.observed or "" for verdict in answers(state, batch).values()]
        state = following(state, batch)

    assert judged == [MONDAY]
    assert len(odd) == 1
    assert odd[0].startswith("2025-03-03 (Monday) has 345 events, 1,000 are usual, 637 to 1,5")


def test_a_day_at_a_tenth_stops_its_batch_and_one_at_a_third_only_warns() -> None:
    tenth, third = (answers(past(), brought({MONDAY: events})) for events in (100, 333))

    assert {*tenth} == {NEARLY_EMPTY, AS_USUAL["volume"]}
    assert tenth[NEARLY_EMPTY].stops
    refused = gate.refusal([*tenth.values()])
    assert refused is not None
    assert "2025-03-03 (Monday) has 100 events, 1,000 are usual (the median of 8 such weekdays before)" in refused
    assert "at least 200 must be there" in refused
    assert "validate.calendar" in refused
    assert "--retry-refused" in refused
    assert "--set validate.min_volume_share=0" in refused
    assert {*third} == {AS_USUAL["volume"]}
    assert third[AS_USUAL["volume"]].warns


def begun(events: int) -> Past:
    """A feed that is exported at noon: it has told of a part of the Monday."""
    return following(past(), brought({MONDAY: events}, at(MONDAY)))


def test_a_day_that_came_in_parts_stops_the_last_by_its_sum() -> None:
    odd = answers(begun(50), brought({MONDAY: 100, days(1)[0]: 400}, at(days(1)[0])))

    assert (odd[NEARLY_EMPTY].observed or "").startswith("2025-03-03 (Monday) has 150 events, 1,000 are usual")


def parted(before: Past, days: int) -> Past:
    """The newest days of a feed came in two parts each."""
    newest = sorted(before.days)[-days:]
    halves = {day: Part(before.days[day].events // 2, after(day), after(day)) for day in newest}
    return Past(before.days, {**before.largest, **halves}, before.newest_at, before.delivered_at, before.delays)


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("torn", [0, 1, 3])
def test_a_daily_file_that_is_nearly_empty_stops_also_a_day_late_or_after_days_that_came_in_parts(
    late: int, torn: int
) -> None:
    assert NEARLY_EMPTY in answers(
        parted(past(), torn) if torn else past(), brought({MONDAY: 100}, after(MONDAY, late))
    )


def test_stragglers_of_a_day_leave_it_a_day_that_came_whole() -> None:
    """Each night's file has fifty events more of the day before."""
    state = past(MONDAY - timedelta(days=14))
    for day in (MONDAY - timedelta(days=back) for back in range(14, 0, -1)):
        state = following(state, brought({day - timedelta(days=1): 50, day: 1000}))

    assert NEARLY_EMPTY in answers(state, brought({MONDAY - timedelta(days=1): 50, MONDAY: 100}))


@pytest.mark.parametrize("parts", [2, 20])
def test_a_feed_that_brings_each_day_in_parts_after_its_end_never_stops(parts: int) -> None:
    """After six weeks of history: no part alone is a fifth of a day, where there are twenty."""
    state = following(Past(), brought(dict.fromkeys(past(number=43).days, 1000)))
    for day in (MONDAY + timedelta(days=number) for number in range(10)):
        for number in range(parts):
            batch = brought({day: 1000 // parts}, after(day) + timedelta(minutes=number))
            assert NEARLY_EMPTY not in broken_by(state, batch), (day, number)
            state = following(state, batch)


EVENTS_OF_HISTORY = 50 * 100  # fifty days of a hundred events


@settings(max_examples=100, deadline=None)
@given(
    cuts=st.lists(st.integers(1, EVENTS_OF_HISTORY - 1), max_size=60, unique=True),
    keeps_times=st.booleans(),
    ran=st.integers(1, 30),
    seed=st.integers(0, 2**32),
    shuffled=st.booleans(),
)
def test_a_history_never_stops_however_it_is_cut_and_ordered(
    cuts: list[int], keeps_times: bool, ran: int, seed: int, shuffled: bool
) -> None:
    """All batches are planned at once, hours or days after its last day; files have times of their own, or none."""
    last = MONDAY - timedelta(days=1)
    planned = at(last, 0) + timedelta(hours=24 + ran)
    edges = [0, *sorted(cuts), EVENTS_OF_HISTORY]
    batches = []
    for first, end in pairwise(edges):
        told_of = Counter(last - timedelta(days=49 - number // 100) for number in range(first, end))
        delivered = min(planned, after(max(told_of))) if keeps_times else planned
        newest = {day: at(day) for day in told_of}
        batches.append(Brought(delivered, planned, {day: told(n) for day, n in told_of.items()}, newest))
    if shuffled:
        random.Random(seed).shuffle(batches)
    state = Past()
    for batch in batches:
        assert NEARLY_EMPTY not in broken_by(state, batch)
        state = following(state, batch)


def broken_by(before: Past, batch: Brought) -> set[str]:
    """The names of what does not hold, without Great Expectations, which would judge for minutes."""
    return {one.expected.name for one in questions(before, batch, BERLIN, LIMITS) if not one.holds}


def test_days_that_come_whole_one_by_one_in_one_load_do_not_stop_it() -> None:
    """Fifty daily files with times of their own, the last nearly empty: as in one batch, it comes in."""
    planned, state = after(MONDAY), Past()
    for back in range(50, -1, -1):
        day = MONDAY - timedelta(days=back)
        batch = Brought(after(day), planned, {day: told(1000 if back else 10)}, {day: at(day)})
        found = broken_by(state, batch)
        assert NEARLY_EMPTY not in found
        state = following(state, batch)
    assert AS_USUAL["volume"] in found, "the poor day is said all the same"


def test_one_event_of_long_ago_makes_no_century_of_days() -> None:
    old = date(1900, 1, 1)

    first = completed_by(Past(), brought({old: 1, MONDAY: 1000}), BERLIN)
    later = completed_by(past(), brought({old: 1, MONDAY: 1000}), BERLIN)

    assert (len(first), first[-1]) == (3 * 366 + 1, MONDAY)
    assert later == [MONDAY]


def test_a_file_that_lay_about_is_not_asked_how_fresh_it_is() -> None:
    """Thirty days old, and so are its events: a replay or a file found again."""
    old = MONDAY - timedelta(days=30)

    assert [q.column for q in questions(past(), brought({old: 5}, after(old, 9)), BERLIN, LIMITS)] == []
    assert "deviation of freshness" in [
        q.column for q in questions(past(), brought({old: 5}, after(MONDAY)), BERLIN, LIMITS)
    ]


@pytest.mark.parametrize(
    ("before", "batch", "limits"),
    [
        pytest.param(past(), brought({MONDAY: 100}), DayLimits(4.5, 0.0), id="switched off"),
        pytest.param(past(), brought({MONDAY: 100}), DayLimits(4.5, 0.2, {MONDAY}), id="in the calendar"),
        pytest.param(past(number=27), brought({MONDAY: 100}), LIMITS, id="too little history"),
        pytest.param(past(), brought({MONDAY: 100}, at(MONDAY, 18)), LIMITS, id="not over"),
        pytest.param(past(), brought({days(-3)[0]: 1}), LIMITS, id="a late file"),
        pytest.param(past(closed=(5,)), brought({days(-2)[0]: 1}), LIMITS, id="a closed day"),
        pytest.param(past(events=8), brought({MONDAY: 1}), LIMITS, id="chance"),
        pytest.param(past(), brought({MONDAY: 100, days(1)[0]: 1000}), LIMITS, id="not the newest"),
        pytest.param(Past(), brought(dict.fromkeys(days(*range(70)), 1000) | {days(70)[0]: 1}), LIMITS,
                     id="first load"),
        pytest.param(past(), brought({MONDAY: 100}, after(MONDAY, 2)), LIMITS, id="three days late"),
        pytest.param(parted(past(), 4), brought({MONDAY: 100}), LIMITS, id="a feed that comes in parts"),
        pytest.param(begun(150), brought({MONDAY: 100}), LIMITS, id="begun by another batch"),
    ],
)  # fmt: skip
def test_what_does_not_stop(before: Past, batch: Brought, limits: DayLimits) -> None:
    assert NEARLY_EMPTY not in answers(before, batch, limits)


def test_a_missing_day_is_said_and_stops_nothing() -> None:
    odd = answers(past(), brought({days(2)[0]: 1000}))

    assert {*odd} == {AS_USUAL["volume"]}
    (verdict,) = odd.values()
    assert (verdict.rows, verdict.failures) == (3, 2)
    assert verdict.observed is not None
    assert verdict.observed.endswith("; without any event: 2025-03-03, 2025-03-04")
    assert "2 of 3 days; farthest off: 2025-03-04 (Tuesday) has no event" in verdict.observed


def test_years_of_history_make_one_warning_for_each_measure() -> None:
    """Every tenth day of three years has thrice its events, all of them of another type."""
    first = MONDAY - timedelta(days=1095)
    load = {first + timedelta(days=n): told(1000) for n in range(1095)}
    load |= {day: Day(3000, {"cart": 3000}) for n, day in enumerate(load) if n % 10 == 9}
    batch = Brought(after(max(load)), after(max(load)), load, {day: at(day) for day in load})

    odd = answers(Past(), batch)

    assert {*odd} == {AS_USUAL["volume"], AS_USUAL["event types"]}
    # Of the 109 such days, those in the first four weeks and a day have no history.
    assert {verdict.failures for verdict in odd.values()} == {109 - 2}
    assert {verdict.rows for verdict in odd.values()} == {1095 - 29}
    assert len(gate.warnings([*odd.values()])) == 2


def test_a_verdict_tells_in_json_what_is_usual() -> None:
    (verdict,) = answers(past(), brought({MONDAY: 333})).values()

    said: dict[str, Any] = json.loads(verdict.arguments or "")
    assert (said["min_value"], said["max_value"]) == (-4.5, 4.5)
    assert said["farthest"]["day"] == "2025-03-03"
    assert (said["farthest"]["value"], round(said["farthest"]["usual"])) == (333, 1000)
    assert verdict.expectation == "expect_column_values_to_be_between"
    assert (verdict.policy, verdict.severity, verdict.table_name) == ("warn", "warning", "silver.events")


@pytest.mark.parametrize(("days_late", "odd"), [(0, False), (1, False), (2, True)])
def test_a_feed_whose_newest_event_is_days_older_than_usual_is_not_fresh(days_late: int, odd: bool) -> None:
    """It goes on delivering corrections of what is old."""
    found = answers(past(), Brought(*[after(MONDAY - timedelta(days=1), days_late)] * 2))

    assert (AS_USUAL["freshness"] in found) == odd
    if odd:
        assert found[AS_USUAL["freshness"]].observed == (
            "the newest event is 62.0 hours older than the delivery, 14.0 are usual, up to 38.0 expected"
        )


def test_a_feed_is_as_fresh_as_its_newest_event_whichever_batch_brought_it() -> None:
    late = brought({days(-30)[0]: 5}, after(MONDAY - timedelta(days=1)))

    assert answers(past(), late) == {}


@pytest.mark.parametrize("shift", [0, 1, 5])
def test_the_future_changes_nothing(shift: int) -> None:
    """What is usual for a day is said by earlier days only."""
    batch = {MONDAY: 333}
    more = batch | {MONDAY + timedelta(days=n): 10 for n in range(1, shift + 1)}
    delivered = after(MONDAY + timedelta(days=5))

    found = [
        next(q for q in questions(past(), brought(told_days, delivered), BERLIN, LIMITS) if "volume" in q.column)
        for told_days in (batch, more)
    ]

    assert found[0].values[0] == found[1].values[0]


def test_however_a_history_was_cut_into_batches_it_is_the_same() -> None:
    parts = [(day, 100) for day in past().days for _ in range(10)]
    whole: dict[date, Day] = {}
    for day, events in reversed(parts):
        whole = usual.together(whole, {day: told(events)})

    assert whole == past().days
    cut = Past(whole, past().largest, past().newest_at, past().delivered_at, past().delays)
    assert [q.values for q in questions(cut, brought({MONDAY: 333}), BERLIN, LIMITS)] == [
        q.values for q in questions(past(), brought({MONDAY: 333}), BERLIN, LIMITS)
    ]


def test_data_docs_show_what_was_found() -> None:
    verdicts = gate.judge_few(EVENTS, questions(past(), brought({MONDAY: 100}), BERLIN, LIMITS))

    (_, index), (_, page) = pages(
        [Judgement("silver.events", "shoal-1", at(MONDAY), frozenset(EVENTS.names), verdicts)]
    )

    assert "refused" in index
    assert NEARLY_EMPTY in page
    assert AS_USUAL["volume"] in page
    assert "2025-03-03 (Monday) has 100 events, 1,000 are usual" in page
