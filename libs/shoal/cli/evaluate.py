"""Measuring models on any table. Heavy imports wait until a command needs them."""

from pathlib import Path
from typing import Any

import click

from shoal.cli.options import CONFIG, LOG, SET, VERBOSE, options
from shoal.cli.root import shoal_command
from shoal.cli.telling import spark_of, told
from shoal.progress import Progress


@shoal_command.group(short_help="Measure models on any table.")
def evaluate() -> None:
    """Measure models on any table; no lake is needed."""


@evaluate.command("recommend", short_help="Measure recommenders: split, tune, rank, compare.")
@click.option(
    "--interactions", required=True, metavar="PATH", help="CSV, TSV, Parquet or a Delta table; a row is an act."
)
@click.option(
    "--columns",
    required=True,
    metavar="ROLE=COLUMN,...",
    help="user=, item= and, where there are, event=, rating=, time=. Numbers are places in text without header.",
)
@click.option(
    "--split",
    metavar="FORM",
    help="within-item:0.75, within-user:0.75, time:0.8, time:2011-09-10, "
    "time:2011-09-10..2011-12-09, leave-last-out or leave-one-out.",
)
@click.option("--test", metavar="PATH", help="What is held out, in place of --split; of the same columns.")
@click.option(
    "--items", metavar="PATH", help="What is said of items, which content compares; of the formats of --interactions."
)
@click.option(
    "--item-columns",
    metavar="ROLE=COLUMN,...",
    help="Of --items: item= and some of title=, category= (a path, its levels parted by /), brand=, price=.",
)
@click.option("--models", default="popularity,als", show_default=True, metavar="NAME,...", help="What to measure.")
@click.option(
    "--k", default="10", show_default=True, metavar="K[,K]", help="Length of the lists; the first is tuned for."
)
@click.option(
    "--tune",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    metavar="N",
    help="Configurations to try per model, on a split of train alone.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 2), default=42, show_default=True)
@click.option(
    "--relevant", metavar="EVENT,...", help="Event types that count when held out; by default purchases, if any."
)
@click.option(
    "--weights", metavar="EVENT=NUMBER,...", help="What each event type counts; by default all the same, or tuned."
)
@click.option(
    "--rating",
    type=click.Choice(["as_given", "log", "ignored"]),
    help="What a rating makes of a row; by default as_given, or tuned. Any rating counts when held out.",
)
@click.option(
    "--half-life",
    type=click.FloatRange(min=0, min_open=True),
    metavar="DAYS",
    help="An act this old counts half; by default none fades, or tuned.",
)
@click.option("--where", metavar="SQL", help="Only rows of --interactions for which this holds.")
@click.option("--keep-seen", is_flag=True, help="Pairs known from train may be named, and count: what is done again.")
@click.option("--negatives", metavar="PATH", help="Rank among these candidates (user, item) and the test items only.")
@click.option(
    "--resamples", type=click.IntRange(10, 100_000), default=1000, show_default=True, help="Of the bootstrap."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default="metrics.json", show_default=True, help="File to write."
)
@options(CONFIG, SET, VERBOSE, LOG)
def evaluate_recommend(
    interactions: str, columns: str, split: str | None, test: str | None, models: str, k: str, tune: int, seed: int,
    relevant: str | None, weights: str | None, rating: Any, half_life: float | None, where: str | None,
    keep_seen: bool, negatives: str | None, resamples: int, out: Path, items: str | None, item_columns: str | None,
    **given: Any,
) -> None:  # fmt: skip
    """Hold rows out, fit models on the rest, and measure how well their lists name what was held out.

    Popularity is always measured beside them, and every difference from it has a 95 % interval. docs/evaluation.md says
    what each figure means.
    """
    progress = Progress(given["log_format"])
    with told(progress, "evaluate", given["verbose"]):
        from shoal.evaluation.known import known_models
        from shoal.evaluation.request import asked

        known = known_models()
        request = asked(
            interactions=interactions, test=test, split=split, columns=columns, where=where, k=k, negatives=negatives,
            relevant=relevant, weights=weights, rating=rating, half_life=half_life, keep_seen=keep_seen, tune=tune,
            items=items, item_columns=item_columns, models=models, known_models=known, resamples=resamples, seed=seed,
            out=out,
        )  # fmt: skip
    with spark_of({**given, "lake": None}, "evaluate") as spark:
        from shoal.evaluation.recommending import evaluate as carried_out
        from shoal.evaluation.report import write
        from shoal.reports.text_tables import as_table

        with progress.working("evaluate", "measuring recommenders"):
            report = carried_out(spark, request, known, lambda sentence: progress.said("evaluate", sentence))
        write(report, out)
        parts = [as_table(names, rows, title=title) for title, names, rows in report.tables()]
        click.echo("\n\n".join([*parts, "\n".join([*report.sentences(), f"All of it: {out}"])]))
