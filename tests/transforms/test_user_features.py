"""What is known of a user on a day is what the user did before it, and nothing else."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from shoal.tables import EVENTS, USER_DAYS, USER_FEATURES, USER_ITEM_DAYS, USERS
from shoal.tables.features import WINDOWS
from shoal.transforms import derived, tiles
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


@pytest.fixture
def features_of(frame):
    """Features by user; everyone is a consumer unless ``kinds`` says otherwise."""

    def build(days, item_days=(), kinds=None, partitions=1):
        kinds = {**{row["user_id"]: "consumer" for row in days}, **(kinds or {})}
        found = user_features(
            frame(USER_DAYS, *days).repartition(partitions),
            frame(USER_ITEM_DAYS, *item_days).repartition(partitions),
            frame(USERS, *({"user_id": user, "account_kind": kind} for user, kind in kinds.items() if kind)),
            as_of=AS_OF,
            run_id="r",
        )  # fmt: skip
        rows = found.collect()
        users = {row.user_id: row for row in rows}
        assert len(users) == len(rows), "a user has two rows"
        return users

    return build


def test_a_window_of_n_days_sees_the_n_days_before_as_of(features_of):
    edges = [0, *(days for window in WINDOWS for days in (1, window, window + 1))]
    done = {"views": 1, "carts": 1, "orders": 1, "purchases": 1, "gross": Decimal(1)}
    found = features_of([tile(f"{ago}", ago, **done) for ago in {*edges}])

    assert {*found} == {f"{ago}" for ago in edges if ago > 0}
    for window in WINDOWS:
        inside = {f"{ago}" for ago in edges if 1 <= ago <= window}
        for name in ("views", "carts", "orders", "purchases", "active_days", "spend"):
            seen = {user: row[f"{name}_{window}d"] for user, row in found.items()}
            assert seen == {user: 1 if user in inside else 0 for user in found}, f"{name}_{window}d"


def test_the_future_order_and_partitioning_change_nothing(features_of):
    done = {"orders": 1, "purchases": 2, "pieces": 3, "gross": Decimal("0.1"), "views": 1}
    days = [tile(f"u{n % 3}", 1 + n, **done) for n in range(40)]
    item_days = [item_tile(f"u{n % 3}", f"i{n % 7}", 1 + n, purchases=n % 2) for n in range(40)]
    future = [tile(user, ago, **done, returned=Decimal(9)) for user in ("u0", "new") for ago in (0, -1, -30)]
    future_items = [item_tile(user, "later", ago, purchases=1) for user in ("u0", "new") for ago in (0, -1)]

    found = features_of([*future, *days[::-1]], [*future_items, *item_days[::-1]], partitions=5)
    assert found == features_of(days, item_days)


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


def test_features_agree_with_duckdb_on_the_events_themselves(frame, random_events):
    """From events over orders and tiles to features, against one query; orders go on after ``AS_OF``."""
    events = frame(EVENTS, *random_events(seed=5, first=AS_OF - timedelta(days=40)))
    orders = derived.orders(events)
    days, item_days = tiles.user_days(events, orders, buckets=4), tiles.user_item_days(events, buckets=4)
    features = user_features(days, item_days, derived.users(events), as_of=AS_OF, run_id="r")
    expected = {
        "recency_days": "as_of - any_value(last_order_day)",
        "recency_event_days": "as_of - max(event_date)",
        "tenure_days": "as_of - min(event_date)",
        "frequency": "coalesce(any_value(frequency), 0)",
        "spend": "sum(amount_base) FILTER (bought)",
        "returned": "sum(amount_base) FILTER (returned)",
        "net_spend": "sum(CASE WHEN bought THEN amount_base WHEN returned THEN -amount_base END)",
        "order_value": "CAST(sum(amount_base) FILTER (bought) AS DOUBLE) / any_value(frequency)",
        "basket_size": "count_if(bought AND goods) / any_value(frequency)",
        "distinct_items": "count(DISTINCT item_id) FILTER (bought AND goods)",
        "distinct_items_viewed": "count(DISTINCT item_id) FILTER (looked OR bought AND goods)",
        "active_days": "count(DISTINCT event_date)",
        "return_rate": """CASE WHEN sum(quantity) FILTER (bought AND goods) > 0
                               THEN least(1, coalesce(sum(quantity) FILTER (returned AND goods), 0)
                                             / sum(quantity) FILTER (bought AND goods)) END""",
        "gap_days": "any_value(gap_days)",
        "is_buyer": "any_value(frequency) IS NOT NULL",
        "last_order_at": "any_value(epoch_us(last_order_at))",
    }
    for window in WINDOWS:
        inside = f"event_date >= as_of - {window}"
        expected |= {
            f"searches_{window}d": f"count_if({inside} AND event_type = 'search')",
            f"favourites_{window}d": f"count_if({inside} AND event_type = 'favourite')",
            f"returns_{window}d": f"count_if({inside} AND returned AND goods)",
            f"views_{window}d": f"count_if({inside} AND event_type IN ('view', 'click'))",
            f"carts_{window}d": f"count_if({inside} AND event_type = 'cart')",
            f"orders_{window}d": f"coalesce(any_value(orders_{window}d), 0)",
            f"purchases_{window}d": f"count_if({inside} AND bought AND goods)",
            f"active_days_{window}d": f"count(DISTINCT event_date) FILTER ({inside})",
            f"spend_{window}d": f"sum(CASE WHEN {inside} THEN amount_base ELSE 0 * amount_base END) FILTER (bought)",
        }
    within = [f"count_if(day >= DATE '{AS_OF}' - {window}) AS orders_{window}d" for window in WINDOWS]
    con = duckdb.connect()
    con.register("events", events.toArrow())
    con.register("features", features.toArrow())
    con.execute(f"""
        CREATE VIEW kept AS SELECT *,
            DATE '{AS_OF}' AS as_of, event_type = 'purchase' AS bought, event_type = 'return' AS returned,
            event_type IN ('view', 'click', 'cart') AS looked, coalesce(line_kind, 'goods') = 'goods' AS goods
        FROM events WHERE user_id IS NOT NULL AND NOT is_deleted;
        CREATE VIEW orders AS SELECT user_id, min(event_date) AS day, min(event_time) AS time
        FROM kept WHERE bought GROUP BY user_id, order_id;
        CREATE VIEW buyers AS SELECT user_id,
            count(*) AS frequency, max(day) AS last_order_day, max(time) AS last_order_at, {", ".join(within)},
            CASE WHEN count(DISTINCT day) > 1 THEN (max(day) - min(day)) / (count(DISTINCT day) - 1) END AS gap_days
        FROM orders WHERE day < DATE '{AS_OF}' GROUP BY user_id;
    """)

    def rows(query):
        return {row[0]: dict(zip(expected, row[1:], strict=True)) for row in con.sql(query).fetchall()}

    columns = ", ".join(expected).replace("last_order_at", "epoch_us(last_order_at)")
    measures = ", ".join(expected.values())
    found = rows(f"SELECT user_id, {columns} FROM features")
    assert found == rows(f"""SELECT user_id, {measures} FROM kept LEFT JOIN buyers USING (user_id)
                             WHERE event_date < as_of GROUP BY user_id, as_of""")
    assert {*found} == {"ann", "ben", "cat", "dan", "bare", "window"}
    by_limits = {"is_suspect", "suspect_reasons", "extreme_purchases"}  # without limits nothing lies beyond them
    assert {*expected, *by_limits, "run_id", "user_id", "as_of"} == {*USER_FEATURES.names}
