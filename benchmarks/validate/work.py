"""The raw events that are validated: typed and untyped columns, of every thousand rows 13 that break a rule."""

from pathlib import Path

from benchmarks.engines import duckdb_connection

FILES = 8

# By remainder of the row's number when divided by 1,000: what is wrong with it.
_FAULTS = {
    "event_type": {0: "'buy'", 1: "NULL"},
    "event_time": {2: "'yesterday'", 7: "'2199-01-01T00:00:00Z'"},
    "quantity": {3: "'-3'", 11: "'2.5'"},
    "unit_price": {4: "'abc'", 5: "'-1.00'"},
    "item_id": {6: "NULL"},
    "currency": {8: "'USD'"},
    "rating": {9: "'x'"},
    "duration_s": {10: "'-5'"},
    "line_kind": {12: "'gift'"},
}
_GOOD = {
    "event_id": "'e' || i",
    "event_type": "CASE WHEN h % 10 < 7 THEN 'view' WHEN h % 10 < 9 THEN 'cart' ELSE 'purchase' END",
    # 365 days from the first of January 2024 on, in order as a log is
    "event_time": "strftime(TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * (i * 31536000 // n), '%Y-%m-%dT%H:%M:%SZ')",
    "user_id": "'u' || (h // 16) % 100000",
    "session_id": "'s' || (h // 64) % 1000000",
    "item_id": "'i' || (h // 7) % 20000",
    "quantity": "CASE WHEN h % 10 = 9 THEN CAST(1 + (h // 11) % 5 AS VARCHAR) END",
    "unit_price": "printf('%.2f', 0.5 + ((h // 7) % 20000) / 100.0)",
    "currency": "'EUR'",
    "discount_amount": "CASE WHEN h % 50 = 9 THEN '0.50' END",
    "line_kind": "'goods'",
    "order_id": "CASE WHEN h % 10 = 9 THEN 'o' || i END",
    "rating": "CAST(NULL AS VARCHAR)",
    "duration_s": "CAST((h // 3) % 300 AS VARCHAR)",
    "channel": "CASE WHEN h % 3 = 0 THEN 'web' ELSE 'app' END",
    "updated_at": "CAST(NULL AS VARCHAR)",
}


def make(folder: Path, rows: int) -> None:
    """Write ``rows`` raw events as Parquet files of the canonical feed; the same for the same number."""
    folder.mkdir(parents=True)
    columns = ", ".join(f"{_with_faults(name, good)} AS {name}" for name, good in _GOOD.items())
    connection = duckdb_connection()
    for part in range(FILES):
        first, end = rows * part // FILES, rows * (part + 1) // FILES
        numbered = f"SELECT range AS i, hash(range) >> 8 AS h, {rows} AS n FROM range({first}, {end})"
        target = folder / f"events-{part}.parquet"
        connection.execute(f"COPY (SELECT {columns} FROM ({numbered})) TO '{target}' (FORMAT parquet)")


def _with_faults(name: str, good: str) -> str:
    faults = " ".join(f"WHEN {place} THEN {value}" for place, value in _FAULTS.get(name, {}).items())
    return f"CASE i % 1000 {faults} ELSE {good} END" if faults else good
