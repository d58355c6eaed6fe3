"""What the tools of the command line do with an open lake or session."""

import contextlib
import csv
import io
import json
import math
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table as RichTable

from shoal import facts, feeds, releases, shop
from shoal.config import Config
from shoal.config.feed_files import feed_given
from shoal.errors import ConfigError, DataError
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.quality.rows import judged_by, others_of
from shoal.sources import Feed
from shoal.sources.listing import find_files
from shoal.sources.mapping import Shop, candidate_events, count_ignored, row_rules
from shoal.sources.readers import UNREADABLE, check_columns, first_line, raw_rows
from shoal.tables import EVENT_VERSIONS, EVENTS, Rule
from shoal.transforms.known import events_as_known
from shoal.views import open_views

MOST_ROWS = 10_000  # a table that is printed passes through this process
_SHOWN = 10
_WIDTH = 100  # of tables where there is no terminal
_LONGEST_ROW = 300  # of a raw row that is shown
_KEEPS_ROLLBACKS = 5


def query_lake(lake: Lake, query: str, form: str, known_as_of: date | None = None) -> Iterator[str]:
    """The lines of the answer to a query over the public views, as a table, CSV or JSON; nothing is ever changed.

    CSV and JSON pass through this process a part at a time, however long they are.

    Args:
        known_as_of: the query may name ``known_events``: the events as they were known before this day.

    Raises:
        ConfigError: it is no query or cannot be run, asks for a release where there is none, or a table would have
            more than ``MOST_ROWS`` rows.
    """
    if "gold.current_" in query and not releases.history(lake):
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
            yield before + json.dumps(_plain(row), ensure_ascii=False)
            before = ","
        yield "]" if before == "," else "[]"


def _csv(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A value in CSV: what is nested, and true and false, as JSON."""
    plain = _plain(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, bool | list | dict) else plain


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


def checked_feed(lake: Lake, config: Config, name: str, path: str) -> tuple[str, bool]:
    """Map files without storing them, as the settings and the lake would: ten rows and how many break which rule.

    Returns:
        The report; False where a row breaks a rule.

    Raises:
        ConfigError: the settings contradict what the lake has settled.
        DataError: the files cannot be read as that feed, or hold no row.
    """
    feed = feed_given(name)
    feeds.check_sql(lake.spark, feed)
    files = [file for file in find_files(lake.spark, path) if not file.is_empty]
    check_columns(lake.spark, feed, files)
    try:
        # As bronze does, this parts what is read from what is made of it: one plan of both can take Spark for ever.
        with persisted(raw_rows(lake.spark, feed, files, "check")) as raw:
            settled = shop.propose(lake, config.shop, feed, raw).shop
            rows = candidate_events(raw, feed, settled, duplicate_lines=config.validation.duplicate_lines)
            rules = row_rules(feed, settled)
            with persisted(judged_by(rules, rows)) as judged:
                report, good = _feed_report(judged, feed, settled, path, count_ignored(raw, feed))
                return "\n".join([report, *_other_rules(judged, rules)]), good
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read as {name}: {first_line(error)}") from error


def _feed_report(judged: DataFrame, feed: Feed, settled: Shop, path: str, ignored: int) -> tuple[str, bool]:
    said = judged.select("event_id", "content_hash", (F.size("reasons") == 0).alias("is_good")).distinct()
    rows, good, bad = judged.count(), said.where("is_good").count(), said.where("NOT is_good").count()
    if rows + ignored == 0:
        raise DataError(f"{path} has no rows below its header")
    came = F.to_json(F.struct(*(F.col(f"raw.`{column.name}`") for column in feed.columns), "raw.malformed"))
    problems = (
        judged.withColumn("came", came)
        .select(F.explode("reasons").alias("rule"), "source_file", "position", "came")
        .groupBy("rule")
        .agg(F.count("*").alias("rows"), F.min(F.struct("source_file", "position", "came")).alias("first"))
        .orderBy(F.desc("rows"), "rule")
        .collect()
    )
    balance = f"{rows + ignored:,} rows = {good:,} good + {bad:,} bad + {rows - good - bad:,} duplicates"
    balance += f" + {ignored:,} ignored" if ignored else ""
    report = [f"{balance}; of the good ones:", _filled_columns(judged, feed)] if rows else [balance]
    rules = {rule.name: rule.condition for rule in row_rules(feed, settled)}
    for problem in problems:
        first, some = problem["first"], "1 row breaks" if problem["rows"] == 1 else f"{problem['rows']:,} rows break"
        row = _shortened(first["came"], feed, rules.get(problem["rule"], ""))
        report += [
            f"{some}: {problem['rule']}",
            f"  first in {first['source_file']}, row {first['position']}: {row}",
        ]
    alike = said.where("is_good").groupBy("event_id").count().agg(F.sum(F.col("count") - 1)).first()
    if not feed.target.is_change and alike and alike[0]:
        report.append(_of_one_id(feed, int(alike[0])))
    return "\n".join(report), bad == 0


def _of_one_id(feed: Feed, rows: int) -> str:
    """What to say of rows that differ from another row of the same event."""
    some = "1 row says" if rows == 1 else f"{rows:,} rows say"
    if feed.event_id is not None:
        return f"{some} something else than another row of the same event_id: they are taken for corrections of it"
    return (
        f"{some} something else than another row with the same {', '.join(feed.natural_key)}: they are taken for "
        "corrections of it, and only the strongest counts; if they are events of their own, name in natural_key what "
        "tells them apart, or set repeats_are_real"
    )


def _shortened(came: str, feed: Feed, condition: str) -> str:
    """A raw row as JSON, cut to a line; what a broken rule speaks of comes first."""
    row = json.loads(came)
    used = " ".join([condition, *(sql for name, sql in feed.mapping.items() if re.search(rf"\b{name}\b", condition))])
    told = sorted(row, key=lambda name: re.search(rf"\b{re.escape(name)}\b", used) is None)  # else in its order
    text = json.dumps({name: row[name] for name in told}, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _LONGEST_ROW else f"{text[:_LONGEST_ROW]}..."


def _other_rules(judged: DataFrame, rules: Sequence[Rule]) -> list[str]:
    """Of each rule that rejects nothing how many accepted rows break it."""
    others = others_of(rules)
    if not others:
        return []
    outcomes = [F.when(F.size("reasons") == 0, F.col("outcomes")[place]) for place in range(len(others))]
    counted = judged.agg(*(F.struct(F.count(each), F.count_if(~each)) for each in outcomes)).first()
    assert counted is not None, "an aggregate has one row"
    return [
        f"{broken:,} of {rows:,} accepted rows break: {rule.name} (policy {rule.policy}; "
        f"{1.0 if rule.mostly is None else rule.mostly:.3g} of them must keep it)"
        for rule, (rows, broken) in zip(others, counted, strict=True)
        if broken
    ]


def _filled_columns(judged: DataFrame, feed: Feed) -> str:
    """Ten mapped rows, without the columns that are empty in all of them."""
    hidden = {
        "raw",
        "reasons",
        "outcomes",
        "content_hash",
        "batch_id",
        "delivered_at",
        "source_file",
        "position",
        *(("event_id", "event_date") if feed.target.is_change else ("is_deleted",)),
    }
    names = [name for name in judged.columns if name not in hidden]
    rows = judged.where("size(reasons) = 0").orderBy("source_file", "position").limit(_SHOWN).select(names).collect()
    filled = [name for name in names if any(row[name] not in (None, {}) for row in rows)]
    cut = [Row(*filled)(*(row[name] for name in filled)) for row in rows]
    return as_table(filled, cut)


def as_table(names: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> str:
    """Rows as a table for a terminal; numbers to the right."""
    table = RichTable(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(names):
        number = any(isinstance(row[place], int | float | Decimal) for row in rows)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    named = sum(len(name) + 2 for name in names)  # no name is folded
    width = max(shutil.get_terminal_size((_WIDTH, 24)).columns, 12 * len(names), named)
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(table)
    shown: io.StringIO = console.file  # type: ignore[assignment]  # set two lines above
    return "\n".join([*([title] if title else []), *(line.rstrip() for line in shown.getvalue().splitlines())])


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case Decimal():
            return f"{value:,.2f}" if value == round(value, 2) else f"{value.normalize():,f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case dict() | list():
            return json.dumps(_plain(value), ensure_ascii=False)
        case _:
            return str(value)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it; decimals keep their digits as text."""
    match value:
        case Row():
            return {name: _plain(part) for name, part in value.asDict().items()}
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case float() if not math.isfinite(value):
            return None  # JSON has neither NaN nor infinity
        case Decimal() | datetime() | date():
            return value.isoformat() if not isinstance(value, Decimal) else str(value)
        case _:
            return value
