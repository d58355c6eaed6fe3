"""`shoal backfill`: features of many days. Heavy imports wait until they are needed."""

import re
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from shoal.cli.options import COMMON, Day
from shoal.cli.root import shoal_command
from shoal.cli.telling import told
from shoal.progress import Progress

if TYPE_CHECKING:
    from shoal.running.backfilling import Every


class Step(click.ParamType["Every"]):
    """A number of days, as 7d, or month."""

    name = "Nd|month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Every":
        """The step, or a usage error that shows the form."""
        if isinstance(value, int) or value == "month":
            return value  # type: ignore[no-any-return]  # click's values are any
        if not re.fullmatch("[1-9][0-9]{0,3}d", value):
            self.fail(f"{value!r} is no step; write it like 1d, 7d or month", param, ctx)
        return int(value[:-1])


@shoal_command.command("backfill", short_help="Compute features of many days in few passes.")
@click.option("--from", "first", type=Day(), required=True, help="First as_of of the range.")
@click.option("--to", "last", type=Day(), required=True, help="Last day that may be an as_of of the range.")
@click.option("--every", type=Step(), default="1d", help="From one as_of to the next; month: the first of each. "
              "By default 1d.")  # fmt: skip
@click.option("--until", type=click.Choice(["features"]), default="features", help="The stage to stop after.")
@click.option("--at-once", type=click.IntRange(1, 64), metavar="N", help="Days that a pass over the tiles makes, 64 at "
              "most; by default as many as memory has room for, up to 16.")  # fmt: skip
@COMMON
def backfill(first: date, last: date, every: "Every", until: str, at_once: int | None, **given: Any) -> None:
    """Compute the features of every as_of of a range, many days in each pass over the tiles.

    The rows are those of `shoal features --as-of DAY`, and are written as runs that `shoal segments --as-of DAY` and
    the other stages go on from. Nothing is released. Days that are there already are left as they are, so that a
    backfill that was stopped goes on where it stopped.
    """
    del until  # features is all that is computed for many days at once
    progress = Progress(given["log_format"])
    with told(progress, "backfill", given["verbose"]):
        from shoal.running.backfilling import Range
        from shoal.running.backfilling import backfill as fill
        from shoal.running.job import Arguments

        fill(Range(first, last, every), at_once, Arguments(**given), progress)
