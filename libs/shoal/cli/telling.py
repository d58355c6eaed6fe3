"""What a command needs around it: errors told as one message and an exit code, and an open lake."""

import contextlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from shoal.errors import ConfigError, ShoalError
from shoal.progress import Progress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from shoal.config import Config
    from shoal.lake import Lake


@contextlib.contextmanager
def told(progress: Progress, stage: str, verbose: bool) -> Iterator[None]:
    """Turns errors into one message and an exit code; never a bare traceback unless asked for."""
    try:
        yield
    except (SystemExit, GeneratorExit, click.ClickException, click.Abort):
        raise
    except BaseException as error:
        if verbose and not isinstance(error, ConfigError):
            traceback.print_exception(error)
        code = error.exit_code if isinstance(error, ShoalError) else 1
        progress.failed(stage, _message(error), code)
        sys.exit(code)


def _message(error: BaseException) -> str:
    if _was_interrupted(error):
        return "interrupted; the same command goes on where it stopped"
    if isinstance(error, ShoalError):
        return str(error)
    first = (str(error).strip().splitlines() or [""])[0][:300]
    return f"unexpected {type(error).__name__}: {first} (--verbose shows all of it)"


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: Spark's connection breaks with errors of its own while it ends."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def lake_of(given: Mapping[str, Any], name: str) -> "Iterator[Lake]":
    """The lake that a tool reads: there must be one, of a schema that is known."""
    with opened_lake_of(given, name) as (lake, _):
        yield lake


@contextlib.contextmanager
def opened_lake_of(given: Mapping[str, Any], name: str) -> "Iterator[tuple[Lake, Config]]":
    """As :func:`lake_of`, and the settings."""
    with opened(given, name) as (lake, settings):
        from shoal.books import facts

        if not facts.known(lake):
            raise ConfigError(f"there is no lake at {lake.location} yet; `shoal ingest` makes one")
        facts.check_schema(lake)
        yield lake, settings


@contextlib.contextmanager
def spark_of(given: Mapping[str, Any], name: str) -> "Iterator[SparkSession]":
    """A session for a tool that needs no lake."""
    with opened(given, name) as (lake, _):
        yield lake.spark


@contextlib.contextmanager
def opened(given: Mapping[str, Any], name: str) -> "Iterator[tuple[Lake, Config]]":
    """The lake that the settings name, whether there is one or not, and the settings."""
    progress = Progress(given["log_format"])
    with told(progress, name, given["verbose"]):
        from shoal.config import load_config
        from shoal.running.job import Arguments, opened_lake

        arguments = Arguments(**given)
        settings = load_config(arguments.config_files, arguments.sets, lake=arguments.lake)
        with opened_lake(settings, name, arguments, progress) as lake:
            yield lake, settings
