"""Who comes to the shop on which day: users by their group's rhythm, and guests."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.synthetic.catalogue import TASTES
from shoal.synthetic.draws import Draw, below, pick, pick_by_share
from shoal.synthetic.groups import GROUPS, GUEST_PER_VISIT, GUESTS, season
from shoal.synthetic.people import NEVER, Plan, user_id

RHYTHMS = (*GROUPS, GUESTS)  # what a visit's group_no counts
_GUEST_NO = len(GROUPS)
_DAYS_PER_USER = 100_000  # stride of visit numbers: 273 years, whatever the length of the shop's life

_REGIONS, _REGION_SHARES = ("DE", "AT", "FR", "NL"), (0.6, 0.15, 0.15, 0.1)
_DEVICES, _DEVICE_SHARES = ("phone", "desktop", "tablet"), (0.6, 0.3, 0.1)
_CHANNELS, _CHANNEL_SHARES = ("web", "app"), (0.7, 0.3)
OPENS, OPEN_SECONDS = 8 * 3600, 13 * 3600  # visits begin between 08:00 and 21:00 UTC, most around 14:30


def visits(users: DataFrame, plan: Plan, draw: Draw) -> DataFrame:
    """One row per visit: at most one a day of each user, and now and then a guest's beside.

    ``visit_no`` is unique and does not depend on ``days``; ``is_order`` says whether the visit ends in an order.
    A guest has a taste, a region and a rhythm (``group_no`` of ``GUESTS``) of the visit's own, nothing of the user's.
    """
    number, day, visit, guest = F.col("user_no"), F.col("day"), F.col("visit_no"), F.col("is_guest")
    beside = draw("guest", number, day) < GUEST_PER_VISIT
    own = {  # of a guest, where it differs from the user's
        "group_no": F.lit(_GUEST_NO),
        "taste_no": below(draw("guest taste", visit), len(TASTES)),
        "churn_day": F.lit(NEVER),
        "is_order": draw("guest order", visit) < GUESTS.order_rate,
    }
    return (
        _user_days(users, plan, draw)
        .withColumn("is_guest", F.explode(F.lit([False, True])))
        .where(~guest | beside)
        .withColumn("visit_no", (number * _DAYS_PER_USER + day) * 2 + guest.cast("int"))
        .withColumns({name: F.when(guest, value).otherwise(F.col(name)) for name, value in own.items()})
        .withColumns(_circumstances(plan, draw))
        .drop("user_no")
    )


def of_rhythm(values: list[object]) -> Column:
    """One value per entry of ``RHYTHMS``, by the visit's ``group_no``."""
    return pick(F.col("group_no"), values)


def _user_days(users: DataFrame, plan: Plan, draw: Draw) -> DataFrame:
    """One row per user and day with a visit: the day of coming, and those that chance gives."""
    number, day = F.col("user_no"), F.col("day")
    busy = pick(day, season(plan.start, plan.days))
    comes = day == F.col("arrival_day")
    is_order = (comes & of_rhythm([g.first_order for g in RHYTHMS])) | (
        draw("order", number, day) < of_rhythm([g.order_rate for g in RHYTHMS]) * busy
    )
    browses = draw("browse", number, day) < of_rhythm([g.browse_rate for g in RHYTHMS]) * busy
    return (
        users.withColumn("day", F.explode(F.sequence(F.lit(0), F.lit(plan.days - 1))))
        .where((day >= F.col("arrival_day")) & (day < F.col("churn_day")))
        .withColumn("is_order", is_order)
        .where(comes | F.col("is_order") | browses)
    )


def _circumstances(plan: Plan, draw: Draw) -> dict[str, Column]:
    """What holds for a whole visit, as the feed says it, and the second of the day at which it begins."""
    guest, visit, number = F.col("is_guest"), F.col("visit_no"), F.col("user_no")
    user, text = user_id(number, plan.users), visit.cast("string")
    home = draw("region", F.when(guest, -1 - visit).otherwise(number))  # guests count below zero
    middle = (draw("hour", visit) + draw("hour again", visit)) / 2
    return {
        "user_id": F.when(~guest, user),
        "visitor_id": F.when(guest, F.concat(F.lit("w"), text)).otherwise(F.concat(F.lit("v"), user)),
        "region": pick(pick_by_share(home, _REGION_SHARES), _REGIONS),
        "channel": pick(pick_by_share(draw("channel", visit), _CHANNEL_SHARES), _CHANNELS),
        "device": pick(pick_by_share(draw("device", visit), _DEVICE_SHARES), _DEVICES),
        "has_coupon": draw("coupon", visit) < of_rhythm([g.coupon_share for g in RHYTHMS]),
        "begins": OPENS + below(middle, OPEN_SECONDS),
    }
