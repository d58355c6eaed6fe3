"""Tools beside the jobs: query, look, list, try. Heavy imports wait until a command needs them."""

import sys
from datetime import date
from pathlib import Path
from typing import Any

import click

from shoal.cli.options import COMMON, CONFIG, LAKE, LOG, SET, VERBOSE, Day, options
from shoal.cli.root import shoal_command
from shoal.cli.telling import lake_of, opened, opened_lake_of, spark_of, told
from shoal.progress import Progress


@shoal_command.command(short_help="Query the published tables with SQL.")
@click.argument("query")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table")
@click.option("--known-as-of", type=Day(), help="First day whose deliveries must not be seen in known_events.")
@COMMON
def sql(query: str, form: str, known_as_of: date | None, **given: Any) -> None:
    """Query the lake with SQL; gold.current_users and the other views show the current release.

    With --known-as-of there is known_events too: silver.events as it was known before that day.
    """
    with lake_of(given, "sql") as lake:
        from shoal.reports.querying import query_lake

        for line in query_lake(lake, query, form, known_as_of):
            click.echo(line)


@shoal_command.command(short_help="Show what was published, for people.")
@COMMON
def show(**given: Any) -> None:
    """Show what the current release says, for people."""
    with lake_of(given, "show") as lake:
        from shoal.reports.summary import summary

        click.echo(summary(lake))


@shoal_command.command(short_help="Print the public views for another reader.")
@click.option("--dialect", type=click.Choice(["spark", "duckdb", "polars", "trino", "databricks"]), default="duckdb")
@COMMON
def views(dialect: str, **given: Any) -> None:
    """Print statements that open the tables and gold.current_* elsewhere."""
    with lake_of(given, "views") as lake:
        from shoal.publish.views import statements

        end = "" if dialect == "polars" else ";"
        click.echo("\n".join(statement + end for statement in statements(lake, dialect)))


@shoal_command.command(short_help="List the releases.")
@COMMON
def releases(**given: Any) -> None:
    """List the releases, newest first; the current one is marked."""
    with lake_of(given, "releases") as lake:
        from shoal.reports.querying import release_lines

        click.echo("\n".join(release_lines(lake)))


@shoal_command.command(short_help="Show an earlier release again.")
@click.option("--to", type=int, metavar="SEQ", help="Release to show; by default the one before the current.")
@COMMON
def rollback(to: int | None, **given: Any) -> None:
    """Show an earlier release again, by a new release that points back."""
    with lake_of(given, "rollback") as lake:
        from shoal.reports.querying import rolled_back

        click.echo(rolled_back(lake, to))


@shoal_command.command(short_help="Show rejected rows by rule, with examples.")
@click.option("--feed", metavar="NAME", help="Only rows of this feed.")
@click.option("--batch", "batch_ids", multiple=True, metavar="ID", help="Only rows of this batch. Repeatable.")
@COMMON
def rejected(feed: str | None, batch_ids: tuple[str, ...], **given: Any) -> None:
    """Show which rules rejected how many rows, the first row of each as it came, and the batches they are in."""
    with lake_of(given, "rejected") as lake:
        from shoal.reports.book_reports import rejected_report

        click.echo(rejected_report(lake, feed=feed, batch_ids=batch_ids))


@shoal_command.command(short_help="Show what a feed's newest batch broke, beside those before it.")
@click.option("--feed", required=True, metavar="NAME", help="Feed to look at.")
@click.option("--batches", type=click.IntRange(1, 1000), default=28, show_default=True, help="How many before it.")
@COMMON
def quality(feed: str, batches: int, **given: Any) -> None:
    """Show which rules and expectations the newest batch of a feed broke, and how often the batches before did.

    Below, the newest days of the feed beside what is usual for them.
    """
    with opened_lake_of(given, "quality") as (lake, settings):
        from shoal.reports.book_reports import days_report, quality_report

        click.echo(quality_report(lake, feed=feed, batches=batches))
        if days := days_report(lake, settings.validation, feed=feed):
            click.echo(f"\n{days}")


@shoal_command.group(short_help="Make pages for a browser.")
def docs() -> None:
    """Make pages for a browser."""


@docs.command("data", short_help="Pages of what Great Expectations found.")
@click.option("--out", type=click.Path(path_type=Path), default="data-docs", show_default=True, help="Folder to fill.")
@click.option("--newest", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Batches, and runs.")
@COMMON
def docs_data(out: Path, newest: int, **given: Any) -> None:
    """Make Data Docs of the newest batches and runs from what was kept of them; no network is needed to read them."""
    with lake_of(given, "docs data") as lake:
        from shoal.reports.data_docs import build

        click.echo(build(lake, out, newest=newest))


@shoal_command.command(short_help="Make a synthetic shop with planted truth.")
@click.option("--users", type=click.IntRange(1), default=20_000, show_default=True)
@click.option("--items", type=click.IntRange(1), default=2_000, show_default=True)
@click.option("--days", type=click.IntRange(1), default=180, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=7, show_default=True)
@click.option("--out", metavar="FOLDER|URL", required=True, help="New folder: events/ and truth/.")
@COMMON
def synthesize(users: int, items: int, days: int, seed: int, out: str, **given: Any) -> None:
    """Make a synthetic shop: raw events for the feed `shoal`, and the truth they were made from."""
    with spark_of(given, "synthesize") as spark:
        from shoal.synthetic import synthesize as make
        from shoal.synthetic import write

        shop = make(spark, users=users, items=items, days=days, seed=seed)
        write(shop, out)
        click.echo(f"{out}/events and {out}/truth: {users:,} users, {items:,} items, {days} days; "
                   f"run the pipeline with --feed shoal --input {out}/events --as-of {shop.as_of}")  # fmt: skip


@shoal_command.command(short_help="Make a shop, run the whole pipeline on it, show what it found.")
@click.option("--out", type=click.Path(path_type=Path), default="demo", show_default=True, help="Folder to work in.")
@options(VERBOSE, LOG)
def demo(out: Path, **given: Any) -> None:
    """Make a synthetic shop, run every stage on it and show what was published; the second time nothing is new."""
    progress = Progress(given["log_format"])
    with told(progress, "demo", given["verbose"]):
        from shoal.demo import demonstrate

        click.echo(demonstrate(out, progress, **given))
    click.echo(f"""
Next:
  {sys.argv[0]} sql --lake {out}/lake "SELECT segment_name, count(*) AS users FROM gold.current_users GROUP BY 1"
  {sys.argv[0]} views --lake {out}/lake --dialect duckdb
  {sys.argv[0]} --help""")


@shoal_command.group(short_help="List and try feeds.")
def feed() -> None:
    """List the feeds, write an example, try a file, see how one has changed."""


@feed.command("list", short_help="List the feeds.")
def feed_list() -> None:
    """List the feeds."""
    from shoal.sources import FEEDS

    width = max(map(len, FEEDS))
    for known in FEEDS.values():
        click.echo(f"{known.name:<{width}} {known.doc}")


@feed.command("template", short_help="Write an example of one of Shoal's own feeds.")
@click.option(
    "--feed",
    "name",
    default="shoal",
    show_default=True,
    metavar="NAME",
    help="shoal (events), shoal_items, shoal_users or shoal_categories.",
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write; by default it is printed.")
def feed_template(name: str, out: Path | None) -> None:
    """Write an example of one of Shoal's own feeds: JSON lines with its columns."""
    from shoal.sources.template import NAMES, template

    if name not in NAMES:
        raise click.UsageError(f"--feed {name}: there are examples of {', '.join(NAMES)}")
    if out is None:
        click.echo(template(name), nl=False)
    elif out.exists() or not out.parent.is_dir():
        wrong = "is there already; name a new file" if out.exists() else f"cannot be written: no folder {out.parent}"
        raise click.UsageError(f"{out} {wrong}")
    else:
        out.write_text(template(name), encoding="utf-8")
        of = "" if name == "shoal" else f" --feed {name}"
        click.echo(f"wrote {out}; try `shoal feed check {out}{of}`")


@feed.command("check", short_help="Show ten mapped rows of a file, and every problem.")
@click.argument("path")
@click.option("--feed", "name", default="shoal", show_default=True, metavar="NAME")
@click.option("--mapping", metavar="FILE.yaml", help="A feed of one's own, in place of --feed.")
@COMMON
def feed_check(path: str, name: str, mapping: str | None, **given: Any) -> None:
    """Map a file without storing it: show ten rows, and how many break which rule."""
    name = mapping or name
    with told(Progress(given["log_format"]), "feed check", given["verbose"]):
        from shoal.config.feed_files import feed_given

        feed_given(name)  # what is wrong with the declaration itself is said before Spark starts
    with opened(given, "feed check") as (lake, settings):
        from shoal.reports.trying_feeds import checked_feed

        report, good = checked_feed(lake, settings, name, path)
        click.echo(report)
        if not good:
            sys.exit(3)


@feed.command("drift", short_help="Show how a feed's columns have changed.")
@click.option("--feed", "name", required=True, metavar="NAME|FILE.yaml")
@COMMON
def feed_drift(name: str, **given: Any) -> None:
    """Show which columns came, went or changed their type with which batch of a feed."""
    with lake_of(given, "feed drift") as lake:
        from shoal.config.feed_files import feed_given
        from shoal.ingest.drift import history

        named = feed_given(name).name if name.endswith((".yaml", ".yml")) else name
        click.echo("\n".join(history(lake, named)))


@shoal_command.group(short_help="Show settings.")
def config() -> None:
    """Show settings."""


@config.command("show", short_help="Print the resolved settings and where each came from.")
@options(CONFIG, SET, LAKE)
def config_show(config_files: tuple[Path, ...], sets: tuple[str, ...], lake: str | None) -> None:
    """Print the resolved settings and where each came from; passwords and other secrets are hidden."""
    with told(Progress(), "config", verbose=False):
        from shoal.config import explain

        settings = explain(config_files, sets, lake)
        width = max(len(setting.key) for setting in settings)
        for setting in settings:
            click.echo(f"{setting.key:<{width}}  {setting.value!s:<40}  {setting.origin}")
