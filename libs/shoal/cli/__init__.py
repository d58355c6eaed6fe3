"""The command line: jobs by their stage names, and tools."""

import os
import sys
import time
from collections.abc import Sequence

from shoal.cli import backfill, evaluate, features, jobs, tools  # noqa: F401 - they hang their commands on the root
from shoal.cli.root import shoal_command

__all__ = ["main", "run_job", "shoal_command"]


def run_job(name: str) -> None:
    """Run a job's file as a script, as spark-submit does: the same command, options and exit codes."""
    main([name, *sys.argv[1:]])


def main(argv: Sequence[str] | None = None) -> None:
    """The console script ``shoal``."""
    # Spark gives times to Python in the process's zone: here every time is UTC, also those that are shown.
    os.environ["TZ"] = "UTC"
    time.tzset()
    shoal_command.main(args=None if argv is None else [*argv], prog_name="shoal")
