"""The day after in full: a new fit of all pairs, then new lists of everybody."""

import time
from pathlib import Path

import click

from benchmarks.contest import told
from benchmarks.recommend.news import facts_of, lists_of, opened, pairs_of, written
from shoal.models.recommend.als import Als


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(given: Path, out: Path) -> None:
    """Fit and make lists."""
    spark = opened(out)

    def day(iterations: int) -> None:
        pairs = pairs_of(spark, given, "strength")
        fitted = Als(max_iter=iterations).fit(pairs)
        assert fitted is not None, "there are pairs"
        written(fitted.user_factors.unionByName(fitted.item_factors), out / "factors")
        written(lists_of(fitted, pairs.select("user_id").distinct(), pairs), out / "lists")

    day(1)  # starts Python, loads the machine code
    started = time.perf_counter()
    day(Als.max_iter)
    seconds = time.perf_counter() - started
    told(seconds, facts_of(given, out / "factors", out / "lists"))


if __name__ == "__main__":
    main()
