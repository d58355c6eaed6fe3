"""Ids to the whole numbers that MLlib's ALS wants."""

from itertools import accumulate

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.frames import few_rows

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


def _offsets(placed: DataFrame) -> DataFrame:
    """Per partition how many ids lie in the partitions before it."""
    counts = sorted((row["part"], row["count"]) for row in placed.groupBy("part").count().collect())
    before = accumulate((count for _, count in counts[:-1]), initial=0)
    rows = [(part, offset) for (part, _), offset in zip(counts, before, strict=False)]
    return few_rows(placed.sparkSession, "part int, offset long", rows)
