"""What a user likes more than others do: one purchase is no passion, and what is bought like a clock falls due."""

import random
from contextlib import ExitStack
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest
from feature_oracle import differences
from item_oracle import LIKED, found_tastes, of_tastes

from shoal.config import load_config
from shoal.frames import few_rows, persisted, rows_of
from shoal.tables import EVENTS, ITEMS, USER_ITEM_DAYS
from shoal.transforms.tiles import user_item_days
from shoal.transforms.user_categories import met, user_categories

Row = dict[str, Any]

FIRST = date(2024, 3, 1)
AS_OF = FIRST + timedelta(days=50)  # of the sixty days of events, ten lie in the future
PARAMS = load_config().features.affinity
COUNTS = ("views", "favourites", "carts", "purchases", "pieces", "returns", "returned_pieces")
CATALOGUE = {  # item: category, brand
    **{f"i{n}": (f"top {n % 3}/sub {n}", f"brand {n % 2}" if n % 4 else None) for n in range(6)}, "i6": (None, None),
}  # fmt: skip


@pytest.fixture
def liked(spark):
    """``liked(tiles, catalogue)``: rows by user and name."""
    with ExitStack() as stack:

        def build(tiles, catalogue=CATALOGUE, users=None, partitions=1, as_of=AS_OF, **params):
            settings = PARAMS.model_copy(update=params)
            known = few_rows(spark, "item_id string, category string, brand string",
                             [(item, *said) for item, said in catalogue.items()])  # fmt: skip
            days = tiles if not isinstance(tiles, list) else rows_of(spark, USER_ITEM_DAYS, tiles)
            who = days.select("user_id").distinct() if users is None else few_rows(
                spark, "user_id string", [(user,) for user in users])  # fmt: skip
            found = met(days.repartition(partitions), known, who, as_of=as_of, params=settings)
            kept = stack.enter_context(persisted(found))
            return user_categories(kept, as_of=as_of, run_id="r", params=settings)

        yield build


def by_name(rows) -> dict[tuple[str, str], Any]:
    found = rows.collect()
    by_key = {(row.user_id, row.name): row for row in found}
    assert len(by_key) == len(found)
    return by_key


def tile(user: str, item: str, days_ago: int, purchases: int = 0, views: int = 0) -> Row:
    return {"bucket": 0, "user_id": user, "item_id": item, "event_date": AS_OF - timedelta(days=days_ago),
            **dict.fromkeys(COUNTS, 0), "purchases": purchases, "views": views}  # fmt: skip


ITEM_OF = {"cheese": ("food/milk/cheese", None), "bread": ("food/bread", None), "saw": ("tools", None),
           "lamp": ("lamps", None)}  # fmt: skip


@pytest.mark.parametrize(("levels", "most"), [(1, 10), (2, 2)])
def test_likings_are_what_another_engine_finds(spark, frame, random_events, liked, levels, most):
    rows = random_events(5, FIRST)
    events = frame(EVENTS, *rows)
    users = [f"{user}" for user in ("ann", "ben", "cat", "bare", "window")]  # dan works for the shop
    found = liked(user_item_days(events, buckets=2), users=users, category_levels=levels, most=most, prior_lines=3.0)
    con = duckdb.connect()
    con.register("events", events.toArrow())
    con.register("items", rows_of(spark, ITEMS, [
        {"item_id": item, "category": category, "brand": brand} for item, (category, brand) in CATALOGUE.items()
    ]).toArrow())  # fmt: skip
    con.execute("CREATE TABLE users AS SELECT unnest(?) AS user_id", [users])
    con.register("found", found.toArrow())
    wanted = of_tastes(con, AS_OF, levels=levels, prior=3.0, most=most)

    assert differences(found_tastes(con, "found"), wanted, LIKED) == []
    assert {row["facet"] for row in wanted.values()} == {"category", "brand"}
    assert any(row["interval_days"] for row in wanted.values())
    assert any(row["lines"] == 0 for row in wanted.values())


def test_one_purchase_is_no_passion_and_many_are(liked):
    """2,000 lines of food by all, one of lamps by one who bought nothing else, and a collector with 20 of them."""
    shop = [tile(f"u{n:03}", "cheese", 9, purchases=10) for n in range(198)]
    tiles = [*shop, tile("once", "lamp", 9, purchases=1), tile("collector", "lamp", 9, purchases=20),
             tile("collector", "cheese", 9, purchases=20), tile("looker", "saw", 3, views=2),
             tile("looker", "lamp", 3, views=9)]  # fmt: skip
    found = by_name(liked(tiles, ITEM_OF))
    lamps, lines = 21, 198 * 10 + 41  # of all users

    once, collector = found["once", "lamps"], found["collector", "lamps"]
    assert once.affinity == pytest.approx((1 + 5) / (1 * lamps / lines + 5))  # without the prior: 96 times as much
    assert 1 < once.affinity < 1.2
    assert collector.affinity == pytest.approx((20 + 5) / (40 * lamps / lines + 5))
    assert collector.affinity > 4
    assert (once.share, collector.share) == (1.0, 0.5)
    # Of who has bought nothing nothing is known: as all others, and what was looked at more comes first.
    of_looker = [(found["looker", name].affinity, found["looker", name].rank) for name in ("lamps", "tools")]
    assert of_looker == [(1.0, 1), (1.0, 2)]
    assert found["looker", "lamps"].share is None
    # Three users met lamps: the looker is the least, the collector the most keen of them.
    assert [found[user, "lamps"].percentile for user in ("looker", "once", "collector")] == [
        pytest.approx((place + 0.5) / 3) for place in range(3)
    ]


def test_what_is_bought_like_a_clock_falls_due(liked):
    ago = {
        "clock": (100, 70, 41, 10),  # gaps of 30, 29 and 31 days
        "chance": (100, 99, 50, 10),  # of 1, 49 and 40
        "thrice": (70, 40, 10),  # of which chance could make as much
        "twice": (40, 10),
    }
    twice_a_day = [tile("clock", "bread", 10, purchases=1)]  # another of the same category on the same day
    found = by_name(liked([*(tile(user, "cheese", days, purchases=1) for user in ago for days in ago[user]),
                           *twice_a_day], ITEM_OF))  # fmt: skip
    rows = {user: found[user, "food"] for user in ago}

    assert {user: row.interval_days for user, row in rows.items()} == {
        "clock": 30, "chance": 40, "thrice": 30, "twice": None,
    }  # fmt: skip
    assert {user: row.due_on for user, row in rows.items()} == {
        "clock": AS_OF + timedelta(days=20), "chance": None, "thrice": None, "twice": None,
    }  # fmt: skip
    assert rows["clock"].interval_variation == pytest.approx((2 / 3) ** 0.5 / 30)  # 30, 29, 31: a variance of 2/3
    assert (rows["clock"].days_bought, rows["clock"].lines) == (4, 5)
    assert (rows["clock"].first_bought, rows["clock"].last_bought) == tuple(
        AS_OF - timedelta(days=days) for days in (100, 10)
    )


def test_the_strongest_are_kept(liked):
    """Thirty categories of one user: ten are kept, and they are the first ten of all."""
    catalogue = {f"i{n}": (f"c{n:02}", None) for n in range(30)}
    rng = random.Random(4)
    tiles = [tile(user, f"i{n}", 5, purchases=rng.randrange(4), views=1) for user in ("u", "v") for n in range(30)]
    every = by_name(liked(tiles, catalogue, most=1000))
    kept = by_name(liked(tiles, catalogue))

    assert len(every) == 60
    assert kept == {key: row for key, row in every.items() if row.rank <= PARAMS.most}
    assert len(kept) == 2 * PARAMS.most


def test_order_partitions_the_future_and_who_does_not_count_change_nothing(frame, random_events, liked):
    rows = random_events(6, FIRST)
    past = [row for row in rows if row["event_date"] < AS_OF]
    mixed = [*rows]
    random.Random(2).shuffle(mixed)
    strangers = [{**row, "event_id": f"of staff {n}", "user_id": "staff"} for n, row in enumerate(past[:99])]
    users = ["ann", "ben", "cat", "dan", "bare", "window"]
    tiles = [user_item_days(frame(EVENTS, *some), buckets=2) for some in (past, [*mixed, *strangers])]
    plain, other = (by_name(liked(each, users=users, partitions=n)) for each, n in zip(tiles, (1, 4), strict=True))

    assert len(past) < len(rows)
    assert plain == other
