"""Events of sessions, as silver holds them and as a feed delivers them, and lakes with a history."""

import subprocess
import sys
from datetime import date
from pathlib import Path

from benchmarks.engines import cores, duckdb_connection

FILES = 8
AS_OF = date(2025, 7, 1)
NEW_DAY_SEEN = date(2025, 7, 2)  # as_of of the run that has seen one more day
DAYS = 400  # before AS_OF: more than the longest window
HISTORIES = (30, 90, 365)  # days before the new one
_PER_SESSION = 5

_KINDS = {70: "view", 72: "favourite", 75: "search", 88: "cart", 98: "purchase", 99: "return", 100: "review"}
_KIND = f"CASE {' '.join(f'WHEN h % 100 < {below} THEN {kind!r}' for below, kind in _KINDS.items())} END"
_LINE = "kind IN ('purchase', 'return')"
# A session is of one user, five events within minutes; i is the event's number, s its session's, n counts back days.
_RAW = f"""
SELECT 'e' || i AS event_id, kind AS event_type,
  CAST(DATE '{AS_OF}' - n AS TIMESTAMPTZ)
    + to_seconds(starts + 60 * (i % {_PER_SESSION}) + h // 100 % 60) AS event_time,
  printf('u%08d', u) AS user_id,
  CASE WHEN kind <> 'search' THEN 'i' || item END AS item_id,
  CASE WHEN {_LINE} THEN CAST(1 + h // 6000 % 3 AS INTEGER) END AS quantity,
  CASE WHEN {_LINE} THEN CAST(0.5 + item % 20000 / 100 AS DECIMAL(18, 2)) END AS unit_price,
  CASE WHEN {_LINE} THEN 'EUR' END AS currency,
  CASE WHEN kind = 'purchase' AND h // 18000 % 10 = 0 THEN CAST(0.5 AS DECIMAL(18, 2)) END AS discount_amount,
  CASE WHEN {_LINE} THEN 'goods' END AS line_kind,
  CASE WHEN {_LINE} THEN 'o' || u || '-' || n END AS order_id,
  CASE WHEN kind = 'review' THEN CAST(1 + h // 6000 % 5 AS DOUBLE) END AS rating,
  CASE WHEN h // 18000 % 3 = 0 THEN 'web' ELSE 'app' END AS channel,
  ['DE', 'FR', 'NL'][1 + u % 3] AS region,
  CASE WHEN u % 2 = 0 THEN 'phone' ELSE 'desk' END AS device
FROM (SELECT *, {_KIND} AS kind FROM drawn)
"""


def _events(first: int, end: int, users: int, items: int, day: str) -> str:
    """SQL of the raw events of some numbers: user and item fall off as powers of a uniform number.

    Args:
        day: SQL of how many days before AS_OF a session is.
    """
    # Numbers in 0..1: one for each choice that a session makes, and one for the item of an event.
    even = "(CAST(hash(s * 16 + {}) >> 11 AS DOUBLE) / 9007199254740992)".format
    of_item = "(CAST(hash(i * 16 + 15) >> 11 AS DOUBLE) / 9007199254740992)"
    drawn = (
        f"SELECT i, s, hash(i) >> 8 AS h, CAST(floor({users} * pow({even(1)}, 1.5)) AS BIGINT) AS u, "
        f"CAST(floor({items} * pow({of_item}, 2.2)) AS BIGINT) AS item, CAST({day.format(even(2))} AS INTEGER) AS n, "
        f"CAST(floor(82800 * {even(3)}) AS BIGINT) AS starts "
        f"FROM (SELECT range AS i, range // {_PER_SESSION} AS s FROM range({first}, {end}))"
    )
    return f"WITH drawn AS ({drawn}) {_RAW}"


def make(folder: Path, rows: int, users: int, items: int) -> None:
    """Write ``events``, ``users.parquet`` and ``items.parquet`` as silver holds them; the same for the same numbers."""
    (folder / "events").mkdir(parents=True)
    connection = duckdb_connection()
    for part in range(FILES):
        first, end = rows * part // FILES, rows * (part + 1) // FILES
        raw = _events(first, end, users, items, f"1 + floor({DAYS} * {{}})")
        silver = (
            "SELECT *, CAST(event_time AS DATE) AS event_date, CAST(NULL AS VARCHAR) AS visitor_id, "
            f"CAST(quantity * unit_price AS DECIMAL(18, 6)) AS amount_base, false AS is_deleted FROM ({raw})"
        )
        connection.execute(f"COPY ({silver}) TO '{folder}/events/events-{part}.parquet' (FORMAT parquet)")
    accounts = f"SELECT DISTINCT user_id, 'consumer' AS account_kind FROM '{folder}/events/*.parquet'"
    connection.execute(f"COPY ({accounts}) TO '{folder}/users.parquet' (FORMAT parquet)")
    goods = (
        "SELECT 'i' || range AS item_id, 'c' || range % 200 AS category, 'b' || range % 500 AS brand "
        f"FROM range({items})"
    )
    connection.execute(f"COPY ({goods}) TO '{folder}/items.parquet' (FORMAT parquet)")


def make_lakes(folder: Path, per_day: int, users: int, items: int) -> None:
    """Make a lake for each history, with features as of AS_OF, and one more day that has entered silver since.

    The last days of a longer history are those of a shorter one.
    """
    connection = duckdb_connection()
    for days in HISTORIES:
        lake = folder / f"lake-{days}"
        for name, first, last, until in (("history", 1, days, "features"), ("day", 0, 0, "validate")):
            given = folder / f"{name}-{days}"
            given.mkdir(parents=True)
            raw = _events(first * per_day, (last + 1) * per_day, users, items, f"s * {_PER_SESSION} // {per_day}")
            connection.execute(f"COPY ({raw}) TO '{given}/events.parquet' (FORMAT parquet)")
            as_of = ("--as-of", str(AS_OF)) if until == "features" else ()
            run_shoal("pipeline", "--until", until, "--feed", "shoal", "--input", str(given), *as_of, lake=lake)


def run_shoal(command: str, *arguments: str, lake: Path) -> str:
    """Run a command of Shoal's in a process of its own; what it printed.

    Raises:
        CalledProcessError: it failed.
    """
    sets = ("shop.time_zone=UTC", "shop.currency=EUR", f"spark.spark.master=local[{cores()}]")
    shoal = str(Path(sys.executable).parent / "shoal")
    given = [shoal, command, *arguments, "--lake", str(lake), *(part for one in sets for part in ("--set", one))]
    done = subprocess.run(given, check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)  # what CalledProcessError does not tell
        done.check_returncode()
    return done.stdout + done.stderr
