"""features.users -> segments: groups of buyers that behave alike (KMeans).

Each input is filled, clipped, logged and standardised before distances are measured:

- **null**: ``recency_days`` and ``gap_days`` take the high bound of the clip (no second order yet: the
  slowest rhythm there is); every other input takes 0 (no price, no piece, no return).
- **clip** at the 1 % and 99 % quantiles of the buyers; with fewer than 100 buyers further in, so that one
  buyer alone never sets a bound, but never beyond 5 % and 95 %.
- **signed log1p**, ``sign(x) * ln(1 + |x|)``: spend is heavy-tailed, and net spend may be negative.
- **standardise** to mean 0 and population standard deviation 1, rounded to 2**-16, so that sums of up to
  2**30 values are exact in binary floating point and no order of addition can change a centre.

An input without a value, or with only one, says nothing and is dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import ceil, sqrt
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.clustering import KMeans
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType, StructType

from shoal.errors import ConfigError, bulleted
from shoal.frames import persisted, quantiles
from shoal.models.metric import Metric
from shoal.models.segment_names import Figures, leans, marks, names, profile, rank_key, same_segments
from shoal.params import SegmentParams
from shoal.tables import SEGMENT_PROFILES, USER_FEATURES

CLIPPED = 0.01  # share of buyers beyond each bound
MOST_CLIPPED = 0.05  # the same in a very small shop
GRID = 2.0**16  # steps per standard deviation
ROWS_PER_PARTITION = 100_000  # of the canonical input; some 10 MB of doubles
RESTARTS = 3  # fits of which the tightest is kept: one alone now and then merges groups that lie far apart
SILHOUETTE_NOTE = (
    "mean over buyers, on squared Euclidean distances (MLlib), which as a rule gives more than plain ones; "
    "scaled inputs; 1 is best; none with a single segment"
)
AS_GOOD = 0.02  # silhouettes that differ by less than this are a tie, which the larger k wins

_NULL_IS_LONG = ("recency_days", "gap_days")
_FIGURES = {  # what names speak of -> column of features.users
    "recency": "recency_days",
    "frequency": "frequency",
    "spend": "net_spend",
    "tenure": "tenure_days",
    "basket": "basket_size",
    "ticket": "order_value",
}
_ADDED_BY_JOB = ("run_id", "segmentation", "source", "model_id")

Centre = tuple[float, ...]


class _Group(NamedTuple):
    """A segment, or all buyers: plain figures, and means on the scaled axes that names speak of."""

    figures: Figures
    scaled: dict[str, float]


@dataclass(frozen=True)
class SegmentModel:
    """A fitted segmentation, as plain data: ``SegmentModel(**json)`` builds it again.

    The first group of fields has one value per input, the second one per segment, in order of rank.
    """

    inputs: tuple[str, ...]  # columns of features.users
    lows: tuple[float, ...]  # clip bounds, in the column's own unit
    highs: tuple[float, ...]
    fills: tuple[float, ...]  # what stands for null
    transforms: tuple[str, ...]  # always signed_log1p
    means: tuple[float, ...]  # after the transform
    stds: tuple[float, ...]

    centres: tuple[Centre, ...]  # in the scaled space, one coordinate per input
    segment_ids: tuple[int, ...]  # permanent
    ranks: tuple[int, ...]  # 1 has the highest mean net spend; without prices, the most orders
    names: tuple[str, ...]
    marks: tuple[str, ...]  # what sets the segment apart, in words

    k: int  # segments found
    k_wanted: int  # segments asked for; above ``k`` where too few buyers bought, or too few that differ
    last_id: int  # the highest id ever given, so that none is given twice
    dropped: tuple[str, ...] = ()  # inputs that were asked for, but have no value or only one

    def __post_init__(self) -> None:
        """Take JSON's lists for tuples."""
        for name, value in vars(self).items():
            if isinstance(value, list):
                plain = tuple(tuple(v) if isinstance(v, list) else v for v in value)
                object.__setattr__(self, name, plain)


@dataclass(frozen=True)
class _Scale:
    """How one column becomes a coordinate."""

    column: str
    low: float
    high: float
    fill: float
    mean: float = 0.0
    std: float = 1.0

    @property
    def logged(self) -> Column:
        given = F.coalesce(F.col(self.column).cast("double"), F.lit(self.fill))
        clipped = F.least(F.greatest(given, F.lit(self.low)), F.lit(self.high))
        return F.signum(clipped) * F.log1p(F.abs(clipped))

    @property
    def scaled(self) -> Column:
        # Never null, but Spark takes every logarithm for nullable, and KMeans wants a type without nulls.
        return F.coalesce(F.rint((self.logged - self.mean) / self.std * GRID) / GRID, F.lit(0.0))


def fit(features: DataFrame, params: SegmentParams, previous: SegmentModel | None) -> SegmentModel | None:
    """Learn groups of buyers; users who never bought do not shape them.

    The result depends on the set of rows only, not on their order or partitions.

    Args:
        features: rows of ``features.users`` of one run.
        params: the segmentation's settings.
        previous: the last released model, whose ids are continued; None starts with ids that equal the ranks.

    Returns:
        The model, or None where nobody has bought yet.

    Raises:
        ConfigError: an input is not a numeric column of ``features.users``; all are listed.
    """
    wanted = _checked(params.inputs)
    columns = [*dict.fromkeys([*wanted, *_FIGURES.values()])]
    buyers = features.where("is_buyer").select("user_id", *dict.fromkeys([*columns, "spend"]))
    count = buyers.count()
    if count == 0:
        return None
    with persisted(_canonical(buyers, count)) as rows:
        scales = _scales(rows, columns, count)
        inputs = [scales[name] for name in wanted if name in scales]
        with persisted(rows.select(_coordinates(inputs))) as points:
            centres, k_wanted = _centres(points, params, count, len(inputs))
        spoken = {figure: scales[column] for figure, column in _FIGURES.items() if column in scales}
        found = _figures(_placed(rows, inputs, centres), F.col("nearest.place"), spoken)
    dropped = tuple(name for name in wanted if name not in scales)
    return _model(inputs, centres, found, previous, k_wanted=k_wanted, dropped=dropped)


def assign(model: SegmentModel, features: DataFrame) -> DataFrame:
    """Give every buyer the segment with the nearest centre; of two equally near, the one that ranks higher.

    Returns:
        Rows of user_id, segment_id, segment_rank, segment_name, and distance to the centre in standard
        deviations.
    """
    placed = _placed(features.where("is_buyer"), _scales_of(model), model.centres)

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
    found = _figures(assigned_joined_features, F.col("segment_id"), {})
    labels = zip(model.segment_ids, model.ranks, model.names, strict=True)
    rows = [
        {"segment_id": segment_id, "segment_rank": rank, "segment_name": name}
        | profile(found[segment_id].figures, found[None].figures)
        for segment_id, rank, name in labels
        if segment_id in found
    ]
    schema = StructType([field for field in SEGMENT_PROFILES.schema if field.name not in _ADDED_BY_JOB])
    plain = [tuple(row[field.name] for field in schema) for row in rows]
    return assigned_joined_features.sparkSession.createDataFrame(plain, schema)


def evaluate(model: SegmentModel, features: DataFrame) -> list[Metric]:
    """Measure how tight and how even the segments are on these buyers."""
    placed = _placed(features.where("is_buyer"), _scales_of(model), model.centres)
    with persisted(placed.select("scaled", "nearest.*")) as points:
        sizes = _sizes(points)
        # Decimals add up to the same sum in any order.
        squared = points.agg(F.sum(F.round("squared", 6).cast("decimal(18,6)"))).first()
        silhouette = _silhouette(points) if len(sizes) > 1 else None
    wssse = None if squared is None or squared[0] is None else float(squared[0])
    smallest = None if not sizes else min(sizes) / sum(sizes) if len(sizes) == model.k else 0.0
    dropped = f"; dropped inputs: {', '.join(model.dropped)}" if model.dropped else ""
    return [
        Metric("kmeans", "silhouette", silhouette, SILHOUETTE_NOTE),
        Metric("kmeans", "wssse", wssse, f"sum of squared distances to the centres, {sum(sizes)} buyers"),
        Metric("kmeans", "smallest_segment_share", smallest, "share of buyers; 0 where a segment has none"),
        Metric("kmeans", "k", float(model.k), f"segments; {model.k_wanted} wanted{dropped}"),
    ]


def _checked(inputs: Sequence[str]) -> list[str]:
    numeric = {c.name for c in USER_FEATURES.columns if isinstance(c.type, NumericType)}
    wrong = [name for name in inputs if name not in numeric]
    if wrong:
        raise ConfigError(bulleted("segments.inputs: not a numeric column of features.users:", wrong))
    return [*dict.fromkeys(inputs)]


def _canonical(buyers: DataFrame, count: int) -> DataFrame:
    """The same rows in the same partitions and order, however they came: k-means|| samples by both."""
    partitions = ceil(count / ROWS_PER_PARTITION)
    return buyers.repartition(partitions, "user_id").sortWithinPartitions("user_id")


def _scales(rows: DataFrame, columns: Sequence[str], count: int) -> dict[str, _Scale]:
    """The scale of each column that has at least two values left once it is clipped."""
    share = max(CLIPPED, min(MOST_CLIPPED, 1 / max(count - 1, 1)))
    unscaled = [
        _Scale(name, low, high, high if name in _NULL_IS_LONG else 0.0)
        for name, (low, high) in _bounds(rows, columns, share).items()
    ]
    if not unscaled:
        return {}
    # Decimals: exact sums, whatever the order of addition.
    logged = {scale.column: scale.logged.cast("decimal(9,6)") for scale in unscaled}
    sums = rows.agg(
        *(F.sum(value).alias(f"{name}_1") for name, value in logged.items()),
        *(F.sum(value * value).alias(f"{name}_2") for name, value in logged.items()),
    ).first()
    assert sums is not None, "an aggregate has one row"
    scales = {}
    for scale in unscaled:
        name = scale.column
        mean = Fraction(sums[f"{name}_1"]) / count
        variance = Fraction(sums[f"{name}_2"]) / count - mean * mean
        if variance > 0:
            scales[name] = _Scale(name, scale.low, scale.high, scale.fill, float(mean), sqrt(variance))
    return scales


def _bounds(rows: DataFrame, columns: Sequence[str], share: float) -> dict[str, tuple[float, float]]:
    found = quantiles(rows, columns, [share, 1 - share])
    return {name: (bounds[0], bounds[1]) for name, bounds in found.items() if bounds}


def _scales_of(model: SegmentModel) -> list[_Scale]:
    columns = (model.inputs, model.lows, model.highs, model.fills, model.means, model.stds)
    return [_Scale(*values) for values in zip(*columns, strict=True)]


def _coordinates(scales: Sequence[_Scale]) -> Column:
    scaled = F.array(*(scale.scaled for scale in scales)) if scales else F.array().cast("array<double>")
    return scaled.alias("scaled")


def _placed(rows: DataFrame, scales: Sequence[_Scale], centres: Sequence[Centre]) -> DataFrame:
    """The rows with ``scaled``, their coordinates, and ``nearest``, a centre's squared distance and place."""
    return rows.select("*", _coordinates(scales)).select("*", _nearest(centres).alias("nearest"))


def _nearest(centres: Sequence[Centre]) -> Column:
    """The least (squared distance, place): of two centres equally near, the first."""

    def squared(centre: Centre) -> Column:
        parts = ((F.get("scaled", F.lit(axis)) - at) ** 2 for axis, at in enumerate(centre))
        return reduce(add, parts, F.lit(0.0))

    return F.array_min(
        F.array(
            *(
                F.struct(squared(centre).alias("squared"), F.lit(place).alias("place"))
                for place, centre in enumerate(centres)
            )
        )
    )


def _centres(points: DataFrame, params: SegmentParams, count: int, inputs: int) -> tuple[list[Centre], int]:
    """The centres, in an order that chance does not touch, and how many were wanted."""
    low, high = params.k_range if params.k == "auto" else (params.k, params.k)
    most = max(1, count // params.min_users_per_segment)
    if inputs == 0:
        return [()], low
    tried = [_cluster(points, k, inputs, params) for k in range(min(low, most), min(high, most) + 1)]
    chosen = tried[0] if len(tried) == 1 else _best(points, tried, params.min_users_per_segment)
    return chosen, max(low, len(chosen))


def _best(points: DataFrame, tried: Sequence[list[Centre]], min_users: int) -> list[Centre]:
    """The most segments whose silhouette is within ``AS_GOOD`` of the best, none smaller than ``min_users``.

    Silhouette alone favours the fewest, which say little to a marketer: among groupings that are as good as
    equally tight, the one that tells more people apart is worth more.
    """
    measured = []
    for centres in tried:
        with persisted(
            points.select("scaled", _nearest(centres).alias("nearest")).select("scaled", "nearest.*")
        ) as placed:
            sizes = _sizes(placed)
            if len(sizes) > 1 and min(sizes) >= min_users:
                measured.append((_silhouette(placed), centres))
    best = max((silhouette for silhouette, _ in measured), default=0.0)
    as_good = [centres for silhouette, centres in measured if silhouette >= best - AS_GOOD]
    return max(as_good, key=len) if as_good else tried[0]


def _cluster(points: DataFrame, k: int, inputs: int, params: SegmentParams) -> list[Centre]:
    """Centres of the tightest of a few fits; fewer than ``k`` where fewer points differ."""
    if k == 1:  # MLlib refuses it; the mean of standardised inputs is known
        return [(0.0,) * inputs]
    # Where k-means|| finds fewer than k centres, the block solver (auto's choice) fails in Spark 4.1: index
    # out of bounds in KMeansAggregator. The row solver takes what there is.
    learner = KMeans(featuresCol="scaled", k=k, maxIter=params.max_iter, solver="row")
    fits = [learner.setSeed(params.seed + restart).fit(points) for restart in range(RESTARTS)]
    # Costs are sums of floats in any order: nine digits are those that a rerun repeats.
    tightest = min(fits, key=lambda fitted: float(f"{fitted.summary.trainingCost:.9g}"))
    return sorted(tuple(map(float, centre)) for centre in tightest.clusterCenters())


def _sizes(points: DataFrame) -> list[int]:
    return [row["count"] for row in points.groupBy("place").count().collect()]


def _silhouette(points: DataFrame) -> float:
    evaluator = ClusteringEvaluator(featuresCol="scaled", predictionCol="place", distanceMeasure="squaredEuclidean")
    return round(evaluator.evaluate(points), 6)  # beyond, the order of addition shows


def _figures(rows: DataFrame, by: Column, spoken: Mapping[str, _Scale]) -> dict[int | None, _Group]:
    """The figures of each group of rows, and of all of them under None; every sum is exact in any order."""
    found = (
        rows.rollup(by.alias("place"))
        .agg(
            F.count(F.lit(1)).alias("users"),
            F.avg("recency_days").alias("recency"),
            F.median("recency_days").alias("median_recency"),
            F.sum("frequency").alias("orders"),
            F.avg("tenure_days").alias("tenure"),
            F.count_if(F.col("frequency") == 1).alias("once"),
            F.avg(F.col("basket_size").cast("decimal(18,6)")).alias("basket"),
            F.sum("net_spend").alias("net"),
            F.sum("spend").alias("spend"),
            *(F.avg(scale.scaled).alias(f"scaled_{figure}") for figure, scale in spoken.items()),
        )
        .collect()
    )
    return {row["place"]: _Group(_figures_of(row), {name: row[f"scaled_{name}"] for name in spoken}) for row in found}


def _figures_of(row: Row) -> Figures:
    return Figures(
        users=row["users"],
        recency=row["recency"],
        median_recency=row["median_recency"],
        frequency=row["orders"] / row["users"],
        tenure=row["tenure"],
        once=row["once"] / row["users"],
        basket=None if row["basket"] is None else float(row["basket"]),
        net=row["net"],
        ticket=None if row["spend"] is None else float(row["spend"] / row["orders"]),
    )


def _model(
    inputs: Sequence[_Scale],
    centres: Sequence[Centre],
    found: Mapping[int | None, _Group],
    previous: SegmentModel | None,
    *,
    k_wanted: int,
    dropped: tuple[str, ...],
) -> SegmentModel:
    """Rank, number and name the centres that have users."""
    everyone = found[None].figures
    places = sorted((place for place in found if place is not None), key=lambda p: (rank_key(found[p].figures), p))
    ordered = [centres[place] for place in places]
    continued = _continued(inputs, ordered, previous)
    last_id = previous.last_id if previous else 0
    fresh = iter(range(last_id + 1, last_id + 1 + len(ordered)))
    ids = [previous.segment_ids[old] if previous and old is not None else next(fresh) for old in continued]
    kept = [previous.names[old] if previous and old is not None else None for old in continued]
    groups = [found[place] for place in places]
    return SegmentModel(
        inputs=tuple(scale.column for scale in inputs),
        lows=tuple(scale.low for scale in inputs),
        highs=tuple(scale.high for scale in inputs),
        fills=tuple(scale.fill for scale in inputs),
        transforms=("signed_log1p",) * len(inputs),
        means=tuple(scale.mean for scale in inputs),
        stds=tuple(scale.std for scale in inputs),
        centres=tuple(ordered),
        segment_ids=tuple(ids),
        ranks=tuple(range(1, len(ids) + 1)),
        names=tuple(names([leans(g.figures, everyone, g.scaled) for g in groups], kept)),
        marks=tuple(marks(g.figures, everyone) for g in groups),
        k=len(ids),
        k_wanted=k_wanted,
        last_id=max([last_id, *ids]),
        dropped=dropped,
    )


def _continued(inputs: Sequence[_Scale], centres: Sequence[Centre], previous: SegmentModel | None) -> list[int | None]:
    """Which of the previous segments each centre continues, compared in the previous model's scaled space.

    Where inputs came or went, the common ones decide, if they are at least half of each model's; else every
    segment is new.
    """
    if previous is None:
        return [None] * len(centres)
    axes = [axis for axis, scale in enumerate(inputs) if scale.column in previous.inputs]
    if 2 * len(axes) < max(len(inputs), len(previous.inputs)):
        return [None] * len(centres)
    theirs = [previous.inputs.index(inputs[axis].column) for axis in axes]

    def old(values: Sequence[float]) -> NDArray[np.float64]:
        return np.array([values[axis] for axis in theirs], dtype=np.float64)

    means, stds = np.array([(inputs[axis].mean, inputs[axis].std) for axis in axes]).reshape(-1, 2).T
    logged = np.array(centres, dtype=np.float64)[:, axes] * stds + means
    seen = np.clip(logged, _signed_log1p(old(previous.lows)), _signed_log1p(old(previous.highs)))
    scaled = (seen - old(previous.means)) / old(previous.stds)
    return same_segments(scaled, np.array(previous.centres, dtype=np.float64)[:, theirs])


def _signed_log1p(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(values) * np.log1p(np.abs(values))
