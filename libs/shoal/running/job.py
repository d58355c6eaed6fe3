"""Running stages: what each needs is built here, and how it ended is written into the book."""

import contextlib
import glob
import importlib
import logging
import os
import re
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError

from shoal.books import facts
from shoal.books.runs import Replay, Run, code_version, record_runs
from shoal.config import Config, check_columns, load_config, row_changing, settings_hash
from shoal.config.feed_files import feed_given
from shoal.errors import ConfigError, ShoalError, bulleted
from shoal.features import own as own_features
from shoal.lake import Lake
from shoal.progress import LogFormat, Progress
from shoal.session import build_session
from shoal.sources import FEEDS
from shoal.sources.readers import UNREADABLE, first_line
from shoal.stages import Stage
from shoal.tables import ALL, LAKE, SCHEMA_VERSION
from shoal.validate import rules

EVERY_TABLE = (*ALL, *(feed.table for feed in FEEDS.values()))
Job = Callable[[Lake, Config, Run], None]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arguments:
    """What the command line said."""

    config_files: tuple[Path, ...] = ()
    sets: tuple[str, ...] = ()
    lake: str | None = None
    as_of: date | None = None
    run_id: str | None = None
    inputs: tuple[tuple[str, str], ...] = ()  # (feed, path)
    retry_refused: bool = False
    replay: Replay | None = None
    stream: bool = False
    once: bool = False  # of a stream: what is there now, and no more
    every: float | None = None  # of a stream: seconds between looks
    verbose: bool = False
    log_format: LogFormat = "text"


def run_stages(stages: Sequence[Stage], arguments: Arguments, progress: Progress) -> None:
    """Run stages in order; the first that fails ends the command, and what is published stays as it was.

    Raises:
        ShoalError: with its exit code; everything that can be checked before Spark starts was checked before.
    """
    config = load_config(arguments.config_files, arguments.sets, lake=arguments.lake)
    check_columns(config)
    check_arguments(stages, arguments, config)
    with opened_lake(config, stages[0].name, arguments, progress) as lake:
        run_on(lake, stages, config, arguments, progress)


def run_on(lake: Lake, stages: Sequence[Stage], config: Config, arguments: Arguments, progress: Progress) -> str | None:
    """Run stages in order on an open lake; returns the id of the run they belong to, null before features."""
    if stages[0].name != "ingest":
        require_lake(lake)
    make_ready(lake, config)
    run_id = arguments.run_id
    for stage in stages:
        run_id = run_stage(stage, lake, config, arguments, progress, run_id)
    return run_id


def require_lake(lake: Lake) -> None:
    """Refuse a place where there is no lake."""
    if not lake.exists(LAKE):
        raise ConfigError(f"there is no lake at {lake.location} yet; `shoal ingest` makes one")


def make_ready(lake: Lake, config: Config) -> None:
    """Bring a lake to the schema of this version, or begin one.

    Raises:
        ConfigError: rules or features of the shop's own cannot be used; the lake is as it was.
    """
    rules.check(lake.spark, config)
    own_features.check(lake.spark, config)
    facts.upgrade(lake, EVERY_TABLE)
    facts.settle(lake, {"schema_version": (str(SCHEMA_VERSION), "made by this version")})


def run_stage(
    stage: Stage, lake: Lake, config: Config, arguments: Arguments, progress: Progress, run_id: str | None
) -> str | None:
    """Run one stage and write its row into ``ops.runs``; returns the run's id."""
    run = Run(
        job=stage.name,
        started_at=datetime.now(UTC),
        as_of=arguments.as_of if stage.needs_as_of else None,
        id=run_id if stage.needs_as_of else None,
        inputs=arguments.inputs,
        retry_refused=arguments.retry_refused,
        replay=arguments.replay,
        tell=lambda kind, text: (
            progress.warned(stage.name, text) if kind == "warning" else progress.said(stage.name, text)
        ),
    )
    with progress.working(stage.name, stage.doc):
        seconds = carry_out(stage, lake, config, run)
    progress.ended(stage.name, run.outcome, run.rows, seconds)
    return run.id


def carry_out(stage: Stage, lake: Lake, config: Config, run: Run) -> float:
    """Do a stage's job and write its row into ``ops.runs``, unless a stream has looked and found nothing.

    Returns:
        How many seconds it took.
    """
    job: Job = getattr(importlib.import_module(f"shoal.jobs.{stage.job}"), stage.job)
    stamped = lake.stamped(job=stage.name, code_version=code_version(), settings=settings_hash(config)[:12])
    lake.written.clear()

    def is_worth_a_row() -> bool:
        return run.news is None or bool(run.refused) or run.outcome != "nothing new"

    return written_down(stamped, config, [run], lambda: job(stamped, config, run), where=is_worth_a_row)


def written_down(
    lake: Lake, config: Config, ran: Sequence[Run], do: Callable[[], object], where: Callable[[], bool] = lambda: True
) -> float:
    """Do the work of some runs and write their rows into ``ops.runs``, how it failed where it did.

    Args:
        do: the work of all of them.
        where: asked when it ended well: whether there is anything to write down.

    Returns:
        How many seconds it took.
    """
    started, error = time.monotonic(), None
    try:
        do()
    except ShoalError as failure:
        error = str(failure)
        raise
    except BaseException as failure:
        error = f"{type(failure).__name__}: {failure}"[:2000]
        raise
    finally:
        seconds = time.monotonic() - started
        if error is not None or where():
            _write_down(lake, config, ran, seconds, error)
    return seconds


def _write_down(lake: Lake, config: Config, ran: Sequence[Run], seconds: float, error: str | None) -> None:
    """Write the rows of runs that took so long together; a second failure must not hide that they have failed."""
    guard = contextlib.suppress(Exception) if error is not None else contextlib.nullcontext()
    with guard:
        record_runs(
            lake,
            ran,
            seconds=seconds,
            error=error,
            settings=row_changing(config),
            settings_hash=settings_hash(config),
        )


@contextlib.contextmanager
def opened_lake(config: Config, name: str, arguments: Arguments, progress: Progress) -> Iterator[Lake]:
    """A session and the lake in it; checkpoints of iterative fits are removed afterwards."""
    _check_place(config.lake)
    quiet = not arguments.verbose
    with progress.working(name, "starting Spark"):
        spark = build_session(name, config.spark, quiet=quiet)
    lake = Lake(spark, config.lake)
    try:
        _require_reachable(lake)
        with _checkpoints(lake):
            yield lake
    finally:
        spark.stop()


def _check_place(location: str) -> None:
    """Refuse what can be seen to be no place for a lake."""
    if location.startswith("catalog:"):
        if not re.fullmatch(r"catalog:([A-Za-z_]\w*[.])?[A-Za-z_]\w*", location, re.ASCII):
            raise ConfigError(f"{location} is no name of a lake; name it catalog:SHOP or catalog:CATALOG.SHOP")
        return
    for place in (Path(location), *Path(location).parents):
        if place.is_file():
            raise ConfigError(f"the lake {location} cannot be there: {place} is a file; name a folder, or catalog:NAME")


def _require_reachable(lake: Lake) -> None:
    """Refuse a lake whose store cannot be asked whether it is there."""
    try:
        lake.exists(LAKE)
    except UNREADABLE as error:
        raise ConfigError(f"the lake {lake.location} cannot be reached: {first_line(error)}") from error


@contextlib.contextmanager
def _checkpoints(lake: Lake) -> Iterator[None]:
    """Give iterative fits a place that every executor sees, and remove it afterwards; a given one stays as it is."""
    context: Any = lake.spark.sparkContext
    if context.getCheckpointDir() is not None:
        yield
        return
    if context.master.startswith("local["):
        folder = Path(tempfile.mkdtemp(prefix="shoal-checkpoints-")).as_uri()
    else:
        root = lake.spark.conf.get("spark.sql.warehouse.dir") if lake.is_in_catalog else lake.root
        folder = f"{root}/_checkpoints/{uuid.uuid4()}"
    context.setCheckpointDir(folder)
    try:
        yield
    finally:
        with contextlib.suppress(Py4JError, OSError):  # the JVM may be gone
            place = context._jvm.org.apache.hadoop.fs.Path(folder)
            place.getFileSystem(context._jsc.hadoopConfiguration()).delete(place, True)


def _nothing_at(path: str, is_stream: bool) -> str | None:
    """Why a path on this machine's own file system leads nowhere, where that can be seen without Spark.

    A stream may wait for the first file that fits.
    """
    if any(sign in path for sign in "{:"):  # another file system, or a glob of Hadoop's own
        return None
    if any(sign in path for sign in "*?["):
        return None if is_stream or any(glob.iglob(path)) else "matches no file"
    return None if os.path.exists(path) else "does not exist"


def check_arguments(stages: Sequence[Stage], arguments: Arguments, config: Config) -> None:
    """Refuse what can be seen to be wrong without Spark, all at once."""
    problems = []
    if arguments.as_of is None and any(stage.needs_as_of for stage in stages):
        first = next(stage.name for stage in stages if stage.needs_as_of)
        problems.append(f"--as-of: required from {first} on; the first day that must not be seen, like 2011-12-10")
    problems += [
        f"--{option}: says how a stream looks; give --stream as well"
        for option, given in (("once", arguments.once), ("every", arguments.every is not None))
        if given and not arguments.stream
    ]
    if arguments.once and arguments.every is not None:
        problems.append("--once and --every: a stream that looks once does not look again; give one of them")
    inputs = [*arguments.inputs, *((given.feed, given.path) for given in config.ingest.inputs)]
    if stages[0].name == "ingest" and not inputs:
        problems.append("--feed and --input: nothing to ingest; name a feed and its files, or set ingest.inputs")
    declared: dict[str, tuple[str, str | None]] = {}
    for given, path in inputs if stages[0].name == "ingest" else []:
        try:
            feed = feed_given(given)
            other, version = declared.setdefault(feed.name, (given, feed.version))
            if version != feed.version:
                problems.append(f"--feed: {other} and {given} both declare the feed {feed.name}, each in its own way")
        except ConfigError as error:
            problems.append(f"--feed: {error}")
        if not path.strip():
            problems.append("--input: is empty; name a file, a glob or a folder")
        elif missing := _nothing_at(path, arguments.stream):
            problems.append(f"--input: {path} {missing}")
    for mapping in arguments.replay.mappings if arguments.replay else ():
        try:
            feed_given(mapping)
        except ConfigError as error:
            problems.append(f"--mapping: {error}")
    if problems:
        raise ConfigError(bulleted("cannot start:", problems))
