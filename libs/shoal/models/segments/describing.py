"""A segment model and buyers -> who is where, what each segment is like, how good the segmentation is."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from shoal.frames import few_rows, persisted
from shoal.models.metric import Metric
from shoal.models.segments.clustering import group_sizes, mean_silhouette
from shoal.models.segments.figures import figures_by
from shoal.models.segments.model import SegmentModel, place
from shoal.models.segments.naming import profile
from shoal.tables import SEGMENT_PROFILES

SILHOUETTE_NOTE = (
    "mean over buyers, on squared Euclidean distances (MLlib), which as a rule gives more than plain ones; "
    "scaled inputs; 1 is best; none with a single segment"
)
_ADDED_BY_JOB = ("run_id", "segmentation", "source", "model_id")


def assign(model: SegmentModel, features: DataFrame) -> DataFrame:
    """Give every buyer the segment with the nearest centre; of two equally near, the one that ranks higher.

    Returns:
        Rows of user_id, segment_id, segment_rank, segment_name, and distance to the centre in standard
        deviations.
    """
    placed = place(features.where("is_buyer"), model.scales, model.centres)

    def label(values: Sequence[int | str]) -> Column:
        return F.get(F.array(*map(F.lit, values)), F.col("nearest.place"))

    return placed.select(
        "user_id",
        label(model.segment_ids).alias("segment_id"),
        label(model.ranks).alias("segment_rank"),
        label(model.names).alias("segment_name"),
        F.sqrt("nearest.squared").alias("distance"),
    )


def profiles(model: SegmentModel, assigned_joined_features: DataFrame) -> DataFrame:
    """Describe each segment that has users, with figures of exactly these rows.

    Args:
        model: gives names and ranks.
        assigned_joined_features: rows of :func:`assign` with the columns of ``features.users`` beside them.

    Returns:
        The columns of ``gold.segment_profiles`` that do not belong to the job, one row per segment, by rank.
    """
    found = figures_by(assigned_joined_features, F.col("segment_id"), {})
    labels = zip(model.segment_ids, model.ranks, model.names, strict=True)
    rows = [
        {"segment_id": segment_id, "segment_rank": rank, "segment_name": name}
        | profile(found[segment_id].figures, found[None].figures, name)
        for segment_id, rank, name in labels
        if segment_id in found
    ]
    schema = StructType([field for field in SEGMENT_PROFILES.schema if field.name not in _ADDED_BY_JOB])
    plain = [tuple(row[field.name] for field in schema) for row in rows]
    return few_rows(assigned_joined_features.sparkSession, schema, plain)


def evaluate(model: SegmentModel, features: DataFrame) -> list[Metric]:
    """Measure how tight and how even the segments are on these buyers."""
    placed = place(features.where("is_buyer"), model.scales, model.centres)
    with persisted(placed.select("scaled", "nearest.*")) as points:
        sizes = group_sizes(points)
        # Decimals add up to the same sum in any order.
        squared = points.agg(F.sum(F.round("squared", 6).cast("decimal(18,6)"))).first()
        silhouette = mean_silhouette(points) if len(sizes) > 1 else None
    wssse = None if squared is None or squared[0] is None else float(squared[0])
    smallest = None if not sizes else min(sizes) / sum(sizes) if len(sizes) == model.k else 0.0
    dropped = f"; dropped inputs: {', '.join(model.dropped)}" if model.dropped else ""
    return [
        Metric("kmeans", "silhouette", silhouette, SILHOUETTE_NOTE),
        Metric("kmeans", "wssse", wssse, f"sum of squared distances to the centres, {sum(sizes)} buyers"),
        Metric("kmeans", "smallest_segment_share", smallest, "share of buyers; 0 where a segment has none"),
        Metric("kmeans", "k", float(model.k), f"segments; {model.k_wanted} wanted{dropped}"),
    ]
