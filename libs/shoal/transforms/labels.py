"""features.user_days -> examples: what users did after a day, beside what was known of them before it."""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.transforms.identities import of_same_people


def with_label(
    features: DataFrame,
    days: DataFrame,
    *,
    cut: date,
    horizon_days: int,
    active_days: int,
    accounts: DataFrame | None = None,
) -> DataFrame:
    """Users at a cut with ``label``: 1.0 if they began an order within [cut, cut + horizon_days), else 0.0.

    Args:
        features: rows of ``features.users`` at the cut.
        days: rows of ``features.user_days``, also after the cut.
        active_days: users without an event in this many days before the cut are left out.
        accounts: where ``days`` are told under what accounts had become by the horizon's end, of
            ``identities.accounts_at`` for that day: what a person did counts for every account that it had at the cut.
    """
    until = cut + timedelta(days=horizon_days)
    after = days.where((F.col("event_date") >= F.lit(cut)) & (F.col("event_date") < F.lit(until)))
    did = after.where("orders > 0").select("user_id").distinct()
    if accounts is not None:
        did = of_same_people(did, accounts)
    seen = features.where(F.col("recency_event_days") <= active_days)
    return seen.join(did.withColumn("label", F.lit(1.0)), on="user_id", how="left").fillna(0.0, subset=["label"])
