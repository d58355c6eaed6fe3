"""features.user_days, features.user_item_days, silver.items -> features.users: what a user did before a day.

Each feature is what its declaration in ``tables/user_features`` says. Features of one relation are computed in one
aggregation, whatever their windows; those that are made of others follow in order of depth.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.tables import USER_FEATURES
from shoal.tables.feature import Feature, Features
from shoal.tables.user_features import FEATURES
from shoal.tables.vocabulary import SCORED
from shoal.transforms import outliers, suspects
from shoal.transforms.accounts import consents_at, counted
from shoal.transforms.cuts import Cut
from shoal.transforms.facets import contexts, facets
from shoal.transforms.limits import Limits, recent
from shoal.transforms.sessions import baskets, sessions

_EXTREME = "extreme_purchases"
# Whoever asks for some features gets these too: who it is, and what models leave out or go by.
ALWAYS = ("recency_days", "recency_event_days", "is_buyer", "is_suspect", "suspect_reasons")


def user_features(
    days: DataFrame,
    item_days: DataFrame,
    users: DataFrame,
    *,
    as_of: date | None,
    run_id: str | Column,
    items: DataFrame | None = None,
    user_changes: DataFrame | None = None,
    accounts: DataFrame | None = None,
    limits: Limits | None = None,
    only: Collection[str] | None = None,
    own: Sequence[Feature] = (),
    shop: DataFrame | None = None,
) -> DataFrame:
    """Summarise each user's tiles before ``as_of``.

    Many cuts at once are computed by the same code: rows have then their own ``as_of``: those of tiles are there once
    for each cut after them (``people.tiles_at``), users and changes once for each cut, also for those before a change.

    Users without a purchase are kept, with ``frequency`` 0 and a null ``recency_days``: they are the prospects
    that marketing asks for. Staff and test accounts are left out, and who objected to profiling before ``as_of``.

    Args:
        days: rows of ``features.user_days``.
        item_days: rows of ``features.user_item_days``.
        users: rows of ``silver.users``.
        as_of: first shop-local day that must *not* be seen, so that a label built from it cannot leak; None: each row
            has its own, in the column ``as_of``.
        run_id: the run that the rows are of; where there are many cuts, it may be a column of ``as_of``.
        items: the catalogue as it was before ``as_of``, one row of ``silver.items`` per item, or all its rows where
            there are many cuts; None: of no item it is known what it is.
        user_changes: rows of ``silver.user_changes``; None in a shop without a user feed.
        accounts: of ``identities.accounts_at`` for this cut, or for each, under whose ``user_id`` the tiles are; None
            where no account was merged.
        limits: beyond which users are suspect and purchases extreme, and the edges of scores; None: nobody is, and
            nothing, and nobody has a score. With many cuts they are columns, each cut's own.
        only: names of the features that are wanted; what others need is not computed.
        own: features of the shop's own; all of them are wanted.
        shop: what all users did with each item before each of many cuts, of ``shop_items``; None: the tiles are those
            of all users.

    Returns:
        Rows of ``features.users``, one per user, or user and cut; with ``only``, its key and these columns and
        :data:`ALWAYS`.
    """
    known = Features([*FEATURES.values(), *own]) if own else FEATURES
    needed = known if only is None else known.needed_for([*only, *ALWAYS, *(feature.name for feature in own)])
    cut = Cut(as_of)
    by_user = ["user_id", *cut.own]
    seen, seen_items = cut.before(days), cut.before(item_days)
    judgements, acts = list[DataFrame](), list[Column]()  # by user
    if limits is not None:
        extremes = outliers.extremes(seen_items, limits, *cut.own)
        judgements = [suspects.breadth_of_busy(recent(days, as_of, limits.params), item_days, limits.params, *cut.own)]
        if _EXTREME in needed:
            judgements.append(outliers.extreme_purchases(extremes, *cut.own))
        acts = suspects.sums(as_of, limits.params)
        if limits.treatment != "keep":  # who is a customer is told by what was bought, whatever counts of it
            judgements.append(seen.groupBy(*by_user).agg(*acts))
            acts = []
            seen, seen_items = outliers.treated(seen, seen_items, extremes, limits.treatment, *cut.own)
    everyone = seen.groupBy(*by_user).agg(*_aggregates(needed.over("days"), cut), *acts)
    who_counts = counted(users, user_changes, as_of=as_of, accounts=accounts)
    everyone = everyone.join(who_counts, on=by_user, how="left_semi")
    for told in (*_others(needed, cut, seen, seen_items, items, user_changes, accounts, shop), *judgements):
        everyone = everyone.join(told, on=by_user, how="left")
    marks = {"run_id": F.lit(run_id), "as_of": cut.column, **_marks(limits, _EXTREME in needed)}
    marks |= _edges(limits, needed)
    features = _derived(_gathered(everyone, needed, marks), needed, own, cut)
    if only is None:
        return USER_FEATURES.select(features)
    wanted = [name for name in FEATURES if name in {*only, *ALWAYS}]
    return features.select("run_id", "user_id", "as_of", *wanted, *(["own"] if own else []))


def _others(
    needed: Features,
    cut: Cut,
    days: DataFrame,
    item_days: DataFrame,
    items: DataFrame | None,
    user_changes: DataFrame | None,
    accounts: DataFrame | None,
    shop: DataFrame | None,
) -> list[DataFrame]:
    """What is aggregated over other rows than a user's days, by user; nothing of which no feature is needed."""
    found = list[DataFrame]()

    def summarise(rows: DataFrame, features: list[Feature]) -> None:
        found.append(rows.groupBy("user_id", *cut.own).agg(*_aggregates(features, cut)))

    if of_orders := needed.over("orders"):
        summarise(days.where("orders > 0"), of_orders)
    if of_sessions := needed.over("sessions"):
        summarise(sessions(days, cut=cut), of_sessions)
    if of_basket := needed.over("basket"):
        priced = items if any("price" in each.identifiers for each in of_basket) else None
        summarise(baskets(item_days, priced, cut=cut), of_basket)
    if of_facets := needed.over("facets"):
        met = facets(
            item_days,
            items,
            cut=cut,
            kinds={text for feature in of_facets for text in feature.texts},
            beside_the_shop=any("shop" in feature.identifiers for feature in of_facets),
            sums=shop,
        )
        summarise(met, of_facets)
    if of_contexts := needed.over("contexts"):
        summarise(contexts(days, cut=cut), of_contexts)
    of_consents = needed.over("consents")
    if of_consents and user_changes is not None:
        summarise(consents_at(user_changes, as_of=cut.day, accounts=accounts), of_consents)
    return found


def _marks(limits: Limits | None, counts_extremes: bool) -> dict[str, Column]:
    """What a user's values beyond the limits say; nothing where there are none."""
    none = {_EXTREME: F.lit(0).cast("bigint")} if limits is None or not counts_extremes else {}
    if limits is None:
        return {"is_suspect": F.lit(False), "suspect_reasons": F.array().cast("array<string>"), **none}
    return {**suspects.marks(limits.of_users, limits.params), **none}


def _edges(limits: Limits | None, needed: Features) -> dict[str, Column]:
    """Of each score the edges that a value passes; null where there are none."""
    steps = dict(zip(("_recency_edges", "_frequency_edges", "_monetary_edges"), SCORED, strict=True))
    held = {} if limits is None else limits.of_buyers
    return {step: F.lit(held.get(name)).cast("array<double>") for step, name in steps.items() if step in needed}


def _gathered(rows: DataFrame, needed: Features, marks: Mapping[str, Column]) -> DataFrame:
    """The aggregates of each user, with 0 where there is nothing to count, and null where nobody could say anything."""
    of_relations = [feature for feature in needed.values() if feature.over not in ("user", "limits")]
    there = {*rows.columns}
    found = dict(marks)
    for feature in of_relations:
        of_type = feature.type or "string"
        value = F.col(feature.name) if feature.name in there else F.lit(None).cast(of_type)
        found[feature.name] = value if feature.otherwise is None else F.coalesce(value, F.lit(feature.otherwise))
    if _EXTREME in there:
        found[_EXTREME] = F.coalesce(_EXTREME, F.lit(0))
    return rows.select("user_id", *(column.alias(name) for name, column in found.items()))


def _derived(rows: DataFrame, needed: Features, own: Sequence[Feature], cut: Cut) -> DataFrame:
    """With the features that are made of others, the simplest first, and the shop's own as a map."""
    by_depth: dict[int, list[str]] = {}
    for feature in needed.over("user"):
        by_depth.setdefault(needed.depth(feature.name), []).append(cut.feature(feature))
    named = ", ".join(f"'{feature.name}', {feature.name}" for feature in own)
    by_depth[max(by_depth, default=0) + 1] = [f"CAST(map({named}) AS map<string, double>) AS own"]
    found = rows
    for depth in sorted(by_depth):
        found = found.selectExpr("*", *by_depth[depth])
    return found


def _aggregates(features: list[Feature], cut: Cut) -> list[Column]:
    return [F.expr(cut.feature(feature)) for feature in features]
