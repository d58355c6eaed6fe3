"""What the rows of a feed may become, and which columns say what of whom and when."""

from dataclasses import dataclass
from typing import Literal

from shoal.tables import CATEGORY_CHANGES, EVENTS, ITEM_CHANGES, USER_CHANGES, Table

Subject = Literal["events", "items", "users", "categories"]


@dataclass(frozen=True)
class Target:
    """The table that the good rows of a feed enter."""

    table: Table
    row: str  # what one row is, for people
    needed: tuple[str, ...]  # columns that the mapping must fill
    time: str  # when it was, or when it holds from
    money: tuple[str, ...]  # prices, in `currency`
    about: str = ""  # of a change: whom or what it is said of

    @property
    def is_change(self) -> bool:
        """True for what is said of a thing from some moment on; false for what happened."""
        return self.table is not EVENTS

    @property
    def a_row(self) -> str:
        """One row with its article."""
        return f"a {self.row}" if self.is_change else f"an {self.row}"


TARGETS: dict[Subject, Target] = {
    "events": Target(EVENTS, "event", ("event_type", "event_time"), "event_time", ("unit_price",)),
    "items": Target(ITEM_CHANGES, "change of an item", ("item_id",), "changed_at", ("price", "cost"), "item_id"),
    "users": Target(USER_CHANGES, "change of a user", ("user_id",), "changed_at", (), "user_id"),
    "categories": Target(CATEGORY_CHANGES, "change of a category", ("category_id",), "changed_at", (), "category_id"),
}
# What ingest and validate give themselves.
GIVEN = {
    "event_id", "event_date", "amount_base", "change_id", "changed_date", "delivered_at", "first_delivered_at",
    "source", "batch_id", "content_hash", "extra",
}  # fmt: skip
