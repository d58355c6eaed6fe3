"""Users are counted by bin, all features at once; bins are the same for ever, so that counts of parts add up."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import floor, log2
from typing import Any
from zlib import crc32

import pytest

from shoal.tables import USER_FEATURES
from shoal.transforms.distributions import ONE, PER_DOUBLING, histograms, lowest, named

AS_OF = date(2025, 3, 1)
NAMES = ["frequency", "net_spend", "return_rate", "is_buyer", "next_order_date", "last_order_at", "main_category",
         "suspect_reasons", "own.ratio"]  # fmt: skip


def user(number: int, **values: Any) -> dict[str, Any]:
    return {"run_id": "r", "user_id": f"u{number}", "as_of": AS_OF, **values}


@pytest.fixture
def counted(frame):
    """Users by feature and bin, and the sum of their values by feature."""

    def build(rows, names=tuple(NAMES), partitions=1):
        found = histograms(frame(USER_FEATURES, *rows).repartition(partitions), as_of=AS_OF, names=names).collect()
        bins = {(names[row.place], row.bin): row.users for row in found}
        assert len(bins) == len(found)
        totals = Counter()
        for row in found:
            totals[names[row.place]] += row.total or 0
        return bins, totals

    return build


def bin_of(value: float) -> int:
    if value == 0:
        return 0
    place = max(1, floor(round(PER_DOUBLING * log2(abs(value)), 9)) + ONE)
    return place if value > 0 else -place


def test_values_of_every_kind_fall_into_bins(counted):
    noon = datetime(2025, 2, 27, 12, tzinfo=UTC)
    row = user(1, frequency=8, net_spend=Decimal("-0.5"), return_rate=0.25, is_buyer=True, last_order_at=noon,
               next_order_date=AS_OF + timedelta(days=4), main_category="food", suspect_reasons=[],
               own={"ratio": 0.0})  # fmt: skip
    bins, totals = counted([row, user(2)])

    wanted = {
        "frequency": ONE + 3 * PER_DOUBLING, "net_spend": -(ONE - PER_DOUBLING), "return_rate": ONE - 2 * PER_DOUBLING,
        "is_buyer": ONE, "next_order_date": -(ONE + 2 * PER_DOUBLING), "last_order_at": ONE + PER_DOUBLING,
        "main_category": crc32(b"food") % 32, "suspect_reasons": 0, "own.ratio": 0,
    }  # fmt: skip
    assert bins == {**dict.fromkeys(wanted.items(), 1), **{(name, None): 1 for name in wanted}}
    assert {name: totals[name] for name in ("frequency", "net_spend", "is_buyer", "last_order_at")} == {
        "frequency": 8, "net_spend": -0.5, "is_buyer": 1, "last_order_at": 2,
    }  # fmt: skip


def test_bins_are_quarters_of_doublings_and_say_where_they_begin(counted):
    rng = random.Random(1)
    values = [0.0, 1e-12, 1e-9, 0.1, 1.0, 1.19, 2.0, 3.0, 1e6, -1.0, -3.0, 1e300, *(rng.lognormvariate(0, 6)
              for _ in range(200))]  # fmt: skip
    bins, _ = counted([user(n, return_rate=value) for n, value in enumerate(values)], ("return_rate",))

    wanted = Counter(bin_of(max(-1e18, min(1e18, value))) for value in values)
    assert bins == {("return_rate", place): users for place, users in wanted.items()}
    for value in values:
        place = bin_of(min(1e18, value))
        if abs(place) > 1:  # all that is nearer to 0 lies in bin 1
            assert abs(lowest(place)) <= abs(value) * (1 + 1e-5)
        if value < 1e18 and value:
            assert abs(value) < 2 ** (1 / PER_DOUBLING) * abs(lowest(place)) * (1 + 1e-5)
        assert (lowest(place) > 0) == (place > 0)


def test_parts_add_up_and_partitions_change_nothing(counted):
    rng = random.Random(2)
    rows = [user(n, frequency=rng.randrange(9), net_spend=rng.choice([None, rng.randrange(-9, 99)]),
                 main_category=rng.choice([None, "food", "tools"])) for n in range(60)]  # fmt: skip
    whole, _ = counted(rows)
    parts = [counted(some)[0] for some in (rows[:25], rows[25:])]

    assert whole == counted(rows[::-1], partitions=4)[0]
    assert whole == dict(Counter(parts[0]) + Counter(parts[1]))
    for name in NAMES:
        assert sum(users for (of, _), users in whole.items() if of == name) == len(rows)


def test_every_feature_is_looked_at(counted):
    names = named(["ratio"])
    bins, _ = counted([user(1)], names)

    assert {name for name, _ in bins} == {*names}
    assert {*USER_FEATURES.names} - {*names} == {"run_id", "user_id", "as_of", "own"}
