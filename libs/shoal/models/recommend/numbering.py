"""Ids to the whole numbers that matrices want."""

from itertools import accumulate

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.frames import few_rows
from shoal.kernels.pairs import numbered_pairs
from shoal.models.recommend.tasks import PAIRS_IN_ONE_TASK

_ROW_BITS = 33  # monotonically_increasing_id: the partition above, the row within it below


def number(ids: DataFrame) -> DataFrame:
    """Number the ids 0, 1, 2, ... in byte order of their UTF-8 form, which is the order of their code points.

    The number of an id is its rank among the different ids and nothing else: neither the order of the rows,
    nor their partitioning, nor repeated rows change it. Null ids are left out.

    Range partitions are drawn from a sample, so they are fixed by a checkpoint before anything is counted.
    The driver sees one row per partition.

    Args:
        ids: a column ``id`` of strings.

    Returns:
        ``id`` and ``number`` (int).
    """
    # No rows are moved after this sort, and the row numbers are given by it within each partition.
    ranged = ids.select("id").dropna().distinct().repartitionByRange("id").sortWithinPartitions("id")
    place = F.col("place")
    placed = (
        ranged.withColumn("place", F.monotonically_increasing_id())
        .select(
            "id",
            F.shiftright(place, _ROW_BITS).cast("int").alias("part"),
            place.bitwiseAND(F.lit((1 << _ROW_BITS) - 1)).alias("row"),
        )
        .checkpoint()
    )
    return placed.join(F.broadcast(_offsets(placed)), "part", how="inner").select(
        "id", (F.col("row") + F.col("offset")).cast("int").alias("number")
    )


def number_pairs(pairs: DataFrame, count: int) -> DataFrame:
    """Pairs with the numbers of their users and items: one task where they fit into one, else :func:`number`.

    Args:
        pairs: ``user_id``, ``item_id`` and ``weight``, one row per pair, nothing null.
        count: how many there are.

    Returns:
        ``user_id``, ``user``, ``item_id``, ``number`` (of the item; both int) and ``weight`` (float), checkpointed.
    """
    weight = F.col("weight").cast("float").alias("weight")
    if count <= PAIRS_IN_ONE_TASK:
        schema = "user_id string, user int, item_id string, number int, weight float"
        rows = pairs.select("user_id", "item_id", weight.alias("strength"))
        return rows.repartition(1).mapInArrow(numbered_pairs, schema).checkpoint()
    users = number(pairs.select(F.col("user_id").alias("id")))
    items = number(pairs.select(F.col("item_id").alias("id")))
    return (
        pairs.join(users.select(F.col("id").alias("user_id"), F.col("number").alias("user")), "user_id", how="inner")
        .join(items.select(F.col("id").alias("item_id"), "number"), "item_id", how="inner")
        .select("user_id", "user", "item_id", "number", weight)
        .checkpoint()
    )


def _offsets(placed: DataFrame) -> DataFrame:
    """Per partition how many ids lie in the partitions before it."""
    counts = sorted((row["part"], row["count"]) for row in placed.groupBy("part").count().collect())
    before = accumulate((count for _, count in counts[:-1]), initial=0)
    rows = [(part, offset) for (part, _), offset in zip(counts, before, strict=False)]
    return few_rows(placed.sparkSession, "part int, offset long", rows)
