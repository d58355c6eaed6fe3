"""A cut knows the links that were made before it: whose a visitor is, and which accounts are one."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from shoal.config import load_config
from shoal.models.recommend import acts, owned, strengths
from shoal.tables import ACCOUNT_ALIASES, EVENTS, IDENTITIES, USER_DAYS, USER_ITEM_DAYS
from shoal.transforms import tiles
from shoal.transforms.derived import identities, orders, users
from shoal.transforms.identities import accounts_at, merged, resolved, shared
from shoal.transforms.user_features import user_features

CUT = date(2021, 6, 10)


def at(day, hour=9):
    return datetime(2021, 6, 1, hour, tzinfo=UTC) + timedelta(days=day - 1)


def link(visitor, user, day, hour=9):
    return {"visitor_id": visitor, "user_id": user, "linked_at": at(day, hour), "linked_date": at(day, hour).date()}


@pytest.fixture
def owners_of(frame):
    def build(*links, as_of=CUT, limit=2, accounts=None):
        found = resolved(frame(IDENTITIES, *links), as_of=as_of, max_users_per_visitor=limit, accounts=accounts)
        return {row.visitor_id: row.user_id for row in found.collect()}

    return build


@pytest.fixture
def accounts_of(frame):
    """What accounts became, of merges (former, user, day)."""

    def build(*merges, as_of=CUT, partitions=1):
        rows = [
            {"former_user_id": former, "user_id": user, "merged_at": at(day), "merged_date": at(day).date()}
            for former, user, day in merges
        ]
        found = accounts_at(frame(ACCOUNT_ALIASES, *rows).repartition(partitions), as_of=as_of).collect()
        became = {row.former_user_id: row.user_id for row in found}
        assert len(became) == len(found), "an account became two"
        return became

    return build


def test_a_visitor_is_of_the_user_it_met_first_before_the_cut(owners_of, spark):
    links = [
        link("phone", "ann", 3), link("phone", "ben", 2),
        link("tablet", "ben", 4), link("tablet", "ann", 4),  # in the same moment
        link("later", "cat", 10), link("both", "dan", 9), link("both", "eve", 10),
    ]  # fmt: skip

    assert owners_of(*links) == {"phone": "ben", "tablet": "ann", "both": "dan"}
    assert owners_of(*links, as_of=date(2021, 6, 11)) == {
        "phone": "ben",
        "tablet": "ann",
        "later": "cat",
        "both": "dan",
    }
    assert owners_of(*links, as_of=date(2021, 6, 2)) == {}


def test_who_met_too_many_by_the_cut_is_nobodys(frame, owners_of):
    links = [link("till", f"u{n}", n) for n in (1, 2, 3)] + [link("phone", "u1", 5)]

    assert owners_of(*links) == {"phone": "u1"}
    assert owners_of(*links, as_of=date(2021, 6, 3)) == {"till": "u1"}  # it had met two by then
    counted = shared(frame(IDENTITIES, *links), as_of=CUT, max_users_per_visitor=2).collect()
    assert [(row.users, row.visitors) for row in counted] == [(3, 1)]


def test_merged_accounts_are_one_user(frame, owners_of, spark):
    links = [link("phone", "old", 1), link("phone", "b", 2), link("phone", "new", 3)]
    accounts = spark.createDataFrame([("old", "new")], "former_user_id string, user_id string")

    assert owners_of(*links) == {}
    assert owners_of(*links, accounts=accounts) == {"phone": "new"}


def test_chains_of_merges_are_followed_to_their_end(accounts_of):
    chain = [(f"a{n}", f"a{n + 1}", 1 + n % 5) for n in range(11)]

    assert accounts_of(*chain, ("x", "a3", 9), ("late", "a0", 10)) == {
        **{f"a{n}": "a11" for n in range(11)}, "x": "a11",
    }  # fmt: skip
    assert accounts_of() == {}


def test_of_two_merges_of_an_account_the_last_before_the_cut_holds(accounts_of):
    merges = [("a", "b", 1), ("a", "c", 5), ("a", "a", 7), ("a", "d", 10)]

    assert accounts_of(*merges) == {"a": "c"}
    assert accounts_of(*merges, as_of=date(2021, 6, 5)) == {"a": "b"}


def test_a_circle_ends_at_the_account_that_its_last_merge_names(accounts_of):
    back_and_forth = [("a", "b", 1), ("b", "a", 2)]
    three = [("p", "q", 3), ("q", "r", 5), ("r", "p", 4), ("s", "p", 9), ("t", "s", 1)]

    assert accounts_of(*back_and_forth, *three) == {"b": "a", "p": "r", "q": "r", "s": "r", "t": "r"}


@pytest.mark.parametrize("seed", [1, 2])
def test_accounts_become_what_following_them_one_by_one_finds(accounts_of, seed):
    rng = random.Random(seed)
    merges = [(f"u{rng.randrange(30)}", f"u{rng.randrange(30)}", rng.randrange(1, 14)) for _ in range(40)]
    last = {}
    for merge in sorted((m for m in merges if m[2] < 10 and m[0] != m[1]), key=lambda m: (m[2], m[1])):
        last[merge[0]] = merge

    def end(user):
        way = []
        while user in last and last[user] not in way:
            way.append(last[user])
            user = last[user][1]
        circle = way[way.index(last[user]) :] if user in last else []
        return max(circle, key=lambda m: (m[2], m[0], m[1]))[1] if circle else user

    expected = {user: end(user) for user in last if end(user) != user}
    assert accounts_of(*merges) == expected
    assert accounts_of(*merges[::-1], partitions=3) == expected


def visitors_events(random_events, seed):
    """Random events of which a user's visitor is sometimes alone; a guest's order is of one visitor."""
    rows, rng = random_events(seed, first=date(2021, 6, 1)), random.Random(seed)
    for row in rows:
        row["visitor_id"] = rng.choice([None, f"phone of {row['user_id']}", "tablet"])
        if row["user_id"] and row["visitor_id"] != "tablet" and rng.random() < 0.5:
            row["user_id"] = None
        if row.get("order_id"):
            row["order_id"] = f"{row['user_id']} {row['visitor_id']} {row['order_id']}"
    return rows


def test_tiles_put_together_are_those_of_events_told_under_the_user(frame, random_events):
    rows = visitors_events(random_events, 5)
    owners = [("phone of ann", "ann"), ("phone of ben", "ben"), ("phone of None", "new"), ("tablet", "ann")]
    told = [{**row, "user_id": row["user_id"] or dict(owners).get(row["visitor_id"])} for row in rows]
    events, of_users = frame(EVENTS, *rows), frame(EVENTS, *told)
    whose = events.sparkSession.createDataFrame(owners, "visitor_id string, user_id string")
    built = {
        USER_DAYS: (
            tiles.user_days(events, orders(events), buckets=4),
            tiles.visitor_days(events, orders(events), buckets=4),
            tiles.user_days(of_users, orders(of_users), buckets=4),
        ),
        USER_ITEM_DAYS: (
            tiles.user_item_days(events, buckets=4),
            tiles.visitor_item_days(events, buckets=4),
            tiles.user_item_days(of_users, buckets=4),
        ),
    }
    for table, (known, of_visitors, expected) in built.items():
        others = of_visitors.join(whose, on="visitor_id", how="inner").drop("visitor_id")
        together = tiles.gathered(known, others, key=table.key)

        names = [name for name in table.names if name != "bucket"]
        assert sorted(map(str, together.select(*names).collect())) == sorted(
            map(str, expected.select(*names).collect())
        ), table.name


PARAMS = load_config().recommend["for_you"].model_copy(update={
    "model": "als", "engine": "mllib", "top_n": 1, "active_days": 1, "in_stock_only": True, "exclude_owned": True,
    "weights": {"views": 1.0, "purchases": 5.0},
    "half_life_days": 9.0, "rank": 1, "max_iter": 1, "reg": 0.1, "alpha": 1.0, "seed": 1, "min_interactions": 1,
    "popularity_days": 1, "test_days": 1, "k": 1,
})  # fmt: skip


@pytest.mark.parametrize(("as_of", "is_linked"), [(date(2021, 6, 10), False), (date(2021, 6, 21), True)])
def test_a_link_changes_what_cuts_after_it_know_and_nothing_before(frame, event, as_of, is_linked):
    """Buyers who looked and bought as guests first, and whose phones are linked on the 20th of June."""

    def bought(n, day, **values):
        return event(f"{n} {day}", "purchase", at(day), order_id=f"{n} {day}", item_id=f"i{n}", price="2", **values)

    buyers = range(6)
    phone = {n: {"user_id": None, "visitor_id": f"phone {n}"} for n in buyers}
    rows = [
        *(event(f"seen {n} {k}", "view", at(1 + k), item_id=f"seen {k}", **phone[n]) for n in buyers for k in range(n)),
        *(bought(n, 2, **phone[n]) for n in buyers),
        *(bought(n, 7, user_id=f"u{n}") for n in buyers),
    ]
    links = [event(f"in {n}", "view", at(20), user_id=f"u{n}", visitor_id=f"phone {n}") for n in buyers]

    def known(*events, linked):
        """Features, strengths and what is owned at the cut."""
        told = frame(EVENTS, *events)
        ids = told if linked else told.where("false")
        owners = resolved(identities(ids), as_of=as_of, max_users_per_visitor=5)

        def of_all(of_users, of_visitors, table):
            others = of_visitors.join(owners, on="visitor_id", how="inner").drop("visitor_id")
            return tiles.gathered(of_users, others, key=table.key)

        begun = orders(told)
        days = of_all(tiles.user_days(told, begun, buckets=4), tiles.visitor_days(told, begun, buckets=4), USER_DAYS)
        item_days = of_all(
            tiles.user_item_days(told, buckets=4), tiles.visitor_item_days(told, buckets=4), USER_ITEM_DAYS
        )
        features = user_features(
            days, item_days, users(told), as_of=as_of, run_id="r",
            only=["views_30d", "frequency", "spend", "active_days", "orders_30d", "distinct_items", "gap_median_days"],
        )  # fmt: skip
        pairs = (strengths(item_days, as_of=as_of, params=PARAMS), owned(acts(item_days, as_of=as_of)))
        by_user = {row.user_id: row for row in features.collect()}
        return (by_user, [sorted(map(str, rows.collect())) for rows in pairs]), by_user

    (with_links, features), (without, alone) = known(*rows, *links, linked=True), known(*rows, *links, linked=False)

    assert (with_links != without) == is_linked
    more = 1 if is_linked else 0
    for n in buyers:
        row, told = features[f"u{n}"], alone[f"u{n}"]
        assert row.views_30d - told.views_30d == more * n
        assert (row.frequency, row.spend) == (1 + more, 2 * (1 + more))
        assert row.active_days - told.active_days == more * len({2, *range(1, 1 + n)})
        assert (row.orders_30d, told.orders_30d) == (1 + more, 1)


def test_rows_of_merged_accounts_are_told_under_what_they_became(spark):
    rows = spark.createDataFrame([("old", 1), ("new", 2), ("other", 3)], "user_id string, n int")
    accounts = spark.createDataFrame([("old", "new")], "former_user_id string, user_id string")

    assert {(row.user_id, row.n) for row in merged(rows, accounts).collect()} == {("new", 1), ("new", 2), ("other", 3)}
