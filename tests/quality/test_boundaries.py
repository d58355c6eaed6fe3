"""What the tables of a run and the raw rows of a batch must keep: it holds of good rows, and each can be broken."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.config import load_config
from shoal.quality import gate, known
from shoal.quality.gate import Part, Verdict
from shoal.quality.known import KNOWN, NOTHING, More
from shoal.sources import feed_named
from shoal.tables import (
    BOUGHT_TOGETHER,
    GOLD_USERS,
    PROPENSITIES,
    RECOMMENDATIONS,
    RECOMMENDATIONS_BY_SEGMENT,
    SEGMENT_PROFILES,
    SEGMENTS,
    SIMILAR_ITEMS,
    USER_FEATURES,
    Table,
)

Frame = Callable[..., DataFrame]
Row = dict[str, Any]

DAY = date(2025, 3, 1)
RUN = {"run_id": "r", "source": "kmeans", "target": "buys_30d", "list_name": "for_you", "segmentation": "default"}


def buyer(number: int, **values: Any) -> Row:
    """A user with two orders, as features.users and gold.users have one."""
    counts = {c.name: 0 for c in USER_FEATURES.columns if c.required and c.type.typeName() == "long"}
    features = {
        **counts, "frequency": 2, "orders_30d": 1, "orders_90d": 1, "orders_365d": 2, "active_days": 5,
        "recency_days": 9, "recency_event_days": 3, "tenure_days": 99, "is_buyer": True, "spend": 30, "returned": 10,
        "net_spend": 20, "is_suspect": False, "suspect_reasons": [],
    }  # fmt: skip
    shown = {"segment_id": 1, "segment_name": "loyal", "probability": {"buys_30d": 0.2}, "recency_score": 5,
             "hold_out": False}  # fmt: skip
    return {"user_id": f"u{number}", "as_of": DAY, **features, **shown, **values}


def prospect(number: int, **values: Any) -> Row:
    """A user without an order."""
    none = {"frequency": 0, "orders_30d": 0, "orders_90d": 0, "orders_365d": 0, "is_buyer": False}
    unknown = dict.fromkeys(["recency_days", "spend", "returned", "net_spend", "segment_id", "segment_name",
                             "recency_score"])  # fmt: skip
    return buyer(number, **{**none, **unknown, "probability": {}, **values})


def listed(user: str, *items: str) -> list[Row]:
    """A list of recommendations."""
    return [{"user_id": user, "rank": rank, "item_id": item, "score": 1.0, "reason": "sells"}
            for rank, item in enumerate(items, start=1)]  # fmt: skip


def selling(region: str, *items: str, **values: Any) -> list[Row]:
    """What sells in a region."""
    return [{"region": region, "rank": rank, "item_id": item, "item_group_id": item, "buyers": 3, "group_buyers": 9,
             **values} for rank, item in enumerate(items, start=1)]  # fmt: skip


def ruled(**changes: Any) -> More:
    """What a list must keep whose settings say so; half of a price of 12 is left above the cost, a quarter of 8."""
    rules = load_config().recommend["for_you"].rules
    return More(
        known.of_list_rules({"other": rules, "for_you": rules.model_validate({**rules.model_dump(), **changes})})
    )


def similar(item: str, *others: str) -> list[Row]:
    """What stands beside an item, each article in one variant."""
    return [{"item_id": item, "rank": rank, "similar_item_id": other, "item_group_id": other, "score": 1 / rank}
            for rank, other in enumerate(others, start=1)]  # fmt: skip


def together(item: str, other: str, **values: Any) -> Row:
    """Two items in 40 of 2,000 orders, that hold them 50 and 400 times."""
    return {
        "item_id": item, "rank": 1, "other_item_id": other, "item_group_id": other, "orders_together": 40,
        "orders_item": 50, "orders_other": 400, "orders": 2000, "lift": 4.0, "lift_low": 3.3, "lift_high": 4.6,
        **values,
    }  # fmt: skip


def chance(number: int, probability: float) -> Row:
    return {"user_id": f"u{number}", "probability": probability, "decile": 1, "drivers": []}


def segment(number: int, users: int, share: float) -> Row:
    return {"segment_id": number, "segment_rank": number, "segment_name": "s", "users": users, "user_share": share,
            "marks": ""}  # fmt: skip


def part(frame: Frame, case: str, table: Table, rows: list[Row], more: More = NOTHING) -> Part:
    """Rows of a table under the name of their case: many are judged together, as the tables of a run are."""
    there = [row for row in rows if "users" in row or table is not SEGMENT_PROFILES]
    typed = frame(table, *({name: value for name, value in {**RUN, **row}.items() if name in table.names}
                           for row in there))  # fmt: skip
    if table is SEGMENT_PROFILES:
        counts = {row["segment_id"]: row["members"] for row in rows if "members" in row}
        members = typed.sparkSession.createDataFrame([*counts.items()], "segment_id int, members long")
        typed = typed.join(members, on="segment_id", how="full")
    if table is USER_FEATURES:
        typed = typed.withColumn("is_shown", F.col("user_id") != "lost")
        more = More([known.IS_SHOWN])
    if table is RECOMMENDATIONS:
        category = F.when(F.col("item_id").isin("x", "y"), "Home/Light").otherwise("Homeware")
        typed = typed.withColumns({"is_offered": F.col("item_id") != "gone", "category": category,
                                   "brand": F.upper("item_id"), "cost": F.lit(6)})  # fmt: skip
        more = replace(more, rules=[*more.rules, known.IS_OFFERED])
    rules = [*KNOWN[table.name], *more.rules]
    return Part(replace(table, name=case), typed, rules, more.expected, more.columns)


def broken(found: list[Verdict]) -> dict[str, int | None]:
    return {verdict.name: verdict.failures for verdict in found if not verdict.success}


TEN = known.of_lists({"for_you": 3}, ["for_you"])
NEAR = known.of_probabilities({"buys_30d": 0.2})
MEAN = "the mean probability of buys_30d is near the 20.00% who did it"
GOOD: dict[str, tuple[Table, list[Row], More]] = {
    "features.users": (USER_FEATURES, [buyer(1), prospect(2)], NOTHING),
    "gold.segments": (SEGMENTS, [{"user_id": "u1", "segment_id": 1, "segment_rank": 1, "segment_name": "s"}], NOTHING),
    "gold.segment_profiles": (
        SEGMENT_PROFILES,
        [{**segment(1, 3, 0.75), "members": 3}, {**segment(2, 1, 0.25), "members": 1}],
        NOTHING,
    ),
    "gold.propensities": (PROPENSITIES, [chance(1, 0.1), chance(2, 0.3)], NEAR),
    "gold.recommendations": (RECOMMENDATIONS, [*listed("a", "x", "y", "z"), *listed("b", "z", "y", "x")], TEN),
    "gold.recommendations by its rules": (
        RECOMMENDATIONS,
        [
            {**row, "price": 12, "source": "pinned" if row["item_id"] == "z" else "als"}
            for row in [*listed("a", "x", "y", "z"), *listed("b", "x", "z")]
        ],
        ruled(
            exclude_items=["v"],
            exclude_categories=["Home/Lamps", "House"],
            exclude_brands=["W"],
            min_price=12,
            max_price=12,
            min_margin=0.5,
            max_per_category=2,
            max_per_brand=1,
            pinned=[{"item": "z", "rank": 3}],
        ),
    ),
    "gold.recommendations_by_segment": (
        RECOMMENDATIONS_BY_SEGMENT,
        [*selling("SE", "x", "y"), *selling("NO", "y", "x")],
        NOTHING,
    ),
    "gold.similar_items": (SIMILAR_ITEMS, [*similar("x", "y", "z"), *similar("y", "z", "x")], NOTHING),
    "gold.bought_together": (BOUGHT_TOGETHER, [together("x", "y"), together("y", "x")], NOTHING),
    "gold.users": (GOLD_USERS, [buyer(1), prospect(2)], NOTHING),
}


def test_good_rows_pass_without_a_word(frame: Frame) -> None:
    found = gate.judge_parts("good", [part(frame, name, *GOOD[name]) for name in GOOD])

    assert broken(found) == {}
    assert {verdict.table_name for verdict in found} == {*GOOD}
    assert gate.refusal_of_run(found) is None


# Rows that break these expectations and no other, with how many rows break each; the last ones warn.
BREAKING: dict[str, tuple[Table, list[Row], More, dict[str, int | None]]] = {
    "a user twice": (USER_FEATURES, [buyer(1), buyer(1)], NOTHING, {"(run_id, user_id) is unique": 2}),
    "a buyer without an order": (
        USER_FEATURES, [buyer(1), buyer(2, frequency=0, orders_30d=0, orders_90d=0, orders_365d=0)], NOTHING,
        {"is_buyer says that frequency is at least 1": 1},
    ),
    "a buyer of whom no order is known": (
        USER_FEATURES, [buyer(1), buyer(2, recency_days=None)], NOTHING,
        {"buyers and only buyers have recency_days": 1},
    ),
    "a net that does not add up": (
        USER_FEATURES, [buyer(1), buyer(2, net_spend=21)], NOTHING, {"net_spend is spend less returned": 1},
    ),
    "more orders in a week than in a month": (
        USER_FEATURES, [buyer(1), buyer(2, orders_7d=2)], NOTHING,
        {"no shorter window counts more than a longer one": 1},
    ),
    "a first event after the last": (
        USER_FEATURES, [buyer(1), buyer(2, tenure_days=2)], NOTHING, {"no last event lies before the first": 1},
    ),
    "a suspect without a reason": (
        USER_FEATURES, [buyer(1), buyer(2, is_suspect=True)], NOTHING, {"suspects and only suspects have reasons": 1},
    ),
    "a user in two segments": (
        SEGMENTS,
        [{"user_id": "u1", "segment_id": number, "segment_rank": number, "segment_name": "s"} for number in (1, 2)],
        NOTHING, {"(run_id, segmentation, user_id) is unique": 2},
    ),
    "a segment without members": (
        SEGMENT_PROFILES, [{**segment(1, 3, 0.75), "members": 3}, segment(2, 1, 0.25)], NOTHING,
        {"every segment has the members that its profile names": 1},
    ),
    "a segment with other members": (
        SEGMENT_PROFILES, [{**segment(1, 3, 1.0), "members": 4}], NOTHING,
        {"every segment has the members that its profile names": 1},
    ),
    "members without a profile": (
        SEGMENT_PROFILES, [{**segment(1, 3, 1.0), "members": 3}, {"segment_id": 2, "members": 1}], NOTHING,
        {"every segment with members has a profile": 1},
    ),
    "two profiles of a segment": (
        SEGMENT_PROFILES, [{**segment(1, 3, 0.5), "members": 3}] * 2, NOTHING,
        {"(run_id, segmentation, segment_id) is unique": 2},
    ),
    "shares that do not add up": (
        SEGMENT_PROFILES, [{**segment(1, 3, 0.7), "members": 3}], NOTHING,
        {"the shares of a segmentation add up to 1": 1},
    ),
    "a user with two probabilities": (
        PROPENSITIES, [chance(1, 0.2), chance(1, 0.2)], NOTHING, {"(run_id, target, user_id) is unique": 2},
    ),
    "more than certain": (
        PROPENSITIES, [chance(1, 1.1), chance(2, 0.5), chance(3, float("nan"))], NOTHING,
        {"probability is within 0 and 1": 2},
    ),
    "probabilities far from what was seen": (PROPENSITIES, [chance(1, 0.9)], NEAR, {MEAN: None}),
    "a rank that is missing": (
        RECOMMENDATIONS, [*listed("a", "x", "y", "z"), *listed("b", "x", "y", "z")[::2]], NOTHING,
        {"the ranks of each list are 1, 2, 3, ...": 1},
    ),
    "a rank that is there twice": (
        RECOMMENDATIONS, [*listed("a", "x"), *listed("a", "y")], NOTHING,
        {"the ranks of each list are 1, 2, 3, ...": 1},
    ),
    "an item twice": (RECOMMENDATIONS, listed("a", "x", "y", "x"), NOTHING, {"no list names an article twice": 1}),
    "two variants of an article": (
        RECOMMENDATIONS, [{**row, "item_group_id": "g"} for row in listed("a", "x", "y")], NOTHING,
        {"no list names an article twice": 1},
    ),
    "something that is sold out": (
        RECOMMENDATIONS, [{**row, "in_stock": {"x": True, "y": False}.get(row["item_id"])}
                          for row in listed("a", "x", "y", "z")], TEN,
        {"nothing that is sold out is in a list": 1},
    ),
    "something that may not be recommended": (
        RECOMMENDATIONS, listed("a", "x", "gone", "z"), NOTHING, {"only what may be recommended is named": 1},
    ),
    "a list that is too long": (
        RECOMMENDATIONS, [row for user in "abcdefghij" for row in listed(user, *("wxyz" if user == "a" else "xyz"))],
        known.of_lists({"for_you": 3}), {"no list is longer than asked for": 1},
    ),
    "lists that are too short": (
        RECOMMENDATIONS, [*listed("a", "x", "y", "z"), *listed("b", "x"), *listed("c", "y")], TEN,
        {"nearly every list is as long as asked for": 2},
    ),
    "nobody has one of the lists": (
        RECOMMENDATIONS, listed("a", "x", "y", "z"), known.of_lists({"for_you": 3, "other": 3}),
        {"the list other has rows": None},
    ),
    "an item that is excluded": (
        RECOMMENDATIONS, listed("a", "x", "y", "z"), ruled(exclude_items=["y", "v"]),
        {"nothing that is excluded is in a list": 1},
    ),
    "a category that is excluded": (
        RECOMMENDATIONS, listed("a", "x", "y", "z"), ruled(exclude_categories=["Food", "Home"]),
        {"nothing that is excluded is in a list": 2},
    ),
    "a brand that is excluded": (
        RECOMMENDATIONS, listed("a", "x", "y", "z"), ruled(exclude_brands=["Z"]),
        {"nothing that is excluded is in a list": 1},
    ),
    "a price that is too low, one too high, one unknown": (
        RECOMMENDATIONS,
        [{**row, "price": price} for row, price in zip(listed("a", "x", "y", "z", "v"), (1, 30, None, 9), strict=True)],
        ruled(min_price=8, max_price=20), {"prices are within the bounds of their list": 2},
    ),
    "a margin that is too low": (
        RECOMMENDATIONS,
        [{**row, "price": price} for row, price in zip(listed("a", "x", "y", "z"), (8, 12, None), strict=True)],
        ruled(min_margin=0.4), {"margins are as high as their list asks for": 1},
    ),
    "too many of a category": (
        RECOMMENDATIONS, [*listed("a", "x", "y", "z"), *listed("b", "x", "z")], ruled(max_per_category=1),
        {"no list has more of a category or brand than its caps": 2},
    ),
    "a pin in another place": (
        RECOMMENDATIONS,
        [{**row, "source": "pinned" if row["item_id"] == "y" else "als"}
         for row in [*listed("a", "x", "y", "z"), *listed("b", "x", "y", "z", "v")]],
        ruled(pinned=[{"item": "y", "rank": 4}]), {"pinned items are in their places": 1},
    ),
    "a rank of a region that is missing": (
        RECOMMENDATIONS_BY_SEGMENT, [*selling("SE", "x", "y"), *selling("NO", "x", "y", "z")[::2]], NOTHING,
        {"the ranks of each segment and region are 1, 2, 3, ...": 1},
    ),
    "an article twice in a region": (
        RECOMMENDATIONS_BY_SEGMENT, selling("SE", "x", "y", "x"), NOTHING,
        {"no segment and region names an article twice": 1},
    ),
    "more buyers of an item than of anything": (
        RECOMMENDATIONS_BY_SEGMENT, [*selling("SE", "x"), *selling("NO", "x", buyers=10)], NOTHING,
        {"no more bought an item than bought anything": 1},
    ),
    "a rank beside an item that is missing": (
        SIMILAR_ITEMS, [*similar("x", "y", "z"), *similar("y", "x", "z", "w")[::2]], NOTHING,
        {"the ranks beside each item are 1, 2, 3, ...": 1},
    ),
    "the more similar item comes later": (
        SIMILAR_ITEMS, [{**row, "score": row["rank"] / 9} for row in similar("x", "y", "z")], NOTHING,
        {"the highest score comes first": 1},
    ),
    "an item beside itself": (SIMILAR_ITEMS, similar("x", "y", "x"), NOTHING, {"no item stands beside itself": 1}),
    "two variants beside an item": (
        SIMILAR_ITEMS, [{**row, "item_group_id": "g"} for row in similar("x", "y", "z")], NOTHING,
        {"no list beside an item names an article twice": 1},
    ),
    "the surer pair comes later": (
        BOUGHT_TOGETHER, [together("x", "y"), together("x", "z", rank=2, lift_low=3.5)], NOTHING,
        {"the highest lift_low comes first": 1},
    ),
    "a pair by chance": (
        BOUGHT_TOGETHER, [together("x", "y"), together("y", "z", lift_low=0.9)], NOTHING,
        {"orders add up to the lift, which is more than chance": 1},
    ),
    "more orders of both than of one": (
        BOUGHT_TOGETHER, [together("x", "y", orders_item=39)], NOTHING,
        {"orders add up to the lift, which is more than chance": 1},
    ),
    "a shown user twice": (GOLD_USERS, [buyer(1), buyer(1)], NOTHING, {"(run_id, user_id) is unique": 2}),
    "a probability above 1": (
        GOLD_USERS, [buyer(1), buyer(2, probability={"buys_30d": 1.5})], NOTHING,
        {"every probability is within 0 and 1": 1},
    ),
    "a buyer without scores": (
        GOLD_USERS, [buyer(1), buyer(2, recency_score=None)], NOTHING, {"buyers and only buyers have scores": 1},
    ),
    "a prospect in a segment": (
        GOLD_USERS, [buyer(1), prospect(2, segment_id=1, segment_name="loyal")], NOTHING,
        {"only buyers are in a segment": 1},
    ),
    "suspects in a segment or with a probability": (
        GOLD_USERS, [buyer(1, is_suspect=True), prospect(2, is_suspect=True, probability={"buys_30d": 0.2})], NOTHING,
        {"no suspect is in a segment or has a probability": 2},
    ),
    "a segment without a name": (
        GOLD_USERS, [buyer(1), buyer(2, segment_name=None)], NOTHING, {"a segment has its name": 1},
    ),
    "a user who got lost": (
        USER_FEATURES, [buyer(1), buyer(2, user_id="lost")], NOTHING,
        {"gold.users has every user of features.users": 1},
    ),
}  # fmt: skip
WARNING = {MEAN, "the list other has rows", "nearly every list is as long as asked for"}


@pytest.mark.long
def test_what_is_wrong_with_a_run_is_found_and_nothing_else(frame: Frame) -> None:
    parts = [part(frame, case, table, rows, more) for case, (table, rows, more, _) in BREAKING.items()]

    found = gate.judge_parts("broken", parts)

    by_case = {case: [verdict for verdict in found if verdict.table_name == case] for case in BREAKING}
    assert {case: broken(by_case[case]) for case in BREAKING} == {
        case: wanted for case, (*_, wanted) in BREAKING.items()
    }
    for case, (*_, wanted) in BREAKING.items():
        (name,) = wanted
        refused = gate.refusal_of_run(by_case[case])
        assert (refused is None) == (name in WARNING)
        assert refused is None or f"{case}: {name}: " in refused
        assert len(gate.warnings(by_case[case])) == (name in WARNING)


def test_every_expectation_of_a_run_is_broken_here() -> None:
    names = {rule.name for table, *_ in GOOD.values() for rule in KNOWN[table.name]}
    names |= {known.IS_SHOWN.name, known.IS_OFFERED.name} | {
        one.name for _, _, more in GOOD.values() for one in (*more.rules, *more.expected)
    }
    names = {name.replace("list for_you", "list other") for name in names}

    assert names == {name for _, _, _, wanted in BREAKING.values() for name in wanted}


# --- Raw rows


def raw(number: int, **values: Any) -> Row:
    at = datetime(2025, 3, 1, tzinfo=UTC)
    return {"source_file": "f", "position": number, "batch_id": "b", "delivered_at": at, **values}


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([raw(1), raw(2, malformed="{")], None),  # half of them fit
        ([raw(1), raw(2, malformed="{"), raw(3, malformed="{")], "at least half of the raw rows fit their header"),
        ([raw(1), raw(2, source_file=None)], "every raw row says where it came from"),
    ],
)
def test_raw_rows_are_judged_before_they_are_mapped(frame: Frame, rows: list[Row], name: str | None) -> None:
    table, more = feed_named("shoal").table, known.of_bronze(len(rows))

    found = gate.judge_parts("raw", [Part(table, frame(table, *rows), more.rules, more.expected)])

    assert {*broken(found)} == ({name} if name else set())


def test_raw_rows_that_are_lost_or_doubled_are_found(frame: Frame) -> None:
    table, more = feed_named("shoal").table, known.of_bronze(2)

    found = gate.judge_parts("raw", [Part(table, frame(table, raw(1)), more.rules, more.expected)])

    assert {*broken(found)} == {"bronze holds the rows of the book"}
    assert "1 rows, 2 expected" in (gate.refusal(found) or "")
