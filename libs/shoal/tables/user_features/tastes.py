"""What a user buys and looks at: how varied, how loyal, how dear.

A facet is something that items or events are told apart by: item, category (the whole path), brand. What an item is,
the catalogue says as it was before as_of.
"""

from pyspark.sql.types import DoubleType, StringType

from shoal.tables.feature import WINDOWS, Feature, count

SMOOTHING = 10  # purchase lines, or pieces, of the shop's mix that everybody is taken to have bought besides
_LIKED = ("category", "brand")
_NOT_BOUGHT = "if nothing was bought of which it is known"


def _different(name: str, facet: str, last: str, doc: str) -> list[Feature]:
    """How many different ones over each window: those whose last day lies in it, so that the count is exact."""
    met = f"count_if(facet = '{facet}' AND {last} IS NOT NULL)"
    within = f"count_if(facet = '{facet}' AND {last} >= :since)"
    return [
        count(name, f"{doc} before as_of", "facets", met),
        *(count(f"{name}_{days}d", doc, "facets", within, window=days) for days in WINDOWS),
    ]


def _main(facet: str) -> list[Feature]:
    """What is bought most, and how much that says of the user."""
    lines, main, all_of_it = f"_{facet}_lines", f"_main_{facet}", f"_shop_{facet}_lines"
    bought = f"FILTER (WHERE facet = '{facet}' AND lines > 0)"
    logs = "sum(CAST(lines * ln(lines) AS DECIMAL(28, 12)))"
    share = f"_shop_{facet}_share"
    return [
        Feature(lines, None, "facets", f"sum(lines) {bought}"),
        Feature(main, None, "facets", f"min(struct(-lines AS fewer, name, lines, shop.lines AS shop_lines)) {bought}"),
        Feature(all_of_it, None, "facets", f"max(shop.all_lines) FILTER (WHERE facet = '{facet}')"),
        Feature(share, None, "user", f"{main}.shop_lines / {all_of_it}"),
        Feature(f"_{facet}_logs", None, "facets", f"{logs} {bought}"),
        Feature(f"main_{facet}", StringType(), "user", f"{main}.name",
                f"{facet} of which the most purchase lines of goods are, of equals the first by name", "name",
                _NOT_BOUGHT),
        Feature(f"main_{facet}_share", DoubleType(), "user", f"{main}.lines / {lines}",
                f"main_{facet}'s share of the purchase lines of goods with a {facet}", "share", _NOT_BOUGHT,
                low=0, high=1),
        Feature(f"main_{facet}_affinity", DoubleType(), "user",
                f"({main}.lines + {SMOOTHING} * {share}) / ({lines} + {SMOOTHING}) / {share}",
                f"main_{facet}'s share beside that among all users, both with {SMOOTHING} lines of the shop's mix: "
                "above 1 the user likes it more than others do", "ratio", _NOT_BOUGHT, low=0),
        Feature(f"{facet}_entropy", DoubleType(), "user",
                f"CASE WHEN {main}.lines = {lines} THEN 0D "
                f"ELSE ln({lines}) - CAST(_{facet}_logs AS DOUBLE) / {lines} END",
                f"Shannon entropy of the purchase lines of goods by {facet}: 0 is loyal to one, ln(n) is the same of "
                "n of them", "nats", _NOT_BOUGHT, low=0),
        Feature(f"main_{facet}_viewed", StringType(), "facets",
                f"(min(struct(-looks AS fewer, name)) FILTER (WHERE facet = '{facet}' AND looks > 0)).name",
                f"{facet} that was looked at or put into the cart most often, of equals the first by name", "name",
                "if nothing was looked at of which it is known"),
    ]  # fmt: skip


_PRICED = "FILTER (WHERE facet = 'item' AND priced_pieces > 0)"
_USUAL = "CAST(priced_pieces * (CAST(shop.paid AS DOUBLE) / shop.priced_pieces) AS DECIMAL(34, 15))"

TASTES = [
    *_different("distinct_items", "item", "last_bought", "different goods bought"),
    *_different("distinct_items_viewed", "item", "last_met", "different goods looked at, put into the cart or bought"),
    *(
        feature
        for facet, many in {"category": "categories", "brand": "brands"}.items()
        for last, name, doc in (
            ("last_bought", f"distinct_{many}", f"different {many} of goods bought"),
            ("last_met", f"distinct_{many}_viewed",
             f"different {many} of goods looked at, put into the cart or bought"),
        )
        for feature in _different(name, facet, last, doc)
    ),
    *(feature for facet in _LIKED for feature in _main(facet)),
    Feature("repeat_share", DoubleType(), "user", "CASE WHEN purchases > 0 THEN 1 - distinct_items / purchases END",
            "share of the purchase lines of goods that are of an item the user has another line of", "share",
            "if no goods were bought", low=0, high=1),
    Feature("_paid", None, "facets", f"sum(paid) {_PRICED}"),
    Feature("_priced", None, "facets", f"sum(priced_pieces) {_PRICED}"),
    Feature("_usual", None, "facets", f"sum({_USUAL}) {_PRICED}"),
    Feature("_shop_price", None, "facets",
            "max(CAST(shop.all_paid AS DOUBLE) / shop.all_priced_pieces) FILTER (WHERE facet = 'item')"),
    Feature("price_ratio", DoubleType(), "user",
            "CASE WHEN _usual > 0 THEN CAST(_paid AS DOUBLE) / CAST(_usual AS DOUBLE) END",
            "paid for goods over what all users paid for the same items in the mean: below 1 is a bargain hunter",
            "ratio", "if nothing was bought at a known price", low=0),
    Feature("price_level", DoubleType(), "user",
            f"CASE WHEN _priced > 0 AND _shop_price > 0 THEN "
            f"(CAST(_paid AS DOUBLE) + {SMOOTHING} * _shop_price) / (_priced + {SMOOTHING}) / _shop_price END",
            f"mean price of a piece of goods over that among all users, with {SMOOTHING} pieces at the shop's mean",
            "ratio", "if nothing was bought at a known price", low=0),
]  # fmt: skip
