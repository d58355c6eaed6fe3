"""Ranked lists -> each user's figures, and those of the lists as a whole."""

from collections.abc import Sequence

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.frames import persisted
from shoal.models.recommend.measuring import at, hits

OF_USERS = ("ndcg", "map", "recall", "precision", "hr", "mrr", "novelty", "diversity")
_MOST_PAIRS = 5_000_000  # of items that stand in one list; of more, users are sampled for diversity
_KEPT_USERS = 1024  # of an item, by which its likeness to others is told
_HASHES = 2.0**64


def names(lengths: Sequence[int]) -> list[str]:
    """The names of each user's figures, in their order."""
    return [f"{metric}@{k}" for k in lengths for metric in OF_USERS]


def user_figures(
    lists: DataFrame,
    relevant: DataFrame,
    users: DataFrame,
    items: DataFrame,
    likeness: DataFrame,
    lengths: Sequence[int],
) -> DataFrame:
    """Each user's figures, in one pass over the lists.

    Those of hits are of :func:`shoal.models.recommend.measuring.at`; a user without a list scores 0. Of lists alone:

    - ``novelty``: the mean over the list's items of -log2(share of train's users who have the item), in bits: how
      surprising what is shown is (Zhou et al. 2010; Vargas, Castells 2011).
    - ``diversity``: the mean over the list's pairs of items of 1 - their cosine, |users of both| /
      sqrt(|users of one| x |users of the other|) in train (intra-list diversity, Smyth, McClave 2001; Ziegler et al.
      2005). Null with fewer than two items.

    Args:
        lists: ``user_id``, ``item_id``, ``rank`` from 1.
        relevant: ``user_id``, ``item_id``.
        users: ``user_id`` and ``warm``, each to whom something is relevant.
        items: of :func:`item_facts`.
        likeness: of :func:`listed_likeness` of these lists, or no rows.
        lengths: of the lists that are looked at.

    Returns:
        ``user_id``, ``warm`` and ``figures``, an array in the order of :func:`names`.
    """
    ranks = hits(lists, relevant, max(lengths))
    surprise = lists.join(items.select("item_id", "novelty"), "item_id", how="left").groupBy("user_id").agg(
        *(F.avg(F.when(F.col("rank") <= k, F.col("novelty"))).alias(f"novelty{k}") for k in lengths)
    )  # fmt: skip
    unlike = likeness.groupBy("user_id").agg(
        *(F.avg(F.when(F.col("rank") <= k, 1 - F.col("cosine"))).alias(f"diversity{k}") for k in lengths)
    )
    figures = list[Column]()
    for k in lengths:
        values = {**at(k), "novelty": F.col(f"novelty{k}"), "diversity": F.col(f"diversity{k}")}
        figures += [values[metric].cast("double") for metric in OF_USERS]
    return (
        users.join(ranks, "user_id", how="inner")
        .join(surprise, "user_id", how="left")
        .join(unlike, "user_id", how="left")
        .select("user_id", "warm", F.array(*figures).alias("figures"))
    )


def item_facts(train: DataFrame) -> DataFrame:
    """Per item of train its ``users``, its ``novelty`` in bits, and the ``share`` of them that likeness is told by."""
    pairs = train.select("user_id", "item_id").distinct()
    everyone = train.agg(F.count_distinct("user_id").alias("everyone"))
    return (
        pairs.groupBy("item_id")
        .agg(F.count(F.lit(1)).alias("users"))
        .crossJoin(F.broadcast(everyone))
        .select(
            "item_id",
            "users",
            (-F.log2(F.col("users") / F.col("everyone"))).alias("novelty"),
            F.least(F.lit(1.0), _KEPT_USERS / F.col("users")).alias("share"),
        )
    )


def listed_likeness(lists: DataFrame, users: int, train: DataFrame, items: DataFrame, k: int) -> DataFrame:
    """The cosine of every two items that stand in one list.

    The users of an item with more than 1,024 are sampled by their hash, the same for all items: of users whose hash is
    below both items' shares, those who have both are a fair sample, so their count is divided by the smaller share.
    With up to 1,024 users the cosine is exact. Where the lists hold more than 5 million pairs, a sample of users by
    hash stands for all.

    Args:
        lists: ``user_id``, ``item_id`` and ``rank``.
        users: how many lists there are.
        train: ``user_id`` and ``item_id``.
        items: of :func:`item_facts`.
        k: length of the lists that are looked at.

    Returns:
        ``user_id``, ``rank`` (of the lower of the two) and ``cosine``.
    """
    listed = lists.where(F.col("rank") <= k).select("user_id", "item_id", "rank")
    share = min(1.0, _MOST_PAIRS / max(1, users * k * (k - 1) // 2))
    if share < 1:
        listed = listed.where(_place("user_id") < share)
    upper = listed.select("user_id", F.col("item_id").alias("upper"), F.col("rank").alias("upper_rank"))
    lower = listed.select("user_id", F.col("item_id").alias("lower"), "rank")
    both = upper.join(lower, "user_id", how="inner").where(F.col("upper_rank") < F.col("rank"))
    ordered = both.select(
        "user_id", "rank", F.least("upper", "lower").alias("one"), F.greatest("upper", "lower").alias("other")
    )
    cosines = _cosines(ordered.select("one", "other").distinct(), listed.select("item_id").distinct(), train, items)
    return ordered.join(cosines, ["one", "other"], how="inner").select("user_id", "rank", "cosine")


def _cosines(wanted: DataFrame, listed: DataFrame, train: DataFrame, items: DataFrame) -> DataFrame:
    """``one``, ``other`` and their ``cosine``."""
    known = items.join(listed, "item_id", how="left_semi").select("item_id", "users", "share")
    kept = (
        train.select("user_id", "item_id")
        .distinct()
        .join(known, "item_id", how="inner")
        .where(_place("user_id") < F.col("share"))
        .groupBy("item_id", "users", "share")
        .agg(F.collect_list(F.xxhash64("user_id")).alias("who"))
    )

    def side(name: str) -> DataFrame:
        return kept.select(F.col("item_id").alias(name), *(F.col(c).alias(f"{name}_{c}") for c in kept.columns[1:]))

    common = F.size(F.array_intersect("one_who", "other_who")) / F.least("one_share", "other_share")
    cosine = common / F.sqrt(F.col("one_users").cast("double") * F.col("other_users"))
    return (
        wanted.join(side("one"), "one", how="left")
        .join(side("other"), "other", how="left")
        .select("one", "other", F.least(F.lit(1.0), F.coalesce(cosine, F.lit(0.0))).alias("cosine"))
    )


def _place(name: str) -> Column:
    """A hash as a number within 0..1."""
    return F.xxhash64(name).cast("double") / F.lit(_HASHES) + F.lit(0.5)


def list_figures(lists: DataFrame, items: int, lengths: Sequence[int]) -> dict[str, float | None]:
    """Of all lists together, one pass for all lengths:

    - ``coverage``: the share of train's items that stand in any list.
    - ``gini``: how unevenly the lists' places are shared among train's items: 0 where each has as many, towards 1
      where one has them all (Gini's coefficient; Fleder, Hosanagar 2009).

    Args:
        lists: ``item_id`` and ``rank``.
        items: how many train has.
        lengths: of the lists that are looked at.

    Returns:
        By name; None without an item or without a list.
    """
    counts = [F.count_if(F.col("rank") <= k).alias(f"n{k}") for k in lengths]
    found = dict[str, float | None]()
    with persisted(lists.groupBy("item_id").agg(*counts)) as shown:
        for k in lengths:
            rows = shown.where(F.col(f"n{k}") > 0).groupBy(f"n{k}").count().collect()
            histogram = {int(row[0]): int(row[1]) for row in rows}
            covered = sum(histogram.values())
            found[f"coverage@{k}"] = covered / items if items else None
            found[f"gini@{k}"] = gini(histogram, items)
    return found


def gini(histogram: dict[int, int], items: int) -> float | None:
    """Gini's coefficient of counts, from how many items have each count; the rest of ``items`` have none."""
    shown = sorted(histogram.items())
    values = np.array([0, *(value for value, _ in shown)], dtype=float)
    repeats = np.array([items - sum(histogram.values()), *(n for _, n in shown)], dtype=float)
    total = float(values @ repeats)
    if not total:
        return None
    last = np.cumsum(repeats)  # items stand in order of their counts; those of one count at places last-n+1..last
    places = repeats * (2 * last - repeats + 1) / 2  # the sum of these places
    return round(float(((2 * places - repeats * (items + 1)) @ values) / (items * total)), 9)
