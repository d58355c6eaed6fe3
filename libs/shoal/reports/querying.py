"""Queries over the public views, as a table, CSV or JSON; and releases in lines."""

import contextlib
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from shoal.books import facts, releases
from shoal.errors import ConfigError
from shoal.lake import Lake
from shoal.publish.views import open_views
from shoal.reports.text_tables import as_table, plain
from shoal.tables import EVENT_VERSIONS, EVENTS
from shoal.transforms.known import events_as_known

_KEEPS_ROLLBACKS = 5
MOST_ROWS = 10_000  # a table that is printed passes through this process


def query_lake(lake: Lake, query: str, form: str, known_as_of: date | None = None) -> Iterator[str]:
    """The lines of the answer to a query over the public views, as a table, CSV or JSON; nothing is ever changed.

    CSV and JSON pass through this process a part at a time, however long they are.

    Args:
        known_as_of: the query may name ``known_events``: the events as they were known before this day.

    Raises:
        ConfigError: it is no query or cannot be run, asks for a release where there is none, or a table would have
            more than ``MOST_ROWS`` rows.
    """
    if re.search(r"\b(gold|features)\W{1,3}current_", query.lower()) and not releases.history(lake):
        raise ConfigError(f"nothing was released in {lake.location} yet; `shoal pipeline` does")
    open_views(lake, query)
    if known_as_of is not None:
        _open_known_events(lake, known_as_of)
    with _queries_told():
        _require_query(lake.spark, query)
        answer = lake.spark.sql(query)
        few = answer.limit(MOST_ROWS + 1).collect() if form == "table" else []
    if len(few) > MOST_ROWS:
        raise ConfigError(f"the answer has more than {MOST_ROWS:,} rows; add LIMIT, or take --format csv")
    return iter([as_table(answer.columns, few)]) if form == "table" else _streamed(answer, form)


def _open_known_events(lake: Lake, day: date) -> None:
    zone = facts.known(lake).get("time_zone")
    if zone is None:
        raise ConfigError(f"{lake.location} holds no validated events yet; run ingest and validate first")
    known = events_as_known(lake.read(EVENTS), lake.read(EVENT_VERSIONS), known_as_of=day, time_zone=zone)
    known.createOrReplaceTempView("known_events")


def _require_query(spark: SparkSession, query: str) -> None:
    """Refuse what is no query: only a query can stand where a table stands."""
    parser: Any = spark
    parser = parser._jsparkSession.sessionState().sqlParser()
    parser.parsePlan(query)
    try:
        parser.parsePlan(f"SELECT * FROM (\n{query.rstrip().rstrip(';')}\n)")
    except PySparkException as error:
        raise ConfigError("only a query can be run here: SELECT, WITH or VALUES; the tables are Shoal's own") from error


@contextlib.contextmanager
def _queries_told() -> Iterator[None]:
    try:
        yield
    except PySparkException as error:
        raise ConfigError(f"cannot run the query: {str(error).split('SQLSTATE')[0].strip()[:600]}") from error


def _streamed(answer: DataFrame, form: str) -> Iterator[str]:
    with _queries_told():
        if form == "csv":
            yield _csv(answer.columns)
            for row in answer.toLocalIterator():
                yield _csv(map(_cell, row))
            return
        before = "["
        for row in answer.toLocalIterator():
            yield before + json.dumps(plain(row), ensure_ascii=False)
            before = ","
        yield "]" if before == "," else "[]"


def _csv(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A value in CSV: what is nested, and true and false, as JSON."""
    said = plain(value)
    return json.dumps(said, ensure_ascii=False) if isinstance(said, bool | list | dict) else said


def release_lines(lake: Lake) -> list[str]:
    """One line per release, newest first; ``*`` marks the one that is shown."""
    book = releases.history(lake)
    shown = releases.current(book)
    if shown is None:
        return ["nothing was released yet"]
    return [
        f"{'*' if row is shown else ' '} {row['seq']:>4}  {row['kind']:<8}  {row['run_id']}  "
        f"released {row['released_at'].astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        + (f"  {len(row['fallbacks'])} warnings of models" if row["fallbacks"] else "")
        for row in reversed(book)
    ]


def rolled_back(lake: Lake, to: int | None) -> str:
    """Show an earlier release again; says which."""
    row = releases.roll_back(lake, to, now=datetime.now(UTC), max_retries=_KEEPS_ROLLBACKS)
    return f"release {row['seq']} shows run {row['run_id']} of {row['as_of']} again"
