"""Jobs by their stage names, and all of them in order. Heavy imports wait until a command needs them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from shoal.cli.options import COMMON, INPUT, RETRY, RUN, STREAM, options
from shoal.cli.root import shoal_command
from shoal.cli.telling import told
from shoal.errors import ConfigError
from shoal.progress import Progress
from shoal.stages import NAMES, STAGES, Stage, named

if TYPE_CHECKING:
    from shoal.running.job import Arguments


_WITH_TOOLS = {"features"}  # commands that have commands of their own


def _stage_command(stage: Stage) -> click.Command:
    """The command of one stage."""
    shared = [COMMON, RUN]  # also where no day is needed: a scheduler gives every step the same
    if stage.name == "ingest":
        shared += [INPUT, STREAM]
    if stage.name in {"ingest", "validate"}:
        shared += [RETRY]

    @options(*shared)
    @click.pass_context
    def run(context: click.Context, /, **given: Any) -> None:
        if context.invoked_subcommand is None:
            _run_stages([stage], given)
            return
        names = {str(option.name): option.opts[0] for option in context.command.params}
        said = [names[name] for name in given if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
        if said:
            tool = context.invoked_subcommand
            raise click.UsageError(f"{', '.join(said)}: options of {tool} come after its name")

    if stage.name not in _WITH_TOOLS:
        return click.command(stage.name, help=stage.doc, short_help=stage.doc)(run)
    return click.group(stage.name, help=stage.doc, short_help=stage.doc, invoke_without_command=True)(run)


for _stage in STAGES:
    shoal_command.add_command(_stage_command(_stage))


def stage_group(name: str) -> click.Group:
    """The command of a stage on which tools hang: without the name of one, it is the stage's own."""
    command = shoal_command.commands[name]
    assert isinstance(command, click.Group), f"{name} has no tools"
    return command


@shoal_command.command(short_help="Run every stage in order.")
@options(COMMON, RUN, INPUT, RETRY)
@click.option("--until", type=click.Choice(NAMES), default=NAMES[-1], help="Stop after this stage.")
def pipeline(until: str, **given: Any) -> None:
    """Run every stage in order: raw events to published tables.

    Running it again with the same input and day says that nothing is new.
    """
    _run_stages(STAGES[: NAMES.index(until) + 1], given)


@shoal_command.command(short_help="Judge rejected rows again, once a rule or a mapping was mended.")
@options(COMMON)
@click.option("--batch", "batch_ids", multiple=True, required=True, metavar="ID", help="Batch to look at. Repeatable.")
@click.option("--reason", "reasons", multiple=True, metavar="RULE", help="Only what this rule rejected. Repeatable.")
@click.option("--mapping", "mappings", multiple=True, metavar="FILE.yaml", help="A feed of one's own as it is now.")
def replay(batch_ids: tuple[str, ...], reasons: tuple[str, ...], mappings: tuple[str, ...], **given: Any) -> None:
    """Judge rejected rows again from bronze, by the newest mapping and rules: what passes now enters silver.

    `shoal rejected` shows batches and reasons.
    """
    from shoal.books.runs import Replay

    _run_stages([named("validate")], {**given, "replay": Replay(batch_ids, reasons, mappings)})


def _run_stages(stages: Sequence[Stage], given: dict[str, Any]) -> None:
    progress = Progress(given["log_format"])
    with told(progress, stages[0].name if len(stages) == 1 else "pipeline", given["verbose"]):
        arguments = _arguments(given)
        if arguments.stream:
            from shoal.running.following import follow

            follow(arguments, progress)
            return
        from shoal.running.job import run_stages

        run_stages(stages, arguments, progress)


def _arguments(given: dict[str, Any]) -> "Arguments":
    feeds, paths = given.pop("feeds", ()), given.pop("paths", ())
    if len(feeds) != len(paths):
        raise ConfigError(
            f"{len(feeds)} --feed and {len(paths)} --input: each --feed needs one --input, the n-th with the n-th"
        )
    from shoal.running.job import Arguments

    return Arguments(**given, inputs=tuple(zip(feeds, paths, strict=True)))
