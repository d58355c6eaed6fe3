"""Sessions, and what is in the basket: how often and how long a user comes, how deep, and what comes of it."""

from pyspark.sql.types import BooleanType, DoubleType, IntegerType, LongType

from shoal.tables.feature import Feature, counts
from shoal.tables.vocabulary import MONEY_SUM

_NONE = "without a session"
_WITH_CART, _WITH_PURCHASE, _WITH_VIEW = "carts > 0", "purchases > 0", "views > 0"
_ABANDONED = "carts > 0 AND purchases = 0"


def _mean(name: str, sql: str, doc: str, unit: str) -> Feature:
    return Feature(name, DoubleType(), "sessions", sql, doc, unit, _NONE, low=0)


def _share(name: str, having: str, doc: str, of: str = "", null: str = _NONE) -> Feature:
    """Share of the sessions for which a condition holds, among all or those for which another does."""
    sql = f"try_divide(count_if({of} AND {having}), count_if({of}))" if of else f"count_if({having}) / count(acts)"
    return Feature(name, DoubleType(), "sessions", sql, doc, "share", null, low=0, high=1)


def _spent(days: int | None) -> Feature:
    """Minutes spent over a window, or in all."""
    inside = " FILTER (WHERE event_date >= :since)" if days else ""
    sql = f"coalesce(CAST(sum(seconds){inside} AS DOUBLE) / 60, 0D)"
    doc = "time spent (from the first to the last act, as what follows is not known) in sessions begun"
    name, doc = (f"minutes_spent_{days}d", doc) if days else ("minutes_spent", f"{doc} before as_of")
    return Feature(name, DoubleType(), "sessions", sql, doc, "minutes", window=days, otherwise=0, low=0)


VISITS = [
    *counts("sessions", "sessions begun", "sessions", "count(acts)"),
    Feature("recency_session_days", IntegerType(), "sessions", "datediff(:as_of, max(event_date))",
            "from the day on which the last session began to as_of", "days", _NONE, low=1),
    Feature("session_interval_days", DoubleType(), "sessions",
            "CASE WHEN count(acts) > 1 THEN "
            "(unix_micros(max(first_at)) - unix_micros(min(first_at))) / 86400000000D / (count(acts) - 1) END",
            "mean time from the beginning of a session to that of the next", "days", "before the second session",
            low=0),
    *map(_spent, (None, 7, 30, 90)),
    _mean("session_minutes", "CAST(sum(seconds) AS DOUBLE) / count(seconds) / 60",
          "mean time from the first to the last act of a session, 0 for one act", "minutes"),
    _mean("session_median_minutes", "median(seconds) / 60", "median time from the first to the last act of a session",
          "minutes"),
    _mean("session_acts", "sum(acts) / count(acts)",
          "mean acts of a session: views, clicks, searches, favourites, carts and purchase lines", "acts"),
    _mean("session_views", "sum(views) / count(views)", "mean views and clicks of a session", "views"),
    _share("bounce_share", "acts = 1 AND purchases = 0",
           "share of the sessions that are one act only, and no purchase of goods"),
    _share("cart_session_share", _WITH_CART, "share of the sessions in which something was put into the cart"),
    _share("purchase_session_share", _WITH_PURCHASE, "share of the sessions in which goods were bought"),
    _share("view_to_cart_share", _WITH_CART,
           "of the sessions with a view, share of those in which something was put into the cart", _WITH_VIEW,
           "without a session with a view"),
    _share("cart_to_purchase_share", _WITH_PURCHASE,
           "of the sessions in which something was put into the cart, share of those in which goods were bought",
           _WITH_CART, "without a session with a cart"),
    *counts("abandoned_carts",
            "sessions with something put into the cart and no goods bought, begun",
            "sessions", f"count_if({_ABANDONED})"),
    Feature("_last_session", None, "sessions", "max(struct(first_at, seconds, acts, carts, purchases))"),
    Feature("last_session_minutes", DoubleType(), "user", "CAST(_last_session.seconds AS DOUBLE) / 60",
            "time from the first to the last act of the last session, as far as it lies before as_of", "minutes",
            _NONE, low=0),
    Feature("last_session_acts", LongType(), "user", "_last_session.acts", "acts of the last session", "acts", _NONE,
            low=0),
    Feature("last_session_abandoned", BooleanType(), "user",
            "_last_session.carts > 0 AND _last_session.purchases = 0",
            "something was put into the cart in the last session, and no goods were bought", "yes or no", _NONE),
]  # fmt: skip

BASKET = [
    *counts("open_basket_items",
            "different items in the cart, neither bought nor taken out since, that were last put there",
            "basket", "count(item_id)"),
    Feature("open_basket_value", MONEY_SUM, "basket", "sum(price)",
            "price of what is in the cart, one piece of each item, by the catalogue as it was before as_of",
            "shop's currency", "where none of it has a price", low=0),
    Feature("recency_open_basket_days", IntegerType(), "basket", "datediff(:as_of, max(event_date))",
            "from the day on which something that is still in the cart was last put there to as_of", "days",
            "with nothing in the cart", low=1),
]  # fmt: skip
