"""What follows from a batch that has entered silver: the rows of each derived table that it touches, made anew.

Each is a function of all that silver holds of the touched keys, so that no order of batches shows in it.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal.books import facts
from shoal.books.batches import Claim, pinned
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.sources.target import Subject
from shoal.tables import (
    ACCOUNT_ALIASES,
    CATEGORIES,
    CATEGORY_CHANGES,
    EVENTS,
    IDENTITIES,
    ITEM_CHANGES,
    ITEMS,
    ORDERS,
    RETURN_LINKS,
    USER_CHANGES,
    USERS,
    Table,
)
from shoal.transforms import catalogue, derived, returns
from shoal.transforms.accounts import account_aliases

# By what a feed tells of: the tables that follow from it, in their order.
_DERIVED: dict[Subject, tuple[Table, ...]] = {
    "events": (ORDERS, ITEMS, USERS),
    "items": (ITEMS,),
    "users": (USERS,),
    "categories": (CATEGORIES, ITEMS),
}


def from_changes(lake: Lake, claim: Claim, news: DataFrame, order: dict[str, Any]) -> None:
    """Bring up to date what follows from changes of items, users or categories.

    Args:
        news: the rows of the batch that say something new.
        order: the arguments by which a merge is done once, and in the order of batches.
    """
    # A correction may take a merge back, so once there is a merge, whatever is said of a user counts.
    if claim.batch.feed.of == "users" and (
        ACCOUNT_ALIASES.name in claim.silver or not news.where("merged_into IS NOT NULL").isEmpty()
    ):
        _derive(lake, claim, ACCOUNT_ALIASES, _as_former(news), order)
    for table in _DERIVED[claim.batch.feed.of]:
        _derive(lake, claim, table, news, order)


def told_by_day(changed: DataFrame) -> Sequence[Row]:
    """Per day of which a batch changes events, how many of them concern what only some shops have."""
    counted = {"meetings": derived.MEETS, "lines": returns.IS_LINE, "returns": "event_type = 'return'"}
    counts = [F.count_if(F.expr(condition)).alias(name) for name, condition in counted.items()]
    return changed.groupBy("event_date").agg(*counts).collect()


def from_events(
    lake: Lake, claim: Claim, changed: DataFrame, told: Sequence[Row], order: dict[str, Any]
) -> tuple[set[date], tuple[str, ...]]:
    """Bring up to date what follows from events.

    Args:
        changed: the rows by which the batch changes what ``silver.events`` says.
        told: of :func:`told_by_day`.
        order: the arguments by which a merge is done once, and in the order of batches.

    Returns:
        The days of the orders that it changed, and sentences worth knowing.
    """
    days = set[date]()
    for table in _DERIVED["events"]:
        days |= _derive(lake, claim, table, changed, order)
    events, anew = lake.read(EVENTS), _to_derive_anew(lake, claim)
    if IDENTITIES in anew or any(row["meetings"] for row in told):
        _enter_identities(lake, claim, events, None if IDENTITIES in anew else changed, order)
    first_day = min((row["event_date"] for row in told if row["lines"]), default=None)
    if RETURN_LINKS in anew:
        return days, _enter_return_links(lake, claim, events, None, order)
    if first_day and (RETURN_LINKS.name in claim.silver or any(row["returns"] for row in told)):
        return days, _enter_return_links(lake, claim, events, first_day, order)
    return days, ()


def _derive(lake: Lake, claim: Claim, table: Table, changed: DataFrame, order: dict[str, Any]) -> set[date]:
    """Make the touched rows of a table anew; returns the days of changed orders."""
    names = _named(lake, claim, table, changed)
    old = pinned(lake, claim, table)  # as it was, so that a rerun finds the same differences
    lake.create(table)
    with persisted(derived.changes(table, _summarised(lake, table, names), old, names)) as differences:
        days = _order_days(differences, old) if table is ORDERS else set[date]()
        _merge(lake, table, differences, order)
    return days


def _named(lake: Lake, claim: Claim, table: Table, changed: DataFrame) -> DataFrame:
    """The keys of a derived table whose rows may be others now: those that a batch names, or the tree of categories."""
    key = table.key[0]
    if table is CATEGORIES:  # one parent moves all that is below it
        return lake.read(CATEGORY_CHANGES).select(key).distinct()
    if key not in changed.columns:  # the tree has changed
        return lake.read(ITEM_CHANGES).where("category_id IS NOT NULL").select(key).distinct()
    named = changed.where(F.col(key).isNotNull()).select(key)
    if table is USERS and lake.exists(ACCOUNT_ALIASES):
        named = named.unionByName(_survivors(lake, claim, named))
    return named.distinct()


def _survivors(lake: Lake, claim: Claim, former: DataFrame) -> DataFrame:
    """The accounts whose rows hang on merges: those that some were merged into before, and those without a row yet."""
    before = pinned(lake, claim, ACCOUNT_ALIASES)
    left = before.join(former.distinct().select(F.col("user_id").alias("former_user_id")), on="former_user_id",
                       how="left_semi")  # fmt: skip
    rowless = lake.read(ACCOUNT_ALIASES).join(pinned(lake, claim, USERS), on="user_id", how="left_anti")
    return left.select("user_id").unionByName(rowless.select("user_id"))


def _summarised(lake: Lake, table: Table, names: DataFrame) -> DataFrame:
    """The rows of a derived table for some keys, from all that silver holds of them."""

    def told(source: Table) -> DataFrame:
        return lake.read(source).join(names, on=table.key[0], how="left_semi")

    if table is CATEGORIES:
        return catalogue.categories(lake.read(CATEGORY_CHANGES))
    if table is ACCOUNT_ALIASES:
        return account_aliases(_as_former(lake.read(USER_CHANGES)).join(names, on="former_user_id", how="left_semi"))
    events = told(EVENTS)
    if table is ITEMS and lake.exists(ITEM_CHANGES):
        return derived.items(events, told(ITEM_CHANGES), lake.read(CATEGORIES))
    if table is USERS and lake.exists(USER_CHANGES):
        merges = told(ACCOUNT_ALIASES) if lake.exists(ACCOUNT_ALIASES) else None
        return derived.users(events, told(USER_CHANGES), merges)
    summarise = {ORDERS: derived.orders, ITEMS: derived.items, USERS: derived.users}
    return summarise[table](events)


def _as_former(changes: DataFrame) -> DataFrame:
    """Changes of users under the name that an account has which may be another now."""
    return changes.withColumn("former_user_id", F.col("user_id"))


def _to_derive_anew(lake: Lake, claim: Claim) -> set[Table]:
    """The tables that an older Shoal did not have: once, they are derived from all the events that stand."""
    lacking = {table for table in (IDENTITIES, RETURN_LINKS) if table.name not in claim.silver}
    return lacking if lacking and EVENTS.name in claim.silver and facts.was_upgraded(lake) else set()


def _enter_identities(
    lake: Lake, claim: Claim, events: DataFrame, changed: DataFrame | None, order: dict[str, Any]
) -> None:
    """Derive the links of the visitors that met a user in a changed event, or of all."""
    lake.create(IDENTITIES)
    met = (events if changed is None else changed).where(derived.MEETS).select("visitor_id").distinct()
    new = derived.identities(events.join(met, on="visitor_id", how="left_semi"))
    with persisted(derived.changes(IDENTITIES, new, pinned(lake, claim, IDENTITIES), met)) as differences:
        _merge(lake, IDENTITIES, differences, order)


def _enter_return_links(
    lake: Lake, claim: Claim, events: DataFrame, since: date | None, order: dict[str, Any]
) -> tuple[str, ...]:
    """Settle the returns from a day on anew, None for all; returns what is to be said of them."""
    lake.create(RETURN_LINKS)
    old = pinned(lake, claim, RETURN_LINKS)
    is_old = F.lit(False) if since is None else F.col("linked_date") < F.lit(since)
    with persisted(returns.returned(events, since)) as back:
        if back.isEmpty():
            _merge(lake, RETURN_LINKS, old.where(~is_old).withColumn("is_gone", F.lit(True)), order)
            return ()
        with persisted(returns.return_links(back, events, old.where(is_old))) as links:
            came, linked = _pieces(back, links)
            with persisted(derived.differences(RETURN_LINKS, links, old.where(~is_old))) as differences:
                _merge(lake, RETURN_LINKS, differences, order)
    if came == linked:
        return ()
    when = f"since {since}" if since else "so far"
    return (f"{came - linked:,} of the {came:,} pieces returned {when} belong to no purchase that is known",)


def _pieces(back: DataFrame, links: DataFrame) -> tuple[int, int]:
    """How many pieces came back, and how many of them are linked."""
    came = back.select(F.col("pieces").alias("came"), F.lit(0).alias("linked"))
    counted = came.unionByName(links.select(F.lit(0).alias("came"), F.col("pieces").alias("linked")))
    summed = counted.agg(F.sum("came").alias("came"), F.sum("linked").alias("linked")).first()
    assert summed is not None, "an aggregate has one row"
    return int(summed["came"] or 0), int(summed["linked"] or 0)


def _merge(lake: Lake, table: Table, differences: DataFrame, order: dict[str, Any]) -> None:
    if not differences.isEmpty():
        lake.merge(table, differences, delete_when="s.is_gone", insert_when="NOT s.is_gone", **order)


def _order_days(differences: DataFrame, old: DataFrame) -> set[date]:
    """The days on which changed orders begin, and those on which they began."""
    left = old.join(differences.select("order_id"), on="order_id", how="left_semi")
    days = differences.select("order_date").unionByName(left.select("order_date")).distinct()
    return {row["order_date"] for row in days.collect()}
