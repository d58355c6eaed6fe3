"""What people know of healthy rows beyond what their table declares and any single row can show.

Rules of batches and runs: the condition is null for the rows that a rule says nothing about. Those of a run may look
at the rows beside a row, through a window over what its users or segments have: never over all of it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shoal.frames import sql_text
from shoal.params import ListRules
from shoal.tables import (
    BOUGHT_TOGETHER,
    EVENTS,
    GOLD_USERS,
    ITEM_CHANGES,
    PROPENSITIES,
    RECOMMENDATIONS,
    RECOMMENDATIONS_BY_SEGMENT,
    SEGMENT_PROFILES,
    SEGMENTS,
    SIMILAR_ITEMS,
    USER_CHANGES,
    USER_FEATURES,
    Policy,
    Rule,
    Severity,
    Table,
)


@dataclass(frozen=True)
class Expected:
    """An expectation of Great Expectations by its name: about the rows as a whole, so that it can reject none."""

    name: str
    expectation: str  # its class, or its type in snake case
    arguments: Mapping[str, Any] = field(default_factory=dict)
    policy: Policy = "warn"  # not quarantine
    severity: Severity | None = None
    mostly: float | None = None  # where it counts rows, the share that must keep it
    owner: str = ""
    reason: str = ""


@dataclass(frozen=True)
class More:
    """What is known only of these very rows: what the book or the settings say of them."""

    rules: Sequence[Rule] = ()
    expected: Sequence[Expected] = ()
    columns: Mapping[str, str] = field(default_factory=dict)  # that the expectations speak of: SQL by name


NOTHING = More()


def _alone(table: Table) -> Rule:
    """That of the rows of a run no two share their key."""
    key = ", ".join(name for name in table.key if name != "run_id")
    return Rule(f"({', '.join(table.key)}) is unique", f"count(*) OVER (PARTITION BY {key}) = 1", policy="stop")


_OF_A_LIST = "PARTITION BY list_name, user_id"
_OF_A_GROUP = "PARTITION BY segment_id, region"
_ARTICLE = "coalesce(item_group_id, item_id)"
_NESTED = " AND ".join(
    f"{name}_7d <= {name}_30d AND {name}_30d <= {name}_90d AND {name}_90d <= {name}_365d AND {name}_365d <= {whole}"
    for name, whole in {"orders": "frequency", "active_days": "active_days"}.items()
)

_NOT_ALL_GONE = Rule(
    "at most half of the changes are deletions", "NOT coalesce(is_deleted, false)", policy="warn", mostly=0.5
)


def _beside_items(other: str, best: str) -> tuple[Rule, ...]:
    """Of lists of items beside items: ``other`` is the column of the item that is named, ``best`` what ranks it."""
    of_item = "PARTITION BY item_id"
    return (
        Rule("the ranks beside each item are 1, 2, 3, ...", f"rank = row_number() OVER ({of_item} ORDER BY rank)",
             policy="stop"),
        Rule(f"the highest {best} comes first", f"{best} <= lag({best}) OVER ({of_item} ORDER BY rank)", policy="stop"),
        Rule("no item stands beside itself", f"item_id <> {other}", policy="stop"),
        Rule("no list beside an item names an article twice",
             f"NOT (item_group_id <=> lag(item_group_id) OVER ({of_item} ORDER BY item_group_id))", policy="stop"),
    )  # fmt: skip


KNOWN: dict[str, tuple[Rule, ...]] = {
    # An export that lost its source says of everything that it is gone.
    ITEM_CHANGES.name: (_NOT_ALL_GONE,),
    USER_CHANGES.name: (_NOT_ALL_GONE,),
    EVENTS.name: (
        # Fashion by mail takes back half of what it sells; beyond that, a feed mixes up the two types, or
        # brings returns without the purchases they belong to.
        Rule(
            "returns are at most half as many as purchases",
            "CASE WHEN event_type IN ('purchase', 'return') THEN event_type = 'purchase' END",
            policy="warn", mostly=2 / 3,
        ),
        # Online Retail, a wholesaler, has 25 % of guests. Who is not known gets no segment and no propensity.
        Rule(
            "at least 40 % of purchases have a user_id",
            "CASE WHEN event_type = 'purchase' THEN user_id IS NOT NULL END",
            policy="warn", mostly=0.4,
        ),
        # Samples and gifts are free, but a price column that was lost on the way often arrives as zeros.
        Rule(
            "at most 10 % of priced purchases are free",
            "CASE WHEN event_type = 'purchase' THEN amount_base > 0 END",
            policy="warn", mostly=0.9,
        ),
        # Clocks that were never set and empty date fields arrive as 1970 or 1900. No limit moves with the
        # clock: shops load their whole past, and a rerun must judge the same.
        Rule("event_time is after 1994", "event_time >= TIMESTAMP'1995-01-01 00:00:00Z'", policy="warn"),
        # An export that lost its source lists everything as deleted; readers would see an empty shop.
        Rule("at most half of the events are taken back", "NOT is_deleted", policy="warn", mostly=0.5),
    ),
    USER_FEATURES.name: (
        _alone(USER_FEATURES),
        Rule("is_buyer says that frequency is at least 1", "is_buyer = (frequency >= 1)", policy="stop"),
        Rule("buyers and only buyers have recency_days", "is_buyer = (recency_days IS NOT NULL)", policy="stop"),
        Rule("net_spend is spend less returned", "net_spend = coalesce(spend, 0) - coalesce(returned, 0)",
             policy="stop"),
        Rule("no shorter window counts more than a longer one", _NESTED, policy="stop"),
        Rule("no last event lies before the first", "tenure_days >= recency_event_days", policy="stop"),
        Rule("suspects and only suspects have reasons", "is_suspect = (size(suspect_reasons) > 0)", policy="stop"),
    ),
    SEGMENTS.name: (_alone(SEGMENTS),),
    SEGMENT_PROFILES.name: (  # beside them `members`: how many rows of gold.segments name the segment; null for none
        _alone(SEGMENT_PROFILES),
        Rule("every segment has the members that its profile names", "users IS NULL OR coalesce(members, 0) = users",
             policy="stop"),
        Rule("every segment with members has a profile", "users IS NOT NULL", policy="stop"),
        Rule("the shares of a segmentation add up to 1",
             "abs(sum(user_share) OVER (PARTITION BY segmentation) - 1) < 1e-6", policy="stop"),
    ),
    PROPENSITIES.name: (
        _alone(PROPENSITIES),
        Rule("probability is within 0 and 1", "probability BETWEEN 0 AND 1", policy="stop"),
    ),
    RECOMMENDATIONS.name: (
        Rule("the ranks of each list are 1, 2, 3, ...", f"rank = row_number() OVER ({_OF_A_LIST} ORDER BY rank)",
             policy="stop"),
        Rule("no list names an article twice",
             f"NOT ({_ARTICLE} <=> lag({_ARTICLE}) OVER ({_OF_A_LIST} ORDER BY {_ARTICLE}))", policy="stop"),
    ),
    RECOMMENDATIONS_BY_SEGMENT.name: (
        Rule("the ranks of each segment and region are 1, 2, 3, ...",
             f"rank = row_number() OVER ({_OF_A_GROUP} ORDER BY rank)", policy="stop"),
        Rule("no segment and region names an article twice",
             f"NOT ({_ARTICLE} <=> lag({_ARTICLE}) OVER ({_OF_A_GROUP} ORDER BY {_ARTICLE}))", policy="stop"),
        Rule("no more bought an item than bought anything", "buyers <= group_buyers", policy="stop"),
    ),
    SIMILAR_ITEMS.name: _beside_items("similar_item_id", "score"),
    BOUGHT_TOGETHER.name: (
        *_beside_items("other_item_id", "lift_low"),
        Rule("orders add up to the lift, which is more than chance",
             "orders_together <= least(orders_item, orders_other) AND greatest(orders_item, orders_other) <= orders "
             "AND 1 < lift_low AND lift_low <= lift AND lift <= lift_high", policy="stop"),
    ),
    GOLD_USERS.name: (
        _alone(GOLD_USERS),
        Rule("every probability is within 0 and 1", "forall(map_values(probability), p -> p BETWEEN 0 AND 1)",
             policy="stop"),
        Rule("buyers and only buyers have scores", "(frequency > 0) = (recency_score IS NOT NULL)", policy="stop"),
        Rule("only buyers are in a segment", "segment_id IS NULL OR frequency > 0", policy="stop"),
        Rule("no suspect is in a segment or has a probability",
             "NOT is_suspect OR segment_id IS NULL AND size(probability) = 0", policy="stop"),
        Rule("a segment has its name", "(segment_id IS NULL) = (segment_name IS NULL)", policy="stop"),
    ),
}  # fmt: skip

# Of rows of features.users that stand beside those of gold.users.
IS_SHOWN = Rule("gold.users has every user of features.users", "is_shown", policy="stop")

# Of rows that name an item, beside whether it may be offered at the cut.
IS_OFFERED = Rule("only what may be recommended is named", "is_offered", policy="stop")

# Of the days of a feed beside those before, by what is compared.
AS_USUAL = {
    "volume": "days have as many events as usual",
    "event types": "event types have their usual shares",
    "missing values": "values are missing as often as usual",
    "freshness": "the newest event is as fresh as usual",
}
NEARLY_EMPTY = "the newest day is not nearly empty"

# Half of what a batch brings may be broken lines of a broken upload; more is a file of another kind. Of fewer, the
# rule that rejects such rows decides.
_WELL_FORMED = 0.5


def of_bronze(rows_in: int) -> More:
    """What the raw rows of a batch must keep before they are mapped.

    Args:
        rows_in: how many there are, by the book.
    """
    origin = "source_file IS NOT NULL AND position IS NOT NULL AND batch_id IS NOT NULL AND delivered_at IS NOT NULL"
    rules = [
        Rule("every raw row says where it came from", origin, policy="stop"),
        Rule("at least half of the raw rows fit their header", "malformed IS NULL", policy="stop", mostly=_WELL_FORMED),
    ]
    held = Expected("bronze holds the rows of the book", "ExpectTableRowCountToEqual", {"value": rows_in}, "stop")
    return More(rules, [held])


def of_lists(
    lengths: Mapping[str, int],
    in_stock: Collection[str] = (),
    unfilled: Collection[str] = (),
    perhaps_empty: Collection[str] = (),
) -> More:
    """How long recommendation lists are, and what they may name.

    Args:
        lengths: how many items each list is to have, by its name.
        in_stock: the lists that name nothing that is sold out.
        unfilled: the lists that are as long as users have items of their own.
        perhaps_empty: the lists of what nobody may have.
    """
    if not lengths:
        return NOTHING
    wanted = " ".join(f"WHEN {sql_text(name)} THEN {length}" for name, length in lengths.items())
    longest = Rule("no list is longer than asked for", f"rank <= CASE list_name {wanted} END", policy="stop")
    filled = " ".join(f"WHEN {sql_text(name)} THEN {n}" for name, n in lengths.items() if name not in unfilled)
    filled = f"CASE list_name {filled} END" if filled else "CAST(NULL AS INT)"
    # Shorter where a user owns nearly everything, or where there is hardly anything to recommend.
    full = Rule(
        "nearly every list is as long as asked for",
        f"CASE WHEN rank = 1 THEN count(*) OVER ({_OF_A_LIST}) = {filled} END",
        policy="warn", mostly=0.9,
    )  # fmt: skip
    there = Rule("nothing that is sold out is in a list",
                 f"CASE WHEN list_name IN ({', '.join(map(sql_text, in_stock)) or 'NULL'}) THEN in_stock END",
                 policy="stop")  # fmt: skip
    columns, expected = {}, []
    for number, name in enumerate((name for name in lengths if name not in perhaps_empty), start=1):
        columns[f"of_list_{number}"] = f"CASE WHEN list_name = {sql_text(name)} THEN 1 END"
        some = {"column": f"of_list_{number}", "min_value": 1}
        expected.append(Expected(f"the list {name} has rows", "ExpectColumnSumToBeBetween", some))
    return More([longest, full, there], expected, columns)


def of_list_rules(lists: Mapping[str, ListRules]) -> list[Rule]:
    """What a shop wants or will not have in its lists, as far as it shows in the rows of a run.

    That a user has not bought an item lately, and what a user usually pays, is in no row of theirs.

    Args:
        lists: by the list's name. Rows stand beside ``category``, ``brand`` and ``cost`` of their items.
    """
    found = list[Rule]()
    for name, conditions in _CONDITIONS.items():
        cases = [
            f"WHEN {sql_text(entry)} THEN {condition}"
            for entry, rules in lists.items()
            if (condition := " AND ".join(conditions(rules)))
        ]
        if cases:
            found.append(Rule(name, f"CASE list_name {' '.join(cases)} END", policy="stop"))
    return found


def _not_excluded(rules: ListRules) -> Iterator[str]:
    for column, values in (("item_id", rules.exclude_items), ("brand", rules.exclude_brands)):
        if values:
            yield f"coalesce({column} NOT IN ({', '.join(map(sql_text, values))}), true)"
    for path in rules.exclude_categories:
        yield f"coalesce(category <> {sql_text(path)} AND NOT startswith(category, {sql_text(path + '/')}), true)"


def _within_prices(rules: ListRules) -> Iterator[str]:
    if rules.min_price is not None:
        yield f"coalesce(CAST(price AS DOUBLE) >= {rules.min_price!r}D, true)"
    if rules.max_price is not None:
        yield f"coalesce(CAST(price AS DOUBLE) <= {rules.max_price!r}D, true)"


def _above_margin(rules: ListRules) -> Iterator[str]:
    if rules.min_margin is not None:
        share = "(CAST(price AS DOUBLE) - CAST(cost AS DOUBLE)) / nullif(CAST(price AS DOUBLE), 0D)"
        yield f"coalesce({share} >= {rules.min_margin!r}D, true)"


def _within_caps(rules: ListRules) -> Iterator[str]:
    for column, most in (("category", rules.max_per_category), ("brand", rules.max_per_brand)):
        if most is not None:
            yield f"({column} IS NULL OR count({column}) OVER ({_OF_A_LIST}, {column}) <= {most})"


def _in_their_places(rules: ListRules) -> Iterator[str]:
    """A pin stands in its place, or in the last one of a list that is shorter."""
    for pin in rules.pinned:
        yield (
            f"(source <> 'pinned' OR item_id <> {sql_text(pin.item)} OR rank = {pin.rank} "
            f"OR rank < {pin.rank} AND max(rank) OVER ({_OF_A_LIST}) < {pin.rank})"
        )


_CONDITIONS: Mapping[str, Callable[[ListRules], Iterator[str]]] = {
    "nothing that is excluded is in a list": _not_excluded,
    "prices are within the bounds of their list": _within_prices,
    "margins are as high as their list asks for": _above_margin,
    "no list has more of a category or brand than its caps": _within_caps,
    "pinned items are in their places": _in_their_places,
}
LIST_RULES = tuple(_CONDITIONS)  # their names


def of_probabilities(rates: Mapping[str, float]) -> More:
    """That the mean probability of a target is near the share of users who were seen to do it.

    Args:
        rates: that share by target, where it was measured.
    """
    columns, expected = {}, []
    for number, (target, rate) in enumerate(sorted(rates.items()), start=1):
        columns[f"of_target_{number}"] = f"CASE WHEN target = {sql_text(target)} THEN probability END"
        # Seasons halve and double what people buy; a model that is off by more is off.
        limits = {"column": f"of_target_{number}", "min_value": rate / 2, "max_value": min(1.0, 2 * rate)}
        name = f"the mean probability of {target} is near the {rate:.2%} who did it"
        expected.append(Expected(name, "ExpectColumnMeanToBeBetween", limits))
    return More((), expected, columns)
