"""DuckDB: one grouping with ``count(DISTINCT ...)`` as people write it, or what counts once found first."""

import time
from datetime import date

import click

from benchmarks.contest import told
from benchmarks.engines import duckdb_connection
from benchmarks.features.shared import BOUGHT, LOOKED, VIEWED, found, joined, name_of, windows
from benchmarks.features.work import AS_OF


def _as_written(events: str) -> str:
    columns = list[str]()
    for ending, since in windows():
        within = f"event_date >= DATE '{since}'"
        values = {
            "views": f"count(*) FILTER (WHERE {within} AND {VIEWED})",
            "purchases": f"count(*) FILTER (WHERE {within} AND {BOUGHT})",
            "orders": f"count(DISTINCT order_id) FILTER (WHERE {within} AND {BOUGHT})",
            "active_days": f"count(DISTINCT event_date) FILTER (WHERE {within})",
            "distinct_items": f"count(DISTINCT item_id) FILTER (WHERE {within} AND {BOUGHT})",
            "distinct_items_viewed": f"count(DISTINCT item_id) FILTER (WHERE {within} AND {LOOKED})",
            "spend": f"sum(amount_base) FILTER (WHERE {within} AND {BOUGHT})",
        }
        columns += [f"{value} AS {name_of(name, ending)}" for name, value in values.items()]
    return f"SELECT user_id,\n  {joined(columns)}\nFROM {events} GROUP BY user_id"


def _two_level(events: str) -> str:
    """Days, items and orders of each user first; a different one counts where its last day lies within the window."""

    def over(sql: dict[str, str], since: date, ending: str) -> list[str]:
        return [f"{value.format(since=since)} AS {name_of(name, ending)}" for name, value in sql.items()]

    of_days = {
        "views": "sum(views) FILTER (WHERE event_date >= DATE '{since}')",
        "purchases": "sum(purchases) FILTER (WHERE event_date >= DATE '{since}')",
        "active_days": "count(*) FILTER (WHERE event_date >= DATE '{since}')",
        "spend": "sum(spend) FILTER (WHERE event_date >= DATE '{since}')",
    }
    of_items = {
        "distinct_items": "count(*) FILTER (WHERE bought >= DATE '{since}')",
        "distinct_items_viewed": "count(*) FILTER (WHERE met >= DATE '{since}')",
    }
    of_orders = {"orders": "count(*) FILTER (WHERE ordered >= DATE '{since}')"}
    days, items, orders = (
        joined([column for ending, since in windows() for column in over(sql, since, ending)])
        for sql in (of_days, of_items, of_orders)
    )
    return f"""
WITH days AS (
  SELECT user_id, event_date, count(*) FILTER (WHERE {VIEWED}) AS views,
    count(*) FILTER (WHERE {BOUGHT}) AS purchases, sum(amount_base) FILTER (WHERE {BOUGHT}) AS spend
  FROM {events} GROUP BY ALL),
items AS (
  SELECT user_id, item_id, max(event_date) FILTER (WHERE {BOUGHT}) AS bought, max(event_date) AS met
  FROM {events} WHERE {LOOKED} GROUP BY ALL),
orders AS (
  SELECT user_id, order_id, max(event_date) AS ordered FROM {events} WHERE {BOUGHT} GROUP BY ALL),
by_days AS (SELECT user_id, {days} FROM days GROUP BY user_id),
by_items AS (SELECT user_id, {items} FROM items GROUP BY user_id),
by_orders AS (SELECT user_id, {orders} FROM orders GROUP BY user_id)
FROM by_days LEFT JOIN by_items USING (user_id) LEFT JOIN by_orders USING (user_id)"""


@click.command()
@click.argument("given")
@click.argument("out")
@click.option("--two-level", is_flag=True)
def main(given: str, out: str, two_level: bool) -> None:
    """Compute and write."""
    connection = duckdb_connection()
    connection.execute("SELECT 1").fetchall()
    started = time.perf_counter()
    events = f"(FROM read_parquet('{given}/events/*.parquet') WHERE event_date < DATE '{AS_OF}')"
    query = _two_level(events) if two_level else _as_written(events)
    connection.execute(f"COPY ({query}) TO '{out}/features.parquet' (FORMAT parquet)")
    seconds = time.perf_counter() - started
    told(seconds, found(f"read_parquet('{out}/features.parquet')"))


if __name__ == "__main__":
    main()
