"""The views ``gold.current_*`` and the like: each is one filter of its table on the current release.

In a catalog, publish creates them, and again where their table has gained a column. Where the lake is a folder there
is no catalog: ``shoal sql`` opens them in its own session, and :func:`statements` prints them for other readers.
"""

import json

from shoal.errors import ConfigError
from shoal.lake import Lake
from shoal.tables import (
    BATCHES,
    CURRENT,
    DAYS,
    FEATURE_DRIFT,
    FEATURES,
    GOLD,
    METRICS,
    QUALITY,
    RELEASES,
    RUNS,
    SILVER,
    Table,
)

_LAYERS = ("silver", "features", "gold", "ops")
_SHOWN = (*SILVER, *FEATURES, *GOLD, BATCHES, RUNS, QUALITY, DAYS, FEATURE_DRIFT, METRICS, RELEASES)
_SQL = {  # how a dialect names a table by its path; {layer}, {name} and {path} are filled in
    "spark": "CREATE OR REPLACE VIEW {layer}.{name} AS SELECT * FROM delta.`{path}`",
    "databricks": "CREATE OR REPLACE VIEW {layer}.{name} AS SELECT * FROM delta.`{path}`",
    "duckdb": "CREATE OR REPLACE VIEW {layer}.{name} AS SELECT * FROM delta_scan('{path}')",
    "trino": "CALL delta.system.register_table(schema_name => '{layer}', table_name => '{name}', "
    "table_location => '{path}')",
}


def statements(lake: Lake, dialect: str) -> list[str]:
    """What opens the tables of a folder under their own names, and the views on them, in another reader.

    Tables that do not exist yet are left out.

    Raises:
        ConfigError: the lake is in a catalog, which has the tables and views already.
    """
    if lake.is_in_catalog:
        raise ConfigError(f"{lake.location} has its views in the catalog: {_view_name(lake, GOLD[0])} and the like")
    there = [table for table in _SHOWN if lake.exists(table)]
    return [_polars(lake, there)] if dialect == "polars" else _opening(lake, there, dialect)


def open_views(lake: Lake, query: str) -> None:
    """Make the names that a query may use known to this session; a catalog knows its own.

    Opening a table reads its log, so those are left out whose names the query does not hold.
    """
    if lake.is_in_catalog:
        return
    said = query.lower()
    named = [t for t in _SHOWN if _short(t) in said or (t is RELEASES and "current_" in said)]
    for statement in _opening(lake, [table for table in named if lake.exists(table)], "spark"):
        lake.spark.sql(statement)


def publish_views(lake: Lake) -> None:
    """Create the views in the lake's catalog, and the tables that they read; a folder has none.

    Spark keeps the columns that a view had when it was made: one whose table has gained some is replaced.
    """
    if not lake.is_in_catalog:
        return
    for table in (RELEASES, *CURRENT):
        lake.create(table)
    current = _current_run(lake.name_of(RELEASES))
    for table in CURRENT:
        view = _view_name(lake, table)
        if lake.spark.catalog.tableExists(view) and lake.spark.table(view).columns == lake.columns_of(table):
            continue
        lake.spark.sql(
            f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {lake.name_of(table)} WHERE run_id = ({current})"
        )


def _opening(lake: Lake, there: list[Table], dialect: str) -> list[str]:
    opened = [
        _SQL[dialect].format(layer=table.layer, name=_short(table), path=_quoted(lake.path_of(table), dialect))
        for table in there
    ]
    schemas = [f"CREATE SCHEMA IF NOT EXISTS {layer}" for layer in _LAYERS]
    return [*schemas, *opened, *_current_views(there)]


def _current_views(there: list[Table]) -> list[str]:
    if RELEASES not in there:
        return []
    return [
        f"CREATE OR REPLACE VIEW {table.layer}.current_{_short(table)} AS "
        f"SELECT * FROM {table.name} WHERE run_id = ({_current_run(RELEASES.name)})"
        for table in CURRENT
        if table in there
    ]


def _current_run(releases: str) -> str:
    return f"SELECT max_by(run_id, seq) FROM {releases} WHERE kind <> 'archive'"


def _view_name(lake: Lake, table: Table) -> str:
    database = lake.name_of(table).rpartition(".")[0]
    return f"{database}.current_{_short(table)}"


def _polars(lake: Lake, there: list[Table]) -> str:
    def scan(table: Table) -> str:
        return f"pl.scan_delta({json.dumps(lake.path_of(table))})"

    lines = ["import polars as pl", "", *(f"{t.name.replace('.', '_')} = {scan(t)}" for t in there)]
    if RELEASES in there:
        lines += [
            "shown = ops_releases.filter(pl.col('kind') != 'archive').sort('seq').select(pl.col('run_id').last())",
            "run_id = shown.collect().item()",
            *(
                f"current_{_short(t)} = {t.name.replace('.', '_')}.filter(pl.col('run_id') == run_id)"
                for t in CURRENT
                if t in there
            ),
        ]
    return "\n".join(lines)


def _quoted(path: str, dialect: str) -> str:
    return path.replace("`", "``") if dialect in {"spark", "databricks"} else path.replace("'", "''")


def _short(table: Table) -> str:
    return table.name.partition(".")[2]
