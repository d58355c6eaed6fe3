"""The closed lists of words that columns may hold."""

from pyspark.sql.types import DecimalType

EVENT_TYPES = (
    "view", "click", "search", "favourite", "unfavourite", "cart", "uncart",
    "purchase", "return", "review", "campaign",
)  # fmt: skip
_ITEM_EVENTS = tuple(kind for kind in EVENT_TYPES if kind not in ("search", "campaign"))
_LINES = ("purchase", "return")
# The columns whose nulls are counted by day, each with the types of events that may be expected to have it.
WATCHED = {
    **dict.fromkeys(("user_id", "visitor_id", "session_id", "channel", "region", "device"), EVENT_TYPES),
    **dict.fromkeys(("item_id", "item_title", "category", "brand"), _ITEM_EVENTS),
    **dict.fromkeys(("quantity", "unit_price", "amount_base", "order_id"), _LINES),
}
LINE_KINDS = ("goods", "shipping", "fee", "discount", "voucher", "sample", "adjustment")
LINKED_BY = ("original", "order", "latest")  # how a return was brought to its purchase, the surest first
ACCOUNT_KINDS = ("consumer", "business", "staff", "test")
# What is measured of a user's days, and of what was bought of an item: where robots and slips of the pen stand out.
USER_MEASURES = ("rate", "breadth", "hours", "pace", "regularity")
ITEM_MEASURES = ("pieces", "price")
SCORED = ("recency_days", "frequency", "net_spend")  # features of buyers that are scored 1 to 5
LIMIT_SCOPES = ("user", "item", "shop", "buyer")  # whose values a limit was learned from
TASTE_FACETS = ("category", "brand")  # what a user likes more than others do
SHIFT_STATES = ("stable", "watch", "drift")
BATCH_STATES = ("planned", "ingested", "validated", "refused")
RELEASE_KINDS = ("release", "archive", "rollback")
OUTCOMES = ("done", "nothing new", "failed")

MONEY = DecimalType(18, 6)  # a price or a line; two places would lose real sales at 0.001 pounds
ARROWS = DecimalType(28, 12)  # sums of cosines or sines: exact, so that no order of addition can change them
MONEY_SUM = DecimalType(28, 6)  # what Spark makes of a sum of MONEY, so that no cast can overflow

# Columns of features.user_item_days that say how much a user wants an item, and may carry a weight.
WEIGHTED = ("views", "favourites", "carts", "purchases")
