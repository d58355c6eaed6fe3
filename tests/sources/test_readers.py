"""Files of every format become the same rows of bronze, each with its place."""

import gzip
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from shoal.errors import DataError
from shoal.sources import FEEDS
from shoal.sources.listing import find_files
from shoal.sources.readers import check_columns

SHOAL, RETAIL, CLICKS = FEEDS["shoal"], FEEDS["online_retail"], FEEDS["retailrocket"]
CLICK_HEADER = "timestamp,visitorid,event,itemid,transactionid"


def raw_values(feed):
    return [*(column.name for column in feed.columns), "extra", "malformed"]


def clicks_csv(path: Path, *lines: str, header: str = CLICK_HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in (header, *lines)), encoding="utf-8", newline="")
    return path


# -- formats ----------------------------------------------------------------------------------------------------


def test_the_same_rows_are_the_same_in_every_format(spark, read, judge, tmp_path):
    at = datetime(2011, 6, 1, 0, 30)  # noqa: DTZ001 - the feed has London's clock
    names = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
    lines = [
        ("536365", "85123A", 'HEART "T-LIGHT", WHITE', 6, at, 2.55, 17850.0, "United Kingdom"),
        ("536365", "85123A", 'HEART "T-LIGHT", WHITE', 6, at, 2.55, 17850.0, "United Kingdom"),  # a real repeat
        ("C536379", "21730", "GLASS STAR", -1, at, 0.001, 12345678.0, "Österreich"),
        ("536414", "22139", None, 56, at, 100.0, None, "EIRE"),  # a guest, who makes CustomerID a float
    ]
    rows = [{**dict(zip(names, line, strict=True)), "till": 7} for line in lines]
    columns = {name: [row[name] for row in rows] for name in [*names, "till"]}

    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    spark.createDataFrame([tuple(row.values()) for row in rows], (
        "InvoiceNo string, StockCode string, Description string, Quantity int, InvoiceDate timestamp_ntz, "
        "UnitPrice double, CustomerID double, Country string, till int")
    ).coalesce(1).write.format("delta").save(str(tmp_path / "delta"))  # fmt: skip
    backwards = [dict(reversed(row.items())) for row in rows]  # the order of columns says nothing
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r, default=str) + "\n" for r in backwards))
    (tmp_path / "rows.csv").write_text("\n".join([
        "till,Country,CustomerID,UnitPrice,InvoiceDate,Quantity,Description,StockCode,InvoiceNo",
        '7,United Kingdom,17850,2.55,6/1/2011 0:30,6,"HEART ""T-LIGHT"", WHITE",85123A,536365',
        '7,United Kingdom,17850,2.55,6/1/2011 0:30,6,"HEART ""T-LIGHT"", WHITE",85123A,536365',
        "7,Österreich,12345678,0.001,6/1/2011 0:30,-1,GLASS STAR,21730,C536379",
        "7,EIRE,,100.00,6/1/2011 0:30,56,,22139,536414",
    ]), encoding="utf-8")  # fmt: skip

    events = judge(read(RETAIL, tmp_path), RETAIL).collect()
    told: dict[str, set[str]] = {}
    for event in events:
        said = [event.event_id, event.content_hash, *(event.raw[name] for name in raw_values(RETAIL)), event.reasons]
        told.setdefault(event.source_file.removeprefix(f"{tmp_path}/"), set()).add(repr(said))

    assert told.keys() == {"rows.csv", "rows.jsonl", "rows.parquet", "delta@v0"}
    assert all(rows == told["rows.csv"] for rows in told.values())
    assert len(told["rows.csv"]) == len(lines)  # the repeat has an id of its own
    assert not any(event.reasons for event in events)


def test_parquet_files_may_disagree_about_types(read, tmp_path):
    pq.write_table(pa.table({
        "timestamp": [1], "visitorid": ["17"], "event": ["view"], "itemid": ["3"],
    }), tmp_path / "text.parquet")  # fmt: skip
    pq.write_table(pa.table({
        "timestamp": [1.0], "visitorid": [17.0], "event": ["view"], "itemid": [3],
    }), tmp_path / "numbers.parquet")  # fmt: skip

    first, second = read(CLICKS, tmp_path).select(*raw_values(CLICKS)).collect()

    assert first == second
    assert first.visitorid == "17"


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("multi_line", [False, True])
def test_compressed_files_are_read_as_plain_ones(read, tmp_path, codec, multi_line):
    packed = {"gzip": ".gz", "zstd": ".zst"}[codec]
    rows = {
        "a.csv": f"{CLICK_HEADER}\n1,17,view,3,\n",
        "b.jsonl": '{"timestamp": 1, "visitorid": 17, "event": "view", "itemid": 3}\n',
    }
    for name, text in rows.items():
        with pa.CompressedOutputStream(tmp_path / f"{name}{packed}", codec) as file:
            file.write(text.encode())

    first, second = read(replace(CLICKS, multi_line=multi_line), tmp_path).select(*raw_values(CLICKS)).collect()

    assert first == second
    assert (first.visitorid, first.event) == ("17", "view")


def test_zstd_that_cannot_be_unpacked_says_what_to_do(spark, tmp_path):
    (tmp_path / "a.csv.zst").write_text("this is no zstd")

    with pytest.raises(DataError, match=r"a\.csv\.zst: cannot be read as csv: .*zstd from 4\.1 on.*take gzip"):
        check_columns(spark, CLICKS, find_files(spark, str(tmp_path)))


def test_a_column_that_turns_into_text_rejects_the_rows_that_do_not_convert(read, judge, tmp_path):
    names = CLICK_HEADER.split(",")
    lines = [("1433221332117", "17", "view", "3", None), ("yesterday", "17", "view", "3", None)]
    pq.write_table(pa.table(dict(zip(names, zip(*lines, strict=True), strict=True))), tmp_path / "text.parquet")
    pq.write_table(pa.table({**{name: [1] for name in names}, "event": ["view"]}), tmp_path / "numbers.parquet")

    events = judge(read(CLICKS, tmp_path), CLICKS).collect()

    assert {event.raw.timestamp: bool(event.reasons) for event in events} == {
        "1433221332117": False, "yesterday": True, "1": False,
    }  # fmt: skip


# -- positions --------------------------------------------------------------------------------------------------


def test_every_row_knows_its_place_in_its_file(spark, read, tmp_path):
    count = 60
    rows = [{"timestamp": 1, "visitorid": 1, "event": "view", "itemid": item} for item in range(count)]
    # itemid is the position that the row shall get: after the header, of all lines, from 0.
    csv = clicks_csv(tmp_path / "lines.csv", *(f"1,1,view,{line}," for line in range(2, count + 2)))
    clicks_csv(tmp_path / "other.csv", *(f"{line},1,view,1" for line in range(2, count + 2)),
               header="itemid,timestamp,event,visitorid")  # fmt: skip
    lines = [line for row in rows for line in ("", json.dumps({**row, "itemid": 2 * row["itemid"] + 2}))]
    (tmp_path / "lines.jsonl").write_text("\n".join(lines))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet", row_group_size=7)
    spark.createDataFrame(rows).repartition(3).write.format("delta").save(str(tmp_path / "delta"))

    block = "spark.sql.files.maxPartitionBytes"
    usual = spark.conf.get(block)
    spark.conf.set(block, "200")
    try:
        blocks = spark.read.text(str(csv)).select(F.spark_partition_id().alias("block")).distinct().count()
        placed = read(CLICKS, tmp_path).select("source_file", "position", F.col("itemid").cast("long")).collect()
    finally:
        spark.conf.set(block, usual)

    assert blocks > 3
    assert len(placed) == 5 * count
    table = str(tmp_path / "delta@v0")
    assert {(r.source_file, r.position) for r in placed if r.source_file != table} == {
        (r.source_file, r.itemid) for r in placed if r.source_file != table
    }
    assert sorted(r.position for r in placed if r.source_file == table) == [*range(count)]  # through all its files


def test_a_path_with_odd_signs_is_the_path_of_its_rows(read, tmp_path):
    folder = tmp_path / "März 100% + more"
    names = [
        "a b.csv",
        "c+d.csv",
        "e%20f.csv",
        "g%zz.csv",
        "größe.csv",
        "i[1].csv",
        "j{k}.csv",
        "l#m?.csv",
        "n&o=p.csv",
    ]
    files = [clicks_csv(folder / name, f"1,1,{name},1,") for name in names]
    (folder / "q r+ü%.jsonl").write_text('{"timestamp": 1, "visitorid": 1, "event": "q r+ü%.jsonl", "itemid": 1}\n')
    pq.write_table(pa.table({"timestamp": [1], "visitorid": [1], "event": ["s[t] %.parquet"], "itemid": [1]}),
                   folder / "s[t] %.parquet")  # fmt: skip
    files += [folder / "q r+ü%.jsonl", folder / "s[t] %.parquet"]
    written = {file: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour, file in enumerate(files)}
    for file, at in written.items():
        os.utime(file, (at.timestamp(), at.timestamp()))

    rows = read(CLICKS, folder).select("source_file", "event", F.unix_timestamp("delivered_at").alias("at")).collect()

    expected = {(str(file), file.name, int(at.timestamp())) for file, at in written.items()}
    assert {tuple(row) for row in rows} == expected
    assert len(rows) == len(files)


# -- CSV as people write it -------------------------------------------------------------------------------------


def test_a_csv_from_windows_may_have_a_mark_quotes_and_line_breaks(read, tmp_path):
    (tmp_path / "reviews.csv").write_bytes(
        b"\xef\xbb\xbf"  # the mark that Excel writes before UTF-8
        b"event_type,event_time,item_id,review_text\r\n"
        b'review,2025-03-01T10:00:00Z,mug,"She said ""good"",\nthen left"\r\n'
        b"view,2025-03-01T11:00:00Z,mug,\r\n"
    )
    (tmp_path / "clicks.csv").write_bytes(
        b'\xef\xbb\xbftimestamp,visitorid,event,itemid\r\n1,2,"view",3\r\n4,5,addtocart,6\r\n'
    )
    reviews = read(SHOAL, tmp_path / "reviews.csv").orderBy("position").collect()
    clicks = read(CLICKS, tmp_path / "clicks.csv").orderBy("position").collect()

    assert [(r.event_type, r.item_id, r.review_text) for r in reviews] == [
        ("review", "mug", 'She said "good",\nthen left'), ("view", "mug", None),
    ]  # fmt: skip
    assert [(r.timestamp, r.visitorid, r.event, r.itemid) for r in clicks] == [
        ("1", "2", "view", "3"), ("4", "5", "addtocart", "6"),
    ]  # fmt: skip
    assert not any(r.malformed or r.extra for r in [*reviews, *clicks])


def test_a_line_that_does_not_fit_is_kept_whole_and_rejected(read, judge, tmp_path):
    broken = ["1,2,view", "1,2,view,3,4,5", '"1,2,view,3,', '{"timestamp": 1, "visitorid": 2, "ev', "[1, 2]"]
    good = '{"timestamp": 1, "visitorid": 2, "event": "view", "itemid": 3}'
    clicks_csv(tmp_path / "clicks.csv", "1,2,view,3,", *broken[:3], "1,2,view,3,")
    (tmp_path / "clicks.jsonl").write_text("\n".join([good, *broken[3:], good]))

    events = judge(read(CLICKS, tmp_path), CLICKS).select("raw.malformed", "reasons", "event_id").collect()

    assert sorted(e.malformed for e in events if e.malformed) == sorted(broken)
    assert all(("the row fits its header" in e.reasons) == (e.malformed is not None) for e in events)
    assert [e.reasons for e in events if not e.malformed] == [[]] * 4
    assert len({e.event_id for e in events}) == len(broken) + 1  # each broken line is itself, the good ones are one


def test_a_record_of_several_lines_is_kept_whole_too(read, judge, tmp_path):
    (tmp_path / "events.csv").write_text(
        'event_type,event_time,item_id,review_text\nreview,2025-03-01,mug,"a\nb",surplus\nview,2025-03-01\n'
        'view,2025-03-01,mug,\n'
    )  # fmt: skip
    events = judge(read(SHOAL, tmp_path), SHOAL).orderBy("position").select("raw.malformed", "reasons").collect()

    assert [e.malformed for e in events] == ['review,2025-03-01,mug,"a\nb",surplus', "view,2025-03-01", None]
    assert ["the row fits its header" in e.reasons for e in events] == [True, True, False]


# -- columns ----------------------------------------------------------------------------------------------------


def test_undeclared_columns_go_to_extra_whatever_their_name(read, tmp_path):
    odd = [
        "value",
        "position",
        "extra",
        "_order",
        "_block",
        "_position",
        "_file",
        "_malformed",
        "a.b",
        "c`d",
        "",
        "Größe, cm",
    ]
    given = {name: str(place) for place, name in enumerate(odd)}
    header = ",".join([CLICK_HEADER, *(f'"{name}"' for name in odd)])
    clicks_csv(
        tmp_path / "a.csv",
        ",".join(["1,1,view,1,", *given.values()]),
        "2,1,view,1" + "," * (1 + len(odd)),
        header=header,
    )
    click = {"timestamp": 1, "visitorid": 1, "event": "view", "itemid": 1}
    lines = [{**click, **given}, {**click, **dict.fromkeys(odd), "timestamp": 2}]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "c.parquet")

    rows = read(CLICKS, tmp_path).collect()

    assert [row.extra for row in rows if row.timestamp == "1"] == [given] * 3
    assert [row.extra for row in rows if row.timestamp == "2"] == [{}] * 3


def test_json_lines_may_gain_a_key_late(read, tmp_path):
    views = 1000  # as many lines as are read to learn the columns
    view = {"timestamp": 1, "visitorid": 1, "event": "view", "itemid": 1}
    bought = {**view, "event": "transaction", "transactionid": 9, "coupon": "MAY"}
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(view)}\n" * views + json.dumps(bought))

    (row,) = read(CLICKS, tmp_path).where("event = 'transaction'").collect()

    assert (row.transactionid, row.extra, row.position) == ("9", {"coupon": "MAY"}, views + 1)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_part_values_as_commas_do(read, tmp_path, separator):
    feed = replace(CLICKS, separator=separator)
    lines = ["1,1,view,'a,b',", "2,1,view", "3,1,view,'a,,c',9,more", "4,1,view,c,9"]
    written = [line.replace(",", separator).replace("'", '"') for line in (CLICK_HEADER, *lines)]
    (tmp_path / "a.tsv").write_text("\n".join(written))

    rows = read(feed, tmp_path).orderBy("position").collect()

    assert [(row.position, row.malformed) for row in rows] == [
        (2, None), (3, written[2]), (4, written[3]), (5, None),
    ]  # fmt: skip
    assert (rows[0].itemid, rows[3].itemid, rows[3].transactionid) == (f"a{separator}b", "c", "9")


def test_without_quotes_a_quote_is_a_sign_as_any_other(read, tmp_path):
    feed = replace(CLICKS, columns=CLICKS.columns[:5], separator="\t", has_quotes=False, has_header=False)
    lines = ['1\t"1\tview\t{"a": "b\\\\c"}\t', '2\t1\t"view"\t""\t9', '3\t1\tview\t"a\tb"\t9']
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))

    first, second, ragged = read(feed, tmp_path).orderBy("position").collect()

    assert (first.visitorid, first.itemid, first.transactionid) == ('"1', '{"a": "b\\\\c"}', None)
    assert (second.event, second.itemid) == ('"view"', '""')
    assert (ragged.position, ragged.malformed) == (3, lines[2])


def test_everything_that_is_wrong_with_files_is_named_at_once(spark, tmp_path):
    clicks_csv(tmp_path / "good.csv", "1,1,view,1,")
    clicks_csv(tmp_path / "lacking.csv", "1,view", header="timestamp,event,visitor")
    clicks_csv(tmp_path / "semicolons.csv", "1;1;view;1;", header=CLICK_HEADER.replace(",", ";"))
    clicks_csv(tmp_path / "twice.csv", "1,1,view,1,1", header="timestamp,visitorid,event,itemid,ItemID")
    (tmp_path / "utf16.csv").write_text(CLICK_HEADER, encoding="utf-16")
    (tmp_path / "lacking.jsonl").write_text('{"timestamp": 1, "event": "view"}\n')
    (tmp_path / "no.jsonl").write_text("timestamp 1\n")
    (tmp_path / "no.parquet").write_text("this is no Parquet")

    with pytest.raises(DataError) as caught:
        check_columns(spark, CLICKS, find_files(spark, str(tmp_path)))

    said = str(caught.value)
    for problem in (
        "/lacking.csv: lacks visitorid, itemid; it has timestamp, event, visitor",
        "/semicolons.csv: lacks timestamp, visitorid, event, itemid; it has timestamp;visitorid;event;itemid",
        '; its columns are parted by ";", not by ",": declare a feed of your own',
        "/twice.csv: cannot be read as csv: its header has 'itemid' more than once",
        "/utf16.csv: cannot be read as csv: its first line is not text in UTF-8",
        "/lacking.jsonl: lacks visitorid, itemid; it has event, timestamp",
        "/no.jsonl: cannot be read as json: none of its first 1,000 lines is a JSON object",
        "/no.parquet: cannot be read as parquet: ",
    ):
        assert problem in said
    assert "good.csv" not in said
    assert len(said.splitlines()) == 1 + 7


def test_rows_that_are_not_utf_8_are_bad_and_merge_nobody(read, judge, tmp_path):
    """In Latin-1, ü and ö are bytes that UTF-8 does not know: read as one sign, two people would be one."""
    header = "event_type,event_time,user_id,item_id\n"
    rows = "".join(f"view,2025-03-01T10:00:00Z,{user},i1\n" for user in ("müller", "möller", "meier"))
    (tmp_path / "events.csv").write_bytes(header.encode() + rows.encode("latin-1"))

    müller, möller, meier = judge(read(SHOAL, tmp_path), SHOAL).orderBy("position").collect()

    assert müller.reasons == möller.reasons == ["the row is text in UTF-8"]
    assert (meier.user_id, meier.reasons) == ("meier", [])
