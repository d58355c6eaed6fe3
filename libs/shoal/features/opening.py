"""What runs stand on that are opened now, and the days for which they may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal.books import batches, releases
from shoal.books.batches import Batch
from shoal.books.runs import Run
from shoal.config import Config
from shoal.errors import ConfigError
from shoal.features import people, tiling
from shoal.features.people import People
from shoal.lake import Lake
from shoal.tables import EVENTS


@dataclass(frozen=True)
class Days:
    """The days that a lake knows something of."""

    first: date  # with an event
    last: date
    first_bought: date | None  # with a purchase


@dataclass(frozen=True)
class Ground:
    """Silver as it is now, and what was released."""

    entered: Sequence[Batch]
    pins: Mapping[str, int]  # versions of silver, by table
    releases: Sequence[Row]  # oldest first

    def shown(self, run: Run) -> Row | None:
        """The release that was current on the run's day: whoever fills in an older day knows no later one."""
        return releases.current([row for row in self.releases if row["as_of"] <= run.day])


def ground(lake: Lake) -> Ground:
    """What stands now.

    Raises:
        ConfigError: nothing has entered silver yet.
    """
    entered = [batch for batch in batches.all_batches(lake) if batch.has_entered]
    if not entered:
        raise ConfigError(f"{lake.location} holds no validated events yet; run ingest and validate first")
    last = max(entered, key=lambda batch: batch.row["sequence"])
    return Ground(entered, dict(last.row["silver_versions"]), releases.history(lake))


def days_of(events: DataFrame, said: str) -> Days:
    """The days of events.

    Args:
        events: rows of ``silver.events``.
        said: what was asked for, as ``--as-of 2025-06-30``.

    Raises:
        ConfigError: there is none.
    """
    bought_on = F.when(F.col("event_type") == "purchase", F.col("event_date"))
    span = events.where("NOT is_deleted").agg(
        F.min("event_date").alias("first"), F.max("event_date").alias("last"), F.min(bought_on).alias("first_bought")
    )
    found: Any = span.first()
    if found["first"] is None:
        raise ConfigError(
            f"{said}: nothing is known of any day: all that was delivered so far was rejected, ignored or "
            "taken back, or tells of items and users only; `shoal show` counts it"
        )
    return Days(found["first"], found["last"], found["first_bought"])


def problems_of(days: Days, cuts: Sequence[date], *, first_said: str, last_said: str) -> list[str]:
    """What is wrong with days for which runs are asked: nothing comes before, or they must be a slip.

    Later days would only be archived behind one that is far in the future.

    Args:
        cuts: ascending.
        first_said, last_said: what asked for the first and the last of them, as ``--as-of 2025-06-30``.
    """
    found = []
    if cuts[0] <= days.first:
        found.append(
            f"{first_said}: nothing is known before that day; events run from {days.first} to {days.last}, "
            "and as_of is the first day that must not be seen"
        )
    silent = (cuts[-1] - days.last).days - 1
    if silent > tiling.MOST_SILENT_DAYS:
        found.append(f"{last_said}: the last event is of {days.last}, {silent:,} days before; is that day meant?")
    return found


def warn_of_silence(days: Days, run: Run) -> None:
    """Say that nothing was delivered of the last month before a run's day."""
    silent = (run.day - days.last).days - 1
    if silent > tiling.SILENT_DAYS:
        run.warn(
            f"the last event before --as-of {run.day} is of {days.last}: nothing is known of the {silent} days between"
        )


def known_days(lake: Lake, of: Ground, said: str) -> Days:
    """:func:`days_of` the events that a ground pins."""
    return days_of(lake.read(EVENTS, of.pins[EVENTS.name]), said)


def pinned(lake: Lake, config: Config, of: Ground, opening: Sequence[Run]) -> People:
    """Bring the tiles of touched days up to date, and pin the runs to them and to silver.

    Args:
        opening: the runs, by day.
    """
    versions = {**of.pins, **tiling.refresh(lake, config, opening[-1], [*of.entered], of.pins)}
    for run in opening:
        run.versions_read = dict(versions)
    know_current(of, opening)
    return people.of_runs(lake, opening, config.features)


def know_current(of: Ground, opening: Sequence[Run]) -> None:
    """Note in runs which release each knows as current."""
    for run in opening:
        current = of.shown(run)
        run.previous_seq = current["seq"] if current else None


def renewed(lake: Lake, of: Ground) -> Ground:
    """The same silver, with what is released by now."""
    return replace(of, releases=releases.history(lake))
