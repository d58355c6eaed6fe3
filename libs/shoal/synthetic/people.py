"""Who the users are: their group and taste, when they come and leave, and how likely they order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from shoal.synthetic.catalogue import TASTES
from shoal.synthetic.draws import Draw, below, pick, pick_by_share, waiting_days
from shoal.synthetic.groups import (
    GROUPS,
    HORIZON_DAYS,
    geometric_scale,
    order_chances,
    season,
)

NEVER = 10**8  # a day that no shop reaches
_USERS_PER_TASK = 50_000  # some 2.5 million events of half a year


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    users: int
    items: int
    days: int
    seed: int
    start: date

    @property
    def as_of(self) -> date:
        return self.start + timedelta(days=self.days)


def user_id(user_no: Column, users: int) -> Column:
    """Text such as ``u000123``."""
    return F.concat(F.lit("u"), F.lpad(user_no.cast("string"), max(6, len(str(users - 1))), "0"))


def people(spark: SparkSession, plan: Plan, draw: Draw) -> DataFrame:
    """One row per user: user_no, group_no, taste_no, and the days (0 = start) of coming and of leaving for good.

    Nothing here knows how long the shop is watched: who leaves after the last day has a ``churn_day`` all the same.
    Who leaves before coming never acts.
    """
    tasks = max(spark.sparkContext.defaultParallelism, math.ceil(plan.users / _USERS_PER_TASK))
    number = F.col("user_no")
    comes = waiting_days(draw("arrival", number), _of_group([geometric_scale(g.arrival_hazard) for g in GROUPS]))
    leaves = waiting_days(draw("leaving", number), _of_group([geometric_scale(g.churn_hazard) for g in GROUPS]))
    latest = _of_group([NEVER if g.churn_by is None else g.churn_by for g in GROUPS])
    return (
        spark.range(0, plan.users, 1, tasks)
        .select(F.col("id").alias("user_no"))
        .withColumn("group_no", pick_by_share(draw("group", number), [g.share for g in GROUPS]))
        .withColumn("taste_no", below(draw("taste", number), len(TASTES)))
        .withColumn("arrival_day", _of_group([g.arrival_from for g in GROUPS]) + comes)
        .withColumn("churn_day", F.least(_of_group([g.churn_from for g in GROUPS]) + leaves, latest))
    )


def user_truth(users: DataFrame, plan: Plan) -> DataFrame:
    """truth.users: group, taste, what became of each user before ``as_of``, and the chance of an order after it.

    ``churned_on`` is the first day without the user, null if still there at ``as_of``; ``arrived_on`` is the day of
    the first visit, null if there was none. ``probability`` is exact given these two: 0 for who has left.
    """
    arrival, churn = F.col("arrival_day"), F.col("churn_day")
    chances = [order_chances(g, plan.days, season(plan.start, plan.days + HORIZON_DAYS)) for g in GROUPS]
    arrived, churned = arrival < F.least(F.lit(plan.days), churn), churn < plan.days
    return users.select(
        user_id(F.col("user_no"), plan.users).alias("user_id"),
        _of_group([g.name for g in GROUPS]).alias("group"),
        pick(F.col("taste_no"), TASTES).alias("taste"),
        F.when(arrived, F.date_add(F.lit(plan.start), arrival.cast("int"))).alias("arrived_on"),
        F.when(churned, F.date_add(F.lit(plan.start), churn.cast("int"))).alias("churned_on"),
        F.when(churned, F.lit(0.0))
        .when(arrived, _of_group([there for there, _ in chances]))
        .otherwise(_of_group([away for _, away in chances]))
        .alias("probability"),
    )


def _of_group(values: Sequence[object]) -> Column:
    """One value per group, by the row's ``group_no``."""
    return pick(F.col("group_no"), values)
