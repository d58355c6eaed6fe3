"""The book of what ran: ``ops.runs``. The features stage opens a run; the later stages join it."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

import shoal
from shoal.errors import ConfigError, DataError, GateError
from shoal.lake import Lake
from shoal.sources import Feed
from shoal.tables import METRICS, RUNS, Table


@dataclass(frozen=True)
class Replay:
    """Which rejected rows a person wants to be judged again."""

    batch_ids: tuple[str, ...]
    reasons: tuple[str, ...] = ()  # names of rules; none: whatever they were rejected for
    mappings: tuple[str, ...] = ()  # files of mended feeds


@dataclass(frozen=True)
class News:
    """What a stream has seen of the inputs of a run."""

    names: frozenset[str] | None  # paths of the files that have come; None: whatever is not known yet, a part at a time
    feeds: Mapping[str, Feed]  # as they were declared when the stream began, by how they are given
    is_first: bool = False  # of its command, which finishes what another has begun


@dataclass
class Run:
    """One run of one job, as the job sees it, and what it leaves in the book."""

    job: str
    started_at: datetime  # UTC
    as_of: date | None = None
    id: str | None = None
    inputs: tuple[tuple[str, str], ...] = ()  # (feed, path) of --feed and --input
    retry_refused: bool = False
    replay: Replay | None = None
    news: News | None = None  # of a stream: only these files are read; None: all that the inputs name
    versions_read: dict[str, int] = field(default_factory=dict)
    previous_seq: int | None = None  # release that was current when the run was opened
    rows: int | None = None
    files: int = 0  # that ingest has read
    batches: int = 0  # that it has read them as
    is_cut: bool = False  # of a stream: more was there than one batch may hold
    refused: list[str] = field(default_factory=list)  # of a stream, which goes on
    outcome: str = "done"
    warnings: list[str] = field(default_factory=list)
    tell: Callable[[str, str], None] = print  # shows a note or a warning at once

    @property
    def day(self) -> date:
        """``as_of``, which every stage from features on has."""
        assert self.as_of is not None, f"{self.job} was started without as_of"
        return self.as_of

    @property
    def key(self) -> str:
        """The run's id, once it is open."""
        assert self.id is not None, f"{self.job} has not joined a run"
        return self.id

    @property
    def slice(self) -> str:
        """Condition that picks this run's rows of a gold or features table."""
        return f"run_id = '{self.key}'"

    def warn(self, sentence: str) -> None:
        """Say something that a person should look at; the run goes on."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            self.tell("warning", sentence)

    def stand_in(self, lacking: str, instead: str, strict: bool) -> None:
        """Say that a model did not pass its gate or lacks data, and what is done instead; with ``strict``, stop.

        Raises:
            GateError: ``strict`` was set.
        """
        if strict:
            raise GateError(f"{lacking} (strict is set)")
        self.warn(f"{lacking}; {instead}")

    def note(self, sentence: str) -> None:
        """Say something worth knowing."""
        self.tell("note", sentence)

    def report(self, sentence: str) -> None:
        """Say what became of what came in, which a stream sums up in a line of its own."""
        self.tell("report", sentence)

    def refuse(self, sentence: str) -> None:
        """Say that data are refused: a call ends with it, a stream goes on with the rest.

        Raises:
            DataError: this is no stream.
        """
        if self.news is None:
            raise DataError(sentence)
        self.refused.append(sentence)
        self.warn(sentence)

    def nothing_new(self, sentence: str) -> None:
        """Say that there was nothing to do."""
        self.outcome = "nothing new"
        self.report(sentence)


def run_id_of(as_of: date, settings_hash: str, versions: Mapping[str, int]) -> str:
    """``as_of`` and twelve hex digits: the same settings, code and silver make the same run."""
    said = json.dumps([str(as_of), settings_hash, code_version(), sorted(versions.items())])
    return f"{as_of}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"


@cache
def code_version() -> str:
    """Package version, and a hash of its files so that a development tree tells its states apart."""
    digest = hashlib.sha256()

    def add(entry: Traversable, name: str) -> None:
        if entry.is_dir():
            for child in sorted(entry.iterdir(), key=lambda c: c.name):
                if child.name != "__pycache__":
                    add(child, f"{name}/{child.name}")
        elif name.endswith(".py"):
            digest.update(name.encode() + b"\0" + entry.read_bytes())

    for package in ("shoal", "shoal.jobs"):
        root = files(package)
        for child in sorted(root.iterdir(), key=lambda c: c.name):
            if child.name not in {"jobs", "conf", "__pycache__"}:  # inside the wheel they lie in shoal/
                add(child, f"{package}/{child.name}")
    return f"{shoal.__version__}+{digest.hexdigest()[:12]}"


def join_run(lake: Lake, run: Run, settings_hash: str) -> bool:
    """Find the open run of this day and these settings, or the one that was asked for, and pin its versions.

    Returns:
        False when this job was already done in that run.

    Raises:
        ConfigError: there is no such run; says how to open one.
    """
    rows = lake.read(RUNS).where("job = 'features' AND outcome = 'done'").collect()
    fitting = [
        row for row in rows
        if (row["run_id"] == run.id if run.id else row["as_of"] == run.day and row["settings_hash"] == settings_hash)
    ]  # fmt: skip
    if not fitting:
        wanted = f"run {run.id}" if run.id else f"run for {run.day} with these settings"
        raise ConfigError(f"there is no {wanted} in {lake.location}; `shoal features --as-of {run.day}` opens one")
    of_this_code = [row for row in fitting if row["code_version"] == code_version()]  # a deployment may be undone
    opened = max(of_this_code or fitting, key=lambda row: row["started_at"])
    if (opened["as_of"], opened["settings_hash"]) != (run.day, settings_hash):
        raise ConfigError(f"run {opened['run_id']} was opened for {opened['as_of']}, or with other settings than these")
    if opened["code_version"] != code_version():
        raise ConfigError(
            f"run {opened['run_id']} was opened by Shoal {opened['code_version']}, this is {code_version()}; "
            f"`shoal features --as-of {run.day}` opens one of this code"
        )
    adopt(run, opened)
    return not is_done(lake, run)


def read_if_there(lake: Lake, run: Run, table: Table) -> DataFrame | None:
    """A table at the version that the run is pinned to; None where it did not exist then."""
    version = run.versions_read.get(table.name)
    return None if version is None else lake.read(table, version)


def opened(lake: Lake, run_id: str) -> Row | None:
    """The row with which the features stage opened a run; None if it has not."""
    return lake.read(RUNS).where(f"job = 'features' AND outcome = 'done' AND run_id = '{run_id}'").first()


def opened_among(lake: Lake, run_ids: Collection[str]) -> set[str]:
    """Those of these runs that the features stage has opened."""
    rows = lake.read(RUNS).where("job = 'features' AND outcome = 'done'").where(F.col("run_id").isin([*run_ids]))
    return {row["run_id"] for row in rows.select("run_id").collect()}


def is_older(lake: Lake, run: Run, than: str) -> bool:
    """True where another run was opened on newer data, or later on the same.

    Args:
        than: id of the other run.
    """
    mine, other = opened(lake, run.key), opened(lake, than)
    return mine is not None and other is not None and _age(mine) < _age(other)


def _age(opened: Row) -> tuple[int, datetime]:
    """Orders runs by what they know: no version of silver ever falls, so that newer data have the greater sum."""
    silver = (version for name, version in opened["versions_read"].items() if name.startswith("silver."))
    return sum(silver), opened["started_at"]


def adopt(run: Run, opened: Row) -> None:
    """Take over what the features stage has fixed."""
    run.id, run.as_of = opened["run_id"], opened["as_of"]
    run.versions_read = dict(opened["versions_read"])
    run.previous_seq = opened["previous_seq"]


def is_done(lake: Lake, run: Run) -> bool:
    """True when this job already ended well in this run."""
    done = lake.read(RUNS).where(f"job = '{run.job}' AND run_id = '{run.key}' AND outcome = 'done'")
    return not done.isEmpty()


def require_done(lake: Lake, run: Run, jobs: Sequence[str]) -> list[Row]:
    """The rows of jobs that ended well in this run.

    Raises:
        ConfigError: some of ``jobs`` have not.
    """
    done = lake.read(RUNS).where(f"{run.slice} AND outcome = 'done'").select("job", "warnings").collect()
    missing = [name for name in jobs if name not in {row["job"] for row in done}]
    if missing:
        raise ConfigError(f"run {run.id} lacks {', '.join(missing)}; run `shoal {missing[0]} --as-of {run.day}` first")
    return done


def record_runs(
    lake: Lake,
    done: Sequence[Run],
    *,
    seconds: float,
    error: str | None,
    settings: Mapping[str, Any],
    settings_hash: str,
) -> None:
    """Write the rows of runs, in one commit.

    Args:
        seconds: that they took together; each is said to have had the same share.
    """
    said = {
        "seconds": seconds / len(done),
        "versions_written": dict(lake.written),
        "error": error,
        "settings_hash": settings_hash,
        "settings": json.dumps(settings, sort_keys=True),
        "code_version": code_version(),
    }
    lake.record(RUNS, [{**said, **_row(run, failed=error is not None)} for run in done])


def _row(run: Run, *, failed: bool) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "job": run.job,
        "as_of": run.as_of,
        "started_at": run.started_at,
        "outcome": "failed" if failed else run.outcome,
        "rows": run.rows,
        "versions_read": run.versions_read,
        "previous_seq": run.previous_seq,
        "warnings": run.warnings,
    }


def record_metrics(lake: Lake, run: Run, stage: str, measured: Sequence[tuple[str, Any]]) -> None:
    """Write a stage's metrics, in place of those an earlier try has left.

    Args:
        measured: pairs of entry name and ``models.metric.Metric``.
    """
    rows = [{"run_id": run.key, "stage": stage, "entry": entry, **vars(metric)} for entry, metric in measured]
    lake.record(METRICS, rows, where=f"{run.slice} AND stage = '{stage}'")
