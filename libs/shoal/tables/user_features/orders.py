"""Orders: what is in them, how evenly they come, and when the next is due.

Days with an order are taken one after the other; two orders of a day are one step. What is said of their spread is the
standard deviation of all there are (divided by their number), and is only said from the third on.
"""

from pyspark.sql.types import BooleanType, DateType, DoubleType

from shoal.tables.feature import Feature

_BEFORE_THIRD = "before the third day with an order"
_ORDERED = "FILTER (WHERE orders > 0)"
_LATEST = 3  # order days that a trend compares with all


def _step(name: str, sql: str) -> Feature:
    return Feature(name, None, "user", sql)


def _mean(values: str) -> str:
    return f"(aggregate({values}, 0D, (so_far, x) -> so_far + x) / size({values}))"


def _spread(values: str) -> str:
    squares = f"aggregate({values}, 0D, (so_far, x) -> so_far + power(x - {_mean(values)}, 2))"
    return f"CASE WHEN size({values}) >= 2 THEN sqrt({squares} / size({values})) END"


def _trend(values: str) -> str:
    latest = f"slice({values}, -{_LATEST}, {_LATEST})"
    is_enough = f"size({values}) > {_LATEST} AND {_mean(values)} > 0"
    return f"CASE WHEN {is_enough} THEN {_mean(latest)} / {_mean(values)} END"


STEPS = [
    Feature("_order_days", None, "orders", "array_sort(collect_list(struct(event_date, orders, purchases, gross)))"),
    _step("_gaps",
          "CASE WHEN size(_order_days) >= 2 THEN transform(sequence(1, size(_order_days) - 1), "
          "n -> CAST(datediff(_order_days[n].event_date, _order_days[n - 1].event_date) AS DOUBLE)) ELSE array() END"),
    _step("_sorted_gaps", "array_sort(_gaps)"),
    _step("_values",
          "transform(filter(_order_days, x -> x.gross IS NOT NULL), x -> CAST(x.gross AS DOUBLE) / x.orders)"),
    _step("_sizes", "transform(_order_days, x -> x.purchases / x.orders)"),
]  # fmt: skip

BASKETS = [
    Feature("is_buyer", BooleanType(), "user", "frequency > 0", "bought at least once before as_of", "yes or no"),
    Feature("order_value", DoubleType(), "user", "CASE WHEN frequency > 0 THEN CAST(spend AS DOUBLE) / frequency END",
            "mean spend per order", "shop's currency", "if never bought, or never at a known price", low=0),
    Feature("order_value_spread", DoubleType(), "user", _spread("_values"),
            "standard deviation, over the days with an order, of what the day's orders were worth each",
            "shop's currency", "before the second such day at a known price", low=0),
    Feature("order_value_trend", DoubleType(), "user", _trend("_values"),
            f"what orders were worth on the last {_LATEST} days with one, over the mean of all such days: above 1 they "
            "are becoming larger", "ratio", f"with no more than {_LATEST} such days at a known price", low=0),
    Feature("last_order_value", DoubleType(), "user", "try_element_at(_values, -1)",
            "what the orders of the last day with one at a known price were worth each", "shop's currency",
            "without one", low=0),
    Feature("basket_size", DoubleType(), "user", "CASE WHEN frequency > 0 THEN purchases / frequency END",
            "mean purchase lines of goods per order", "lines", "if never bought", low=0),
    Feature("basket_size_spread", DoubleType(), "user", _spread("_sizes"),
            "standard deviation, over the days with an order, of the lines of goods per order of the day", "lines",
            "before the second day with an order", low=0),
    Feature("basket_size_trend", DoubleType(), "user", _trend("_sizes"),
            f"lines of goods per order on the last {_LATEST} days with one, over the mean of all such days", "ratio",
            f"with no more than {_LATEST} such days, or without goods", low=0),
    Feature("pieces_per_order", DoubleType(), "user", "CASE WHEN frequency > 0 THEN pieces / frequency END",
            "mean pieces of goods per order", "pieces", "if never bought", low=0),
]  # fmt: skip

GAPS = [
    # Of all gaps together the first and the last day are enough, and models ask for their mean at every cut.
    Feature("gap_days", DoubleType(), "days",
            f"CASE WHEN count(event_date) {_ORDERED} > 1 THEN "
            f"datediff(max(event_date) {_ORDERED}, min(event_date) {_ORDERED}) "
            f"/ (count(event_date) {_ORDERED} - 1) END",
            "mean time between days with an order", "days", "before the second", low=0),
    Feature("gap_median_days", DoubleType(), "user",
            "CASE WHEN size(_gaps) >= 1 THEN "
            "(_sorted_gaps[(size(_gaps) - 1) div 2] + _sorted_gaps[size(_gaps) div 2]) / 2 END",
            "median time between days with an order", "days", "before the second", low=0),
    Feature("gap_spread_days", DoubleType(), "user", _spread("_gaps"),
            "standard deviation of the times between days with an order", "days", _BEFORE_THIRD, low=0),
    Feature("gap_variation", DoubleType(), "user", "gap_spread_days / gap_days",
            "spread of the times between days with an order over their mean: 0 is a clock, about 1 is chance", "ratio",
            _BEFORE_THIRD, low=0),
    Feature("next_order_date", DateType(), "user",
            "CASE WHEN size(_gaps) >= 2 THEN "
            "date_add(try_element_at(_order_days, -1).event_date, CAST(round(gap_median_days) AS INT)) END",
            "when the next order is due: the median gap after the last day with one; gap_spread_days says how surely",
            "shop-local day", _BEFORE_THIRD),
    Feature("overdue_ratio", DoubleType(), "user", "CASE WHEN size(_gaps) >= 2 THEN recency_days / gap_median_days END",
            "days since the last order over the median gap: above 1 the next is overdue", "ratio", _BEFORE_THIRD,
            low=0),
]  # fmt: skip
