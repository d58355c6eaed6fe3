"""What happens in a visit: articles looked at, put into the cart, bought, and some days later sent back."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.synthetic.catalogue import TASTES, brand, category, item_id, item_index, list_price_cents, title
from shoal.synthetic.draws import Draw, below, pick_by_share
from shoal.synthetic.people import Plan
from shoal.synthetic.visits import RHYTHMS, of_rhythm

TASTE_SHARE = 0.8  # of looks at articles go to the visitor's own taste, the rest to any taste, each as likely
# Articles looked at beside those bought: 0..2 in a visit with an order, 1..4 in one without.
_EXTRA_LOOKS = (3, 4)  # how many different numbers that are
_ABANDONED_SHARE = 0.12  # of articles looked at in a visit without an order end in the cart
_FAVOURITE_SHARE = 0.04  # of articles looked at
_SHIPPING_SHARE = 0.4  # of orders pay for shipping
_RETURN_DAYS = (2, 14)  # after the purchase, first and last, each as likely

# action: letter of its event ids
ACTIONS = {"view": "v", "favourite": "f", "cart": "c", "purchase": "p", "shipping": "s", "return": "r"}


def actions(visits: DataFrame, plan: Plan, draw: Draw) -> DataFrame:
    """One row per event: the columns of its visit and article, ``action``, and ``event_day`` (0 = start).

    A return belongs to its purchase's visit and slot; it happens on a later day, before the shop's last and before
    the user leaves.
    """
    visit, slot, action = F.col("visit_no"), F.col("slot"), F.col("action")
    bought = F.col("is_order") & (slot < F.col("lines"))
    abandoned = ~F.col("is_order") & (draw("cart", visit, slot) < _ABANDONED_SHARE)
    in_time = F.col("return_day") < F.least(F.lit(plan.days), F.col("churn_day"))
    sent_back = draw("return", visit, slot) < of_rhythm([g.return_share for g in RHYTHMS])
    happens = {
        "view": F.lit(True),
        "favourite": draw("favourite", visit, slot) < _FAVOURITE_SHARE,
        "cart": bought | abandoned,
        "purchase": bought,
        "shipping": F.col("is_order") & (slot == 0) & (draw("shipping", visit) < _SHIPPING_SHARE),
        "return": bought & sent_back & in_time,
    }
    does = F.lit(False)
    for name, condition in happens.items():
        does = F.when(action == name, condition).otherwise(does)
    first, last = _RETURN_DAYS
    later = first + below(draw("return day", visit, slot), last - first + 1)
    return (
        _articles(_looks(visits, plan, draw), plan, draw)
        .withColumn("return_day", F.col("day") + later)
        .withColumn("action", F.explode(F.lit([*ACTIONS])))
        .where(does)
        .withColumn("event_day", F.when(action == "return", F.col("return_day")).otherwise(F.col("day")).cast("int"))
    )


def _looks(visits: DataFrame, plan: Plan, draw: Draw) -> DataFrame:
    """One row per different article of a visit: slot 0, 1, ...; those bought come first, at most ``lines`` of them."""
    visit = F.col("visit_no")
    spread = of_rhythm([g.lines[1] - g.lines[0] + 1 for g in RHYTHMS])
    lines = of_rhythm([g.lines[0] for g in RHYTHMS]) + below(draw("lines", visit), spread)
    beside = below(draw("looks", visit), F.when(F.col("is_order"), _EXTRA_LOOKS[0]).otherwise(_EXTRA_LOOKS[1]))
    looks = beside + F.when(F.col("is_order"), F.col("lines")).otherwise(1)

    def article(slot: Column) -> Column:
        own = draw("own taste", visit, slot) < TASTE_SHARE
        taste = F.when(own, F.col("taste_no")).otherwise(below(draw("other taste", visit, slot), len(TASTES)))
        tier = pick_by_share(draw("tier", visit, slot), [F.col("budget"), F.col("standard"), 0.0])
        return item_index(taste, tier, draw("article", visit, slot), plan.items)

    # posexplode_outer: Spark would guard posexplode by a filter that computes the whole array once more.
    return (
        visits.withColumn("lines", lines)
        .withColumn("looks", looks.cast("int"))
        .withColumn("budget", of_rhythm([g.tiers[0] for g in RHYTHMS]))
        .withColumn("standard", of_rhythm([g.tiers[1] for g in RHYTHMS]))
        .withColumn("articles", F.array_distinct(F.transform(F.sequence(F.lit(1), F.col("looks")), article)))
        .select("*", F.posexplode_outer("articles").alias("slot", "item_no"))
        .drop("articles", "looks", "budget", "standard")
    )


def _articles(looks: DataFrame, plan: Plan, draw: Draw) -> DataFrame:
    """The looks, with what the feed says of the article. Said here and not per event: there are a third as many."""
    index = F.col("item_no")
    most = of_rhythm([g.pieces for g in RHYTHMS])
    return looks.withColumns(
        {
            "item_id": item_id(index, plan.items),
            "item_title": title(index),
            "category": category(index),
            "brand": brand(draw, index),
            "list_cents": list_price_cents(draw, index),
            "pieces": 1 + below(draw("pieces", F.col("visit_no"), F.col("slot")), most),
        }
    )
