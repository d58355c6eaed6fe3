"""features.user_days -> examples: what users did after a day, beside what was known of them before it."""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def with_label(features: DataFrame, days: DataFrame, *, cut: date, horizon_days: int, active_days: int) -> DataFrame:
    """Users at a cut with ``label``: 1.0 if they began an order within [cut, cut + horizon_days), else 0.0.

    Args:
        features: rows of ``features.users`` at the cut.
        days: rows of ``features.user_days``, also after the cut.
        active_days: users without an event in this many days before the cut are left out.
    """
    until = cut + timedelta(days=horizon_days)
    after = days.where((F.col("event_date") >= F.lit(cut)) & (F.col("event_date") < F.lit(until)))
    did = after.where("orders > 0").select("user_id").distinct().withColumn("label", F.lit(1.0))
    seen = features.where(F.col("recency_event_days") <= active_days)
    return seen.join(did, on="user_id", how="left").fillna(0.0, subset=["label"])
