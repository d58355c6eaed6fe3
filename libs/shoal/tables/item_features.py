"""Every feature of an item, by group: what features.items holds beside the catalogue, and a run computes.

They are of what users did who count: no guests, who have no tiles, no staff, no suspects.
"""

from pyspark.sql.types import BooleanType, DateType, DoubleType, IntegerType, LongType

from shoal.tables.feature import Feature, Features, Relation
from shoal.tables.vocabulary import MONEY_SUM

RELATIONS: dict[Relation, str] = {
    "item_days": "the item's rows of features.user_item_days",
    "item_users": "one row per user who met the item: last_viewed, last_carted, last_bought, last_met (a view, cart or "
    "purchase), and days_bought, the number of days with a purchase",
    "items": "the features of all items that were aggregated from these two: what is usual in the shop",
    "item": "the item's other features",
}

WINDOWS = (7, 30, 90, 365)  # days; a week, a month, a season, a year
HALF_LIFE_DAYS = 90  # a season, as similar_items and recommend have it
RECENT_DAYS = 90  # of conversion: a season
PRIOR = 10  # users, or pieces, who do as is usual in the shop: what few show is drawn towards it
TREND_PRIOR = 5  # acts of the week, and as many that were expected: one sale is no trend
_Z = 1.959963984540054  # of a 95 % interval

_NEVER = "if never bought by a user"


def _counts(name: str, doc: str, over: Relation, whole: str, within: str) -> list[Feature]:
    """A number of all before as_of, and over each window."""
    windows = [
        Feature(f"{name}_{days}d", LongType(), over, within, doc, "count", window=days, otherwise=0, low=0)
        for days in WINDOWS
    ]
    return [Feature(name, LongType(), over, whole, f"{doc} before as_of", "count", otherwise=0, low=0), *windows]


def _acts(name: str, doc: str) -> list[Feature]:
    return _counts(name, doc, "item_days", f"sum({name})", f"sum({name}) FILTER (WHERE event_date >= :since)")


def _users(name: str, doc: str, last: str) -> list[Feature]:
    return _counts(name, doc, "item_users", f"count({last})", f"count_if({last} >= :since)")


def _money(name: str, doc: str) -> list[Feature]:
    inside = f"coalesce(sum({name}) FILTER (WHERE event_date >= :since), 0)"
    windowed = f"CASE WHEN sum({name}) IS NOT NULL THEN {inside} END"
    unit = "shop's currency"
    return [
        Feature(name, MONEY_SUM, "item_days", f"sum({name})", f"{doc} before as_of", unit,
                "where none of them has a price", low=0),
        *(Feature(f"{name}_{days}d", MONEY_SUM, "item_days", windowed, doc, unit, f"where {name} is", days, low=0)
          for days in WINDOWS),
    ]  # fmt: skip


def _faded(name: str, what: str, doc: str) -> Feature:
    """A sum in which what is older counts less; of decimals, so that no order of addition can change a digit."""
    fading = f"power(0.5D, datediff(:as_of, event_date) / {HALF_LIFE_DAYS}D)"
    return Feature(name, DoubleType(), "item_days",
                   f"CAST(sum(CAST(({what}) * {fading} AS DECIMAL(28, 12))) AS DOUBLE)",
                   f"{doc} before as_of, of which one {HALF_LIFE_DAYS} days ago counts half", "faded count",
                   otherwise=0, low=0)  # fmt: skip


def _trend(name: str, doc: str) -> list[Feature]:
    before = f"_{name}_before"
    days = "event_date >= date_sub(:as_of, 37) AND event_date < date_sub(:as_of, 7)"
    return [
        Feature(before, None, "item_days", f"sum({name}) FILTER (WHERE {days})"),
        Feature(f"{name}_trend", DoubleType(), "item",
                f"({name}_7d + {TREND_PRIOR}) / (coalesce({before}, 0) * 7 / 30 + {TREND_PRIOR})",
                f"{doc} of the last 7 days over those of 7 days at the pace of the 30 before, both with {TREND_PRIOR} "
                "more: above 1 it is growing", "ratio", low=0),
    ]  # fmt: skip


def _share(name: str, of: str, who: str, did: str, usual: tuple[str, str], doc: str, null: str) -> list[Feature]:
    """Which share of ``of`` is ``did``: as it is, drawn towards the shop's, and at least with 95 % certainty.

    The last is the lower end of Wilson's interval (1927, "Probable inference").
    """
    share = f"{did} / {of}"
    z, z2 = f"{_Z}D", f"{_Z * _Z}D"
    low = (
        f"({share} + {z2} / 2 / {of} - {z} * sqrt({share} * (1 - {share}) / {of} + {z2} / 4 / {of} / {of})) "
        f"/ (1 + {z2} / {of})"
    )
    shops = f"{usual[0]} / {usual[1]}"
    return [
        Feature(name, DoubleType(), "item",
                f"CASE WHEN {usual[1]} > 0 THEN ({did} + {PRIOR} * {shops}) / ({of} + {PRIOR}) END",
                f"{doc}, with {PRIOR} {who} of whom as many as is usual in the shop", "share",
                f"where no item has any {null}", low=0, high=1),
        Feature(f"{name}_low", DoubleType(), "item", f"CASE WHEN {of} > 0 THEN greatest(0D, {low}) END",
                f"{doc}: at least that many, with 95 % certainty", "share", f"without any {null}", low=0, high=1),
    ]  # fmt: skip


def _conversion(name: str, doc: str, first: str, then: str, who: str) -> list[Feature]:
    """Of those who did one thing within the last days, who also did another within them."""
    of, did = f"_{name}_of", f"_{name}_did"
    usual = (f"_shop{did}", f"_shop{of}")
    since = f"date_sub(:as_of, {RECENT_DAYS})"
    return [
        Feature(of, None, "item_users", f"count_if({first} >= {since})", otherwise=0),
        Feature(did, None, "item_users", f"count_if({first} >= {since} AND {then} >= {since})", otherwise=0),
        Feature(usual[1], None, "items", f"sum({of})"),
        Feature(usual[0], None, "items", f"sum({did})"),
        *_share(f"{name}_{RECENT_DAYS}d", of, "users", did, usual, f"{doc} in the {RECENT_DAYS} days before as_of",
                f"{who} in these days"),
    ]  # fmt: skip


_PRICED = "FILTER (WHERE priced_pieces > 0)"

HOW_MUCH = [
    *_acts("views", "views and clicks"),
    *_acts("favourites", "times it was marked as favourite"),
    *_acts("carts", "times it was put into the cart"),
    *_acts("purchases", "purchase lines"),
    *_acts("pieces", "pieces bought, 0 where the feed counts none"),
    *_acts("returns", "return lines"),
    *_acts("returned_pieces", "pieces returned"),
]

MONEY = [*_money("gross", "purchase lines"), *_money("returned", "return lines")]

WHO = [
    *_users("viewers", "users who viewed or clicked it", "last_viewed"),
    *_users("buyers", "users who bought it", "last_bought"),
    *_users("users", "users who viewed it, put it into the cart or bought it", "last_met"),
    Feature("repeat_buyers", LongType(), "item_users", "count_if(days_bought >= 2)",
            "users who bought it on two days or more", "count", otherwise=0, low=0),
    Feature("repeat_buyer_share", DoubleType(), "item", "CASE WHEN buyers > 0 THEN repeat_buyers / buyers END",
            "share of its buyers who bought it on two days or more", "share", _NEVER, low=0, high=1),
]  # fmt: skip

POPULARITY = [
    _faded("popularity", "purchases", "purchase lines"),
    _faded("interest", "views + carts", "views, clicks and carts"),
    *_trend("purchases", "purchase lines"),
    *_trend("views", "views and clicks"),
]

CONVERSION = [
    *_conversion("view_to_cart", "share of its viewers who put it into the cart", "last_viewed", "last_carted",
                 "viewer"),
    *_conversion("cart_to_buy", "share of those who put it into the cart who bought it", "last_carted", "last_bought",
                 "cart"),
    *_conversion("view_to_buy", "share of its viewers who bought it", "last_viewed", "last_bought", "viewer"),
]  # fmt: skip

PRICES = [
    Feature("mean_price", DoubleType(), "item_days",
            f"CAST(sum(gross) {_PRICED} AS DOUBLE) / sum(priced_pieces) {_PRICED}",
            "mean price paid per piece before as_of", "shop's currency", "if never bought at a known price", low=0),
    *(Feature(f"mean_price_{days}d", DoubleType(), "item_days",
              "CAST(sum(gross) FILTER (WHERE priced_pieces > 0 AND event_date >= :since) AS DOUBLE) "
              "/ sum(priced_pieces) FILTER (WHERE priced_pieces > 0 AND event_date >= :since)",
              "mean price paid per piece", "shop's currency", "if not bought in these days at a known price", days,
              low=0)
      for days in (30, 365)),
    Feature("last_price", DoubleType(), "item_days",
            f"(max(struct(event_date, CAST(gross AS DOUBLE) / priced_pieces AS price)) {_PRICED}).price",
            "price per piece paid on the last day with a purchase at a known price, the highest that a user paid then",
            "shop's currency", "if never bought at a known price", low=0),
]  # fmt: skip

_KEPT_WITHIN = "least(returned_pieces, pieces)"

RETURNS = [
    Feature("_shop_pieces", None, "items", "sum(pieces)"),
    Feature("_shop_returned", None, "items", f"sum({_KEPT_WITHIN})"),
    Feature("return_rate", DoubleType(), "item", f"CASE WHEN pieces > 0 THEN {_KEPT_WITHIN} / pieces END",
            "returned pieces per piece bought, at most 1", "share", "if no piece was counted", low=0, high=1),
    Feature("expected_return_rate", DoubleType(), "item",
            f"CASE WHEN _shop_pieces > 0 THEN ({_KEPT_WITHIN} + {PRIOR} * (_shop_returned / _shop_pieces)) "
            f"/ (pieces + {PRIOR}) END",
            f"return_rate with {PRIOR} pieces more, of which as many came back as is usual in the shop", "share",
            "if no piece of any item was counted", low=0, high=1),
]  # fmt: skip

WHEN = [
    Feature("first_met", DateType(), "item_days", "min(event_date)", "day on which a user first did anything with it",
            "shop-local day", "if none ever did"),
    Feature("first_sold", DateType(), "item_days", "min(event_date) FILTER (WHERE purchases > 0)",
            "day of the first purchase", "shop-local day", _NEVER),
    Feature("last_sold", DateType(), "item_days", "max(event_date) FILTER (WHERE purchases > 0)",
            "day of the last purchase", "shop-local day", _NEVER),
    Feature("days_since_sold", IntegerType(), "item", "datediff(:as_of, last_sold)",
            "from the last purchase to as_of", "days", _NEVER, low=1),
    Feature("is_selling", BooleanType(), "item", "purchases_30d > 0", "bought by a user in the 30 days before as_of",
            "yes or no"),
]  # fmt: skip

GROUPS: dict[str, list[Feature]] = {
    "How much": HOW_MUCH,
    "Money": MONEY,
    "Who": WHO,
    "Popularity and trend": POPULARITY,
    "Conversion": CONVERSION,
    "Prices": PRICES,
    "Returns": RETURNS,
    "When": WHEN,
}
OF_ITEMS = Features(feature for group in GROUPS.values() for feature in group)
