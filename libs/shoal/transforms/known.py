"""silver.events, silver.event_versions -> the events as they were known before a day."""

from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.tables import EVENTS


def events_as_known(events: DataFrame, versions: DataFrame, *, known_as_of: date, time_zone: str) -> DataFrame:
    """What a lake would hold that had seen the deliveries of before ``known_as_of`` alone.

    Of each event the strongest version that was delivered by then; events that came later are left out, and so are
    those that are rejected, as they are now. Of a version that was delivered more than twice, deliveries between
    the first and the last may not be kept: until the last it then claims no more than at the first.

    Only events with more than one version are shuffled.

    Args:
        events: rows of ``silver.events``.
        versions: rows of ``silver.event_versions``.
        known_as_of: first shop-local day whose deliveries must not be seen.
        time_zone: of the shop's day.

    Returns:
        Rows of ``silver.events``; ``delivered_at`` is the latest delivery that could be seen. Events that had been
        taken back are there, with ``is_deleted``.
    """
    cut = F.to_utc_timestamp(F.lit(str(known_as_of)).cast("timestamp"), time_zone)
    first = F.coalesce("first_delivered_at", "delivered_at")
    seen = F.when(F.col("delivered_at") < cut, F.col("delivered_at")).otherwise(first)

    def by_then(rows: DataFrame, since: str) -> DataFrame:
        known = rows.withColumn("first_delivered_at", F.least(first, since)).where(F.col("first_delivered_at") < cut)
        return EVENTS.select(known.withColumn("delivered_at", seen))

    contested = versions.select("event_id").distinct()
    alone = by_then(events.join(contested, on="event_id", how="left_anti"), "first_delivered_at")
    told = by_then(events.join(contested, on="event_id", how="left_semi"), "first_delivered_at").unionByName(
        by_then(versions, "known_from")
    )
    claim = Window.partitionBy("event_id").orderBy(
        F.col("updated_at").desc_nulls_last(), F.col("delivered_at").desc(), F.col("content_hash").desc()
    )
    best = told.withColumn("_claim", F.row_number().over(claim)).where("_claim = 1")
    return alone.unionByName(EVENTS.select(best))
