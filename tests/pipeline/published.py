"""What a lake shows, as values that can be compared: without run ids, model ids and provenance."""

from datetime import date, datetime
from typing import Any

from shoal.books import releases
from shoal.tables import CURRENT, EVENTS, ITEMS, ORDERS, REJECTED_EVENTS, USERS, Table

NOT_COMPARED = {
    "run_id",
    "model_id",
    "batch_id",
    "delivered_at",
    "first_delivered_at",
    "source_file",
    "position",
    "raw",
}


def published(shelf: Any, run_id: str | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each table that has a current view in a run, by default the current one; floats to six digits."""
    shown = run_id or releases.current(releases.history(shelf.lake))["run_id"]
    return {table.name: rows(shelf, table, f"run_id = '{shown}'") for table in CURRENT}


def silver(shelf: Any) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of silver."""
    return {table.name: rows(shelf, table) for table in (EVENTS, REJECTED_EVENTS, ORDERS, ITEMS, USERS)}


def rows(shelf: Any, table: Table, where: str = "true") -> list[tuple[Any, ...]]:
    names = [name for name in table.names if name not in NOT_COMPARED]
    found = [tuple(plain(value) for value in row) for row in shelf.read(table, where).select(*names).collect()]
    return sorted(found, key=repr)


def plain(value: Any) -> Any:
    match value:
        case float():
            return round(value, 6) + 0.0
        case list():
            return tuple(plain(part) for part in value)
        case dict():
            return tuple(sorted((key, plain(part)) for key, part in value.items()))
        case datetime() | date() | None:
            return str(value)
        case tuple():
            return tuple(plain(part) for part in value)
        case _:
            return value
