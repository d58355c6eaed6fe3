"""Data Docs of what the books say: pages of Great Expectations' results, from ``ops.quality``, for a browser."""

from collections import defaultdict
from datetime import datetime
from pathlib import Path

from pyspark.sql import Row
from pyspark.sql import functions as F

from shoal.errors import ConfigError
from shoal.lake import Lake
from shoal.quality.docs import Judgement, pages
from shoal.quality.gate import Verdict
from shoal.tables import ALL, BATCHES, EVENTS, QUALITY, RUNS

_COLUMNS = {table.name: frozenset(table.names) for table in ALL}
_OF_WHOM = ("batch_id", "sequence", "run_id")


def build(lake: Lake, out: Path, *, newest: int) -> str:
    """Write a page for each table of the newest batches and runs that were judged; nothing is judged again.

    Args:
        out: a folder, made if need be; pages of the same name in it are replaced.
        newest: how many batches, and how many runs.

    Returns:
        What was written, and where to open it.

    Raises:
        ConfigError: nothing was judged yet, or the pages cannot be written there.
    """
    judgements = _judgements(lake, newest)
    if not judgements:
        raise ConfigError(f"nothing was judged in {lake.location} yet; `shoal validate` does")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, html in pages(judgements):
            (out / name).write_text(html, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {out}: {(error.strerror or str(error)).lower()}") from error
    return f"{len(judgements):,} results; open {(out / 'index.html').resolve().as_uri()}"


def _judgements(lake: Lake, newest: int) -> list[Judgement]:
    """Of the newest batches and runs, newest first; of a batch that was judged twice both times."""
    judged = lake.read(QUALITY).where("kind = 'expectation'")
    whom = judged.select(*_OF_WHOM).distinct().collect()
    places = sorted((row["sequence"] for row in whom if row["sequence"] is not None), reverse=True)[:newest]
    at = _moments(lake)
    runs = {row["run_id"] for row in whom if row["run_id"] is not None}
    newest_runs = sorted(runs, key=lambda run_id: (str(at.get(run_id)), run_id), reverse=True)[:newest]
    wanted = F.col("sequence").isin(places) | F.col("run_id").isin(newest_runs)
    found: dict[tuple[str, int, str], list[Row]] = defaultdict(list)
    for row in judged.where(wanted).collect():
        subject = row["run_id"] or row["batch_id"]
        found[subject, row["sequence"] or 0, row["table_name"] or EVENTS.name].append(row)
    times = {subject: sorted({place for one, place, _ in found if one == subject}) for subject, _, _ in found}
    made = [
        Judgement(
            table,
            subject if place == times[subject][0] else f"{subject} (judged again, {place})",
            at.get(subject),
            _COLUMNS.get(table, frozenset()),
            [_verdict(row) for row in rows],
        )
        for (subject, place, table), rows in found.items()
    ]
    return sorted(made, key=lambda one: (str(one.at), one.subject, one.table_name), reverse=True)


def _moments(lake: Lake) -> dict[str, datetime]:
    """When each batch was planned, and each run published."""
    batches = lake.read(BATCHES).select("batch_id", "planned_at").collect()
    runs = lake.read(RUNS).where("job = 'publish' AND run_id IS NOT NULL").select("run_id", "started_at").collect()
    return {row["batch_id"]: row["planned_at"] for row in batches} | {row["run_id"]: row["started_at"] for row in runs}


def _verdict(row: Row) -> Verdict:
    return Verdict(**{name: row[name] for name in QUALITY.names if name not in _OF_WHOM})
