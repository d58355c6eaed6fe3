"""What a feed would make of files, without storing anything: `shoal feed check`."""

import json
import re
from collections.abc import Sequence

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal.books import feeds
from shoal.config import Config
from shoal.config.feed_files import feed_given
from shoal.errors import DataError
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.quality.rows import judged_by, others_of
from shoal.reports.text_tables import as_table
from shoal.sources import Feed
from shoal.sources.listing import find_files
from shoal.sources.mapping import Shop, candidate_events, count_ignored, row_rules
from shoal.sources.readers import UNREADABLE, check_columns, first_line, raw_rows
from shoal.tables import Rule
from shoal.validate import shop

_SHOWN = 10
_LONGEST_ROW = 300  # of a raw row that is shown


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
