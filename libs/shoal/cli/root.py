"""The command ``shoal`` itself, which the others hang on."""

import click

import shoal
from shoal.stages import NAMES

EXIT_CODES = """
\b
Exit codes:
  0  done; warnings, if any, were said
  2  settings, arguments or surroundings cannot be used; what is published is as it was
  3  data was refused; what is published is as it was
  4  other runs published first, again and again; run the command once more
  1  anything else
"""


class JobsThenTools(click.Group):
    """Lists the jobs in the order in which they run, then the tools."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Two sections, one line per command."""
        jobs = [*NAMES, "pipeline"]
        tools = [name for name in self.list_commands(ctx) if name not in jobs]
        for title, names in (("Jobs, in order", jobs), ("Tools", tools)):
            lines = [(name, self.commands[name].get_short_help_str(limit=100)) for name in names]
            with formatter.section(title):
                formatter.write_dl(lines)


@click.group(cls=JobsThenTools, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(shoal.__version__, prog_name="shoal")
def shoal_command() -> None:
    """Raw shop events in; segments, recommendations and propensities out."""
