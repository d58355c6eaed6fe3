"""What a user paid, what was taken off and what came back."""

from pyspark.sql.types import DoubleType

from shoal.tables.feature import WINDOWS, Feature, money

_UNPRICED = "where none of them has a price"


def _within(name: str, doc: str, column: str) -> list[Feature]:
    """Over each window; who has any at a known price has 0 in a window without one, of others nothing is known."""
    inside = f"coalesce(sum({column}) FILTER (WHERE event_date >= :since), 0)"
    sql = f"CASE WHEN sum({column}) IS NOT NULL THEN {inside} END"
    return [money(f"{name}_{days}d", doc, sql, f"where {name} is", days) for days in WINDOWS]


def _net(days: int) -> Feature:
    """Over a window."""
    inside = [f"coalesce(sum({name}) FILTER (WHERE event_date >= :since), 0)" for name in ("gross", "returned")]
    known = "sum(gross) IS NOT NULL OR sum(returned) IS NOT NULL"
    sql = f"CASE WHEN {known} THEN {inside[0]} - {inside[1]} END"
    return money(f"net_spend_{days}d", "spend less returned", sql, "where net_spend is", days, low=None)


PAID = [
    money("spend", "all purchase lines before as_of", "sum(gross)", _UNPRICED),
    *_within("spend", "purchase lines", "gross"),
    money("returned", "all return lines before as_of", "sum(returned)", _UNPRICED),
    *_within("returned", "return lines", "returned"),
    money("net_spend", "spend less returned, may be negative",
          "CASE WHEN sum(gross) IS NOT NULL OR sum(returned) IS NOT NULL "
          "THEN coalesce(sum(gross), 0) - coalesce(sum(returned), 0) END", "where neither is known", low=None),
    *map(_net, WINDOWS),
    money("discount", "taken off all purchase lines before as_of", "sum(discount)", "where no line tells it"),
    *_within("discount", "taken off purchase lines", "discount"),
    Feature("discount_share", DoubleType(), "user",
            "CASE WHEN spend + coalesce(discount, 0) > 0 "
            "THEN CAST(coalesce(discount, 0) AS DOUBLE) / CAST(spend + coalesce(discount, 0) AS DOUBLE) END",
            "share of the price before discounts that was taken off, all purchase lines", "share",
            "where nothing was paid", low=0, high=1),
    Feature("discounted_line_share", DoubleType(), "days",
            "try_divide(sum(discounted_lines), sum(purchases) FILTER (WHERE discounted_lines IS NOT NULL))",
            "share of the purchase lines of goods that were bought at a discount", "share",
            "if no goods were bought since discounts are counted", low=0, high=1),
    Feature("return_rate", DoubleType(), "user",
            "CASE WHEN pieces > 0 THEN least(1D, returned_pieces / pieces) END",
            "returned pieces of goods per piece bought, at most 1", "share", "if no piece was counted",
            low=0, high=1),
]  # fmt: skip
