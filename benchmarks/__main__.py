"""``python -m benchmarks STAGE``: run the contests of a stage, keep the figures, renew ``docs/benchmarks.md``."""

from pathlib import Path

import click

from benchmarks import features, machine, page, recommend, validate
from benchmarks.contest import carry_out

STAGES = {"validate": validate.contests, "features": features.contests, "recommend": recommend.contests}
HERE = Path(__file__).parent


@click.command()
@click.argument("stage", type=click.Choice([*STAGES]))
@click.option("--rounds", default=3, show_default=True, help="How often each contestant runs, in turn with the others.")
@click.option("--cores", default=2, show_default=True, help="How many cores each contestant has.")
@click.option("--scale", default=1.0, show_default=True, help="Share of the full size; below 1 nothing is kept.")
@click.option("--contest", "names", multiple=True, metavar="NAME", help="Only this contest of the stage. Repeatable.")
@click.option("--work", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
def main(stage: str, rounds: int, cores: int, scale: float, names: tuple[str, ...], work: Path) -> None:
    """Run the contests of a stage."""
    work.mkdir(parents=True, exist_ok=True)
    limits = machine.measure(work, cores)
    click.echo("  ".join(f"{name}: {value}" for name, value in limits.items()))
    contests = [contest for contest in STAGES[stage](scale) if not names or contest.name in names]
    if unknown := {*names} - {contest.name for contest in contests}:
        raise click.UsageError(f"--contest: {stage} has none named {', '.join(sorted(unknown))}")
    for contest in contests:
        done = carry_out(contest, work, rounds=rounds, cores=cores)
        if scale >= 1:
            page.keep(HERE / "results" / f"{stage}.json", stage, limits, done)
            Path("docs/benchmarks.md").write_text(page.written(HERE / "results"))


if __name__ == "__main__":
    main()
