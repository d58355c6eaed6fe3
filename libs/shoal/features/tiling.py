"""Tiles kept current: the days that batches have touched are built anew, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books import batches, facts
from shoal.books.batches import Batch
from shoal.books.runs import Run
from shoal.config import Config
from shoal.errors import ConfigError, RaceError
from shoal.features import people
from shoal.lake import Lake
from shoal.tables import (
    EVENTS,
    IDENTITIES,
    ORDERS,
    USER_DAYS,
    USER_ITEM_DAYS,
    VISITOR_DAYS,
    VISITOR_ITEM_DAYS,
    Table,
)
from shoal.transforms import tiles

_THROUGH = "through_sequence"
# Settings that hold for all tiles of a lake, as those are read together; and since when.
_LASTING = {
    "tile_buckets": "from the settings when the lake was made",
    "session_gap_minutes": "from the settings when sessions were first counted",
}
_TILES = (USER_DAYS, USER_ITEM_DAYS, VISITOR_DAYS, VISITOR_ITEM_DAYS)
SILENT_DAYS, MOST_SILENT_DAYS = 31, 366  # without events before a cut: a shop that rests, and a slip of the pen


@dataclass(frozen=True)
class Built:
    """Tiles as the features stage left them, and the silver that they were built from."""

    versions: Mapping[str, int]  # by table
    batches_since: int  # that have entered silver and are in no tile yet


def newest(lake: Lake) -> Built:
    """The newest tiles, for whoever only reads them.

    Raises:
        ConfigError: there are none, or they do not fit the batches that have entered silver.
    """
    stamps = {table.name: lake.last_stamp(table, _THROUGH) for table in _TILES if lake.exists(table)}
    if USER_DAYS.name not in stamps:
        raise ConfigError(f"{lake.location} holds no tiles yet; `shoal features --as-of DAY` builds them")
    through = {0 if stamp is None else int(stamp[1]) for stamp in stamps.values()}
    entered = {batch.row["sequence"]: batch for batch in batches.all_batches(lake) if batch.has_entered}
    if len(through) > 1 or max(through) not in entered:
        raise ConfigError(
            f"the tiles in {lake.location} are not those of its batches: a run was stopped, or rows were judged again; "
            "`shoal features --as-of DAY` builds them"
        )
    (last,) = through
    versions = {name: stamp[0] for name, stamp in stamps.items() if stamp is not None}
    since = sum(sequence > last for sequence in entered)
    return Built({**entered[last].row["silver_versions"], **versions}, since)


def known_days(events: DataFrame) -> tuple[date, date] | None:
    """The first and the last day of which there is an event; None where there is none.

    Args:
        events: rows of ``silver.events``.
    """
    span = events.where("NOT is_deleted").agg(F.min("event_date").alias("first"), F.max("event_date").alias("last"))
    first, last = span.first() or (None, None)
    return None if first is None or last is None else (first, last)


def refresh(lake: Lake, config: Config, run: Run, entered: list[Batch], pins: Mapping[str, int]) -> dict[str, int]:
    """Rebuild the days that batches have touched since the tiles were built; returns the tiles' versions."""
    held = _settled(lake, config, run)
    buckets, zone, gap = int(held["tile_buckets"]), held["time_zone"], int(held["session_gap_minutes"])
    events, orders = lake.read(EVENTS, pins[EVENTS.name]), lake.read(ORDERS, pins[ORDERS.name])
    build: dict[Table, Callable[[DataFrame, DataFrame], DataFrame]] = {
        USER_DAYS: lambda on_days, begun: tiles.user_days(on_days, begun, buckets=buckets, zone=zone, gap_minutes=gap),
        USER_ITEM_DAYS: lambda on_days, _: tiles.user_item_days(on_days, buckets=buckets),
    }
    if _visitors_matter(lake, events, pins):
        build |= {
            VISITOR_DAYS: lambda on_days, begun: tiles.visitor_days(
                on_days, begun, buckets=buckets, zone=zone, gap_minutes=gap
            ),
            VISITOR_ITEM_DAYS: lambda on_days, _: tiles.visitor_item_days(on_days, buckets=buckets),
        }
    through = max(batch.row["sequence"] for batch in entered)
    for table, built in build.items():
        stamp = lake.last_stamp(table, _THROUGH)
        done = int(stamp[1]) if stamp else 0
        if done >= through:
            continue
        days = sorted({d for b in entered if b.row["sequence"] > done for d in b.row["touched_days"]})
        if done == 0:
            rows, where = built(events, orders), None
        else:
            rows = built(events.where(F.col("event_date").isin(days)), orders.where(F.col("order_date").isin(days)))
            where = "event_date IN (" + ", ".join(f"DATE '{day}'" for day in days) + ")" if days else "false"
        # Who waited for another run that knows more batches must not write over its tiles.
        lake.replace(table, rows, where=where, once="tiles", number=through, stamp={_THROUGH: str(through)})
    return {table.name: _version_through(lake, table, through) for table in build}


def _settled(lake: Lake, config: Config, run: Run) -> dict[str, str]:
    """What the lake has settled, with what tiles are built by; other settings than these have no effect."""
    wanted = {name: str(getattr(config.features, name)) for name in _LASTING}
    held = facts.settle(lake, {name: (value, _LASTING[name]) for name, value in wanted.items()})
    for name, value in wanted.items():
        if held[name] != value:
            run.warn(f"features.{name}={value} has no effect: the tiles of this lake are made with {held[name]}")
    return held


def _visitors_matter(lake: Lake, events: DataFrame, pins: Mapping[str, int]) -> bool:
    """True from the first run on that knows a visitor who met a user and did something without one."""
    if IDENTITIES.name not in pins:
        return False
    if lake.exists(VISITOR_DAYS):
        return True
    return people.some_are_met(events.where(tiles.OF_VISITORS), lake.read(IDENTITIES, pins[IDENTITIES.name]))


def _version_through(lake: Lake, table: Table, through: int) -> int:
    """The newest version of the tiles, which must know the batches that this run knows, and no others."""
    stamp = lake.last_stamp(table, _THROUGH)
    assert stamp is not None, f"{table.name} was just built"
    version, known = stamp
    if int(known) != through:
        raise RaceError(f"{table.name}: another run has rebuilt the tiles from other batches; run the command again")
    return version
