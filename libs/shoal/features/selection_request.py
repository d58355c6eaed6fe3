"""What is asked of `shoal features report`: which run, which labels, how much alike repeats each other."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shoal.config import Config
from shoal.errors import ConfigError, bulleted
from shoal.models.selection.examining import SPEARMAN

NONE = "none"  # in place of a label
WITHIN = "bought_within"
_LABEL = re.compile(rf"^{WITHIN}:(\d+)$")
_MOST_DAYS = 730  # as the horizon of a propensity may be


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    run_id: str | None  # None: the current run
    horizons: tuple[int, ...]  # days within which who bought something has the label
    file: str | None  # of labels, in their place
    by: str = SPEARMAN  # whose correlation tells what repeats what
    threshold: float = 0.95
    sample: int = 100_000  # users, about as many at most
    seed: int = 42


def asked(
    config: Config, *, run_id: str | None, labels: Sequence[str], by: str, threshold: float, sample: int, seed: int
) -> Request:
    """A request as the command line says it; needs no Spark.

    Args:
        config: the settings, whose propensities are what is foretold by default.
        run_id: the run; None: the current one.
        labels: ``bought_within:DAYS``, each once, or one file, or ``none``; nothing: what the propensities foretell.
        by: pearson or spearman.
        threshold: from which size of correlation on features repeat each other.
        sample: users that are looked at, about as many at most.
        seed: of the draw.

    Raises:
        ConfigError: a label cannot be used; all of them.
    """
    wanted = [*dict.fromkeys(labels)]
    if not wanted:
        horizons = tuple(sorted({target.horizon_days for target in config.propensity.values()}))
        return Request(run_id, horizons, None, by, threshold, sample, seed)
    found = [(label, _LABEL.match(label)) for label in wanted]
    days = tuple(sorted({int(match[1]) for _, match in found if match}))
    files = [label for label, match in found if not match and label != NONE]
    problems = [*_problems(wanted, days, files)]
    if problems:
        raise ConfigError(bulleted("cannot use these labels:", problems))
    return Request(run_id, days, files[0] if files else None, by, threshold, sample, seed)


def _problems(wanted: Sequence[str], days: Sequence[int], files: Sequence[str]) -> Iterator[str]:
    for day in days:
        if not 1 <= day <= _MOST_DAYS:
            yield f"--label {WITHIN}:{day}: must be between 1 and {_MOST_DAYS} days"
    for file in files:
        if file.startswith(WITHIN):
            yield f"--label {file}: write it like {WITHIN}:30"
        elif "://" not in file and not any(sign in file for sign in "*?[{") and not os.path.exists(file):
            yield f"--label {file}: is neither a file that exists, nor like {WITHIN}:30, nor {NONE}"
    kinds = [bool(days), *[True for _ in files], NONE in wanted]
    if sum(kinds) > 1:
        yield f"--label: name {WITHIN}:DAYS, which may be repeated, or one file, or {NONE}; not several of these"
