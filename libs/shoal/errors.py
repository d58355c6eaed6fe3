"""Every error Shoal raises on purpose, and the exit code each one ends with.

Catch ``ShoalError`` to catch them all. A message names the place, the value and what to do; where several
things are wrong, it lists them together.
"""

import difflib
from collections.abc import Iterable


class ShoalError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class ConfigError(ShoalError):
    """Settings, arguments or the surroundings cannot be used; nothing that was published has changed."""

    exit_code = 2


class LakeError(ConfigError):
    """The lake cannot be used by this version of Shoal, or a table that is needed is not there."""


class DataError(ShoalError):
    """Input was refused; nothing that was published has changed."""

    exit_code = 3


class GateError(DataError):
    """A batch, or with ``strict`` a model, did not pass its gate."""


class RaceError(ShoalError):
    """Other writers were first, again and again; running the command once more is safe."""


class PublishRaceError(RaceError):
    """Other runs published first, again and again; running the command once more is safe."""

    exit_code = 4


class SchemaError(ShoalError):
    """A DataFrame does not have the columns its table declares: a fault in Shoal, not in the data."""

    def __init__(self, table: str, problems: list[str]) -> None:
        self.table = table
        self.problems = problems
        super().__init__(f"{table}: " + "; ".join(problems))


def bulleted(headline: str, problems: Iterable[str], limit: int = 12, *, total: int | None = None) -> str:
    """A message with one line per problem, bounded: ``... and 37 more``.

    Args:
        total: how many problems there are, where only the first of them are given.
    """
    lines = [*problems]
    left = (len(lines) if total is None else total) - min(len(lines), limit)
    more = [f"  ... and {left:,} more"] if left else []
    return "\n".join([headline, *(f"  {line}" for line in lines[:limit]), *more])


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str | None = None) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or else those that there are.

    Args:
        otherwise: what to say where none is near, in place of those that there are.
    """
    names = sorted(known)
    spelt = {one.lower(): one for one in names}
    if near := difflib.get_close_matches(name.lower().replace("-", "_"), spelt, n=1):
        return f"; did you mean {spelt[near[0]]}?"
    if otherwise is not None:
        return otherwise
    return f"; there are {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}" if names else ""
