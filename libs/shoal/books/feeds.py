"""The feeds that a shop has declared itself, kept in the lake: ``ops.feeds``.

A batch is judged by the declaration it was planned with, whoever finishes it and whatever was declared since.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from shoal.errors import ConfigError, SchemaError, bulleted
from shoal.frames import few_rows
from shoal.lake import Lake
from shoal.sources import Feed, feed_named
from shoal.sources.declared import feed_of
from shoal.sources.mapping import Shop, candidate_events, filled, row_rules
from shoal.sources.nested import file_columns, tops, unnested
from shoal.tables import DECLARED_FEEDS

_MOST_PROBLEMS = 40


def remember(lake: Lake, feed: Feed, now: datetime) -> None:
    """Keep a declaration as the newest of its feed; one that is part of Shoal needs none.

    Raises:
        ConfigError: a column differs from one of the feed's table in case only.
    """
    if feed.version is None or newest(lake).get(feed.name) == feed:
        return
    _refuse_other_case(lake, feed)
    row = {"feed": feed.name, "version": feed.version, "definition": feed.definition, "given_at": now}
    lake.merge(DECLARED_FEEDS, lake.frame(DECLARED_FEEDS, [row]))


def make_room(lake: Lake, feed: Feed) -> None:
    """Give the bronze table of a declared feed the columns of this version, whichever version has made it."""
    if feed.version is not None:
        lake.create(feed.table)
        lake.add_columns(feed.table)


def _refuse_other_case(lake: Lake, feed: Feed) -> None:
    """Spark takes names that differ in case only for one."""
    there = {name.lower(): name for name in lake.columns_of(feed.table)}
    twins = [(there[c.name.lower()], c.name) for c in feed.columns if there.get(c.name.lower(), c.name) != c.name]
    if twins:
        said = (f"columns.{new}: {feed.table.name} has {old} since earlier; keep that name" for old, new in twins)
        raise ConfigError(bulleted(f"the feed {feed.name} cannot be used:", said))


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
    formats = _wrong_formats(spark, feed)
    raw, shop = few_rows(spark, feed.table.schema, []), Shop(feed.time_zone or "UTC", feed.currency)
    mapped = {f"{feed.of}.{name}": f"({sql}) IS NOT NULL" for name, sql in feed.mapping.items()}
    if feed.event_id is not None:
        mapped["event_id"] = f"({feed.event_id}) IS NOT NULL"
    wrong = [*formats, *_wrong_paths(spark, feed), *_wrong_names(feed, shop)]
    wrong += wrong_conditions(raw, {at: filled(sql, feed, shop) for at, sql in mapped.items()})
    wrong += wrong_conditions(raw, {} if feed.ignored is None else {"ignore": feed.ignored})
    if not wrong:
        candidates = candidate_events(raw, feed, shop, duplicate_lines="keep")
        # By themselves: a filter above a mapping would find the columns below it, too.
        rows = few_rows(spark, candidates.schema, [])
        wrong = wrong_conditions(rows, {f"rules.{rule.name}": rule.condition for rule in feed.rules})
    if wrong:
        raise ConfigError(bulleted(f"the feed {feed.name} has SQL that cannot be used:", wrong, _MOST_PROBLEMS))


def wrong_conditions(rows: DataFrame, conditions: Mapping[str, str]) -> list[str]:
    """What is wrong with each condition on the rows, by where it is written.

    Spark takes in a condition only what says something of one row: no sum, no window, no explode.
    """
    problems = []
    for at, condition in conditions.items():
        try:
            kept: Any = rows.where(F.expr(condition))
        except PySparkException as error:
            problems.append(f"{at}: {_said(error)}")
            continue
        if not kept._jdf.queryExecution().analyzed().deterministic():
            problems.append(f"{at}: says something else each time; the same rows must always make the same events")
    return problems


def _wrong_formats(spark: SparkSession, feed: Feed) -> list[str]:
    """Patterns that Spark cannot use: it says so at the first value, which would be in the midst of a batch."""
    problems = []
    for column in feed.columns:
        for pattern in column.time_formats:
            try:
                read = F.try_to_timestamp(F.lit("2025-03-01 10:00"), F.lit(pattern))
                few_rows(spark, "one int", [(1,)]).select(read).collect()
            except PySparkException as error:
                hint = "; days are dd and years yyyy" if re.search("[DY]", pattern) else ""
                problems.append(f"columns.{column.name}.formats: {pattern} is no pattern{hint} ({_said(error)})")
    return problems


def _wrong_paths(spark: SparkSession, feed: Feed) -> list[str]:
    names = dict.fromkeys([*file_columns(feed), *tops(feed)])
    schema = StructType([StructField(name, StringType()) for name in names])
    try:
        unnested(feed, few_rows(spark, schema, []))
    except PySparkException as error:
        return [f"columns: {_said(error)}"]
    return []


def _wrong_names(feed: Feed, shop: Shop) -> list[str]:
    """Rules under the name of another expectation, with which they would be mistaken."""
    from shoal.quality.suites import suite_of  # heavy, and only feeds of one's own need it here

    table = feed.target.table
    extra = [rule for rule in row_rules(feed, shop) if rule not in table.row_rules]
    try:
        suite_of(table, tolerance=0, extra=extra)
    except SchemaError as error:
        return [f"rules: {problem}; choose another name" for problem in error.problems]
    return []


def _said(error: PySparkException) -> str:
    return str(error).split("SQLSTATE")[0].strip().rstrip(".").splitlines()[0]
