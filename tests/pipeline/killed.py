"""Run the command line and die by SIGKILL at one moment of one commit: ``killed.py NUMBER MOMENT ARGUMENTS...``."""

import os
import signal
import sys
from itertools import count

import shoal.lake
from shoal.cli import main


def die_at(number: int, moment: str) -> None:
    """Have this process killed when the commit of that number (from 0) is about to begin, or has ended."""
    counters = {"before": count(), "after": count()}

    def observe(now: str, operation: str, table: str) -> None:
        if next(counters[now]) == number and now == moment:
            print(f"killed {moment} {operation} of {table}", file=sys.stderr, flush=True)
            os.killpg(os.getpgid(0), signal.SIGKILL)  # the JVM too, which would otherwise end its work

    shoal.lake.observe = observe


if __name__ == "__main__":
    die_at(int(sys.argv[1]), sys.argv[2])
    main(sys.argv[3:])
