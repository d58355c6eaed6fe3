"""A lake as it was known before a day: silver and tiles made of what had been delivered by then; nothing is written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.frames import persisted
from shoal.lake import Lake
from shoal.tables import (
    ACCOUNT_ALIASES,
    CATEGORY_CHANGES,
    EVENT_VERSIONS,
    EVENTS,
    IDENTITIES,
    ITEM_CHANGES,
    ITEMS,
    USER_CHANGES,
    USER_DAYS,
    USER_ITEM_DAYS,
    USERS,
    VISITOR_DAYS,
    VISITOR_ITEM_DAYS,
    Table,
)
from shoal.transforms import catalogue, derived, tiles
from shoal.transforms.accounts import account_aliases
from shoal.transforms.known import events_as_known


@dataclass(frozen=True)
class AsKnown:
    """Reads like a lake."""

    frames: Mapping[str, DataFrame]  # by table

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """The rows of a table as they were known; there is but one version of them."""
        del version
        return self.frames[table.name]


@contextmanager
def as_known(
    lake: Lake, versions: Mapping[str, int], *, known_as_of: date, zone: str, gap_minutes: int
) -> Iterator[AsKnown]:
    """What a lake would hold that had seen the deliveries of before a day alone; for as long as it is used.

    All events are read, and summed up as tiles anew: what that costs does not depend on how much is asked of it.
    Of what feeds said of items, people and categories, a version counts that was last delivered before the day; of one
    that was delivered again later it is not known that it came before.

    Args:
        lake: what stands now.
        versions: of the tables of silver, and of the tiles that there are.
        known_as_of: first shop-local day whose deliveries must not be seen.
        zone: the shop's.
        gap_minutes: the silence that ends a session, as the lake's tiles have it.
    """

    def read(table: Table) -> DataFrame:
        return lake.read(table, versions[table.name])

    def said(table: Table) -> DataFrame | None:
        if table.name not in versions:
            return None
        cut = F.to_utc_timestamp(F.lit(str(known_as_of)).cast("timestamp"), zone)
        return read(table).where(F.col("delivered_at") < cut)

    told = events_as_known(read(EVENTS), read(EVENT_VERSIONS), known_as_of=known_as_of, time_zone=zone)
    with persisted(told) as events:
        of_items, of_users, of_categories = said(ITEM_CHANGES), said(USER_CHANGES), said(CATEGORY_CHANGES)
        aliases = None if of_users is None else account_aliases(of_users)
        tree = lake.frame(CATEGORY_CHANGES, []) if of_categories is None else of_categories
        frames: dict[Table, DataFrame | None] = {
            EVENTS: events,
            ITEMS: derived.items(events, of_items, catalogue.categories(tree)),
            USERS: derived.users(events, of_users, aliases),
            USER_CHANGES: of_users,
            IDENTITIES: derived.identities(events),
            ACCOUNT_ALIASES: aliases,
            **_tiles(events, zone, gap_minutes),
        }
        yield AsKnown({table.name: rows for table, rows in frames.items() if rows is not None})


def _tiles(events: DataFrame, zone: str, gap_minutes: int) -> dict[Table, DataFrame]:
    """The tiles of all days; they are not kept, so how many buckets they have is no matter."""
    orders = derived.orders(events)
    return {
        USER_DAYS: tiles.user_days(events, orders, buckets=1, zone=zone, gap_minutes=gap_minutes),
        USER_ITEM_DAYS: tiles.user_item_days(events, buckets=1),
        VISITOR_DAYS: tiles.visitor_days(events, orders, buckets=1, zone=zone, gap_minutes=gap_minutes),
        VISITOR_ITEM_DAYS: tiles.visitor_item_days(events, buckets=1),
    }
