"""``shoal backfill``: the features of many days, a group of days in each pass over the tiles."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from shoal.books import runs
from shoal.books.runs import Run, code_version
from shoal.config import Config, check_columns, load_config, settings_hash
from shoal.errors import ConfigError, bulleted
from shoal.features import opening
from shoal.features.building import Building
from shoal.features.group import Group
from shoal.lake import Lake
from shoal.progress import Progress
from shoal.running.job import Arguments, make_ready, opened_lake, require_lake, written_down
from shoal.stages import named

NAME = "backfill"
Every = int | Literal["month"]  # days from one cut to the next, or the first of each month
_FEATURES = named("features").name


@dataclass(frozen=True)
class Range:
    """The days that are asked for, each the first that its run must not see."""

    first: date
    last: date  # among them, if a step ends there
    every: Every = 1

    @property
    def days(self) -> list[date]:
        """The days, ascending."""
        whole = [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]
        return [day for day in whole if day.day == 1] if self.every == "month" else whole[:: self.every]

    @property
    def ends(self) -> tuple[str, str]:
        """The first and the last of the days as a message names them, with the option where that is another day."""
        first, last = self.days[0], self.days[-1]
        return (
            f"--from {first}" if first == self.first else f"{first} (--from {self.first} --every month)",
            f"--to {last}" if last == self.last else f"{last} (--to {self.last})",
        )

    def check(self) -> None:
        """Refuse a range without a day.

        Raises:
            ConfigError: says why there is none.
        """
        if self.first > self.last:
            raise ConfigError(f"--from {self.first} is later than --to {self.last}; give the earlier day as --from")
        if not self.days:
            raise ConfigError(f"--every month: no month begins from {self.first} to {self.last}")


def backfill(wanted: Range, at_once: int | None, arguments: Arguments, progress: Progress) -> None:
    """Build the features of every day of a range that are not there yet.

    Raises:
        ShoalError: with its exit code; everything that can be checked before Spark starts was checked before.
    """
    config = load_config(arguments.config_files, arguments.sets, lake=arguments.lake)
    check_columns(config)
    wanted.check()
    with opened_lake(config, NAME, arguments, progress) as lake:
        backfill_on(lake, config, wanted, at_once, progress)


def backfill_on(lake: Lake, config: Config, wanted: Range, at_once: int | None, progress: Progress) -> list[str]:
    """Build the features of a range on an open lake, as runs that later stages can join; nothing is released.

    Args:
        at_once: cuts of a pass at most; None: as many as memory has room for.

    Returns:
        Ids of the runs of all days, by day, whether they were there before or not.
    """
    started = time.monotonic()
    wanted.check()
    require_lake(lake)
    make_ready(lake, config)
    ground = opening.ground(lake)
    days = opening.known_days(lake, ground, f"--from {wanted.first}")
    first_said, last_said = wanted.ends
    if problems := opening.problems_of(days, wanted.days, first_said=first_said, last_said=last_said):
        raise ConfigError(bulleted("cannot backfill:", problems))
    every_run = [_run(day, config, ground, progress) for day in wanted.days]
    there = runs.opened_among(lake, [run.key for run in every_run])
    waiting = [run for run in every_run if run.key not in there]
    if not waiting:
        progress.said(NAME, f"{_cuts(len(every_run))}: all of them are there already")
        progress.ended(NAME, "nothing new", None, time.monotonic() - started)
        return [run.key for run in every_run]
    for run in waiting:
        opening.warn_of_silence(days, run)

    stamped = lake.stamped(job=_FEATURES, code_version=code_version(), settings=settings_hash(config)[:12])
    lake.written.clear()
    people = opening.pinned(stamped, config, ground, waiting)
    building = Building(stamped, config, ground, days, people)
    size = at_once or building.cuts_per_pass([run.day for run in waiting])
    known = f", {len(there):,} there already" if there else ""
    progress.said(NAME, f"{_cuts(len(every_run))} from {every_run[0].day} to {every_run[-1].day}{known}; "
                  f"{min(size, len(waiting)):,} in a pass")  # fmt: skip
    rows = 0
    for place in range(0, len(waiting), size):
        group = waiting[place : place + size]
        rows += _pass(stamped, config, building, group)
        done, seconds = place + len(group), time.monotonic() - started
        left = timedelta(seconds=seconds / done * (len(waiting) - done))
        progress.advanced(
            NAME, f"cuts (to {group[-1].day})", done=len(there) + done, of=len(every_run), rows=rows, seconds=seconds,
            ends_at=datetime.now(UTC) + left if left else None,
        )  # fmt: skip
    progress.ended(NAME, "done", rows, time.monotonic() - started)
    return [run.key for run in every_run]


def _pass(lake: Lake, config: Config, building: Building, group: Sequence[Run]) -> int:
    """Build some runs and open them, all in one commit; returns how many rows of users they have.

    Raises:
        RaceError: another process has opened one of them meanwhile.
    """
    by_now = runs.opened_among(lake, [run.key for run in group])  # a run of the day may have come meanwhile
    opening_now = [run for run in group if run.key not in by_now]
    if not opening_now:
        return 0
    together = Group(opening_now)

    def built() -> None:
        # Passes take long: what is released meanwhile, runs that begin now know.
        ground = opening.renewed(lake, building.ground)
        opening.know_current(ground, opening_now)
        replace(building, ground=ground).build(together)
        together.require_waiting(lake)

    try:
        written_down(lake, config, opening_now, built)
    finally:
        lake.written.clear()
    return sum(run.rows or 0 for run in opening_now)


def _run(day: date, config: Config, ground: opening.Ground, progress: Progress) -> Run:
    """A run of the features stage, which tells its warnings with its day and keeps its notes to itself."""

    def tell(kind: str, sentence: str) -> None:
        if kind == "warning":
            progress.warned(NAME, f"{day}: {sentence}")

    run_id = runs.run_id_of(day, settings_hash(config), ground.pins)
    return Run(_FEATURES, datetime.now(UTC), as_of=day, id=run_id, tell=tell)


def _cuts(number: int) -> str:
    return "1 cut" if number == 1 else f"{number:,} cuts"
