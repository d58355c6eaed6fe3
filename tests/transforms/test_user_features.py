"""What is known of a user on a day is what the user did before it, and nothing else."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shoal.tables import USER_DAYS, USER_ITEM_DAYS, USERS
from shoal.tables.feature import WINDOWS
from shoal.transforms.user_features import user_features

Row = dict[str, Any]

AS_OF = date(2024, 6, 1)
COUNTS = ("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces")


def tile(user: str, days_ago: int, **values: Any) -> Row:
    """A day on which the user did nothing but what is said; an order makes a time of the last order."""
    day = AS_OF - timedelta(days=days_ago)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    others = ("events", "searches", "orders", "purchase_lines")
    return {
        "bucket": 0, "user_id": user, "event_date": day, "first_at": noon, "last_at": noon,
        "last_order_at": noon if values.get("orders") else None, **dict.fromkeys((*COUNTS, *others), 0), **values,
    }  # fmt: skip


def item_tile(user: str, item: str, days_ago: int, **values: Any) -> Row:
    day = AS_OF - timedelta(days=days_ago)
    return {
        "bucket": 0, "user_id": user, "item_id": item, "event_date": day, **dict.fromkeys(COUNTS, 0), **values,
    }  # fmt: skip


LOOKED_AT = [
    "frequency", "active_days", "tenure_days", "spend", "returned", "net_spend", "spend_7d", "spend_365d",
    "order_value", "basket_size", "return_rate", "gap_days", "last_order_at", "distinct_items", "distinct_items_viewed",
]  # fmt: skip


@pytest.fixture
def features_of(frame):
    """Features by user; everyone is a consumer unless ``kinds`` says otherwise."""

    def build(days, item_days=(), kinds=None, partitions=1, only=LOOKED_AT):
        kinds = {**{row["user_id"]: "consumer" for row in days}, **(kinds or {})}
        found = user_features(
            frame(USER_DAYS, *days).repartition(partitions),
            frame(USER_ITEM_DAYS, *item_days).repartition(partitions),
            frame(USERS, *({"user_id": user, "account_kind": kind} for user, kind in kinds.items() if kind)),
            as_of=AS_OF,
            run_id="r",
            only=only,
        )  # fmt: skip
        rows = found.collect()
        users = {row.user_id: row for row in rows}
        assert len(users) == len(rows), "a user has two rows"
        return users

    return build


def test_a_window_of_n_days_sees_the_n_days_before_as_of(features_of):
    edges = [0, *(days for window in WINDOWS for days in (1, window, window + 1))]
    done = {"views": 1, "carts": 1, "orders": 1, "purchases": 1, "gross": Decimal(1)}
    kinds = ("views", "carts", "orders", "purchases", "active_days", "spend")
    names = [f"{kind}_{window}d" for kind in kinds for window in WINDOWS]
    found = features_of([tile(f"{ago}", ago, **done) for ago in {*edges}], only=names)

    assert {*found} == {f"{ago}" for ago in edges if ago > 0}
    for window in WINDOWS:
        inside = {f"{ago}" for ago in edges if 1 <= ago <= window}
        for name in kinds:
            seen = {user: row[f"{name}_{window}d"] for user, row in found.items()}
            assert seen == {user: 1 if user in inside else 0 for user in found}, f"{name}_{window}d"


def test_the_future_order_and_partitioning_change_nothing(features_of):
    done = {"orders": 1, "purchases": 2, "pieces": 3, "gross": Decimal("0.1"), "views": 1}
    days = [tile(f"u{n % 3}", 1 + n, **done) for n in range(40)]
    item_days = [item_tile(f"u{n % 3}", f"i{n % 7}", 1 + n, purchases=n % 2) for n in range(40)]
    future = [tile(user, ago, **done, returned=Decimal(9)) for user in ("u0", "new") for ago in (0, -1, -30)]
    future_items = [item_tile(user, "later", ago, purchases=1) for user in ("u0", "new") for ago in (0, -1)]

    found = features_of([*future, *days[::-1]], [*future_items, *item_days[::-1]], partitions=5, only=None)
    assert found == features_of(days, item_days, only=None)


def test_prospects_are_kept_and_staff_and_test_accounts_are_not(features_of):
    kinds = {"consumer": "consumer", "business": "business", "staff": "staff", "test": "test", "unknown": None}
    found = features_of([tile(user, 3, views=2) for user in kinds], kinds=kinds)

    assert {*found} == {"consumer", "business"}
    row = found["consumer"]
    assert (row.frequency, row.is_buyer, row.active_days, row.recency_event_days) == (0, False, 1, 3)
    never = (
        "recency_days",
        "spend",
        "net_spend",
        "order_value",
        "basket_size",
        "return_rate",
        "gap_days",
        "last_order_at",
    )
    assert {row[name] for name in never} == {None}


def test_an_unknown_sum_is_null_and_a_known_one_may_be_negative(features_of):
    five, eight = Decimal(5), Decimal(8)
    days = [
        tile("paid long ago", 400, orders=1, gross=five),
        tile("paid long ago", 1, orders=1),  # at no known price
        tile("paid no known price", 1, orders=1),
        tile("only sent back", 1, returns=1, returned=eight),
        tile("sent back more", 2, orders=1, gross=five),
        tile("sent back more", 1, returns=1, returned=eight),
    ]
    found = features_of(days)
    columns = ("spend", "returned", "net_spend", "spend_7d", "spend_365d")

    assert {user: tuple(row[name] for name in columns) for user, row in found.items()} == {
        "paid long ago": (5, None, 5, 0, 0),
        "paid no known price": (None, None, None, None, None),
        "only sent back": (None, 8, -8, None, None),
        "sent back more": (5, 8, 5 - 8, 5, 5),
    }


def test_rates_and_means(features_of):
    days = [
        # Four orders on three days: 30 for six lines of goods; of twelve pieces three came back.
        tile("u", 31, orders=1, purchases=1, pieces=2, gross=Decimal(10)),
        tile("u", 21, orders=2, purchases=3, pieces=6, gross=Decimal(15)),
        tile("u", 5, orders=1, purchases=2, pieces=4, gross=Decimal(5)),
        tile("u", 2, returns=2, returned_pieces=3),
        tile("once", 9, orders=2, purchases=2, pieces=1),
        tile("once", 8, returns=1, returned_pieces=2),  # bought before the lake begins
        tile("uncounted", 9, orders=1, purchases=1),
        tile("uncounted", 8, returns=1, returned_pieces=1),
    ]
    item_days = [
        item_tile("u", "bought", 31, purchases=1),
        item_tile("u", "bought", 21, purchases=1, views=1),
        item_tile("u", "seen", 21, views=1),
        item_tile("u", "in the cart", 21, carts=1),
        item_tile("u", "sent back", 2, returns=2),
    ]
    found = features_of(days, item_days)
    u, once, uncounted = (found[user] for user in ("u", "once", "uncounted"))

    assert (u.frequency, u.order_value, u.basket_size) == (4, 30 / 4, 6 / 4)
    assert (u.recency_days, u.recency_event_days, u.tenure_days, u.active_days) == (5, 2, 31, 4)
    assert [row.gap_days for row in (u, once)] == [(31 - 5) / 2, None]  # two gaps between three days; no second day
    assert [row.return_rate for row in (u, once, uncounted)] == [3 / 12, 1.0, None]
    assert (u.distinct_items, u.distinct_items_viewed) == (1, 3)
    assert (once.distinct_items, once.order_value) == (0, None)
