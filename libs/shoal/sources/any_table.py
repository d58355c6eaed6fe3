"""Tables of any kind that a person names: CSV, TSV and other text, Parquet, Delta; no feed says what is in them."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, NumericType

from shoal.errors import DataError
from shoal.sources.listing import is_table

_PACKED = (".gz", ".zst", ".bz2")
_OTHER_FORMATS = (".json", ".jsonl", ".ndjson", ".avro", ".orc", ".xlsx", ".xls", ".zip", ".npz", ".pkl")
_SEPARATORS = ("\t", "::", ";", "|", ",")  # in text of no known ending: the first that is in its first line
_SEPARATORS_OF = {".csv": (",", ";", "\t", "|"), ".tsv": ("\t",)}
_MILLISECONDS_FROM = 1e11  # as seconds the year 5138; as milliseconds 1973
_MICROSECONDS_FROM = 1e14  # as milliseconds the year 5138
_LAST_SECOND = 253_370_764_800  # the year 9999


def any_table(spark: SparkSession, path: str, *, by_position: bool = False) -> DataFrame:
    """A table with its own columns: those of text as text, others as they are stored.

    Args:
        spark: the session.
        path: a file, a glob, a folder of files, or the folder of a Delta table.
        by_position: text has no header; its columns are ``c1``, ``c2``, ...

    Raises:
        DataError: no file is there, or of several kinds, or of one that cannot be read. What Spark raises goes on as it
            is, see ``readers.UNREADABLE``.
    """
    if not any(sign in path for sign in "*?[{") and is_table(spark, path):
        return spark.read.format("delta").load(path)
    files = spark.read.text(path, recursiveFileLookup=True).inputFiles()  # a listing, nothing is read
    if not files:
        raise DataError(f"{path}: holds no file")
    endings = {_ending(file) for file in files}
    if len(endings) > 1:
        raise DataError(f"{path}: holds files of several kinds: {', '.join(sorted(endings))}; name those of one")
    (ending,) = endings
    if ending == ".parquet":
        return spark.read.parquet(path, recursiveFileLookup=True)
    if ending in _OTHER_FORMATS:
        raise DataError(f"{path}: {ending} cannot be read; give CSV, TSV, Parquet or a Delta table")
    return _text(spark, path, ending, by_position)


def _ending(file: str) -> str:
    name = file.rpartition("/")[2].lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return f".{name.rpartition('.')[2]}" if "." in name else ""


def _text(spark: SparkSession, path: str, ending: str, by_position: bool) -> DataFrame:
    first = spark.read.text(path, recursiveFileLookup=True).first()
    line = "" if first is None else str(first["value"])
    if "\x00" in line or "\ufffd" in line:
        raise DataError(f"{path}: its first line is not text in UTF-8; give CSV, TSV, Parquet or a Delta table")
    separator = next((sign for sign in _SEPARATORS_OF.get(ending, _SEPARATORS) if sign in line), ",")
    rows = spark.read.csv(
        path, sep=separator, header=not by_position, quote='"', escape='"', enforceSchema=by_position,
        recursiveFileLookup=True,
    )  # fmt: skip
    names = [f"c{place}" for place in range(1, 1 + len(rows.columns))] if by_position else _plain(rows.columns)
    return rows.toDF(*names)


def _plain(names: Sequence[str]) -> list[str]:
    """Names without the mark of a byte order that some programs put before the first."""
    return [name.removeprefix("\ufeff") for name in names]


def as_text(value: Column, kind: DataType) -> Column:
    """A value as text, empty as null; whole numbers without the ``.0`` that a column with gaps gives them."""
    text = value.cast("string")
    if isinstance(kind, NumericType):
        number = value.cast("double")
        is_whole = (F.floor(number) == number) & (F.abs(number) < 2.0**53)
        text = F.when(is_whole, value.try_cast("long").cast("string")).otherwise(F.when(~F.isnan(number), text))
    return F.when(text != "", text)


def as_time(text: Column) -> Column:
    """A time: seconds, milliseconds or microseconds since 1970, or ISO 8601 (UTC where it names no zone); else null."""
    number = F.when(text.rlike(r"^\s*[0-9]+(\.[0-9]+)?\s*$"), text.try_cast("double"))
    seconds = (
        F.when(number < _MILLISECONDS_FROM, number)
        .when(number < _MICROSECONDS_FROM, number / 1e3)
        .otherwise(number / 1e6)
    )
    since_1970 = F.timestamp_micros(F.round(F.when(seconds < _LAST_SECOND, seconds) * 1e6).cast("long"))
    iso = F.when(text.rlike("^[0-9]{4}-[0-9]{2}-[0-9]{2}"), text.try_cast("timestamp"))
    return F.coalesce(since_1970, iso)
