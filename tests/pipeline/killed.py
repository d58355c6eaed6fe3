"""Run the command line and die by SIGKILL: ``killed.py MOMENT SURVIVED ARGUMENTS...``.

Death comes before or after (MOMENT) the first commit that the file SURVIVED does not name, and is written there.
"""

import os
import signal
import sys
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
            os.killpg(os.getpgid(0), signal.SIGKILL)  # the JVM too, which would otherwise end its work

    shoal.lake.observe = observe


if __name__ == "__main__":
    die_once_at_each(sys.argv[1], Path(sys.argv[2]))
    main(sys.argv[3:])
