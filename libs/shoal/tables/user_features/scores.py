"""How a buyer stands among the buyers: recency, frequency and monetary value, in fifths.

A score says how many of the edges a value has passed, so equal values have equal scores. The edges are those of the
first day of the month (``features.limits``, scope ``buyer``): within a month a score moves because the user has done
something or has been silent, never because others have.
"""

from pyspark.sql.types import IntegerType, StringType

from shoal.tables.feature import Feature

_NULL = "if never bought"


def _score(name: str, what: str, best: str, passed: str, null: str) -> list[Feature]:
    edges = f"_{name}_edges"
    return [
        Feature(edges, None, "limits", "", f"fifths of {what} among buyers, on the first day of the month of as_of",
                sources=("features.limits.edges",)),
        Feature(f"{name}_score", IntegerType(), "user",
                f"CASE WHEN frequency > 0 AND {what} IS NOT NULL "
                f"THEN 1 + size(filter({edges}, edge -> {what} {passed} edge)) END",
                f"1 to 5 among the buyers of the first day of the month of as_of, by {what}: 5 is {best}", "score",
                null, low=1, high=5),
    ]  # fmt: skip


SCORES = [
    *_score("recency", "recency_days", "the most recent", "<=", _NULL),
    *_score("frequency", "frequency", "the most orders", ">", _NULL),
    *_score("monetary", "net_spend", "the highest net spend", ">", f"{_NULL}, or without prices"),
    Feature("rfm", StringType(), "user", "concat(recency_score, frequency_score, monetary_score)",
            "recency_score, frequency_score and monetary_score side by side, as 543", "three digits",
            f"{_NULL}, or without prices"),
]  # fmt: skip
