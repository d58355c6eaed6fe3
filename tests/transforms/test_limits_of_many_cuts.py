"""What is learned and judged at many cuts at once is, at each, what is learned and judged there alone."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from shoal.config import load_config
from shoal.frames import few_rows, rows_of
from shoal.tables import USER_DAYS, USER_ITEM_DAYS
from shoal.transforms import outliers, suspects
from shoal.transforms.cuts import at_each, of_cut, taken_along
from shoal.transforms.limits import limits, spreads

FIRST = date(2024, 5, 1)
CUTS = [FIRST + timedelta(days=n) for n in (3, 17, 30)]
PARAMS = load_config(
    sets=["features.limits.min_users=3", "features.limits.min_purchases=3", "features.limits.days=14"]
).features.limits
COUNTS = ("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces")


def tiles(seed: int):
    """A month of a dozen users and five items: rows of their days, and of their items."""
    rng, days, items = random.Random(seed), [], []
    for user in range(12):
        for number in sorted(rng.sample(range(30), 9)):
            day = FIRST + timedelta(days=number)
            key = {"bucket": 0, "user_id": f"u{user}", "event_date": day}
            noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            of_day = dict.fromkeys((*COUNTS, "events", "searches", "orders", "purchase_lines"), 0)
            days.append({**key, **of_day, "views": rng.randrange(1, 90), "look_hours": rng.randrange(1, 1 << 20),
                         "first_at": noon, "last_at": noon + timedelta(seconds=rng.randrange(1, 9000))})  # fmt: skip
            for item in rng.sample(range(5), 2):
                bought = {
                    "purchases": 1,
                    "pieces": rng.randrange(1, 30),
                    "priced_pieces": 1,
                    "gross": rng.randrange(1, 9),
                }
                items.append({**key, **dict.fromkeys(COUNTS, 0), "item_id": f"i{item}", "views": 1, **bought})
    return days, items


@pytest.fixture(scope="module")
def shop(spark):
    days, items = tiles(seed=3)
    users = few_rows(spark, "user_id string", [(f"u{n}",) for n in range(12)])
    return rows_of(spark, USER_DAYS, days).drop("bucket"), rows_of(spark, USER_ITEM_DAYS, items).drop("bucket"), users


def learned(days, items, users, as_of, run_id, *own):
    values = suspects.user_values(days, items, users, as_of=as_of, params=PARAMS)
    found = spreads(values, outliers.item_values(items, as_of=as_of, params=PARAMS), *own)
    return limits(found, as_of=as_of, run_id=run_id, params=PARAMS)


@pytest.mark.long
def test_limits_of_many_cuts_are_those_of_each(shop):
    days, items, users = shop
    together = learned(
        taken_along(days, CUTS), taken_along(items, CUTS), at_each(users, CUTS), None,
        of_cut({cut: f"run {cut}" for cut in CUTS}), "as_of",
    )  # fmt: skip
    found = sorted(map(repr, together.collect()))
    wanted = [repr(row) for cut in CUTS for row in learned(days, items, users, cut, f"run {cut}").collect()]

    assert found == sorted(wanted)
    assert {row.as_of for row in together.select("as_of").distinct().collect()} == {*CUTS}
