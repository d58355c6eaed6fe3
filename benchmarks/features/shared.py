"""The features that all contestants have, over six windows, and whether their tables are equal."""

from collections.abc import Sequence
from datetime import date, timedelta

from benchmarks.engines import duckdb_connection
from benchmarks.features.work import AS_OF
from shoal.tables.feature import WINDOWS

# Name over a window: its name over all that was before.
_NAMES = {
    "views": "views", "purchases": "purchases", "orders": "frequency", "active_days": "active_days",
    "distinct_items": "distinct_items", "distinct_items_viewed": "distinct_items_viewed", "spend": "spend",
}  # fmt: skip
EVER = date(1900, 1, 1)

LOOKED = "event_type IN ('view', 'click', 'cart', 'purchase')"
BOUGHT = "event_type = 'purchase'"
VIEWED = "event_type IN ('view', 'click')"


def windows() -> list[tuple[str, date]]:
    """The ending of names over each window, empty for the whole, and the first day that is seen."""
    return [("", EVER), *((f"_{days}d", AS_OF - timedelta(days=days)) for days in WINDOWS)]


def name_of(feature: str, ending: str) -> str:
    """As ``features.users`` names it."""
    return f"{feature}{ending}" if ending else _NAMES[feature]


NAMES = [name_of(feature, ending) for ending, _ in windows() for feature in _NAMES]


def found(relation: str, given: object = None) -> dict[str, object]:
    """How many users a table has, the sum of each feature, and a hash over all of it; a null is nothing.

    Args:
        relation: SQL of the table, or the name under which ``given`` is known.
        given: an Arrow data set.
    """
    connection = duckdb_connection()
    if given is not None:
        connection.register(relation, given)
    typed = ", ".join(f"CAST(coalesce({name}, 0) AS DECIMAL(18, 2)) AS {name}" for name in NAMES)
    rows = f"SELECT user_id, {typed} FROM {relation}"
    sums = ", ".join(f"CAST(sum({name}) AS DOUBLE)" for name in NAMES)
    told = connection.execute(
        f"SELECT count(*), CAST(bit_xor(hash(user_id, {', '.join(NAMES)})) AS VARCHAR), {sums} FROM ({rows})"
    ).fetchall()[0]
    return {"users": told[0], "table": told[1], "sums": dict(zip(NAMES, told[2:], strict=True))}


def joined(columns: Sequence[str]) -> str:
    """Columns of a SELECT."""
    return ",\n  ".join(columns)
