"""What hangs on `shoal features`: features at other times than a run's. Heavy imports wait until they are needed."""

from datetime import date
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
