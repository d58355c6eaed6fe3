"""Runs of different days that are built together: one run, or all that one pass over the tiles makes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column

from shoal.books.runs import Run
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

    @property
    def once(self) -> str:
        """Name under which the rows of these runs, and of no others, are written once."""
        if len(self.runs) == 1:
            return self.runs[0].key
        said = "/".join(run.key for run in self.runs)
        return f"{len(self.runs)} runs/{hashlib.sha256(said.encode()).hexdigest()[:12]}"
