"""Run the command line and die by SIGKILL: ``killed.py MOMENT SURVIVED ARGUMENTS...``.

Death comes before or after (MOMENT) the first commit that the file SURVIVED does not name, and is written there.
A MOMENT such as 7.25 is a quarter of five seconds after the seventh commit was begun, whatever happens then.
"""

import os
import signal
import sys
import threading
from itertools import count
from pathlib import Path

import shoal.lake
from shoal.cli import main


def die_once_at_each(moment: str, survived: Path) -> None:
    """Have this process killed at the first commit that no process before it was killed at."""
    known = {*survived.read_text().splitlines()}

    def observe(now: str, operation: str, table: str) -> None:
        commit = f"{operation} {table}"
        if now == moment and commit not in known:
            with survived.open("a") as book:
                book.write(f"{commit}\n")
            die()

    shoal.lake.observe = observe


def die_some_time_after(commit: float) -> None:
    """Have this process killed in the midst of whatever it does, some part of five seconds after a commit was begun."""
    begun = count(1)

    def observe(now: str, _operation: str, _table: str) -> None:
        if now == "before" and next(begun) == int(commit):
            threading.Timer(5 * (commit % 1), die).start()

    shoal.lake.observe = observe


def die() -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)  # the JVM too, which would otherwise end its work


if __name__ == "__main__":
    if sys.argv[1] in {"before", "after"}:
        die_once_at_each(sys.argv[1], Path(sys.argv[2]))
    else:
        die_some_time_after(float(sys.argv[1]))
    main(sys.argv[3:])
