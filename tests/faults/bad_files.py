"""Kinds of bad files, as a table: what is written under which name, and the words with which it is refused.

Some are no worse than odd: of those, how many good and bad rows they hold.
"""

import gzip
import io
import json
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

Write = Callable[[Path], None]


@dataclass(frozen=True)
class BadInput:
    """What lies at a path, and how it is refused."""

    what: str
    feed: str
    name: str  # of the file or folder; an input that is no path below the test's folder begins with its scheme
    content: bytes | Write
    says: str
    code: int = 3
    needs_user: bool = False  # root may read everything

    @property
    def is_read(self) -> bool:
        """Whether it is found to be bad only when its rows are read."""
        return self.says.startswith(("cannot be read", "no rows", "a quote")) and not self.name.startswith(
            ("=", "[", "{")
        )

    def write(self, folder: Path) -> str:
        """Put it into a folder; returns the input that names it."""
        if self.name.startswith("="):
            return self.name[1:]
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(self.content):
            self.content(path)
        else:
            path.write_bytes(self.content)
        return str(path)


@dataclass(frozen=True)
class OddFile:
    """What is taken, and how many rows it has."""

    what: str
    feed: str
    name: str
    content: bytes
    good: int
    bad: int = 0


# -- what files are made of -----------------------------------------------------------------------------------------

HEADER = "timestamp,visitorid,event,itemid,transactionid"
CLICKS = f"{HEADER}\n1433221332117,17,view,3,\n1433221332118,17,addtocart,3,\n"
VIEW = {"event_type": "view", "event_time": "2025-03-01T10:00:00Z", "item_id": "mug"}
VIEWS = "".join(json.dumps({**VIEW, "item_id": f"i{n}"}) + "\n" for n in range(3))
REVIEW, _REVIEWS = "event_type,event_time,item_id,review_text\n", "review,2025-03-01,mug,good\n" * 600
MANY = HEADER + "\n" + "".join(f"{1433221332117 + n},{n * 7919 % 10007},view,{n},\n" for n in range(9000))
NOT_TEXT, LACKS, NO_OBJECT = "its first line is not text in UTF-8", "lacks timestamp", "is a JSON object"
AS_CSV, AS_JSON, AS_PARQUET = (f"cannot be read as {form}" for form in ("csv", "json", "parquet"))
NO_FORMAT = "cannot tell its format"


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    """A Parquet file."""
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held, **options)
    return held.getvalue()


def columns(count: int = 3, **more: Any) -> dict[str, Any]:
    """Views as columns."""
    return {
        "event_type": ["view"] * count, "event_time": ["2025-03-01T10:00:00Z"] * count,
        "item_id": [f"i{n}" for n in range(count)], **more,
    }  # fmt: skip


def packed(text: str | bytes, codec: str) -> bytes:
    """Text, compressed."""
    held = pa.BufferOutputStream()
    with pa.CompressedOutputStream(held, codec) as stream:
        stream.write(text if isinstance(text, bytes) else text.encode())
    return held.getvalue().to_pybytes()


def _broken(content: bytes, at: float = 0.5, length: int = 40) -> bytes:
    """With some bytes in it turned around."""
    start = int(len(content) * at)
    return content[:start] + bytes(255 - byte for byte in content[start : start + length]) + content[start + length :]


WHOLE = parquet(columns(5000), compression="snappy", use_dictionary=False)
FOOTER = struct.unpack("<i", WHOLE[-8:-4])[0] + 8  # bytes


# -- refused --------------------------------------------------------------------------------------------------------


def _texts() -> Iterator[BadInput]:
    def csv(what: str, content: bytes | str, says: str, name: str = "a.csv", feed: str = "retailrocket") -> BadInput:
        return BadInput(what, feed, name, content if isinstance(content, bytes) else content.encode(), says)

    yield csv("nothing", "", "is empty (0 bytes)")
    yield csv("a line break", "\n", LACKS)
    yield csv("blanks", "   \n  \n", LACKS)
    yield csv("a header only", f"{HEADER}\n", "no rows below its header")
    yield csv("a header without a line break", HEADER, "no rows below its header")
    yield csv("a header and blank lines", f"{HEADER}\n\n\n  \n", "no rows below its header")
    yield csv("no header", CLICKS.split("\n", 1)[1], LACKS)
    yield csv("a header below its rows", CLICKS.split("\n", 1)[1] + HEADER, LACKS)
    yield csv("a title above the header", f"Clicks of June\n{CLICKS}", LACKS)
    yield csv("Excel's own line above the header", f"sep=,\n{CLICKS}", LACKS)
    yield csv("a column less", CLICKS.replace("visitorid", "x"), "lacks visitorid")
    yield csv("columns in capitals", CLICKS.upper(), LACKS)
    yield csv("columns with spaces", CLICKS.replace(",", ", "), "lacks visitorid")
    yield csv("semicolons", CLICKS.replace(",", ";"), LACKS)
    yield csv("tabs", CLICKS.replace(",", "\t"), LACKS, "a.tsv")
    yield csv("bars", CLICKS.replace(",", "|"), LACKS)
    yield csv("a name twice", CLICKS.replace("transactionid", "itemid"), "'itemid' more than once")
    yield csv("a name twice but for its case", CLICKS.replace("transactionid", "ItemID"), "'itemid' more than once")
    yield csv("empty columns of a spreadsheet", CLICKS.replace("\n", ",,\n"), "'' more than once")
    yield csv("a name that is taken", CLICKS.replace("transactionid", "_metadata"), "rename _metadata")
    yield csv("a name of ours", CLICKS.replace("transactionid", "_Shoal_x"), "rename _Shoal_x")
    yield csv("an open quote in the header", f'"{CLICKS}', LACKS)
    yield csv("a NUL in the header", CLICKS.replace("event", "ev\0ent"), NOT_TEXT)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        yield csv(encoding, CLICKS.encode(encoding), NOT_TEXT)
    yield csv("Latin-1 in the header", CLICKS.replace("transactionid", "größe").encode("latin-1"), NOT_TEXT)
    yield csv("EBCDIC", CLICKS.encode("cp500"), "cannot ingest")
    yield csv("a page of HTML", "<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n", LACKS)
    yield csv("XML", '<?xml version="1.0"?>\n<clicks/>\n', LACKS)
    yield csv("JSON by the name of CSV", VIEWS, LACKS)
    yield csv("Parquet by the name of CSV", WHOLE, "cannot ingest")
    yield csv("gzip by the name of CSV", gzip.compress(CLICKS.encode()), NOT_TEXT)
    yield csv("a zip by the name of CSV", b"PK\x03\x04\x14\x00\x08\x08\x08\x00" + bytes(50), NOT_TEXT)
    yield csv("a picture by the name of CSV", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "cannot ingest")
    yield csv("CSV by the name of gzip", CLICKS, AS_CSV, "a.csv.gz")
    yield csv("CSV by the name of zstd", CLICKS, AS_CSV, "a.csv.zst")
    yield csv("gzip of nothing", gzip.compress(b""), LACKS, "a.csv.gz")
    yield csv("gzip that ends in its head", gzip.compress(CLICKS.encode())[:9], AS_CSV, "a.csv.gz")
    yield csv("gzip that breaks off", gzip.compress(MANY.encode())[:-2000], "cannot be read", "a.csv.gz")
    yield csv("gzip that is broken", _broken(gzip.compress(MANY.encode())), "cannot be read", "a.csv.gz")
    yield csv("gzip whose check sum is wrong", _broken(gzip.compress(MANY.encode()), 1, -8)[:-8] + bytes(8),
              "cannot be read", "a.csv.gz")  # fmt: skip
    yield csv("zstd that breaks off", packed(MANY, "zstd")[:-2000], "cannot be read", "a.csv.zst")
    yield csv("zstd that is broken", _broken(packed(MANY, "zstd"), 0, 8), "cannot be read", "a.csv.zst")
    yield csv("a column less, without a header", "1,2,pv,3\n", "its first line has 4 columns", feed="taobao")
    yield csv("a column more, without a header", "1,2,3,pv,4,5\n", "its first line has 6 columns", feed="taobao")
    yield csv("other separators, without a header", "1\t2\t3\tpv\t4\n", "its first line has 1 columns", feed="taobao")
    yield csv("a line break first, without a header", "\n1,2,3,pv,4\n", "its first line has", feed="taobao")
    yield csv("more columns than CSV can have", f"{HEADER}\n{'1,' * 30_000}\n", "cannot be read")
    yield csv("very many columns", f"{HEADER}{',x'.join(map(str, range(5000)))}\n1,2\n", "columns; at most 2,000 can")

    yield csv("a quote without an end in the last column", f"{REVIEW}review,2025-03-01,mug,\"no end\n{_REVIEWS}",
              "a quote has no end", feed="shoal")  # fmt: skip
    yield csv("a quote without an end in the first column", f"{REVIEW}{_REVIEWS}\"review,2025-03-01,mug,x\n{_REVIEWS}",
              "a quote has no end", feed="shoal")  # fmt: skip

    def lines(what: str, content: bytes | str, says: str, name: str = "a.jsonl") -> BadInput:
        return csv(what, content, says, name, "shoal")

    yield lines("no lines", "", "is empty (0 bytes)")
    yield lines("blank lines", "\n \n\n", NO_OBJECT)
    yield lines("empty objects", "{}\n{}\n", NO_OBJECT)
    yield lines("an array on one line", json.dumps([VIEW, VIEW]), NO_OBJECT)
    yield lines("an array on many lines", json.dumps([VIEW, VIEW], indent=2), NO_OBJECT, "a.json")
    yield lines("numbers", "1\n2\n3\n", NO_OBJECT)
    yield lines("nulls", "null\nnull\n", NO_OBJECT)
    yield lines("CSV by the name of JSON", CLICKS, NO_OBJECT)
    yield lines("Parquet by the name of JSON", WHOLE[:4000], NO_OBJECT)
    yield lines("JSON in UTF-16", VIEWS.encode("utf-16"), NO_OBJECT)
    yield lines("JSON in UTF-32", VIEWS.encode("utf-32"), NO_OBJECT)
    yield lines("objects without the time", '{"event_type": "view"}\n', "lacks event_time")
    yield lines("names in capitals", VIEWS.replace("event_type", "EVENT_TYPE"), "lacks event_type")
    yield lines("objects that begin late", "# a remark\n" * 1001 + VIEWS, NO_OBJECT)
    yield lines("JSON by the name of gzip", VIEWS, AS_JSON, "a.jsonl.gz")
    yield lines("JSON by the name of zstd", VIEWS, AS_JSON, "a.ndjson.zst")
    yield lines("gzip of JSON that breaks off", gzip.compress(VIEWS.encode())[:-12], "cannot be read", "a.json.gz")
    yield lines("one object of 3,000 depths", '{"a":' * 3000 + "1" + "}" * 3000, NO_OBJECT)


def _stored() -> Iterator[BadInput]:
    def stored(what: str, content: bytes, says: str = AS_PARQUET, name: str = "a.parquet") -> BadInput:
        return BadInput(what, "shoal", name, content, says)

    yield stored("no bytes", b"", "is empty (0 bytes)")
    yield stored("text", b"this is no Parquet")
    yield stored("the magic number only", b"PAR1")
    yield stored("the magic number twice", b"PAR1PAR1")
    yield stored("the end cut off", WHOLE[:-200])
    yield stored("the last byte cut off", WHOLE[:-1])
    yield stored("the beginning cut off", WHOLE[3000:], "cannot be read")
    yield stored("half of it", WHOLE[: len(WHOLE) // 2])
    yield stored("zeros", bytes(4096))
    yield stored("a footer that is longer than the file", WHOLE[:-8] + struct.pack("<i", 2**30) + b"PAR1")
    yield stored("a footer of a negative length", WHOLE[:-8] + struct.pack("<i", -5) + b"PAR1")
    yield stored("a footer of no length", WHOLE[:-8] + struct.pack("<i", 0) + b"PAR1")
    yield stored(
        "a footer that is broken", WHOLE[:-FOOTER] + bytes(255 - byte for byte in WHOLE[-FOOTER:-8]) + WHOLE[-8:]
    )
    yield stored("an encrypted footer", WHOLE[:-4] + b"PARE")
    yield stored("pages that are broken", _broken(WHOLE, 0.3, 4000), "cannot be read")
    yield stored("no pages", WHOLE[:4] + bytes(len(WHOLE) // 2) + WHOLE[4 + len(WHOLE) // 2 :], "cannot be read")
    yield stored("ORC by the name of Parquet", b"ORC" + bytes(100) + b"ORC")
    yield stored("CSV by the name of Parquet", CLICKS.encode())
    yield stored("no rows", parquet(columns(0, event_type=pa.array([], "string"), event_time=pa.array([], "string"),
                                            item_id=pa.array([], "string"))), "no rows below its header")  # fmt: skip
    yield stored("other columns", parquet({"kind": ["view"]}), "lacks event_type, event_time; it has kind")
    yield stored("a column twice but for its case", parquet(columns(EVENT_TYPE=["view"] * 3)))
    yield stored("very many columns of Parquet", parquet({**columns(), **{f"x{n}": [1] * 3 for n in range(2500)}}),
                 "has 2,503 columns; at most 2,000 can be read")  # fmt: skip
    yield stored("a column whose name is taken", parquet(columns(_metadata=["x"] * 3)), "rename _metadata")
    yield stored("nanoseconds", parquet(columns(event_time=pa.array([datetime(2025, 3, 1)] * 3, "timestamp[ns]"))),  # noqa: DTZ001
                 "write times in microseconds")  # fmt: skip
    yield stored("a clock without a day", parquet(columns(till=pa.array([time(10)] * 3, "time64[ns]"))))


def _places() -> Iterator[BadInput]:
    def place(what: str, name: str, says: str, make: bytes | Write = b"x", code: int = 3, **more: Any) -> BadInput:
        return BadInput(what, "shoal", name, make, says, code, **more)

    for ending in ("txt", "xlsx", "xls", "xml", "orc", "avro", "zip", "csv.bz2", "csv.xz", "csv.7z", "json.zip", "tar",
                   "parquet.gz", "log", "sql", "db"):  # fmt: skip
        yield place(f".{ending}", f"a.{ending}", NO_FORMAT)
    yield place("no ending", "events", NO_FORMAT)
    yield place("an ending only in front", "csv.events", NO_FORMAT)
    yield place("nothing there", "nowhere.csv", "does not exist", lambda _: None, 2)
    yield place("no folder there", "no/such/folder", "does not exist", lambda _: None, 2)
    yield place("a folder of nothing", "a.csv", "holds no file", lambda path: path.mkdir(), 2)
    yield place("a folder of marks", "marks", "holds no file", lambda path: _filled(path, "_SUCCESS", ".crc"), 2)
    yield place("a folder of unfinished files", "half", "holds no file", lambda path: _filled(path, "a.csv.tmp"), 2)
    yield place("a glob that fits nothing", "*.none", "matches no file", lambda _: None, 2)
    yield place("half a glob", "[a", "cannot be read", lambda _: None)
    yield place("half a choice", "{a,", "cannot be read", lambda _: None)
    yield place("a link to nothing", "link.csv", "does not exist", lambda path: path.symlink_to("nowhere"), 2)
    yield place("a link to itself", "self.csv", "", lambda path: path.symlink_to(path), 2)
    yield place("a pipe", "pipe.csv", "is empty", os.mkfifo)
    yield place("a file that nobody may read", "locked.csv", "cannot be read", _locked, needs_user=True)
    yield place("no path", "=", "cannot be read")
    yield place("a file system that there is none", "=nofs://host/a.csv", "cannot be read")
    yield place("a store without its connector", "=s3a://shop/events", "cannot be read")
    yield place("a path that is no address", "=a:b:c", "cannot be read")


def _filled(folder: Path, *names: str) -> None:
    folder.mkdir()
    for name in names:
        (folder / name).write_text("x")


def _locked(path: Path) -> None:
    path.write_text("x")
    path.chmod(0)


BAD_INPUTS = (*_texts(), *_stored(), *_places())


# Delta tables, which a session has to write.
def bad_tables(spark: SparkSession, folder: Path) -> Iterator[tuple[str, Path, str]]:
    """What is wrong, where it lies, and the words with which it is refused."""
    rows = spark.createDataFrame([tuple(VIEW.values())], [*VIEW])

    def written(name: str, some: Any = rows) -> Path:
        some.coalesce(1).write.format("delta").save(str(folder / name))
        return folder / name

    def log(table: Path) -> Path:
        return table / "_delta_log" / f"{0:020}.json"

    (folder / "bare" / "_delta_log").mkdir(parents=True)
    yield "a log without a commit", folder / "bare", "cannot be read"
    torn = written("torn")
    log(torn).write_text(log(torn).read_text()[:-40])
    yield "a commit that breaks off", torn, "cannot be read"
    garbled = written("garbled")
    log(garbled).write_text("this is no commit")
    yield "a commit that is none", garbled, "cannot be read"
    newer = written("newer")
    log(newer).write_text(log(newer).read_text().replace('"minReaderVersion":1', '"minReaderVersion":99'))
    yield "a table of a newer Delta", newer, "cannot be read"
    bereft = written("bereft")
    next(bereft.glob("*.parquet")).unlink()
    yield "a table whose file is gone", bereft, "cannot be read"
    spoilt = written("spoilt")
    next(spoilt.glob("*.parquet")).write_bytes(b"this is no Parquet")
    yield "a table whose file is broken", spoilt, "cannot be read"
    yield "a table of other columns", written("other", spark.range(3)), "lacks event_type, event_time; it has id"
    yield "a table without rows", written("none", rows.limit(0)), "no rows below its header"


# -- taken ----------------------------------------------------------------------------------------------------------

_ROW = "1433221332117,{},view,3,"
_THREE = [HEADER, *(_ROW.format(n) for n in (1, 2, 3))]


def _odd(what: str, lines: list[str], good: int, bad: int = 0, end: str = "\n", last: str = "\n") -> OddFile:
    return OddFile(what, "retailrocket", f"{what}.csv", (end.join(lines) + last).encode(), good, bad)


def _json(what: str, content: bytes | str, good: int, bad: int = 0) -> OddFile:
    encoded = content if isinstance(content, bytes) else content.encode()
    return OddFile(what, "shoal", f"{what}.jsonl", encoded, good, bad)


ODD_FILES = (
    _odd("no last line break", _THREE, 3, last=""),
    _odd("Windows' line breaks", _THREE, 3, end="\r\n", last="\r\n"),
    _odd("old Macs' line breaks", _THREE, 3, end="\r", last="\r"),
    _odd("blank lines", ["\n\n".join(_THREE), "", "  "], 3),
    _odd("the header again, in the middle", [*_THREE, *_THREE], 6, 1),
    _odd("values too few", [*_THREE, "1433221332117,4,view", "1433221332117"], 3, 2),
    _odd("values too many", [*_THREE, _ROW.format(4) + ",,", _ROW.format(5) + "9,9,9"], 3, 2),
    _odd("a line break in quotes", [*_THREE, '1433221332117,4,"vi', 'ew",3,'], 3, 2),
    _odd("a quote that does not end", [*_THREE, '1433221332117,"4,view,3,', _ROW.format(5)], 4, 1),
    _odd("a quote within", [*_THREE, '1433221332117,4",view,3,'], 3, 1),
    _odd("other separators from here on", [*_THREE, _ROW.format(4).replace(",", ";")], 3, 1),
    _odd("a huge value", [*_THREE, f"1433221332117,4,{'view' * 500_000},3,"], 3, 1),
    _odd("a NUL", [*_THREE, "1433221332117,4,vi\0ew,3,", "1433221332117,\0,view,3,"], 3, 2),
    _odd("a lot of NULs, as after a crash", [*_THREE, "\0" * 4096], 3),  # a blank line
    _odd("other control characters", [*_THREE, "1433221332117,4,vi\x1b[31mew,3,", "1433221332117,4,view\x08,3,"], 3, 2),
    _odd("an end of file from DOS", [*_THREE, "\x1a"], 3, last=""),
    _odd("a total below", [*_THREE, "Total: 3 rows"], 3, 1),
    OddFile("a mark before it", "retailrocket", "bom.csv", b"\xef\xbb\xbf" + "\n".join(_THREE).encode(), 3),
    OddFile("one row in Latin-1", "retailrocket", "mixed.csv",
            "\n".join(_THREE).encode() + "\n1433221332117,4,größe,3,\n".encode("latin-1"), 3, 1),
    *(OddFile(f"a file named {name!r}", "retailrocket", name, "\n".join(_THREE).encode(), 3) for name in (
        " a .csv", "a'b\"c.csv", "100%.csv", "a%20b.csv", "größe \U0001f41f.csv", "a\tb.csv", "a\\b.csv", "-a.csv",
        "a$b`c.csv", "a;b&c|d.csv", "#a?.csv", "{a}[b]*.csv", "a+b=c.csv", "A.CSV", "a.b.csv", "a" * 200 + ".csv",
    )),
    _json("no end of the last line", VIEWS[:-1], 3),
    _json("JSON with Windows' line breaks", VIEWS.replace("\n", "\r\n"), 3),
    _json("blank lines between", VIEWS.replace("\n", "\n\n  \n"), 3),
    _json("a mark before JSON", b"\xef\xbb\xbf" + VIEWS.encode(), 3),
    _json("a last line that breaks off", VIEWS + json.dumps(VIEW)[:30], 3, 1),
    _json("an array, one element a line", "[\n" + VIEWS.strip().replace("\n", ",\n") + "\n]\n", 3, 2),
    _json("a remark between", VIEWS + "# a remark\n" + VIEWS, 6, 1),
    _json("a huge text", VIEWS + json.dumps({**VIEW, "query": "x" * 3_000_000}) + "\n", 4),
    _json("very many names", VIEWS + json.dumps({**VIEW, **{f"n{n}": n for n in range(5000)}}) + "\n", 4),
    _json("a row in Latin-1",
          VIEWS.encode() + json.dumps({**VIEW, "user_id": "ü"}, ensure_ascii=False).encode("latin-1"), 3, 1),
    _json("a lot of NULs after JSON", VIEWS.encode() + bytes(4096), 3, 1),
)  # fmt: skip
