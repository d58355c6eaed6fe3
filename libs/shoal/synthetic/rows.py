"""From what happened to the raw rows of the feed ``shoal``."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.synthetic.catalogue import brand, category, euros, item_id, list_price_cents, title
from shoal.synthetic.draws import Draw, below, pick, pick_by_share
from shoal.synthetic.people import RHYTHMS, Plan, user_id
from shoal.synthetic.purchases import ACTIONS

COLUMNS = (
    "event_id", "event_type", "event_time", "user_id", "visitor_id", "session_id", "item_id", "item_title",
    "category", "brand", "quantity", "unit_price", "currency", "discount_amount", "line_kind", "order_id",
    "original_event_id", "coupon", "channel", "region", "device", "duration_s",
)  # fmt: skip

_COUPON, _COUPON_TENTHS = "SAVE10", 9  # what is left of the price
_SHIPPING_CENTS = 490
_REGIONS, _REGION_SHARES = ("DE", "AT", "FR", "NL"), (0.6, 0.15, 0.15, 0.1)
_DEVICES, _DEVICE_SHARES = ("phone", "desktop", "tablet"), (0.6, 0.3, 0.1)
_CHANNELS, _CHANNEL_SHARES = ("web", "app"), (0.7, 0.3)
_OPENS, _OPEN_SECONDS = 8 * 3600, 13 * 3600  # visits begin between 08:00 and 21:00 UTC, most around 14:30
_SECONDS_PER_SLOT = 90
_OFFSETS = {"view": 0, "favourite": 20, "cart": 40}  # seconds after the article was opened
_CHECKOUT = 1800  # seconds after the visit's begin, when the greatest basket has been filled
_LONGEST_LOOK = 85  # seconds


def event_id(action: str | None = None) -> Column:
    """Text such as ``e24600012-0p``: the visit's number, the article's slot, and the letter of the action.

    Args:
        action: of this action in the same visit and slot; None: of the row's own.
    """
    own = F.col("action") if action is None else F.lit(action)
    letter = F.element_at(F.create_map(*(F.lit(part) for pair in ACTIONS.items() for part in pair)), own)
    return F.concat(F.lit("e"), F.col("visit_no").cast("string"), F.lit("-"), F.col("slot").cast("string"), letter)


def event_date(plan: Plan) -> Column:
    """The day of the event, UTC."""
    return F.date_add(F.lit(plan.start), F.col("event_day"))


def raw_rows(events: DataFrame, plan: Plan, draw: Draw) -> DataFrame:
    """The feed's columns, and ``fault`` as it came."""
    paid = events.withColumns(_money(draw)).withColumn("quantity", _quantity(draw))
    columns = {**_who(plan, draw), **_what(plan, draw), **_line()}
    columns |= {
        "event_id": event_id(),
        "event_time": F.concat(event_date(plan).cast("string"), F.lit("T"), _clock(_second(draw)), F.lit("Z")),
        "channel": pick(pick_by_share(draw("channel", F.col("visit_no")), _CHANNEL_SHARES), _CHANNELS),
        "device": pick(pick_by_share(draw("device", F.col("visit_no")), _DEVICE_SHARES), _DEVICES),
    }
    return paid.select(*(columns[name].alias(name) for name in COLUMNS), "fault")


def _who(plan: Plan, draw: Draw) -> dict[str, Column]:
    guest, visit, number = F.col("is_guest"), F.col("visit_no"), F.col("user_no")
    home = draw("region", F.when(guest, -1 - visit).otherwise(number))
    user = user_id(number, plan.users)
    return {
        "user_id": F.when(~guest, user),
        "visitor_id": F.when(guest, F.concat(F.lit("w"), visit.cast("string"))).otherwise(F.concat(F.lit("v"), user)),
        "session_id": F.when(F.col("action") != "return", F.concat(F.lit("s"), visit.cast("string"))),
        "region": pick(pick_by_share(home, _REGION_SHARES), _REGIONS),
    }


def _what(plan: Plan, draw: Draw) -> dict[str, Column]:
    action, article = F.col("action"), F.col("item_no")
    goods = action != "shipping"
    looks = F.when(action == "view", 5 + below(draw("look", F.col("visit_no"), F.col("slot")), _LONGEST_LOOK))
    return {
        "event_type": F.when(goods, action).otherwise(F.lit("purchase")),
        "item_id": F.when(goods, item_id(article, plan.items)).otherwise(F.lit("SHIPPING")),
        "item_title": F.when(goods, title(article)).otherwise(F.lit("Shipping")),
        "category": F.when(goods, category(article)),
        "brand": F.when(goods, brand(draw, article)),
        "duration_s": looks.cast("double"),
    }


def _line() -> dict[str, Column]:
    """What purchases, shipping and returns have and other events have not."""
    action = F.col("action")
    line, bought = F.col("paid_cents").isNotNull(), action == "purchase"
    used = F.col("has_coupon")
    off = (F.col("list_cents") - F.col("paid_cents")) * F.col("quantity")
    return {
        "quantity": F.col("quantity"),
        "unit_price": euros(F.col("paid_cents")),
        "currency": F.when(line, F.lit("EUR")),
        "discount_amount": F.when(bought & used, euros(off)),
        "line_kind": F.when(action == "shipping", F.lit("shipping")).when(line, F.lit("goods")),
        "order_id": F.when(line, F.concat(F.lit("o"), F.col("visit_no").cast("string"))),
        "original_event_id": F.when(action == "return", event_id("purchase")),
        "coupon": F.when(line & used & (action != "return"), F.lit(_COUPON)),
    }


def _money(draw: Draw) -> dict[str, Column]:
    """Prices per piece in cents, null unless bought or sent back; one coupon holds for a whole order's goods."""
    action = F.col("action")
    goods = action.isin("purchase", "return")
    share = pick(F.col("group_no"), [group.coupon_share for group in RHYTHMS])
    used = draw("coupon", F.col("visit_no")) < share
    listed = list_price_cents(draw, F.col("item_no"))
    paid = F.when(used, F.floor(listed * _COUPON_TENTHS / 10)).otherwise(listed)
    return {
        "has_coupon": used,
        "list_cents": F.when(goods, listed),
        "paid_cents": F.when(goods, paid).when(action == "shipping", F.lit(_SHIPPING_CENTS)).cast("long"),
    }


def _quantity(draw: Draw) -> Column:
    """Pieces: 1 to the group's most; of a return 1 to what was bought."""
    keys = (F.col("visit_no"), F.col("slot"))
    bought = 1 + below(draw("pieces", *keys), pick(F.col("group_no"), [group.pieces for group in RHYTHMS]))
    back = 1 + below(draw("pieces back", *keys), bought)
    action = F.col("action")
    pieces = F.when(action == "purchase", bought).when(action == "return", back).when(action == "shipping", F.lit(1))
    return pieces.cast("int")


def _second(draw: Draw) -> Column:
    """Second of the day; a visit's last event still falls on its day."""
    visit, action = F.col("visit_no"), F.col("action")
    begins = _OPENS + below((draw("hour", visit) + draw("hour again", visit)) / 2, _OPEN_SECONDS)
    sent_back = _OPENS + below(draw("return hour", visit, F.col("slot")), _OPEN_SECONDS)
    at = F.when(action == "return", sent_back)
    for name, offset in _OFFSETS.items():
        at = at.when(action == name, begins + F.col("slot") * _SECONDS_PER_SLOT + offset)
    return at.otherwise(begins + _CHECKOUT)


def _clock(second: Column) -> Column:
    """Text such as ``09:05:59``; made of numbers, so that no session's time zone can shift it."""
    parts = (F.floor(second / 3600), F.floor(second / 60) % 60, second % 60)
    return F.concat_ws(":", *(F.lpad(part.cast("string"), 2, "0") for part in parts))
