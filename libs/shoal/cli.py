"""The command line: jobs by their stage names, and tools. Heavy imports wait until a command needs them."""

import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import shoal
from shoal.errors import ConfigError, ShoalError
from shoal.progress import Progress
from shoal.stages import NAMES, STAGES, Stage

if TYPE_CHECKING:
    from shoal.job import Arguments

F = TypeVar("F", bound=Callable[..., Any])

EXIT_CODES = """
\b
Exit codes:
  0  done; warnings, if any, were said
  2  settings, arguments or surroundings cannot be used; nothing was done
  3  data was refused; what is published is as it was
  4  other runs published first, again and again; run the command once more
  1  anything else
"""


class Day(click.ParamType[date]):
    """A calendar day, YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day, or a usage error that shows the form."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date; write it like 2011-12-10", param, ctx)


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_CONFIG = click.option("--config", "config_files", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
                       help="YAML of settings; later ones win. Repeatable.")  # fmt: skip
_SET = click.option("--set", "sets", multiple=True, metavar="KEY=VALUE",
                    help="One setting, like segments.default.k=8. Repeatable.")  # fmt: skip
_LAKE = click.option("--lake", metavar="DIR|catalog:NAME", help="Where the tables are.")
_VERBOSE = click.option("--verbose", is_flag=True, help="Show Spark's own messages and tracebacks.")
_LOG = click.option("--log-format", type=click.Choice(["text", "json"]), default="text",
                    help="json: one object per line on stderr, for machines.")  # fmt: skip
_COMMON = _options(_CONFIG, _SET, _LAKE, _VERBOSE, _LOG)
_RUN = _options(
    click.option("--as-of", type=Day(), help="First day that must not be seen; required from features on."),
    click.option("--run-id", metavar="ID", help="Join this run; by default the newest open one of that day."),
)
_INPUT = _options(
    click.option("--feed", "feeds", multiple=True, metavar="NAME", help="Feed of the n-th --input. Repeatable."),
    click.option("--input", "paths", multiple=True, metavar="PATH|GLOB|FOLDER", help="Files of the n-th --feed."),
)
_RETRY = click.option("--retry-refused", is_flag=True, help="Judge refused batches again.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(shoal.__version__, prog_name="shoal")
def shoal_command() -> None:
    """Raw shop events in; segments, recommendations and propensities out."""


def _stage_command(stage: Stage) -> click.Command:
    """The command of one stage."""
    options = [_COMMON, _RUN] if stage.needs_as_of else [_COMMON]
    if stage.name == "ingest":
        options += [_INPUT]
    if stage.name in {"ingest", "validate"}:
        options += [_RETRY]

    @_options(*options)
    def run(**given: Any) -> None:
        _run_stages([stage], given)

    return click.command(stage.name, help=stage.doc, short_help=stage.doc)(run)


for _stage in STAGES:
    shoal_command.add_command(_stage_command(_stage))


@shoal_command.command(short_help="Run every stage in order.")
@_options(_COMMON, _RUN, _INPUT, _RETRY)
@click.option("--until", type=click.Choice(NAMES), default=NAMES[-1], help="Stop after this stage.")
def pipeline(until: str, **given: Any) -> None:
    """Run every stage in order: raw events to published tables.

    Running it again with the same input and day says that nothing is new.
    """
    _run_stages(STAGES[: NAMES.index(until) + 1], given)


def _run_stages(stages: Sequence[Stage], given: dict[str, Any]) -> None:
    progress = Progress(given["log_format"])
    with _told(progress, stages[0].name if len(stages) == 1 else "pipeline", given["verbose"]):
        arguments = _arguments(given)
        from shoal.job import run_stages

        run_stages(stages, arguments, progress)


def _arguments(given: dict[str, Any]) -> "Arguments":
    feeds, paths = given.pop("feeds", ()), given.pop("paths", ())
    if len(feeds) != len(paths):
        raise ConfigError(
            f"{len(feeds)} --feed and {len(paths)} --input: each --feed needs one --input, the n-th with the n-th"
        )
    from shoal.job import Arguments

    return Arguments(**given, inputs=tuple(zip(feeds, paths, strict=True)))


class _told:  # noqa: N801 - used like a function
    """Turns errors into one message and an exit code; never a bare traceback unless asked for."""

    def __init__(self, progress: Progress, stage: str, verbose: bool) -> None:
        self.progress, self.stage, self.verbose = progress, stage, verbose

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, SystemExit | click.ClickException | click.Abort):
            return
        if self.verbose and not isinstance(error, ConfigError):
            traceback.print_exception(error)
        code = error.exit_code if isinstance(error, ShoalError) else 1
        if isinstance(error, KeyboardInterrupt):
            message = "interrupted; the same command goes on where it stopped"
        elif isinstance(error, ShoalError):
            message = str(error)
        else:
            first = (str(error).strip().splitlines() or [""])[0][:300]
            message = f"unexpected {type(error).__name__}: {first} (--verbose shows all of it)"
        self.progress.failed(self.stage, message, code)
        sys.exit(code)


# -- tools -----------------------------------------------------------------------------------------------------


@shoal_command.command(short_help="Query the published tables with SQL.")
@click.argument("query")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table")
@_COMMON
def sql(query: str, form: str, **given: Any) -> None:
    """Query the lake with SQL; gold.current_users and the other views show the current release."""
    with _lake(given, "sql") as lake:
        from shoal.tools import query_lake

        click.echo(query_lake(lake, query, form))


@shoal_command.command(short_help="Show what was published: segments, lift, recommendations, metrics.")
@_COMMON
def show(**given: Any) -> None:
    """Show what the current release says, for people."""
    with _lake(given, "show") as lake:
        from shoal.summary import summary

        click.echo(summary(lake))


@shoal_command.command(short_help="Print the public views for another reader.")
@click.option("--dialect", type=click.Choice(["spark", "duckdb", "polars", "trino", "databricks"]), default="duckdb")
@_COMMON
def views(dialect: str, **given: Any) -> None:
    """Print statements that open the tables and gold.current_* elsewhere."""
    with _lake(given, "views") as lake:
        from shoal.views import statements

        end = "" if dialect == "polars" else ";"
        click.echo("\n".join(statement + end for statement in statements(lake, dialect)))


@shoal_command.command(short_help="List the releases.")
@_COMMON
def releases(**given: Any) -> None:
    """List the releases, newest first; the current one is marked."""
    with _lake(given, "releases") as lake:
        from shoal.tools import release_lines

        click.echo("\n".join(release_lines(lake)))


@shoal_command.command(short_help="Show an earlier release again.")
@click.option("--to", type=int, metavar="SEQ", help="Release to show; by default the one before the current.")
@_COMMON
def rollback(to: int | None, **given: Any) -> None:
    """Show an earlier release again, by a new release that points back."""
    with _lake(given, "rollback") as lake:
        from shoal.tools import rolled_back

        click.echo(rolled_back(lake, to))


@shoal_command.command(short_help="Make a synthetic shop with planted truth.")
@click.option("--users", type=click.IntRange(1), default=20_000, show_default=True)
@click.option("--items", type=click.IntRange(1), default=2_000, show_default=True)
@click.option("--days", type=click.IntRange(1), default=180, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="New folder: events/ and truth/.")
@_COMMON
def synthesize(users: int, items: int, days: int, seed: int, out: Path, **given: Any) -> None:
    """Make a synthetic shop: raw events for the feed `shoal`, and the truth they were made from."""
    with _spark(given, "synthesize") as spark:
        from shoal.synthetic import synthesize as make
        from shoal.synthetic import write

        shop = make(spark, users=users, items=items, days=days, seed=seed)
        write(shop, out)
        click.echo(f"{out}/events and {out}/truth: {users:,} users, {items:,} items, {days} days; "
                   f"run the pipeline with --feed shoal --input {out}/events --as-of {shop.as_of}")  # fmt: skip


@shoal_command.group(short_help="List and try feeds.")
def feed() -> None:
    """List the feeds, write an example, try a file."""


@feed.command("list", short_help="List the feeds.")
def feed_list() -> None:
    """List the feeds."""
    from shoal.sources import FEEDS

    for known in FEEDS.values():
        click.echo(f"{known.name:<15} {known.doc}")


@feed.command("template", short_help="Write an example of the feed `shoal`.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; by default it is printed.")
def feed_template(out: Path | None) -> None:
    """Write an example of the feed `shoal`: JSON lines with its columns."""
    from shoal.sources.template import template

    if out is None:
        click.echo(template(), nl=False)
    elif out.exists():
        raise click.UsageError(f"{out} is there already; name a new file")
    else:
        out.write_text(template(), encoding="utf-8")
        click.echo(f"wrote {out}; try `shoal feed check {out}`")


@feed.command("check", short_help="Show ten mapped rows of a file, and every problem.")
@click.argument("path")
@click.option("--feed", "name", default="shoal", show_default=True, metavar="NAME")
@_COMMON
def feed_check(path: str, name: str, **given: Any) -> None:
    """Map a file without storing it: show ten rows, and how many break which rule."""
    with _spark(given, "feed check") as spark:
        from shoal.tools import checked_feed

        report, good = checked_feed(spark, name, path)
        click.echo(report)
        if not good:
            sys.exit(3)


@shoal_command.group(short_help="Show settings.")
def config() -> None:
    """Show settings."""


@config.command("show", short_help="Print the resolved settings and where each came from.")
@_options(_CONFIG, _SET, _LAKE)
def config_show(config_files: tuple[Path, ...], sets: tuple[str, ...], lake: str | None) -> None:
    """Print the resolved settings and where each came from; passwords and other secrets are hidden."""
    with _told(Progress(), "config", verbose=False):
        from shoal.config import explain

        settings = explain(config_files, sets, lake)
        width = max(len(setting.key) for setting in settings)
        for setting in settings:
            click.echo(f"{setting.key:<{width}}  {setting.value!s:<40}  {setting.origin}")


class _lake:  # noqa: N801 - used like a function
    """The lake that a tool reads, with errors told as for jobs."""

    def __init__(self, given: dict[str, Any], name: str) -> None:
        self.given, self.name = given, name
        self.progress = Progress(given["log_format"])
        self.told = _told(self.progress, name, given["verbose"])

    def __enter__(self) -> Any:
        try:
            from shoal.config import load_config
            from shoal.job import Arguments, opened_lake
            from shoal.tables import ALL

            arguments = Arguments(**self.given)
            settings = load_config(arguments.config_files, arguments.sets, lake=arguments.lake)
            self.opened = opened_lake(settings, self.name, arguments, self.progress)
            lake = self.opened.__enter__()
            self.check(lake, ALL)
            return lake
        except BaseException:
            self.told.__exit__(*sys.exc_info())
            raise

    def check(self, lake: Any, tables: Any) -> None:
        """A tool reads: there must be a lake, of a schema that is known."""
        if not lake.facts():
            raise ConfigError(f"there is no lake at {lake.location} yet; `shoal ingest` makes one")
        lake.check_schema(tables)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self.opened.__exit__(kind, error, trace)
        self.told.__exit__(kind, error, trace)


class _spark(_lake):  # noqa: N801 - used like a function
    """A session without a lake."""

    def __enter__(self) -> Any:
        return super().__enter__().spark

    def check(self, lake: Any, tables: Any) -> None:
        """No lake is needed."""


def run_job(name: str) -> None:
    """Run a job's file as a script, as spark-submit does: the same command, options and exit codes."""
    main([name, *sys.argv[1:]])


def main(argv: Sequence[str] | None = None) -> None:
    """The console script ``shoal``."""
    shoal_command.main(args=None if argv is None else [*argv], prog_name="shoal")


if __name__ == "__main__":
    main()
