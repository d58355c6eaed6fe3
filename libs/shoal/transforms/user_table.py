"""features.users, gold.segments, gold.propensities -> gold.users: everything a marketer filters by."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.frames import quantiles
from shoal.tables import GOLD_USERS

_FIFTHS = (0.2, 0.4, 0.6, 0.8)
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
    scores = rfm_scores(features)
    # Rows of before the segmentation was told are taken for those of today's.
    same = F.expr("segment_id = _id AND segmentation = coalesce(_of, segmentation)")
    return GOLD_USERS.select(
        joined.withColumn("probability", F.coalesce("probability", F.create_map().cast("map<string,double>")))
        .withColumn(
            "segment_since",
            F.when(same, F.col("_since")).when(F.col("segment_id").isNotNull(), F.col("as_of")),
        )
        .withColumn("gross_spend", F.col("spend"))
        .withColumns({name: F.when(F.col("is_buyer"), score) for name, score in scores.items()})
        .withColumn("hold_out", is_held_out(hold_out_share, hold_out_salt))
    )


def is_held_out(share: float, salt: str) -> Column:
    """True for a fixed random share of users: a keyed hash, so that it is the same for ever and everywhere.

    sha256 of ``salt:user_id``; its first 13 hex digits as a fraction of 16^13, compared with the share.
    """
    digits = F.substring(F.sha2(F.concat(F.lit(f"{salt}:"), F.col("user_id")), 256), 1, _DIGITS)
    return F.conv(digits, 16, 10).cast("double") / F.lit(float(16**_DIGITS)) < F.lit(share)


def rfm_scores(features: DataFrame) -> dict[str, Column]:
    """Recency, frequency and monetary score, 1 to 5 among buyers; equal values get equal scores.

    The edges are the fifths of the buyers' values, rounded to three digits; a value above an edge scores one
    more (below it, for days since the last order). Without prices there is no monetary score. Suspects have scores, but
    set no edge.
    """
    buyers = features.where("is_buyer AND is_suspect IS NOT TRUE")
    edges = quantiles(buyers, ["recency_days", "frequency", "net_spend"], _FIFTHS)
    return {
        "recency_score": _score("recency_days", edges["recency_days"], least_is_best=True),
        "frequency_score": _score("frequency", edges["frequency"]),
        "monetary_score": _score("net_spend", edges["net_spend"]),
    }


def _score(name: str, edges: list[float], *, least_is_best: bool = False) -> Column:
    value = F.col(name).cast("double")
    passed: Column = F.lit(1)
    for edge in edges:
        better = value <= F.lit(edge) if least_is_best else value > F.lit(edge)
        passed = passed + F.when(better, 1).otherwise(0)
    return F.when(value.isNotNull(), passed.cast("int"))
