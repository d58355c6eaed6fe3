"""Coordinates -> centres: KMeans, repeatable, and how many groups there are."""

from collections.abc import Iterable, Sequence
from math import ceil

from pyspark.ml.clustering import KMeans, KMeansModel
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.sql import DataFrame

from shoal.frames import persisted
from shoal.models.segments.model import Centre, nearest_centre
from shoal.params import SegmentParams

ROWS_PER_PARTITION = 100_000  # of the canonical input; some 10 MB of doubles
# One fit alone often merges groups that lie far apart, more often still from the 2 rounds of seeds that MLlib draws by
# default. Where a fit will end shows early, so several begin and few go on. (In the demo's shop 4 of 16 fits had found
# the planted groups after 3 steps from 2 rounds, 9 of 16 from 10.)
BEGUN, ROUNDS, STEPS, CARRIED_ON = 6, 10, 3, 2
AS_GOOD = 0.02  # silhouettes that differ by less than this are a tie, which the larger k wins


def canonical(buyers: DataFrame, count: int) -> DataFrame:
    """The same rows in the same partitions and order, however they came: k-means|| samples by both."""
    partitions = ceil(count / ROWS_PER_PARTITION)
    return buyers.repartition(partitions, "user_id").sortWithinPartitions("user_id")


def find_centres(points: DataFrame, params: SegmentParams, count: int, inputs: int) -> tuple[list[Centre], int]:
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
            points.select("scaled", nearest_centre(centres).alias("nearest")).select("scaled", "nearest.*")
        ) as placed:
            sizes = group_sizes(placed)
            if len(sizes) > 1 and min(sizes) >= min_users:
                measured.append((mean_silhouette(placed), centres))
    best = max((silhouette for silhouette, _ in measured), default=0.0)
    as_good = [centres for silhouette, centres in measured if silhouette >= best - AS_GOOD]
    return max(as_good, key=len) if as_good else tried[0]


def _cluster(points: DataFrame, k: int, inputs: int, params: SegmentParams) -> list[Centre]:
    """Centres of the tightest of many fits; fewer than ``k`` where fewer points differ."""
    if k == 1:  # MLlib refuses it; the mean of standardised inputs is known
        return [(0.0,) * inputs]
    # Where k-means|| finds fewer than k centres, the block solver (auto's choice) fails in Spark 4.1: index
    # out of bounds in KMeansAggregator. The row solver takes what there is.
    learner = KMeans(featuresCol="scaled", k=k, initSteps=ROUNDS, solver="row")

    def fits(seeds: Iterable[int], steps: int) -> list[tuple[float, int, KMeansModel]]:
        """The tightest first. Costs are sums of floats in any order: nine digits are those that a rerun repeats."""
        fitted = [(seed, learner.setSeed(seed).setMaxIter(steps).fit(points)) for seed in seeds]
        return sorted(
            ((float(f"{model.summary.trainingCost:.9g}"), seed, model) for seed, model in fitted),
            key=lambda one: one[:2],
        )

    begun = fits(range(params.seed, params.seed + BEGUN), min(STEPS, params.max_iter))
    different = dict[float, int]()
    for cost, seed, _ in begun:
        different.setdefault(cost, seed)
    _, _, tightest = fits([*different.values()][:CARRIED_ON], params.max_iter)[0]
    return sorted(tuple(map(float, centre)) for centre in tightest.clusterCenters())


def group_sizes(points: DataFrame) -> list[int]:
    """How many points lie at each ``place`` that has any."""
    return [row["count"] for row in points.groupBy("place").count().collect()]


def mean_silhouette(points: DataFrame) -> float:
    """Silhouette of points ``scaled`` by their ``place``, of which there are at least two."""
    evaluator = ClusteringEvaluator(featuresCol="scaled", predictionCol="place", distanceMeasure="squaredEuclidean")
    return round(evaluator.evaluate(points), 6)  # beyond, the order of addition shows
