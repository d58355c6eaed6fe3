"""How a write meets other writers: who waits, and who tries again."""

import contextlib
import fcntl
import logging
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from delta import exceptions as conflicts

from shoal.errors import LakeError, RaceError

log = logging.getLogger(__name__)

_TRIES = 6
_CONFLICTS = tuple(getattr(conflicts, name) for name in conflicts.__all__)  # in Python they have no common base


@contextlib.contextmanager
def alone(root: str, table: str) -> Iterator[None]:
    """Keep other processes from writing a table of a lake on this machine's disk meanwhile.

    There, Delta looks whether a version exists and then renames, and a rename replaces: of two processes
    that do so in the same instant one would lose its commit and never know. A killed process holds no lock.

    Raises:
        LakeError: the folder cannot be written to.
    """
    folder = Path(root) / "_locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = (folder / table).open("w")
    except OSError as error:
        raise LakeError(f"the lake {root} cannot be written: {error.filename}: {error.strerror}") from error
    with held as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def with_retries(table: str, write: Callable[[], object]) -> None:
    """Run a write that may lose a race, a bounded number of times, with a growing and random pause.

    Raises:
        RaceError: it lost every time.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            write()
            return
        except _CONFLICTS as error:
            if attempt == _TRIES:
                raise RaceError(f"{table}: lost {_TRIES} races against other writers; run the command again") from error
            pause = random.uniform(0.5, 1.0) * 2**attempt / 8
            log.info("%s: another writer was first, trying again in %.1f s", table, pause)
            time.sleep(pause)
