"""features.users, gold.segments, gold.propensities -> gold.users: everything a marketer filters by."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.tables import GOLD_USERS

_DIGITS = 13  # hex digits of the hash that is compared: 52 bits, as exact as a double


def user_table(
    features: DataFrame,
    segments: DataFrame,
    propensities: DataFrame,
    users: DataFrame,
    before: DataFrame,
    *,
    hold_out_share: float,
    hold_out_salt: str,
) -> DataFrame:
    """One row per user of a run.

    Args:
        features: rows of ``features.users`` of the run.
        segments: rows of ``gold.segments`` of the run and the segmentation that is shown.
        propensities: rows of ``gold.propensities`` of the run, every target.
        users: rows of ``silver.users``.
        before: rows of ``gold.users`` of the release that was current when the run was opened. Where it showed another
            segmentation, its segments say nothing: each segmentation counts its ids from 1.

    Returns:
        Rows of ``gold.users``.
    """
    chances = propensities.groupBy("user_id").agg(
        F.map_from_entries(F.array_sort(F.collect_list(F.struct("target", "probability")))).alias("probability")
    )
    since = before.select(
        "user_id",
        F.col("segmentation").alias("_of"),
        F.col("segment_id").alias("_id"),
        F.col("segment_since").alias("_since"),
    )
    joined = (
        features.join(
            segments.select("user_id", "segmentation", "segment_id", "segment_name"), on="user_id", how="left"
        )
        .join(chances, on="user_id", how="left")
        .join(users.select("user_id", "region"), on="user_id", how="left")
        .join(since, on="user_id", how="left")
    )
    # Rows of before the segmentation was told are taken for those of today's.
    same = F.expr("segment_id = _id AND segmentation = coalesce(_of, segmentation)")
    return GOLD_USERS.select(
        joined.withColumn("probability", F.coalesce("probability", F.create_map().cast("map<string,double>")))
        .withColumn(
            "segment_since",
            F.when(same, F.col("_since")).when(F.col("segment_id").isNotNull(), F.col("as_of")),
        )
        .withColumn("gross_spend", F.col("spend"))
        .withColumn("hold_out", is_held_out(hold_out_share, hold_out_salt))
    )


def is_held_out(share: float, salt: str) -> Column:
    """True for a fixed random share of users: a keyed hash, so that it is the same for ever and everywhere.

    sha256 of ``salt:user_id``; its first 13 hex digits as a fraction of 16^13, compared with the share.
    """
    digits = F.substring(F.sha2(F.concat(F.lit(f"{salt}:"), F.col("user_id")), 256), 1, _DIGITS)
    return F.conv(digits, 16, 10).cast("double") / F.lit(float(16**_DIGITS)) < F.lit(share)
