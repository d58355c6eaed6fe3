"""From what happened to the raw rows of the feed ``shoal``."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.synthetic.catalogue import euros
from shoal.synthetic.draws import Draw, below
from shoal.synthetic.people import Plan
from shoal.synthetic.purchases import ACTIONS
from shoal.synthetic.visits import OPEN_SECONDS, OPENS

COLUMNS = (
    "event_id", "event_type", "event_time", "user_id", "visitor_id", "session_id", "item_id", "item_title",
    "category", "brand", "quantity", "unit_price", "currency", "discount_amount", "line_kind", "order_id",
    "original_event_id", "coupon", "channel", "region", "device", "duration_s",
)  # fmt: skip

_COUPON, _COUPON_TENTHS = "SAVE10", 9  # tenths of the price that are left
_SHIPPING_CENTS = 490
_SECONDS_PER_SLOT = 90
_OFFSETS = {"view": 0, "favourite": 20, "cart": 40}  # seconds after the article was opened
_CHECKOUT = 1800  # seconds after the visit's begin, when the greatest basket has been filled
_LONGEST_LOOK = 85  # seconds


def raw_rows(events: DataFrame, plan: Plan, draw: Draw) -> DataFrame:
    """The feed's ``COLUMNS``, and beside them event_date and what names an event: visit_no, slot and action."""
    action, visit = F.col("action"), F.col("visit_no")
    goods = action != "shipping"
    look = 5 + below(draw("look", visit, F.col("slot")), _LONGEST_LOOK)
    columns = {
        "event_id": _event_id(_letter()),
        "event_type": F.when(goods, action).otherwise(F.lit("purchase")),
        "event_time": F.concat(F.col("event_date").cast("string"), F.lit("T"), _clock(F.col("second")), F.lit("Z")),
        "session_id": F.when(action != "return", F.concat(F.lit("s"), visit.cast("string"))),
        "item_id": F.when(goods, F.col("item_id")).otherwise(F.lit("SHIPPING")),
        "item_title": F.when(goods, F.col("item_title")).otherwise(F.lit("Shipping")),
        "category": F.when(goods, F.col("category")),
        "brand": F.when(goods, F.col("brand")),
        "duration_s": F.when(action == "view", look.cast("double")),
        **_line(),
    }
    day = F.date_add(F.lit(plan.start), F.col("event_day"))
    timed = events.withColumns({"event_date": day, "second": _second(draw)})
    return timed.withColumns(_counted(draw)).select(
        *(columns.get(name, F.col(name)).alias(name) for name in COLUMNS),
        "event_date",
        "visit_no",
        "slot",
        "action",
    )


def _line() -> dict[str, Column]:
    """What purchases, shipping and returns have and other events have not."""
    action, quantity = F.col("action"), F.col("quantity")
    line, used = quantity.isNotNull(), F.col("has_coupon")
    off = (F.col("list_cents") - F.col("paid_cents")) * quantity
    return {
        "unit_price": F.when(line, euros(F.col("paid_cents"))),
        "currency": F.when(line, F.lit("EUR")),
        "discount_amount": F.when((action == "purchase") & used, euros(off)),
        "line_kind": F.when(line, F.when(action == "shipping", F.lit("shipping")).otherwise(F.lit("goods"))),
        "order_id": F.when(line, F.concat(F.lit("o"), F.col("visit_no").cast("string"))),
        "original_event_id": F.when(action == "return", _event_id(F.lit(ACTIONS["purchase"]))),
        "coupon": F.when(line & used & (action != "return"), F.lit(_COUPON)),
    }


def _counted(draw: Draw) -> dict[str, Column]:
    """Pieces, null unless bought or sent back, and cents paid for one; a coupon holds for all goods of an order."""
    action, listed = F.col("action"), F.col("list_cents")
    back = 1 + below(draw("pieces back", F.col("visit_no"), F.col("slot")), F.col("pieces"))
    quantity = F.when(action == "purchase", F.col("pieces")).when(action == "return", back)
    goods = F.when(F.col("has_coupon"), F.floor(listed * _COUPON_TENTHS / 10)).otherwise(listed)
    return {
        "quantity": quantity.when(action == "shipping", 1).cast("int"),
        "paid_cents": F.when(action == "shipping", F.lit(_SHIPPING_CENTS)).otherwise(goods),
    }


def _event_id(letter: Column) -> Column:
    """Text such as ``e24600012-0p``: the visit's number, the article's slot, and the letter of the action."""
    return F.concat(F.lit("e"), F.col("visit_no").cast("string"), F.lit("-"), F.col("slot").cast("string"), letter)


def _letter() -> Column:
    letter = F.lit("")
    for action, text in ACTIONS.items():
        letter = F.when(F.col("action") == action, F.lit(text)).otherwise(letter)
    return letter


def _second(draw: Draw) -> Column:
    """Second of the day; a visit's last event still falls on its day."""
    visit, slot, action = F.col("visit_no"), F.col("slot"), F.col("action")
    sent_back = OPENS + below(draw("return hour", visit, slot), OPEN_SECONDS)
    second = F.when(action == "return", sent_back)
    for name, offset in _OFFSETS.items():
        second = second.when(action == name, F.col("begins") + slot * _SECONDS_PER_SLOT + offset)
    return second.otherwise(F.col("begins") + _CHECKOUT)


def _clock(second: Column) -> Column:
    """Text such as ``09:05:59``; made of numbers, so that no session's time zone can shift it."""
    parts = (F.floor(second / 3600), F.floor(second / 60) % 60, second % 60)
    return F.concat_ws(":", *(F.lpad(part.cast("string"), 2, "0") for part in parts))
