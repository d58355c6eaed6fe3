"""Who the users are, and on which days they visit the shop."""

import math
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from shoal.synthetic.catalogue import TASTES
from shoal.synthetic.draws import Draw, below, pick, pick_by_share, waiting_days
from shoal.synthetic.groups import (
    GROUPS,
    GUEST_PER_VISIT,
    GUESTS,
    HORIZON_DAYS,
    geometric_scale,
    order_chance,
    season,
)

_NEVER = 10**8  # a day that no shop reaches
_DAYS_PER_USER = 100_000  # stride of visit numbers: 273 years, whatever the length of the shop's life
_USERS_PER_TASK = 50_000
RHYTHMS = (*GROUPS, GUESTS)  # what group_no counts
_GUEST_NO = len(GROUPS)


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
    """One row per user: user_no, group_no, taste_no, and the days (0 = start) of arriving and of leaving for good.

    Nothing here knows how long the shop is watched: who leaves after the last day has a ``churn_day`` all the same.
    """
    tasks = max(spark.sparkContext.defaultParallelism, math.ceil(plan.users / _USERS_PER_TASK))
    number = F.col("user_no")
    group = F.col("group_no")
    stays = F.col("arrival_day") + pick(group, [g.churn_from for g in RHYTHMS])
    leaves = waiting_days(draw("leaving", number), pick(group, [_churn_scale(i) for i in range(len(RHYTHMS))]))
    return (
        spark.range(0, plan.users, 1, tasks)
        .select(F.col("id").alias("user_no"))
        .withColumn("group_no", pick_by_share(draw("group", number), [g.share for g in GROUPS]))
        .withColumn("taste_no", below(draw("taste", number), len(TASTES)))
        .withColumn(
            "arrival_day",
            waiting_days(draw("arrival", number), pick(group, [geometric_scale(g.arrival_hazard) for g in RHYTHMS])),
        )
        .withColumn(
            "churn_day",
            F.least(stays + leaves, pick(group, [_NEVER if g.churn_by is None else g.churn_by for g in RHYTHMS])),
        )
    )


def visits(users: DataFrame, plan: Plan, draw: Draw) -> DataFrame:
    """One row per visit of a user or guest: at most one visit a day of each user, and now and then a guest beside.

    Adds day, is_guest, visit_no (unique, the same for any number of days) and is_order. A guest has a visit's own
    taste and rhythm, and nothing of the user's; ``group_no`` is then that of ``GUESTS``.
    """
    number, day, visit = F.col("user_no"), F.col("day"), F.col("visit_no")
    busy = pick(day, season(plan.start, plan.days))
    group = F.col("group_no")
    arrives = pick(group, [g.first_order for g in RHYTHMS]) & (day == F.col("arrival_day"))
    orders = arrives | (draw("order", number, day) < pick(group, [g.order_rate for g in RHYTHMS]) * busy)
    browses = draw("browse", number, day) < pick(group, [g.browse_rate for g in RHYTHMS]) * busy
    beside = draw("guest", number, day) < GUEST_PER_VISIT
    guest = F.col("is_guest")
    return (
        users.withColumn("day", F.explode(F.sequence(F.lit(0), F.lit(plan.days - 1))))
        .where((day >= F.col("arrival_day")) & (day < F.col("churn_day")))
        .withColumn("orders", orders)
        .where(F.col("orders") | browses)
        .withColumn("is_guest", F.explode(F.when(beside, F.lit([False, True])).otherwise(F.lit([False]))))
        .withColumn("visit_no", (number * _DAYS_PER_USER + day) * 2 + guest.cast("int"))
        .select(
            "user_no",
            "day",
            "is_guest",
            "visit_no",
            F.when(guest, F.lit(_GUEST_NO)).otherwise(group).alias("group_no"),
            F.when(guest, below(draw("guest taste", visit), len(TASTES)))
            .otherwise(F.col("taste_no"))
            .alias("taste_no"),
            F.when(guest, F.lit(_NEVER)).otherwise(F.col("churn_day")).alias("churn_day"),
            F.when(guest, draw("guest order", visit) < GUESTS.order_rate).otherwise(F.col("orders")).alias("is_order"),
        )
    )


def user_truth(users: DataFrame, plan: Plan) -> DataFrame:
    """truth.users: group, taste, what became of each user before ``as_of``, and the chance of an order after it.

    ``churned_on`` is the first day without the user, null who is still there at ``as_of``; ``arrived_on`` is null
    who is yet to come. ``probability`` is exact given these two: 0 for who has left.
    """
    group, arrival, churn = F.col("group_no"), F.col("arrival_day"), F.col("churn_day")
    busy = season(plan.start, plan.days + HORIZON_DAYS)
    late = [
        order_chance(g, plan.days, busy, arrived=False) if g.first_order else 0.0 for g in GROUPS
    ]  # who comes after as_of; the others are all there from the first day
    there = [order_chance(g, plan.days, busy, arrived=True) for g in GROUPS]
    first = F.lit(plan.start)
    return users.select(
        user_id(F.col("user_no"), plan.users).alias("user_id"),
        pick(group, [g.name for g in GROUPS]).alias("group"),
        pick(F.col("taste_no"), TASTES).alias("taste"),
        F.when(arrival < plan.days, F.date_add(first, arrival.cast("int"))).alias("arrived_on"),
        F.when(churn < plan.days, F.date_add(first, F.least(churn, F.lit(plan.days)).cast("int"))).alias("churned_on"),
        F.when(churn < plan.days, F.lit(0.0))
        .when(arrival >= plan.days, pick(group, late))
        .otherwise(pick(group, there))
        .alias("probability"),
    )


def _churn_scale(group_no: int) -> float:
    return geometric_scale(RHYTHMS[group_no].churn_hazard)
