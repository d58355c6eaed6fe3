"""What a user did, how much of it, when last, and whether it becomes more or less."""

from pyspark.sql.types import DateType, DoubleType, IntegerType, TimestampType

from shoal.tables.feature import Feature, count, counts

_NEVER_BOUGHT = "if never bought"


def _last(name: str, doc: str, condition: str, null: str) -> Feature:
    sql = f"datediff(:as_of, max(event_date) FILTER (WHERE {condition}))"
    return Feature(name, IntegerType(), "days", sql, f"from the last {doc} to as_of", "days", null, low=1)


def _trend(what: str, name: str, shorter: int, longer: int) -> Feature:
    """How the daily rate of a shorter window compares with that of a longer one, which holds it."""
    rates = " / ".join(f"(CAST({name}_{days}d AS DOUBLE) / {days})" for days in (shorter, longer))
    return Feature(
        f"{name}_trend_{shorter}_{longer}",
        DoubleType(),
        "user",
        f"CASE WHEN {name}_{longer}d > 0 THEN {rates} END",
        f"{what}: the daily rate of the last {shorter} days over that of the last {longer}, above 1 it is growing",
        "ratio",
        f"without any in the {longer} days",
        low=0,
    )


def _per(name: str, what: str, many: str, few: str, doc: str) -> Feature:
    sql = f"CASE WHEN {few} > 0 THEN {many} / {few} END"
    return Feature(name, DoubleType(), "user", sql, f"{what} in the 90 days before as_of", "ratio", doc, low=0)


WHEN = [
    _last("recency_days", "order", "orders > 0", _NEVER_BOUGHT),
    Feature("recency_event_days", IntegerType(), "days", "datediff(:as_of, max(event_date))",
            "from the last event to as_of", "days", low=1),
    Feature("tenure_days", IntegerType(), "days", "datediff(:as_of, min(event_date))",
            "from the first event to as_of", "days", low=1),
    _last("recency_view_days", "view or click", "views > 0", "without one"),
    _last("recency_search_days", "search", "searches > 0", "without one"),
    _last("recency_favourite_days", "item marked as favourite", "favourites > 0", "without one"),
    _last("recency_cart_days", "item put into the cart", "carts > 0", "without one"),
    _last("recency_return_days", "return of goods", "returns > 0", "without one"),
    Feature("last_order_at", TimestampType(), "days", "max(last_order_at)", "time of the last order", "UTC",
            _NEVER_BOUGHT),
    Feature("first_order_date", DateType(), "days", "min(event_date) FILTER (WHERE orders > 0)",
            "day of the first order", "shop-local day", _NEVER_BOUGHT),
    Feature("days_to_first_order", IntegerType(), "days",
            "datediff(min(event_date) FILTER (WHERE orders > 0), min(event_date))",
            "from the first event to the first order", "days", _NEVER_BOUGHT, low=0),
]  # fmt: skip

HOW_MUCH = [
    *counts("active_days", "days with an event", "days", "count(event_date)", unit="days"),
    *counts("searches", "searches", "days", "sum(searches)"),
    *counts("views", "views and clicks", "days", "sum(views)"),
    *counts("favourites", "items marked as favourite", "days", "sum(favourites)"),
    *counts("carts", "items put into the cart", "days", "sum(carts)"),
    *counts("orders", "distinct orders, all line kinds", "days", "sum(orders)", whole="frequency"),
    *counts("purchases", "purchase lines of goods", "days", "sum(purchases)"),
    *counts("pieces", "pieces of goods bought, 0 where the feed counts none", "days", "sum(pieces)"),
    *counts("returns", "return lines of goods", "days", "sum(returns)"),
    count("returned_pieces", "pieces of goods returned before as_of", "days", "sum(returned_pieces)"),
]

RATES = [
    _per("carts_per_view_90d", "items put into the cart per view", "carts_90d", "views_90d", "without a view"),
    _per("purchases_per_view_90d", "purchase lines of goods per view", "purchases_90d", "views_90d", "without a view"),
    _per("purchases_per_cart_90d", "purchase lines of goods per item put into the cart", "purchases_90d", "carts_90d",
         "without one put there"),
]  # fmt: skip

TRENDS = [
    *(_trend("days with an event", "active_days", shorter, longer) for shorter, longer in ((7, 30), (30, 90))),
    *(_trend("views and clicks", "views", shorter, longer) for shorter, longer in ((7, 30), (30, 90))),
    _trend("items put into the cart", "carts", 7, 30),
    *(_trend("orders", "orders", shorter, longer) for shorter, longer in ((30, 90), (90, 365))),
    *(_trend("money spent", "spend", shorter, longer) for shorter, longer in ((30, 90), (90, 365))),
]
