"""What happens in a visit: articles looked at, put into the cart, bought, and some days later sent back."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.synthetic.catalogue import TASTES, item_index
from shoal.synthetic.draws import Draw, below, pick, pick_by_share
from shoal.synthetic.people import RHYTHMS, Plan

TASTE_SHARE = 0.8  # of looks at articles go to the user's own taste, the rest to any taste
_EXTRA_LOOKS = (
    3,
    4,
)  # articles looked at beside those bought: 0..2 in a visit with an order, 1..4 in one without
_ABANDONED_SHARE = 0.12  # of articles looked at in a visit without an order end in the cart
_FAVOURITE_SHARE = 0.04  # of articles looked at
_SHIPPING_SHARE = 0.4  # of orders pay for shipping
_RETURN_DAYS = (2, 14)  # after the purchase, first and last, each as likely

# action: letter of its event ids
ACTIONS = {"view": "v", "favourite": "f", "cart": "c", "purchase": "p", "shipping": "s", "return": "r"}


def actions(visits: DataFrame, plan: Plan, draw: Draw) -> DataFrame:
    """One row per event: a visit's columns, slot (article of the visit, from 0), item_no, action and event_day.

    A return belongs to its purchase's visit and slot; it happens on a later day, before the shop's last and before
    the user leaves.
    """
    visit, slot, group = F.col("visit_no"), F.col("slot"), F.col("group_no")
    bought = F.col("is_order") & (slot < F.col("lines"))
    returned = (
        bought
        & (draw("return", visit, slot) < pick(group, [g.return_share for g in RHYTHMS]))
        & (F.col("return_day") < F.least(F.lit(plan.days), F.col("churn_day")))
    )
    wanted = F.when(F.col("is_order"), bought).otherwise(draw("cart", visit, slot) < _ABANDONED_SHARE)
    ships = F.col("is_order") & (slot == 0) & (draw("shipping", visit) < _SHIPPING_SHARE)
    happens = {
        "view": F.lit(True),
        "favourite": draw("favourite", visit, slot) < _FAVOURITE_SHARE,
        "cart": wanted,
        "purchase": bought,
        "shipping": ships,
        "return": returned,
    }
    first, last = _RETURN_DAYS
    later = first + below(draw("return day", visit, slot), last - first + 1)
    return (
        _looks(visits, plan, draw)
        .withColumn("return_day", F.col("day") + later)
        .withColumn(
            "action",
            F.explode(F.array_compact(F.array(*(F.when(does, F.lit(name)) for name, does in happens.items())))),
        )
        .withColumn(
            "event_day",
            F.when(F.col("action") == "return", F.col("return_day")).otherwise(F.col("day")).cast("int"),
        )
        .drop("return_day")
    )


def _looks(visits: DataFrame, plan: Plan, draw: Draw) -> DataFrame:
    """One row per different article of a visit: slot 0, 1, ...; those bought come first, ``lines`` of them."""
    visit, group = F.col("visit_no"), F.col("group_no")
    least = pick(group, [g.lines[0] for g in RHYTHMS])
    spread = pick(group, [g.lines[1] - g.lines[0] + 1 for g in RHYTHMS])
    lines = least + below(draw("lines", visit), spread)
    looks = F.when(F.col("is_order"), F.col("lines") + below(draw("looks", visit), _EXTRA_LOOKS[0])).otherwise(
        1 + below(draw("looks", visit), _EXTRA_LOOKS[1])
    )

    def article(slot: Column) -> Column:
        own = draw("own taste", visit, slot) < TASTE_SHARE
        taste = F.when(own, F.col("taste_no")).otherwise(below(draw("other taste", visit, slot), len(TASTES)))
        return item_index(taste, _tier(draw("tier", visit, slot)), draw("article", visit, slot), plan.items)

    return (
        visits.withColumn("lines", lines.cast("int"))
        .withColumn("looks", looks.cast("int"))
        .withColumn("articles", F.array_distinct(F.transform(F.sequence(F.lit(1), F.col("looks")), article)))
        .select("*", F.posexplode("articles").alias("slot", "item_no"))
        .drop("articles", "looks")
    )


def _tier(uniform: Column) -> Column:
    """The price tier that the visitor's group prefers."""
    tier = pick_by_share(uniform, RHYTHMS[-1].tiers)
    for number, group in reversed([*enumerate(RHYTHMS[:-1])]):
        tier = F.when(F.col("group_no") == number, pick_by_share(uniform, group.tiers)).otherwise(tier)
    return tier
