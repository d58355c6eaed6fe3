"""How good ranked lists are: nDCG, recall and coverage against what users bought afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import log2

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.models.metric import Metric
from shoal.models.recommend.als import fit
from shoal.models.recommend.lists import BUY_AGAIN, buy_again, recommend
from shoal.models.recommend.popularity import popular, popular_limit
from shoal.models.recommend.strengths import habits, owned, strengths
from shoal.params import RecommendParams

Z_95 = 1.959963984540054  # of the normal distribution: 95 % lie within this many standard deviations

NEW = (
    "bought for the first time in the last {days} days; users and items known before; "
    "pairs bought before are removed from lists and relevance"
)
AGAIN = (
    "bought in the last {days} days, first or again; users and items known before; "
    "pairs bought before are kept: not comparable with als and popularity"
)
_DIFFERENCE = "ndcg@{k} als - popularity"
_TOO_FEW = "; fewer than {pairs} user-item pairs: not fitted"


def evaluate(recommendations: DataFrame, relevant: DataFrame, k: int) -> DataFrame:
    """How well each user's first ``k`` items meet what was relevant to that user; figures as of :func:`at`.

    A user without a list scores 0; a user to whom nothing was relevant is left out.

    Args:
        recommendations: ``user_id``, ``item_id``, ``rank`` from 1.
        relevant: ``user_id``, ``item_id``.
        k: length of the list that is looked at.

    Returns:
        ``user_id``, ``relevant`` (items), ``hits`` and the figures, all within 0..1.
    """
    found = hits(recommendations, relevant, k)
    return found.select("user_id", "relevant", F.size("ranks").alias("hits"), *named(at(k)))


def hits(recommendations: DataFrame, relevant: DataFrame, k: int) -> DataFrame:
    """At which of the first ``k`` ranks each user's relevant items stand: what every figure is made of.

    Returns:
        ``user_id``, ``relevant`` (items) and ``ranks`` (ascending; empty without a hit), a row per user to whom
        something was relevant.
    """
    wanted = relevant.select("user_id", "item_id").distinct()
    shown = recommendations.where(F.col("rank") <= k).select("user_id", "item_id", F.col("rank").cast("int"))
    return (
        wanted.join(shown, ["user_id", "item_id"], how="left")
        .groupBy("user_id")
        .agg(F.count(F.lit(1)).alias("relevant"), F.sort_array(F.collect_list("rank")).alias("ranks"))
    )


def at(k: int) -> dict[str, Column]:
    """The figures of a list of ``k`` by their names, over rows of :func:`hits`; relevance is binary.

    - ``ndcg``: the sum of 1 / log2(rank + 1) over the hits (Jarvelin, Kekalainen 2002), divided by the same sum for
      a list that starts with all relevant items, of which there are min(k, relevant).
    - ``map``: average precision, the sum over the hits of the precision at their rank, divided by the number of
      relevant items, also where that is above k (as trec_eval does), so a list of k cannot reach 1 then.
    - ``recall``: hits / relevant. ``precision``: hits / k, also where the list is shorter.
    - ``hr``: 1 where anything was hit, else 0. ``mrr``: 1 / rank of the first hit, else 0.
    """
    ranks = F.filter("ranks", lambda rank: rank <= k)
    found = F.size(ranks)
    gain = F.aggregate(ranks, F.lit(0.0), lambda total, rank: total + 1 / F.log2(rank + 1))
    places = F.transform(ranks, lambda rank, place: (place + 1) / rank)
    precisions = F.aggregate(places, F.lit(0.0), lambda total, precision: total + precision)
    first = 1 / F.get(ranks, F.lit(0))  # null without a hit
    return {
        "ndcg": gain / _ideal_gain(F.col("relevant"), k),
        "map": precisions / F.col("relevant"),
        "recall": found / F.col("relevant"),
        "precision": found / F.lit(k),
        "hr": (found > 0).cast("double"),
        "mrr": F.coalesce(first, F.lit(0.0)),
    }


def named(columns: Mapping[str, Column]) -> list[Column]:
    """Columns under their names."""
    return [column.alias(name) for name, column in columns.items()]


def _ideal_gain(relevant: Column, k: int) -> Column:
    """The gain of a list of ``k`` that starts with all relevant items."""
    sums = [sum(1 / log2(rank + 1) for rank in range(1, n + 1)) for n in range(1, k + 1)]
    return F.element_at(F.array(*(F.lit(value) for value in sums)), F.least(F.lit(k), relevant).cast("int"))


def compare(
    recommendations: Mapping[str, DataFrame], relevant: DataFrame, allowed_items: DataFrame, k: int, note: str
) -> list[Metric]:
    """Measure each model's lists on the same users.

    Args:
        recommendations: lists by the model's name, as for :func:`evaluate`.
        relevant: ``user_id``, ``item_id``; its users are those measured.
        allowed_items: ``item_id`` of what could be recommended, one row each.
        k: length of the list that is looked at.
        note: the protocol, for readers.

    Returns:
        Per model ``ndcg@k`` and ``recall@k`` (means over users), ``coverage@k`` (share of the allowed items
        that are in any list) and ``users``; None where there is no user or no item. Where both are given,
        the mean difference of nDCG per user ``als - popularity`` with the ends of its normal 95 % interval.
    """
    items = allowed_items.count()
    metrics = []
    for model, lists in recommendations.items():
        means = evaluate(lists, relevant, k).agg(F.avg("ndcg"), F.avg("recall"), F.count(F.lit(1))).first()
        assert means is not None, "an aggregate has one row"
        ndcg, recall, users = means
        listed = (
            lists.where(F.col("rank") <= k)
            .join(relevant, "user_id", how="left_semi")
            .join(allowed_items, "item_id", how="left_semi")
        )
        covered = listed.select("item_id").distinct().count()
        metrics += [
            Metric(model, f"ndcg@{k}", _rounded(ndcg), note),
            Metric(model, f"recall@{k}", _rounded(recall), note),
            Metric(model, f"coverage@{k}", _rounded(covered / items) if items and users else None, note),
            Metric(model, "users", float(users), note),
        ]
    if {"als", "popularity"} <= {*recommendations}:
        metrics += _difference(recommendations["als"], recommendations["popularity"], relevant, k, note)
    return metrics


def _difference(als: DataFrame, popularity: DataFrame, relevant: DataFrame, k: int, note: str) -> list[Metric]:
    """By how much ALS beats popularity for the same user, on average."""
    ours = evaluate(als, relevant, k).select("user_id", "ndcg")
    theirs = evaluate(popularity, relevant, k).select("user_id", F.col("ndcg").alias("baseline"))
    gap = F.col("ndcg") - F.col("baseline")
    row = ours.join(theirs, "user_id", how="inner").agg(F.avg(gap), F.stddev_samp(gap), F.count(gap)).first()
    assert row is not None, "an aggregate has one row"
    mean, deviation, users = row
    margin = None if deviation is None else Z_95 * deviation / users**0.5
    name = _DIFFERENCE.format(k=k)
    note = f"{note}; paired per user, normal 95 % interval"
    return [
        Metric("als", name, _rounded(mean), note),
        Metric("als", f"{name} low", None if margin is None else _rounded(mean - margin), note),
        Metric("als", f"{name} high", None if margin is None else _rounded(mean + margin), note),
    ]


def _rounded(value: float | None) -> float | None:
    """Nine digits: sums of doubles in another order differ beyond."""
    return None if value is None else round(value, 9)


def time_split(user_item_days: DataFrame, *, as_of: date, test_days: int) -> tuple[DataFrame, DataFrame]:
    """What was known ``test_days`` before ``as_of``, and what was bought from then until ``as_of``.

    Returns:
        The tiles before the cut, and the pairs (``user_id``, ``item_id``) bought on or after it.
    """
    cut, day = F.lit(as_of - timedelta(days=test_days)), F.col("event_date")
    later = user_item_days.where((day >= cut) & (day < F.lit(as_of)) & (F.col("purchases") > 0))
    return user_item_days.where(day < cut), later.select("user_id", "item_id").distinct()


def bought_before(train: DataFrame, allowed_items: DataFrame, k: int) -> DataFrame:
    """Each user's own purchases, most often bought first, ties by the latest day and then by item_id.

    Returns:
        ``user_id``, ``item_id``, ``rank`` up to ``k``.
    """
    counts = (
        train.where(F.col("purchases") > 0)
        .join(allowed_items, "item_id", how="left_semi")
        .groupBy("user_id", "item_id")
        .agg(F.sum("purchases").alias("times"), F.max("event_date").alias("last"))
    )
    order = Window.partitionBy("user_id").orderBy(F.desc("times"), F.desc("last"), "item_id")
    ranked = counts.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= k)
    return ranked.select("user_id", "item_id", "rank")


def measure(
    user_item_days: DataFrame,
    items: DataFrame,
    as_of: date,
    params: RecommendParams,
    *,
    known_before: DataFrame | None = None,
) -> list[Metric]:
    """Fit on what was known ``test_days`` before ``as_of`` and measure on what was bought since.

    Of a list ``buy_again``, what users are offered again is measured on all purchases, beside ``bought_before``: what
    the user bought most often.

    Of the others, ``als`` (filled by popularity, as published) and ``popularity`` are measured on what is new to the
    user, whatever ``exclude_owned`` says: pairs bought before are removed from the lists and from what counts as
    relevant. ``bought_before`` stands beside them too: where it is strong, people buy the same things again.

    Users and items without a tile before the cut are left out of all.

    Args:
        user_item_days: rows of ``features.user_item_days``.
        items: allowed ``item_id`` and, where there are variants, ``item_group_id``.
        as_of: first shop-local day that must not be seen.
        params: the list's settings; lists are as long as ``k``.
        known_before: the same tiles as they were known ``test_days`` before ``as_of``, where visitors have become
            users since; None: the same.

    Returns:
        Metrics of buy_again and bought_before; or of als, popularity and bought_before, where those of als are None if
        it could not be fitted.
    """
    k, cut = params.k, as_of - timedelta(days=params.test_days)
    params = params.model_copy(update={"top_n": k, "exclude_owned": True})
    train, known, again = _held_out(user_item_days, items, as_of, params, known_before)
    known_ids = known.select("item_id").distinct()
    repeats = {"bought_before": bought_before(train, known_ids, k)}
    if params.model == BUY_AGAIN:
        offered = buy_again(habits(train, as_of=cut), again.select("user_id"), known, params).checkpoint()
        return compare({BUY_AGAIN: offered} | repeats, again, known_ids, k, AGAIN.format(days=params.test_days))
    before = owned(train, as_of=cut).checkpoint()
    new = again.join(before, ["user_id", "item_id"], how="left_anti").checkpoint()
    users = new.select("user_id").distinct()
    limit = popular_limit(before, known, params)
    favourites = popular(train, known, as_of=cut, days=params.popularity_days, limit=limit).checkpoint()
    fitted = fit(strengths(train, as_of=cut, params=params), params) if params.model == "als" else None
    lists = {"popularity": recommend(None, users, favourites, before, known, params).checkpoint()}
    if fitted is not None:
        lists["als"] = recommend(fitted, users, favourites, before, known, params).checkpoint()
    note = NEW.format(days=params.test_days)
    metrics = compare(lists, new, known_ids, k, note)
    if fitted is None and params.model == "als":
        metrics += _unfitted(("ndcg", "recall", "coverage"), k, note, params.min_interactions)
    return [*metrics, *compare(repeats, again, known_ids, k, AGAIN.format(days=params.test_days))]


def _held_out(
    user_item_days: DataFrame, items: DataFrame, as_of: date, params: RecommendParams, known_before: DataFrame | None
) -> tuple[DataFrame, DataFrame, DataFrame]:
    """The tiles before the cut, the items known by then, and what known users bought of them since."""
    train, bought = time_split(user_item_days, as_of=as_of, test_days=params.test_days)
    if known_before is not None:
        train = known_before.where(F.col("event_date") < F.lit(as_of - timedelta(days=params.test_days)))
    known = items.join(train, "item_id", how="left_semi").checkpoint()
    known_users_bought = bought.join(train, "user_id", how="left_semi")
    again = known_users_bought.join(known.select("item_id").distinct(), "item_id", how="left_semi").checkpoint()
    return train, known, again


def _unfitted(names: Sequence[str], k: int, note: str, pairs: int) -> list[Metric]:
    return [Metric("als", f"{name}@{k}", None, note + _TOO_FEW.format(pairs=pairs)) for name in names]


@dataclass(frozen=True)
class Judgement:
    """What ALS is worth beside popularity; at most one of these says something."""

    failed: str = ""  # it loses, so it must not be shown
    untested: str = ""  # why the two could not be compared
    undecided: str = ""  # neither is known to be better


def judge(metrics: Sequence[Metric], params: RecommendParams) -> Judgement:
    """Judge ALS by the 95 % interval of its nDCG less that of popularity, for the same users.

    Args:
        metrics: of :func:`measure`.
        params: the list's settings.
    """
    name = _DIFFERENCE.format(k=params.k)
    value = {metric.metric: metric.value for metric in metrics if metric.model == "als"}
    low, high = value.get(f"{name} low"), value.get(f"{name} high")
    if low is None or high is None:
        need = (
            "two users who bought something for the first time since then"
            if name in value
            else f"{params.min_interactions:,} pairs of user and item at that time"
        )
        return Judgement(
            untested=f"als is not tested against popularity {params.test_days} days back: that needs {need}, "
            "fewer were found"
        )
    measured = (
        f"the nDCG@{params.k} of als less that of popularity is {value[name]:.4f}, "
        f"95 % interval {low:.4f} to {high:.4f}"
    )
    if high < 0:
        return Judgement(failed=f"{measured}: popularity is better")
    return Judgement() if low > 0 else Judgement(undecided=f"{measured}: als is not shown to be better")
