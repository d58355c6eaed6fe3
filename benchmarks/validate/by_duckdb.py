"""The same mapping and rules as one DuckDB query. Rules about columns that the files lack cannot be broken."""

import time

import click

from benchmarks.contest import told
from benchmarks.engines import duckdb_connection

_NUMBER = r"'^\s*[+-]?(\d+\.?\d*|\.\d+)\s*$'"
_WHOLE = r"'\s*[+-]?\d+\s*'"
_NUMBERS = ("unit_price", "discount_amount", "rating", "duration_s")
_TIMES = ("event_time", "updated_at")
_TYPES = (
    "view",
    "click",
    "search",
    "favourite",
    "unfavourite",
    "cart",
    "uncart",
    "purchase",
    "return",
    "review",
    "campaign",
)
_KINDS = ("goods", "shipping", "fee", "discount", "voucher", "sample", "adjustment")

# Name: condition over m, the mapped row, and r, the raw one.
_RULES = {
    "event_type is set": "m.event_type IS NOT NULL",
    "event_type is one of its allowed values": f"m.event_type IN {_TYPES}",
    "event_time is set": "m.event_time IS NOT NULL",
    "quantity >= 1": "m.quantity >= 1",
    **{f"{name} >= 0": f"m.{name} >= 0" for name in _NUMBERS},
    "line_kind is one of its allowed values": f"m.line_kind IN {_KINDS}",
    "item_id is set for what is done to an item": "m.event_type IN ('search', 'campaign') OR m.item_id IS NOT NULL",
    "event_time is not after delivered_at": "m.event_time <= m.delivered_at + INTERVAL 1 DAY",
    "currency is the shop's": "m.currency = 'EUR'",
    "the amount fits": "m.quantity IS NULL OR m.unit_price IS NULL OR m.amount_base IS NOT NULL",
    **{f"{name} is a time": f"r.{name} IS NULL OR TRY_CAST(r.{name} AS TIMESTAMPTZ) IS NOT NULL" for name in _TIMES},
    "quantity is a whole number": f"r.quantity IS NULL OR regexp_full_match(r.quantity, {_WHOLE})",
    **{f"{name} is a number": f"r.{name} IS NULL OR regexp_full_match(r.{name}, {_NUMBER})" for name in _NUMBERS},
    "quantity fits": f"m.quantity IS NOT NULL OR NOT regexp_full_match(r.quantity, {_WHOLE})",
}  # fmt: skip


def _judged(given: str) -> str:
    whole = f"CASE WHEN regexp_full_match(quantity, {_WHOLE}) THEN TRY_CAST(quantity AS BIGINT) END AS quantity"
    numbers = ", ".join(f"TRY_CAST({name} AS DECIMAL(18, 6)) AS {name}" for name in _NUMBERS)
    times = ", ".join(f"TRY_CAST({name} AS TIMESTAMPTZ) AS {name}" for name in _TIMES)
    files = f"read_parquet('{given}/*.parquet')"
    mapped = f"SELECT r, r.* REPLACE ({whole}, {numbers}, {times}), now() AS delivered_at FROM {files} r"
    priced = "SELECT *, TRY_CAST(quantity * unit_price AS DECIMAL(18, 6)) AS amount_base FROM mapped"
    broken = ", ".join(
        f"CASE WHEN NOT coalesce({condition}, true) THEN '{name.replace(chr(39), 2 * chr(39))}' END"
        for name, condition in _RULES.items()
    )
    return (
        f"WITH mapped AS ({mapped}), m AS ({priced}) SELECT m.* EXCLUDE (r), CAST(event_time AS DATE) AS event_date, "
        f"list_filter([{broken}], lambda x: x IS NOT NULL) AS reasons, "
        "CASE WHEN len(reasons) > 0 THEN to_json(r) END AS raw FROM m"
    )


@click.command()
@click.argument("given")
@click.argument("out")
@click.option("--once", is_flag=True, help="Find what was told twice, too.")
def main(given: str, out: str, once: bool) -> None:
    """Map, judge and write."""
    connection = duckdb_connection()
    connection.execute("SELECT 1").fetchall()
    started = time.perf_counter()
    judged = _judged(given)
    if once:  # raw rows are kept, and of an event the first row
        connection.execute(f"COPY (FROM read_parquet('{given}/*.parquet')) TO '{out}/bronze.parquet' (FORMAT parquet)")
        judged = f"SELECT * FROM ({judged}) QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY event_time) = 1"
    target = f"TO '{out}/events' (FORMAT parquet, PARTITION_BY (is_bad))"
    connection.execute(f"COPY (SELECT *, len(reasons) > 0 AS is_bad FROM ({judged})) {target}")
    seconds = time.perf_counter() - started
    rows = f"read_parquet('{out}/events/*/*.parquet', hive_partitioning = true)"
    sizes = dict(connection.execute(f"SELECT len(reasons) > 0, count(*) FROM {rows} GROUP BY ALL").fetchall())
    broken = connection.execute(
        f"SELECT rule, count(*) FROM (SELECT unnest(reasons) AS rule FROM {rows}) GROUP BY ALL"
    ).fetchall()
    told(seconds, {"good": sizes.get(False, 0), "bad": sizes.get(True, 0), "broken": sorted(map(list, broken))})


if __name__ == "__main__":
    main()
