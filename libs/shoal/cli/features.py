"""What hangs on `shoal features`: features at other times than a run's. Heavy imports wait until they are needed."""

from datetime import date
from pathlib import Path
from typing import Any

import click

from shoal.cli.jobs import stage_group
from shoal.cli.options import COMMON, Day
from shoal.cli.telling import opened_lake_of, told
from shoal.progress import Progress


@stage_group("features").command("as-of", short_help="Join features to a list of users and times.")
@click.option("--spine", required=True, metavar="PATH", help="CSV, TSV, Parquet or a Delta table: a row per user and "
              "time, user_id and as_of (a day) or time (a moment); its other columns come along.")  # fmt: skip
@click.option("--out", required=True, metavar="PATH", help="New folder to write, named .parquet or .csv.")
@click.option("--only", metavar="NAME,...", help="Features that are wanted; by default all of them.")
@click.option("--known-as-of", type=Day(), help="First day whose deliveries must not be seen, whatever they tell of.")
@COMMON
def as_of(spine: str, out: str, only: str | None, known_as_of: date | None, **given: Any) -> None:
    """Join to each row of a list what was known of its user at its time: a training set for any label, without leakage.

    A row's cut is its as_of, or the shop-local day of its time: it sees what happened before that day began, and
    neither links of visitors, merges, consents nor the catalogue of later days. Every row stays, duplicates too. Rows
    of which nothing was known have is_known false and no features: users who had done nothing yet, who objected to
    profiling, and staff and test accounts.

    With --known-as-of, corrections, deletions and late files that were delivered on that day or later are not seen.
    """
    progress = Progress(given["log_format"])
    with told(progress, "features as-of", given["verbose"]):
        from shoal.config import check_columns, load_config
        from shoal.features.point_in_time import asked

        config = load_config(given["config_files"], given["sets"], lake=given["lake"])
        check_columns(config)
        request = asked(config, spine=spine, out=out, only=only, known_as_of=known_as_of)
    with opened_lake_of(given, "features as-of") as (lake, settings):
        from shoal.features.point_in_time import join

        def tell(kind: str, sentence: str) -> None:
            (progress.warned if kind == "warning" else progress.said)("features as-of", sentence)

        with progress.working("features as-of", "join features"):
            said = join(lake, settings, request, tell)
        click.echo(said)


@stage_group("features").command("report", short_help="Say which features carry the information, which repeat others.")
@click.option("--run-id", metavar="ID", help="By default the current run.")
@click.option("--label", "labels", multiple=True, metavar="bought_within:DAYS|FILE|none", help="What is to be told: "
              "who buys within so many days (repeatable; by default what the propensities foretell), or a CSV, TSV, "
              "Parquet or Delta table of user_id and a column per label.")  # fmt: skip
@click.option("--threshold", type=click.FloatRange(min=0.5, max=1), default=0.95, show_default=True,
              help="Features correlated so far repeat each other.")  # fmt: skip
@click.option("--by", type=click.Choice(["spearman", "pearson"]), default="spearman", show_default=True,
              help="Whose correlation tells that.")  # fmt: skip
@click.option("--sample", type=click.IntRange(100, 10_000_000), default=100_000, show_default=True, metavar="USERS",
              help="Of more users about so many are drawn.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=42, show_default=True, help="Of the draw.")
@click.option("--top", type=click.IntRange(1, 1000), default=20, show_default=True, help="Lines of a table.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write in place of the screen.")
@COMMON
def report(
    run_id: str | None, labels: tuple[str, ...], threshold: float, by: str, sample: int, seed: int, top: int, form: str,
    out: Path | None, **given: Any,
) -> None:  # fmt: skip
    """Say which features carry the information and which repeat others: docs/features.md tells how to read it.

    Variance, nulls, correlations and groups of all pairs, mutual information with labels, and principal components,
    the shop's own features among them. With bought_within features are those of so many days before the run's day, so
    that what came of it is known; else those of the run.
    """
    progress = Progress(given["log_format"])
    with told(progress, "features report", given["verbose"]):
        from shoal.config import load_config
        from shoal.errors import ConfigError
        from shoal.features.selection_request import asked

        if out is not None and not out.absolute().parent.is_dir():
            raise ConfigError(f"--out: {out} cannot be written: there is no folder {out.parent}")
        config = load_config(given["config_files"], given["sets"], lake=given["lake"])
        request = asked(config, run_id=run_id, labels=labels, by=by, threshold=threshold, sample=sample, seed=seed)
    with opened_lake_of(given, "features report") as (lake, settings):
        from shoal.features.selecting import look
        from shoal.reports.feature_figures import as_json_text
        from shoal.reports.feature_report import as_text

        with progress.working("features report", "look at features"):
            looked = look(lake, settings, request, lambda sentence: progress.warned("features report", sentence))
        said = as_json_text(looked) if form == "json" else as_text(looked, top)
        if out is None:
            click.echo(said)
            return
        out.write_text(said + "\n", encoding="utf-8")
        click.echo(f"{out}: {len(looked.found.columns)} features of {looked.found.users:,} users")
