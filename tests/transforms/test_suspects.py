"""Robots are marked, people are not, however keen; the future, order and partitions change nothing."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from math import exp, log
from statistics import median
from typing import Any

import pytest

from shoal.config import load_config
from shoal.frames import rows_of
from shoal.tables import USER_DAYS, USER_ITEM_DAYS, USERS
from shoal.transforms import outliers, suspects
from shoal.transforms.limits import Limits, limits, spreads
from shoal.transforms.user_features import user_features

Row = dict[str, Any]
Tiles = tuple[list[Row], list[Row]]

AS_OF = date(2024, 6, 1)
PARAMS = load_config().features.limits
COUNTS = ("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces")
OTHERS = ("events", "searches", "orders", "purchase_lines")
MEASURES = {"rate", "breadth", "hours", "pace", "regularity"}


def visit(user: str, days_ago: int, looks: int, *, start: float = 36_000, seconds: float = 7_200, items: int = 5,
          **values: int) -> Tiles:  # fmt: skip
    """The tiles of a day with looks evenly over some seconds, at as many items in turn."""
    day = AS_OF - timedelta(days=days_ago)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    hours = {int(start + n * seconds / max(looks - 1, 1)) // 3600 for n in range(looks)}
    key = {"bucket": 0, "user_id": user, "event_date": day}
    tile = {
        **key, **dict.fromkeys((*COUNTS, *OTHERS), 0), "views": looks, "events": looks, **values,
        "first_at": midnight + timedelta(seconds=start), "last_at": midnight + timedelta(seconds=start + seconds),
        "look_hours": sum(1 << hour for hour in hours) if hours else None,
    }  # fmt: skip
    seen = Counter(n % items for n in range(looks))
    return [tile], [{**key, **dict.fromkeys(COUNTS, 0), "item_id": f"i{n}", "views": seen[n]} for n in seen]


def together(*visits: Tiles) -> Tiles:
    return [row for days, _ in visits for row in days], [row for _, items in visits for row in items]


def people(count: int = 30, most: int = 16) -> Tiles:
    """Users of four visits each."""
    rng = random.Random(5)
    return together(*(visit(f"p{n:02}", 3 + 9 * k, rng.randrange(1, most)) for n in range(count) for k in range(4)))


@pytest.fixture(scope="module")
def judged(spark):
    """Features of tiles by user at a cut, and the limits of ``AS_OF`` that they were judged by, by measure."""

    def build(told: Tiles, partitions=1, params=PARAMS, cut=AS_OF):
        days, items = (
            rows_of(spark, table, rows).repartition(partitions)
            for table, rows in zip((USER_DAYS, USER_ITEM_DAYS), told, strict=True)
        )
        users = rows_of(spark, USERS, [{"user_id": u, "account_kind": "consumer"}
                                       for u in {row["user_id"] for row in told[0]}])  # fmt: skip
        values = suspects.user_values(days, items, users, as_of=AS_OF, params=params)
        found = spreads(values, outliers.item_values(items, as_of=AS_OF, params=params)).cache()
        learned = limits(found, as_of=AS_OF, run_id="r", params=params)
        found = {row.measure: row for row in learned.collect()}
        of_users = {measure: row.upper for measure, row in found.items()}
        usual = Limits(of_users, {}, learned.where("scope = 'item'"), params, "keep")
        features = user_features(days, items, users, as_of=cut, run_id="r", limits=usual, only=["active_days"])
        return {row.user_id: row for row in features.collect()}, found

    return build


def reasons(users: dict[str, Any]) -> dict[str, set[str]]:
    assert all(row.is_suspect == bool(row.suspect_reasons) for row in users.values())
    return {user: {*row.suspect_reasons} for user, row in users.items() if row.is_suspect}


def every(days: range, user: str, looks: Any, **values: Any) -> Tiles:
    return together(*(visit(user, ago, looks(ago) if callable(looks) else looks, **values) for ago in days))


CRAWLER = together(
    visit("crawler", 1, 5_000, seconds=36_000, items=3_000), every(range(2, 4), "crawler", 5_000, seconds=36_000)
)
ROBOTS: dict[str, tuple[Tiles, set[str]]] = {
    "crawler": (CRAWLER, {"rate", "breadth"}),  # 5,000 looks at 3,000 items in ten hours, day after day
    "burst": (visit("burst", 4, 120, seconds=60.5), {"pace"}),  # two a second
    "monitor": (visit("monitor", 5, 48, start=600, seconds=84_600, items=3), {"hours"}),  # every half hour, all night
    "script": (every(range(1, 31), "script", 15), {"regularity"}),  # the same on each of 30 days
    # Buys too little for so many looks, or sends back what it bought.
    "hardly buys": (visit("hardly buys", 2, 1_200, purchases=2, purchase_lines=2, orders=1), {"rate"}),
    "sends back": (visit("sends back", 2, 1_200, purchases=5, purchase_lines=5, orders=1, returns=3), {"rate"}),
}  # fmt: skip
HUMANS: dict[str, Tiles] = {
    # 400 looks at 250 items in six hours, no two days alike.
    "keen": every(range(1, 5), "keen", lambda ago: 400 - 70 * ago, seconds=21_600, items=250),
    "faithful": every(range(1, 31), "faithful", lambda ago: 10 + ago * 7 % 15),  # 10 to 24 looks on each of 30 days
    "rare": every(range(1, 60, 7), "rare", 15),  # the same every week: that is not every day
    "one a day": every(range(1, 31), "one a day", 1),  # a feed of daily sums
    "night owl": visit("night owl", 2, 90, start=600, seconds=70_000),  # twenty hours
    "buyer": visit("buyer", 2, 1_200, purchases=3, purchase_lines=3, orders=1),  # a line for every 400 looks
    "wholesaler": visit("wholesaler", 6, 0, purchases=900, purchase_lines=900, orders=1),  # never looks
    # Feeds that know whole minutes only, or whole days.
    "minutes": visit("minutes", 2, 200, seconds=60),
    "days": visit("days", 2, 200, seconds=0),
}


def test_robots_are_marked_by_what_no_human_does_and_keen_people_are_not(judged):
    users, found = judged(together(people(), *(robot for robot, _ in ROBOTS.values()), *HUMANS.values()))

    assert reasons(users) == {name: why for name, (_, why) in ROBOTS.items()}
    # Of so few users nothing is learned: the floors hold, and the median is told all the same.
    assert {measure: row.upper for measure, row in found.items()} == {m: getattr(PARAMS, m) for m in MEASURES}
    assert {row.scope for row in found.values()} == {"user"}
    assert (found["rate"].observed, found["rate"].lower) == (len(users) - 1, None)  # the wholesaler never looks


def test_a_busy_shop_raises_its_limits_itself(judged):
    """Where people look 200 to 1,400 times a day 3,000 is not impossible; where the same few do, it may be."""
    rng = random.Random(7)
    counts = [rng.randrange(200, 1_400) for _ in range(25)]
    robot = visit("robot", 2, 3_000, seconds=40_000)
    told = together(*(visit(f"p{n:02}", 2, looks, seconds=30_000) for n, looks in enumerate(counts)), robot)
    users, found = judged(told, params=PARAMS.model_copy(update={"min_users": 26}))

    # By the definition: the median, and 5 x 1.4826 median distances of logarithms from it; three digits are kept.
    logs = [log(float(f"{n:.3g}")) for n in [*counts, 3_000]]
    upper = exp(median(logs) + 5 * 1.4826 * median(abs(value - median(logs)) for value in logs))
    rate = found["rate"]
    assert upper > 3_000 > PARAMS.rate
    assert (rate.upper, rate.median, rate.observed) == (pytest.approx(upper), pytest.approx(exp(median(logs))), 26)
    assert rate.mad == pytest.approx(median(abs(value - median(logs)) for value in logs))
    assert reasons(users) == {}


def test_the_future_order_partitions_and_days_long_ago_change_nothing(judged):
    days, items = together(people(), CRAWLER, visit("p03", PARAMS.days + 1, 4_000))
    later = together(visit("p02", 0, 4_000), visit("new", -3, 4_000))
    shuffled = ([*days[::-1], *later[0]], [*items[::-1], *later[1]])
    params = PARAMS.model_copy(update={"min_users": 10})

    plain = judged((days, items), params=params)
    assert judged(shuffled, partitions=5, params=params) == plain
    assert reasons(plain[0]) == {"crawler": {"rate", "breadth"}}
    assert plain[0]["p03"].active_days == 5  # that of long ago is one of them
    assert plain[1]["rate"].observed == 31


def test_a_robot_of_long_ago_is_one_at_an_earlier_cut(judged):
    """That nobody is suspect today does not say that nobody was: propensity judges its cuts by today's limits."""
    told = together(people(), visit("long ago", PARAMS.days + 35, 4_000))
    today, then = (judged(told, cut=AS_OF - timedelta(days=ago))[0] for ago in (0, PARAMS.days + 15))

    assert reasons(today) == {}
    assert {*then} == {"long ago"}
    assert reasons(then) == {"long ago": {"rate"}}
