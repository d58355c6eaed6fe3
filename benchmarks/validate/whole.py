"""``shoal pipeline --until validate`` into a new lake."""

import re
import subprocess
import sys
import time
from pathlib import Path

import click

from benchmarks.contest import told
from benchmarks.engines import cores, duckdb_connection


@click.command()
@click.argument("given")
@click.argument("out")
def main(given: str, out: str) -> None:
    """Ingest and validate; the seconds are those that the stages tell of, without the start of the process."""
    lake = Path(out, "lake")
    sets = ("shop.time_zone=UTC", "shop.currency=EUR", f"spark.spark.master=local[{cores()}]")
    shoal = str(Path(sys.executable).parent / "shoal")
    command = [shoal, "pipeline", "--until", "validate", "--feed", "shoal", "--input", given, "--lake", str(lake)]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, *(part for one in sets for part in ("--set", one))], check=True, capture_output=True, text=True
    )  # fmt: skip
    whole = time.perf_counter() - started
    stages = [float(text) for text in re.findall(r"done\s+[\d,]+ rows\s+([\d.]+) s", done.stdout + done.stderr)]
    told(sum(stages) if len(stages) == 2 else whole, _found(lake))


def _found(lake: Path) -> dict[str, object]:
    from deltalake import DeltaTable

    names = {name: DeltaTable(lake / "silver" / name).to_pyarrow_dataset() for name in ("events", "rejected_events")}
    connection = duckdb_connection()
    for name, table in names.items():
        connection.register(name, table)
    counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in names]
    reasons = "SELECT unnest(reasons) AS rule FROM rejected_events"
    broken = connection.execute(f"SELECT rule, count(*) FROM ({reasons}) GROUP BY ALL").fetchall()
    return {"good": counts[0], "bad": counts[1], "broken": sorted(map(list, broken))}


if __name__ == "__main__":
    main()
