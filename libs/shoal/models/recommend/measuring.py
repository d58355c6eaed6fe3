"""How good ranked lists are: nDCG, recall and coverage against what users bought afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import log2
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from shoal.frames import persisted
from shoal.models.metric import Metric

Z_95 = 1.959963984540054  # of the normal distribution: 95 % lie within this many standard deviations

DIFFERENCE = "ndcg@{k} {model} - popularity"


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


def at(k: int, of: str = "ranks") -> dict[str, Column]:
    """The figures of a list of ``k`` by their names, over rows of :func:`hits`, whose ranks are in the column ``of``;
    relevance is binary.

    - ``ndcg``: the sum of 1 / log2(rank + 1) over the hits (Jarvelin, Kekalainen 2002), divided by the same sum for
      a list that starts with all relevant items, of which there are min(k, relevant).
    - ``map``: average precision, the sum over the hits of the precision at their rank, divided by the number of
      relevant items, also where that is above k (as trec_eval does), so a list of k cannot reach 1 then.
    - ``recall``: hits / relevant. ``precision``: hits / k, also where the list is shorter.
    - ``hr``: 1 where anything was hit, else 0. ``mrr``: 1 / rank of the first hit, else 0.
    """
    ranks = F.filter(of, lambda rank: rank <= k)
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


@dataclass(frozen=True)
class Contest:
    """Lists of several models for the same users, each as it would be shown."""

    lists: Mapping[str, DataFrame]  # by the model's name: ``user_id``, ``item_id`` and ``rank`` from 1
    k: int  # length of the list that is looked at
    note: str  # the protocol, for readers

    @property
    def rival(self) -> str | None:
        """The first model that stands beside popularity."""
        return next((one for one in self.lists if one != "popularity"), None) if "popularity" in self.lists else None


def compare(contests: Sequence[Contest], relevant: DataFrame, allowed_items: DataFrame) -> list[list[Metric]]:
    """Measure each model's lists on the same users, of all contests in two passes over them.

    Args:
        contests: what is measured.
        relevant: ``user_id``, ``item_id``, each pair once; its users are those measured.
        allowed_items: ``item_id`` of what could be recommended, one row each.

    Returns:
        Of each contest, per model ``ndcg@k`` and ``recall@k`` (means over users), ``coverage@k`` (share of the allowed
        items that are in any list) and ``users``; None where there is no user or no item. Of a model that stands beside
        popularity, the mean difference of nDCG per user ``MODEL - popularity`` with the ends of its normal 95 %
        interval.
    """
    parts = {(id(lists), contest.k): lists for contest in contests for lists in contest.lists.values()}
    numbers = {part: number for number, part in enumerate(parts)}  # lists that several contests share count once
    shown = [
        _Shown(place, model, contest.k, numbers[id(lists), contest.k])
        for place, contest in enumerate(contests)
        for model, lists in contest.lists.items()
    ]
    frames = [
        lists.where(F.col("rank") <= k)
        .select("user_id", "item_id", F.col("rank").cast("int").alias("rank"), F.lit(number).alias("list"))
        for number, ((_, k), lists) in enumerate(parts.items())
    ]  # fmt: skip
    ranks = [F.max(F.when(F.col("list") == n, F.col("rank"))).alias(f"rank_{n}") for n in range(len(frames))]
    with persisted(reduce(DataFrame.unionByName, frames).groupBy("user_id", "item_id").agg(*ranks)) as wide:
        means = _means(contests, shown, wide, relevant)
        covered = _covered(len(frames), wide, relevant, allowed_items)
    found: list[list[Metric]] = [[] for _ in contests]
    for one in shown:
        note, items = contests[one.place].note, covered["items"]
        share = covered[f"listed_{one.number}"] / items if items and means["users"] else None
        found[one.place] += [
            Metric(one.model, f"ndcg@{one.k}", _rounded(means[f"ndcg_{one.number}"]), note),
            Metric(one.model, f"recall@{one.k}", _rounded(means[f"recall_{one.number}"]), note),
            Metric(one.model, f"coverage@{one.k}", _rounded(share), note),
            Metric(one.model, "users", float(means["users"]), note),
        ]
    for place, contest in enumerate(contests):
        if contest.rival is not None:
            gap, spread = means[f"gap_{place}"], means[f"spread_{place}"]
            found[place] += _difference(contest.rival, gap, spread, means["users"], contest)
    return found


class _Shown(NamedTuple):
    """Lists in a contest."""

    place: int  # of the contest
    model: str
    k: int
    number: int  # of the lists, among all


def _means(contests: Sequence[Contest], shown: Sequence[_Shown], wide: DataFrame, relevant: DataFrame) -> Row:
    """Mean figures over the users, by the number of the lists; gaps by that of the contest."""
    lengths = {one.number: one.k for one in shown}
    ranks = [F.sort_array(F.collect_list(f"rank_{number}")).alias(f"ranks_{number}") for number in lengths]
    by_user = relevant.join(wide, ["user_id", "item_id"], how="left").groupBy("user_id")
    figures = by_user.agg(F.count(F.lit(1)).alias("relevant"), *ranks).select(
        *(
            at(k, f"ranks_{number}")[figure].alias(f"{figure}_{number}")
            for number, k in lengths.items()
            for figure in ("ndcg", "recall")
        )
    )
    wanted = [F.avg(name).alias(name) for name in figures.columns]
    for place, contest in enumerate(contests):
        if contest.rival is not None:
            of = {one.model: F.col(f"ndcg_{one.number}") for one in shown if one.place == place}
            gap = of[contest.rival] - of["popularity"]
            wanted += [F.avg(gap).alias(f"gap_{place}"), F.stddev_samp(gap).alias(f"spread_{place}")]
    row = figures.agg(F.count(F.lit(1)).alias("users"), *wanted).first()
    assert row is not None, "an aggregate has one row"
    return row


def _covered(count: int, wide: DataFrame, relevant: DataFrame, allowed_items: DataFrame) -> Row:
    """How many ``items`` there are, and how many of them stand in any list of the users, by the number of the lists."""
    listed = wide.join(relevant.select("user_id").distinct(), "user_id", how="left_semi").groupBy("item_id")
    by_item = listed.agg(*(F.count(f"rank_{number}").alias(f"listed_{number}") for number in range(count)))
    row = (
        allowed_items.join(by_item, "item_id", how="left")
        .agg(
            F.count(F.lit(1)).alias("items"),
            *(F.count_if(F.col(f"listed_{number}") > 0).alias(f"listed_{number}") for number in range(count)),
        )
        .first()
    )
    assert row is not None, "an aggregate has one row"
    return row


def _difference(model: str, mean: float | None, deviation: float | None, users: int, contest: Contest) -> list[Metric]:
    """By how much a model beats popularity for the same user, on average."""
    margin = None if deviation is None else Z_95 * deviation / users**0.5
    name = DIFFERENCE.format(k=contest.k, model=model)
    note = f"{contest.note}; paired per user, normal 95 % interval"
    return [
        Metric(model, name, _rounded(mean), note),
        Metric(model, f"{name} low", None if margin is None or mean is None else _rounded(mean - margin), note),
        Metric(model, f"{name} high", None if margin is None or mean is None else _rounded(mean + margin), note),
    ]


def _rounded(value: float | None) -> float | None:
    """Nine digits: sums of doubles in another order differ beyond."""
    return None if value is None else round(value, 9)
