"""Files with bytes changed at random: every line is counted once, and whatever is in it is judged or refused."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from random import Random

import pytest
from bad_files import CLICKS, VIEW, parquet
from pyspark.sql import functions as F

from shoal.config import load_config
from shoal.errors import DataError, ShoalError
from shoal.lake import Lake
from shoal.quality.rows import reasons
from shoal.reports.trying_feeds import checked_feed
from shoal.sources import FEEDS
from shoal.sources.listing import find_files
from shoal.sources.mapping import Shop, candidate_events, row_rules
from shoal.sources.readers import check_columns, raw_rows

SHOAL, CLICK = FEEDS["shoal"], FEEDS["retailrocket"]
EVENT = {**VIEW, "user_id": "müller", "event_type": "purchase", "quantity": 2, "unit_price": 9.5, "currency": "EUR"}
LINES = "".join(json.dumps({**EVENT, "event_id": f"e{n}"}, ensure_ascii=False) + "\n" for n in range(6)).encode()
HEADER, BODY = CLICKS.split("\n", 1)[0].encode() + b"\n", CLICKS.split("\n", 1)[1].encode() * 3
_ODD = (
    b"\n", b"\r", b"\r\n", b'"', b'""', b",", b"{", b"}", b"[", b"\\", b"\\u", b"\x00", b"\xff", b"\xef\xbb\xbf", b"'",
    b"null", b"NaN", b"1e999", b"-", b" ", b"\t", b"\xc3", b"\xed\xa0\x80", b":", b"\x1f", b"\x85", b"\xe2\x80\xa8",
)  # fmt: skip


def mutant(random: Random, content: bytes) -> bytes:
    """Up to five changes: bytes turned, cut out, doubled, swapped, or something odd put in."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 5)):
        start = random.randrange(len(changed) + 1)
        end = min(len(changed), start + random.choice((1, 1, 2, 8, 60)))
        match random.randrange(6):
            case 0:
                changed[start:end] = random.randbytes(end - start)
            case 1:
                del changed[start:end]
            case 2:
                changed[start:start] = changed[start:end]
            case 3:
                changed[start:start] = random.choice(_ODD)
            case 4:
                changed[start:end] = random.choice(_ODD)
            case 5:
                del changed[start:]
        if not changed:
            break
    return bytes(changed)


def lines_of(content: bytes, blank: Callable[[bytes], bytes]) -> int:
    """How many lines of a file are not blank, by a second hand: a mark before UTF-8 is no part of the text."""
    lines = re.split(rb"\r\n|\n|\r", content.removeprefix(b"\xef\xbb\xbf"))
    return sum(1 for line in lines if blank(line))


def rows_of_mutants(spark, feed, folder, contents, name):
    """Rows by file that ``contents`` make together, all of them judged."""
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"{number:05}{name}").write_bytes(content)
    files = [file for file in find_files(spark, str(folder)) if not file.is_empty]
    raw = raw_rows(spark, feed, files, "b").localCheckpoint()
    shop = Shop("UTC", "EUR")
    events = candidate_events(raw, feed, shop, duplicate_lines="keep")
    judged = events.withColumn("reasons", reasons(row_rules(feed, shop)))
    is_known = F.expr("event_id IS NOT NULL AND content_hash IS NOT NULL AND reasons IS NOT NULL")
    is_wrong = F.expr("size(reasons) = 0 AND (event_time IS NULL OR event_type IS NULL OR item_id IS NULL)")
    counts = (F.count("*").alias("rows"), F.count_if(is_known).alias("known"), F.count_if(is_wrong).alias("wrong"))
    counted = judged.groupBy("source_file").agg(*counts)
    found = {row["source_file"]: row for row in counted.collect()}
    assert all(row["known"] == row["rows"] and row["wrong"] == 0 for row in found.values())
    return [getattr(found.get(f"{folder}/{n:05}{name}"), "rows", 0) for n in range(len(contents))]


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 150), pytest.param(2, 3000, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_lines_of_json(spark, tmp_path, seed, count):
    random = Random(seed)
    contents = [mutant(random, LINES) for _ in range(count)]

    found = rows_of_mutants(spark, SHOAL, tmp_path / "lines", contents, ".jsonl")

    assert found == [lines_of(content, lambda line: line.strip(b" ")) for content in contents]


@pytest.mark.parametrize(
    ("seed", "count"), [(3, 150), pytest.param(4, 3000, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_lines_of_csv(spark, tmp_path, seed, count):
    random = Random(seed)
    bodies = [mutant(random, BODY) for _ in range(count)]

    found = rows_of_mutants(spark, CLICK, tmp_path / "lines", [HEADER + body for body in bodies], ".csv")

    blank = bytes(range(33))  # to Java, every control character is
    assert found == [lines_of(body, lambda line: line.strip(blank)) for body in bodies]


def test_headers_of_csv(spark, tmp_path):
    """A header that is not what it was is refused, or some of its columns have other names."""
    random = Random(5)
    for number in range(25):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(mutant(random, HEADER) + b"\n" + BODY)
        try:
            columns = check_columns(spark, CLICK, find_files(spark, str(path)))[str(path)]
        except DataError as refused:
            said, columns = str(refused), None
        required = {column.name for column in CLICK.columns if column.required}
        assert str(path) in said if columns is None else required <= {*columns}


def reviews() -> bytes:
    """A CSV whose texts have line breaks and quotes."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["event_type", "event_time", "item_id", "review_text"])
    for number in range(6):
        writer.writerow(["review", "2025-03-01T10:00:00Z", f"i{number}", f'She said "{number}",\nthen left'])
    return text.getvalue().encode()


WHOLE = parquet({name: [str(value)] * 200 for name, value in EVENT.items()}, compression="snappy")


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", reviews()), ("a.jsonl.gz", gzip.compress(LINES * 200, mtime=0)), ("a.parquet", WHOLE)],
    ids=["csv", "gzip", "parquet"],
)
def test_whole_files(spark, tmp_path, name, content):
    """What cannot be read is refused by name; anything else is a report whose numbers add up."""
    random, outcomes = Random(6), set()
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_bytes(mutant(random, content))
        try:
            report, _ = checked_feed(Lake(spark, str(tmp_path / "lake")), load_config(), "shoal", str(folder / name))
        except ShoalError as error:
            outcomes.add((error.exit_code, str(folder / name) in str(error)))
        else:
            balance = re.match(r"([\d,]+) rows = ([\d,]+) good \+ ([\d,]+) bad \+ ([\d,]+) duplicates", report)
            rows, *parts = (int(part.replace(",", "")) for part in balance.groups())
            assert rows == sum(parts) > 0

    assert outcomes == {(3, True)}, "the exit code of bad data, and the name of the file"
