"""``shoal features`` on the day after: tiles of the new day, then every user anew, in a lake with so much history."""

import re
import shutil
from pathlib import Path

import click

from benchmarks.contest import told
from benchmarks.features.work import NEW_DAY_SEEN, run_shoal


@click.command()
@click.argument("given", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--days", type=int, required=True, help="Of history.")
def main(given: Path, out: Path, days: int) -> None:
    """Run the stage; the seconds are those that it tells of, without the start of the process."""
    lake = out / "lake"
    shutil.copytree(given / f"lake-{days}", lake)
    printed = run_shoal("features", "--as-of", str(NEW_DAY_SEEN), lake=lake)
    done = re.search(r"done\s+([\d,]+) rows\s+([\d.]+) s", printed)
    assert done is not None, printed
    told(float(done[2]), {"users": int(done[1].replace(",", ""))})


if __name__ == "__main__":
    main()
