"""Tiles kept current: the days that batches have touched are built anew, and nothing else."""

from collections.abc import Callable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal import facts, people
from shoal.batches import Batch
from shoal.config import Config
from shoal.errors import RaceError
from shoal.lake import Lake
from shoal.runs import Run
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
            run.warn(f"features.{name}={value} has no effect: the lake was made with {held[name]}")
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
