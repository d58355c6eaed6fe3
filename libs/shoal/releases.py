"""What is visible: ``ops.releases`` and the views that read through it."""

import json
from collections.abc import Sequence
from datetime import date, datetime

from pyspark.sql import Row

from shoal.errors import ConfigError, PublishRaceError
from shoal.lake import Lake
from shoal.tables import BATCHES, FEATURES, GOLD, METRICS, QUALITY, RELEASES, RUNS, SILVER, Table

DIALECTS = ("spark", "duckdb", "polars", "trino", "databricks")

CURRENT = "SELECT max_by(run_id, seq) FROM ops.releases WHERE kind <> 'archive'"
_SHOWN = (*SILVER, *FEATURES, *GOLD, BATCHES, RUNS, QUALITY, METRICS, RELEASES)


def history(lake: Lake) -> list[Row]:
    """Every release, oldest first."""
    return sorted(lake.read(RELEASES).collect(), key=lambda row: row["seq"])


def current(releases: Sequence[Row]) -> Row | None:
    """The release that the views show; None before the first."""
    return next((row for row in reversed(releases) if row["kind"] != "archive"), None)


def run_of(lake: Lake, seq: int | None) -> str | None:
    """The run that a release shows; None without a release."""
    return next((str(row["run_id"]) for row in history(lake) if row["seq"] == seq), None)


def is_released(releases: Sequence[Row], run_id: str) -> bool:
    """True once a run was made visible or archived; its rows are then never rewritten."""
    return any(row["run_id"] == run_id for row in releases)


def release(lake: Lake, run_id: str, as_of: date, *, now: datetime, fallbacks: Sequence[str], max_retries: int) -> Row:
    """Make a run visible in one commit; an older day than the current one is archived and not shown.

    Raises:
        PublishRaceError: other runs took the next place ``max_retries`` times in a row.
    """

    def proposal(releases: Sequence[Row]) -> dict[str, object]:
        shown = current(releases)
        older = shown is not None and as_of < shown["as_of"]
        return {
            "kind": "archive" if older else "release",
            "run_id": run_id,
            "as_of": as_of,
            "fallbacks": [*fallbacks],
        }

    return _take_place(lake, proposal, now=now, max_retries=max_retries)


def roll_back(lake: Lake, to: int | None, *, now: datetime, max_retries: int) -> Row:
    """Show an earlier release again, by a new one that points back.

    Args:
        to: seq of the release to show; None takes the one that was shown before the current.

    Raises:
        ConfigError: there is no such release.
    """

    def proposal(releases: Sequence[Row]) -> dict[str, object]:
        shown = current(releases)
        if shown is None:
            raise ConfigError(f"nothing was released in {lake.location} yet")
        wanted = shown["replaces_seq"] if to is None else to
        target = next((row for row in releases if row["seq"] == wanted), None)
        if target is None:
            known = ", ".join(str(row["seq"]) for row in releases)
            asked = "a release before the current one" if to is None else f"release {to}"
            raise ConfigError(f"there is no {asked} in {lake.location}; there are {known}")
        return {k: target[k] for k in ("run_id", "as_of", "fallbacks")} | {"kind": "rollback"}

    return _take_place(lake, proposal, now=now, max_retries=max_retries)


def _take_place(lake: Lake, proposal, *, now: datetime, max_retries: int) -> Row:  # type: ignore[no-untyped-def]
    for _ in range(max_retries + 1):
        releases = history(lake)
        shown = current(releases)
        row = {
            **proposal(releases),
            "seq": len(releases) + 1,
            "released_at": now,
            "replaces_seq": shown["seq"] if shown else None,
        }
        held = lake.insert_new(RELEASES, row)
        if (held["run_id"], held["kind"]) == (row["run_id"], row["kind"]):
            return held
    raise PublishRaceError(
        f"{max_retries + 1} times another run took the next release of {lake.location}; run publish again"
    )


# -- views -----------------------------------------------------------------------------------------------------


def view_statements(lake: Lake, dialect: str) -> list[str]:
    """Statements that open the tables under their own names, and the views ``gold.current_*`` on them."""
    layers = [f"CREATE SCHEMA IF NOT EXISTS {layer}" for layer in ("silver", "features", "gold", "ops")]
    current_views = [
        f"CREATE OR REPLACE VIEW gold.current_{_short(table)} AS\nSELECT * FROM {table.name} WHERE run_id = ({CURRENT})"
        for table in GOLD
    ]
    match dialect:
        case "spark":
            tables = [f"CREATE TABLE IF NOT EXISTS {t.name} USING delta LOCATION '{lake.path_of(t)}'" for t in _SHOWN]
        case "duckdb":
            tables = [
                f"CREATE OR REPLACE VIEW {t.name} AS SELECT * FROM delta_scan('{lake.path_of(t)}')" for t in _SHOWN
            ]
        case "trino":
            tables = [
                f"CALL delta.system.register_table(schema_name => '{t.layer}', table_name => '{_short(t)}', "
                f"table_location => '{lake.path_of(t)}')"
                for t in _SHOWN
            ]
        case "databricks":
            tables = [f"CREATE OR REPLACE VIEW {t.name} AS SELECT * FROM {lake.name_of(t)}" for t in _SHOWN]
        case _:
            return _polars(lake)
    return [*layers, *tables, *current_views]


def open_views(lake: Lake) -> None:
    """Open tables and views in this session, so that SQL can name them; tables that do not exist yet are left out."""
    spark = lake.spark
    there = [table for table in _SHOWN if lake.exists(table)]
    for layer in ("silver", "features", "gold", "ops"):
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS {layer}")
    for table in there:
        spark.sql(f"CREATE OR REPLACE VIEW {table.name} AS SELECT * FROM {lake.name_of(table)}")
    if lake.exists(RELEASES):
        for table in GOLD:
            if table in there:
                spark.sql(
                    f"CREATE OR REPLACE VIEW gold.current_{_short(table)} AS "
                    f"SELECT * FROM {table.name} WHERE run_id = ({CURRENT})"
                )


def _polars(lake: Lake) -> list[str]:
    lines = [
        "import polars as pl",
        f"releases = pl.scan_delta({json.dumps(lake.path_of(RELEASES))}).filter(pl.col('kind') != 'archive')",
        "run_id = releases.sort('seq').select(pl.col('run_id').last()).collect().item()",
    ]
    views = [
        f"current_{_short(t)} = pl.scan_delta({json.dumps(lake.path_of(t))}).filter(pl.col('run_id') == run_id)"
        for t in GOLD
    ]
    return ["\n".join([*lines, *views])]


def _short(table: Table) -> str:
    return table.name.partition(".")[2]
