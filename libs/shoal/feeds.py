"""The feeds that a shop has declared itself, kept in the lake: ``ops.feeds``.

A batch is judged by the declaration it was planned with, whoever finishes it and whatever was declared since.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from shoal.errors import ConfigError, bulleted
from shoal.frames import few_rows
from shoal.lake import Lake
from shoal.sources import Feed, feed_named
from shoal.sources.declared import feed_of
from shoal.sources.mapping import Shop, candidate_events, filled
from shoal.tables import DECLARED_FEEDS

_MOST_PROBLEMS = 40


def remember(lake: Lake, feed: Feed, now: datetime) -> None:
    """Keep a declaration, and give the feed's bronze table the columns that it adds; a feed of Shoal's needs none."""
    if feed.version is None or newest(lake).get(feed.name) == feed:
        return
    if lake.exists(feed.table):
        lake.add_columns(feed.table)
    row = {"feed": feed.name, "version": feed.version, "definition": feed.definition, "given_at": now}
    lake.merge(DECLARED_FEEDS, lake.frame(DECLARED_FEEDS, [row]))


def newest(lake: Lake) -> dict[str, Feed]:
    """Each declared feed by its name, as it was given last."""
    rows = sorted(lake.read(DECLARED_FEEDS).collect(), key=lambda row: (row["given_at"], row["version"]))
    return {row["feed"]: feed_of(row["definition"]) for row in rows}


def finder(lake: Lake, batches: Iterable[Row]) -> Callable[[Row], Feed]:
    """How to find the feed of each of these rows of ``ops.batches``."""
    declared = {}
    if any(row["feed_version"] is not None for row in batches):
        kept = lake.read(DECLARED_FEEDS).collect()
        declared = {(row["feed"], row["version"]): feed_of(row["definition"]) for row in kept}

    def find(row: Row) -> Feed:
        version = row["feed_version"]
        return feed_named(row["feed"]) if version is None else declared[row["feed"], version]

    return find


def check_sql(spark: SparkSession, feed: Feed) -> None:
    """Refuse a declared feed whose SQL cannot be used; no row is read.

    Raises:
        ConfigError: every expression that is wrong, with Spark's own words.
    """
    if feed.definition is None:
        return
    raw, shop = few_rows(spark, feed.table.schema, []), Shop(feed.time_zone or "UTC", feed.currency)
    of_events = {f"events.{name}": f"({sql}) IS NOT NULL" for name, sql in feed.mapping.items()}
    if feed.event_id is not None:
        of_events["event_id"] = f"({feed.event_id}) IS NOT NULL"
    wrong = _wrong(raw, {at: filled(sql, feed, shop) for at, sql in of_events.items()})
    if not wrong:
        events = candidate_events(raw, feed, shop, duplicate_lines="keep")
        wrong = _wrong(events, {f"rules.{rule.name}": rule.condition for rule in feed.rules})
    if wrong:
        raise ConfigError(bulleted(f"the feed {feed.name} has SQL that cannot be used:", wrong, _MOST_PROBLEMS))


def _wrong(rows: DataFrame, conditions: Mapping[str, str]) -> list[str]:
    """What is wrong with each condition on the rows, by where it is written.

    Spark takes in a condition only what says something of one row: no sum, no window, no explode.
    """
    problems = []
    for at, condition in conditions.items():
        try:
            kept: Any = rows.where(F.expr(condition))
        except AnalysisException as error:
            problems.append(f"{at}: {str(error).split('SQLSTATE')[0].strip().rstrip('.').splitlines()[0]}")
            continue
        if not kept._jdf.queryExecution().analyzed().deterministic():
            problems.append(f"{at}: says something else each time; the same rows must always make the same events")
    return problems
