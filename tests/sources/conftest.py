"""Raw rows on their way to candidate events, as ingest and validate take them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from pyspark.sql import DataFrame, Row

from shoal.quality.rows import reasons
from shoal.sources import Feed
from shoal.sources.listing import find_files
from shoal.sources.mapping import Shop, candidate_events, row_rules
from shoal.sources.readers import check_columns, raw_rows

Read = Callable[..., DataFrame]
Judge = Callable[..., DataFrame]


@pytest.fixture
def read(spark) -> Read:
    """``read(FEED, path, ...)``: all files of all paths in one call, as rows of bronze."""

    def rows(feed: Feed, *paths: Path) -> DataFrame:
        files = [file for path in paths for file in find_files(spark, str(path))]
        check_columns(spark, feed, files)
        return raw_rows(spark, feed, files, "batch 1")

    return rows


@pytest.fixture
def stored(read) -> Read:
    """As ``read``, but the rows stand by themselves, as in bronze: one plan of reading and mapping can be too much."""
    return lambda feed, *paths: read(feed, *paths).localCheckpoint()


@pytest.fixture
def judge() -> Judge:
    """``judge(raw, FEED)``: candidate events and the rules that each breaks."""

    def events(
        raw: DataFrame, feed: Feed, shop: Shop | None = None, duplicate_lines: Literal["keep", "drop"] = "keep"
    ) -> DataFrame:
        facts = shop or Shop(feed.time_zone or "UTC", feed.currency)
        candidates = candidate_events(raw, feed, facts, duplicate_lines=duplicate_lines)
        return candidates.withColumn("reasons", reasons(row_rules(feed, facts)))

    return events


@pytest.fixture
def told(stored: Read, judge: Judge, tmp_path: Path) -> Callable[..., list[Row]]:
    """``told(FEED, shop, {...}, ...)``: what lines of JSON become, in order."""

    def events(feed: Feed, shop: Shop, *lines: dict[str, Any]) -> list[Row]:
        (tmp_path / "lines.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
        return judge(stored(feed, tmp_path), feed, shop).orderBy("position", "raw.place").collect()

    return events
