"""What is popular among people of one segment or region: lists of each, and for users whom no model knows."""

from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.models.recommend.acts import since
from shoal.models.recommend.popularity import POPULARITY
from shoal.params import BySegmentParams

BY_SEGMENT = "popularity_by_segment"  # source of rows
_DEPTH = 100  # items of a group's list that are at hand for users who have some of them; beyond, the shop's own come
_EVERYBODY = 3  # level of the whole shop
_CELL = ("level", "segment", "place")  # of a user, and of a list; never null


@dataclass(frozen=True)
class FittedBySegment:
    """A list of each segment and region with enough buyers; a user has that of the finest group it belongs to."""

    ranked: DataFrame  # rows of :func:`by_segment`, kept
    people: DataFrame  # user_id, segment_id, segment_name and region

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """The list of the user's group, less what is barred; see :class:`shoal.models.recommend.recommender.Fitted`.

        Users of no group that has a list get none, and who has much of it gets fewer than ``n``.
        """
        lists = self.ranked.join(items.select("item_id"), "item_id", how="left_semi").select(
            *_CELL, "item_id", "item_group_id", "score"
        )
        found = self._groups(users).join(F.broadcast(lists), [*_CELL], how="inner")
        free = found.join(barred.select("user_id", "item_id"), ["user_id", "item_id"], how="left_anti")
        best = F.min(F.struct((-F.col("score")).alias("below"), "item_id")).alias("best")
        by_user = Window.partitionBy("user_id").orderBy("best")
        return (
            free.groupBy("user_id", "item_group_id")
            .agg(best)
            .withColumn("rank", F.row_number().over(by_user))
            .where(F.col("rank") <= n)
            .select("user_id", "best.item_id", "item_group_id", "rank", (-F.col("best.below")).alias("score"))
        )

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows of :meth:`best` with their ``reason``."""
        said = self.ranked.select(*_CELL, "item_id", "reason")
        groups = self._groups(best.select("user_id").distinct())
        return best.join(groups, "user_id", how="inner").join(F.broadcast(said), [*_CELL, "item_id"]).drop(*_CELL)

    def _groups(self, users: DataFrame) -> DataFrame:
        """The finest group of each user that has a list."""
        there = self.ranked.where(F.col("level") < _EVERYBODY).select(*_CELL).distinct()
        of_user = self.people.join(users.select("user_id"), "user_id", how="left_semi").select(
            "user_id", F.inline(_cells())
        )
        finest = of_user.join(F.broadcast(there), [*_CELL], how="left_semi").groupBy("user_id")
        return finest.agg(F.min(F.struct(*_CELL)).alias("cell")).select("user_id", "cell.*")


def by_segment(
    acts: DataFrame, people: DataFrame, items: DataFrame, *, as_of: date, params: BySegmentParams
) -> DataFrame:
    """What most buyers of each segment and region bought lately, and of everybody.

    A group is a segment in a region, a segment, a region, or the whole shop; it has a list where ``min_buyers`` of it
    bought anything in the last ``days``. The score is the share of its buyers who bought the item, drawn towards that
    of the whole shop as ``prior`` further buyers would: (buyers + prior x share) / (buyers of the group + prior).

    Args:
        acts: rows of :func:`shoal.models.recommend.acts.acts`.
        people: ``user_id``, ``segment_id``, ``segment_name`` and ``region``, each but the first null where unknown.
        items: ``item_id`` and ``item_group_id`` of what may be named; of a group only the best comes.
        as_of: first shop-local day that must not be seen.
        params: the settings.

    Returns:
        ``level`` (0 segment and region, 1 segment, 2 region, 3 everybody), ``segment`` and ``place`` (-1 and empty for
        all), ``segment_id``, ``segment_name``, ``region`` (null for all), ``rank`` up to 100, ``item_id``,
        ``item_group_id``, ``buyers``, ``group_buyers``, ``score`` and ``reason``.
    """
    bought = acts.where(F.col("last_bought") >= since(as_of, params.days)).select("user_id", "item_id")
    whose = people.select("user_id", F.inline(_cells()))
    buyers = bought.select("user_id").distinct().join(whose, "user_id", how="inner")
    sizes = buyers.groupBy(*_CELL).agg(F.count(F.lit(1)).alias("group_buyers"))
    sizes = sizes.where((F.col("group_buyers") >= params.min_buyers) | (F.col("level") == _EVERYBODY))
    counts = (
        bought.join(items.select("item_id", "item_group_id"), "item_id", how="inner")
        .join(whose, "user_id", how="inner")
        .groupBy(*_CELL, "item_id", "item_group_id")
        .agg(F.count(F.lit(1)).alias("buyers"))
        .join(F.broadcast(sizes), [*_CELL], how="inner")
    )
    of_item = Window.partitionBy("item_id")
    shop = F.max(F.when(F.col("level") == _EVERYBODY, F.col("buyers") / F.col("group_buyers"))).over(of_item)
    prior = F.lit(float(params.prior))
    score = F.round((F.col("buyers") + prior * F.col("share")) / (F.col("group_buyers") + prior), 9)
    scored = counts.withColumn("share", shop).withColumn("score", score)
    best_first = (F.desc("score"), F.col("item_id"))
    ranked = (
        scored.withColumn(
            "variant", F.row_number().over(Window.partitionBy(*_CELL, "item_group_id").orderBy(*best_first))
        )
        .where("variant = 1")
        .withColumn("rank", F.row_number().over(Window.partitionBy(*_CELL).orderBy(*best_first)))
        .where(F.col("rank") <= max(params.top_n, _DEPTH))
    )
    names = (
        people.where("segment_id IS NOT NULL").groupBy("segment_id").agg(F.min("segment_name").alias("segment_name"))
    )
    known = (
        ranked.withColumn("segment_id", F.nullif("segment", F.lit(-1)))
        .withColumn("region", F.nullif("place", F.lit("")))
        .join(F.broadcast(names), "segment_id", how="left")
    )
    group = F.concat_ws(" in ", F.coalesce("segment_name", F.lit("all segments")), "region")
    who = F.when(F.col("level") == _EVERYBODY, F.lit("all")).otherwise(group)
    said = F.format_string(f"%d of %d buyers in the last {params.days} days (%s)", "buyers", "group_buyers", who)
    return known.withColumn("reason", said).drop("variant", "share")


def shown_by_segment(fitted: FittedBySegment, n: int) -> DataFrame:
    """The first ``n`` of each group's list, with their ``source``."""
    source = F.when(F.col("level") == _EVERYBODY, F.lit(POPULARITY)).otherwise(F.lit(BY_SEGMENT))
    return fitted.ranked.where(F.col("rank") <= n).withColumn("source", source).drop(*_CELL)


def _cells() -> Column:
    """The groups that a user belongs to."""
    segment, region = F.col("segment_id"), F.col("region")

    def cell(level: int, segment: Column | None, region: Column | None, there: Column) -> Column:
        whole = F.struct(
            F.lit(level).alias("level"),
            (F.lit(-1) if segment is None else segment).cast("int").alias("segment"),
            (F.lit("") if region is None else region).alias("place"),
        )
        return F.when(there, whole)

    return F.array_compact(
        F.array(
            cell(0, segment, region, segment.isNotNull() & region.isNotNull()),
            cell(1, segment, None, segment.isNotNull()),
            cell(2, None, region, region.isNotNull()),
            cell(_EVERYBODY, None, None, F.lit(True)),
        )
    )
