"""Runs of different days that are built together: one run, or all that one pass over the tiles makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame

from shoal.books import runs as book
from shoal.books.runs import Run
from shoal.errors import RaceError
from shoal.lake import Lake
from shoal.tables import Table
from shoal.transforms.cuts import Cut, of_cut


@dataclass(frozen=True)
class Group:
    """One run or several, under what their rows are written."""

    runs: Sequence[Run]  # by day, ascending, each day once

    @property
    def cuts(self) -> list[date]:
        """The days of the runs."""
        return [run.day for run in self.runs]

    @property
    def day(self) -> date | None:
        """The day of the one run; None where there are several, and rows have each their own in ``as_of``."""
        return self.runs[0].day if len(self.runs) == 1 else None

    @property
    def own(self) -> tuple[str, ...]:
        """What a key has beside its own columns: ``as_of``, or nothing."""
        return Cut(self.day).own

    @property
    def run_id(self) -> str | Column:
        """The id of the one run, or of that of each row's day."""
        return self.runs[0].key if len(self.runs) == 1 else of_cut({run.day: run.key for run in self.runs})

    @property
    def slice(self) -> str:
        """Condition that picks the rows of these runs of a table."""
        if len(self.runs) == 1:
            return self.runs[0].slice
        return "run_id IN (" + ", ".join(f"'{run.key}'" for run in self.runs) + ")"

    def put(self, lake: Lake, table: Table, rows: DataFrame) -> None:
        """Write the rows of these runs in place of those that are there.

        One run's are written once, whoever else makes the same run. Those of several have no such name together: they
        are written by every try, so that all tables of a pass are of the same try, and only while none of the runs is
        open.

        Raises:
            RaceError: one of several runs was opened meanwhile.
        """
        self.require_waiting(lake)
        once = self.runs[0].key if len(self.runs) == 1 else None
        lake.replace(table, rows, where=self.slice, once=once)

    def require_waiting(self, lake: Lake) -> None:
        """Refuse to go on with several runs of which another process has opened one, and may have released it.

        Raises:
            RaceError: names them.
        """
        if len(self.runs) == 1:
            return
        if by_now := book.opened_among(lake, [run.key for run in self.runs]):
            raise RaceError(
                f"opened by another process meanwhile: {', '.join(sorted(by_now))}; run the command again, "
                "which leaves them as they are"
            )
