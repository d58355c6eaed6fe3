"""The options that commands share."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Day(click.ParamType[date]):
    """A calendar day, YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day, or a usage error that shows the form."""
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007  (a day has no zone)
        except ValueError:
            self.fail(f"{value!r} is no date; write it like 2011-12-10", param, ctx)


def options(*listed: Callable[[F], F]) -> Callable[[F], F]:
    """All of these options, as one decorator."""

    def decorate(command: F) -> F:
        for option in reversed(listed):
            command = option(command)
        return command

    return decorate


CONFIG = click.option("--config", "config_files", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
                       help="YAML of settings; later ones win. Repeatable.")  # fmt: skip
SET = click.option("--set", "sets", multiple=True, metavar="KEY=VALUE",
                    help="One setting, like segments.default.k=8. Repeatable.")  # fmt: skip
LAKE = click.option("--lake", metavar="DIR|catalog:NAME", help="Where the tables are.")
VERBOSE = click.option("--verbose", is_flag=True, help="Show Spark's own messages and tracebacks.")
LOG = click.option("--log-format", type=click.Choice(["text", "json"]), default="text",
                    help="json: one object per line on stderr, for machines.")  # fmt: skip
COMMON = options(CONFIG, SET, LAKE, VERBOSE, LOG)
RUN = options(
    click.option("--as-of", type=Day(), help="First day that must not be seen; required from features on."),
    click.option("--run-id", metavar="ID", help="Join this run; by default the newest open one of that day."),
)
INPUT = options(
    click.option(
        "--feed", "feeds", multiple=True, metavar="NAME|FILE.yaml", help="Feed of the n-th --input. Repeatable."
    ),
    click.option("--input", "paths", multiple=True, metavar="PATH|GLOB|FOLDER", help="Files of the n-th --feed."),
)
STREAM = options(
    click.option("--stream", is_flag=True, help="Go on as data arrive, through validate; Ctrl-C ends it."),
    click.option("--once", is_flag=True, help="Of a stream: bring in what is there now, and end."),
    click.option("--every", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
                 help="Of a stream: between looks; 10 by default."),
)  # fmt: skip
RETRY = click.option("--retry-refused", is_flag=True, help="Judge refused batches again.")
