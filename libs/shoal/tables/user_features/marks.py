"""What is out of the ordinary; transforms/suspects.py and transforms/outliers.py say how it is found out."""

from pyspark.sql.types import ArrayType, BooleanType, LongType, StringType

from shoal.tables.feature import Feature

_LOOKS = (
    *(f"features.user_days.{name}" for name in ("views", "searches", "favourites", "carts", "purchases", "returns")),
    "features.user_days.look_hours", "features.user_days.first_at", "features.user_days.last_at",
    "features.user_item_days.views", "features.user_item_days.favourites", "features.user_item_days.carts",
    "features.limits.upper",
)  # fmt: skip
_BOUGHT = (
    *(f"features.user_item_days.{name}" for name in ("purchases", "pieces", "gross", "priced_pieces")),
    "features.limits.upper", "features.limits.lower",
)  # fmt: skip

MARKS = [
    Feature("is_suspect", BooleanType(), "limits", "",
            "behaves as no human does: models do not learn from such users, and they are in no segment and no list",
            "yes or no", sources=_LOOKS),
    Feature("suspect_reasons", ArrayType(StringType()), "limits", "",
            "measures of features.limits beyond whose limit the user lies, empty unless is_suspect", "names",
            sources=_LOOKS),
    Feature("extreme_purchases", LongType(), "limits", "",
            "items and days, of whatever year, of which the pieces bought, or the price, lie beyond the limits that "
            "features.limits has learned from its last features.limits.days", "count", otherwise=0, low=0,
            sources=_BOUGHT),
]  # fmt: skip
