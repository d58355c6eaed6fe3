"""Any table -> interactions: who did what with which item, when, and how it was rated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, NumericType, TimestampNTZType, TimestampType

from shoal.errors import ConfigError, DataError, bulleted, did_you_mean
from shoal.sources.listing import is_table
from shoal.sources.readers import UNREADABLE, first_line

SCHEMA = "user_id string, item_id string, event string, rating double, time timestamp"
NAMES = ("user_id", "item_id", "event", "rating", "time")
_COLUMN = {"user": "user_id", "item": "item_id"}  # of a role; others are named as the role
_PACKED = (".gz", ".zst", ".bz2")
_OTHER_FORMATS = (".json", ".jsonl", ".ndjson", ".avro", ".orc", ".xlsx", ".xls", ".zip", ".npz", ".pkl")
_SEPARATORS = ("\t", "::", ";", "|", ",")  # in text of no known ending: the first that is in its first line
_SEPARATORS_OF = {".csv": (",", ";", "\t", "|"), ".tsv": ("\t",)}
_MILLISECONDS_FROM = 1e11  # as seconds the year 5138; as milliseconds 1973
_MICROSECONDS_FROM = 1e14  # as milliseconds the year 5138
_LAST_SECOND = 253_370_764_800  # the year 9999


@dataclass(frozen=True)
class Raw:
    """A table as it lies there, and which of its columns has which role."""

    path: str
    rows: DataFrame
    columns: Mapping[str, str]  # role -> column


def opened(
    spark: SparkSession,
    path: str,
    columns: Mapping[str, str],
    *,
    optional: Sequence[str] = (),
    where: str | None = None,
) -> Raw:
    """A table of CSV, TSV or other text, Parquet or Delta, with the columns that have a role.

    Text without a header has columns ``c1``, ``c2``, ... and is meant where ``columns`` holds numbers.

    Args:
        spark: the session.
        path: a file, a glob, a folder of files, or the folder of a Delta table.
        columns: role -> column's name, or its place from 1.
        optional: roles that the table may lack.
        where: SQL over the table's own columns; only rows of which it holds are read.

    Raises:
        ConfigError: nothing is there, or ``where`` cannot be used.
        DataError: it cannot be read, or lacks columns.
    """
    by_position = all(name.isdecimal() for name in columns.values())
    try:
        rows = _table(spark, path, by_position)
    except UNREADABLE as error:
        if "PATH_NOT_FOUND" in str(error):
            raise ConfigError(f"{path} does not exist, or matches no file") from error
        raise DataError(f"{path} cannot be read: {first_line(error)}") from error
    found = {
        role: (f"c{name}" if by_position and f"c{name}" in rows.columns else name) for role, name in columns.items()
    }
    missing = {role: name for role, name in found.items() if name not in rows.columns and role not in optional}
    if missing:
        lacks = [
            f"{path}: has no column {name!r} for {role}{did_you_mean(name, rows.columns)}"
            for role, name in missing.items()
        ]
        raise DataError(bulleted("cannot evaluate:", lacks))
    if where is not None:
        try:
            rows = rows.where(where)
        except UNREADABLE as error:
            raise ConfigError(f"--where {where!r} cannot be used on {path}: {first_line(error)}") from error
    return Raw(path, rows, {role: name for role, name in found.items() if name in rows.columns})


@dataclass(frozen=True)
class Interactions:
    """A table as interactions."""

    rows: DataFrame  # user_id, item_id, event, rating and time; null where the table has no such column
    read: int  # rows of the table, of which identical ones are one here


def interactions(raw: Raw, events: Sequence[str] | None = None, *, needs_positive: bool = False) -> Interactions:
    """The rows as interactions; refuses a table with values that cannot be used.

    Ids are text, as they are written: whole numbers without ``.0``. Times are seconds, milliseconds or microseconds
    since 1970, or ISO 8601 (UTC where they name no zone). Rows that are the same in all of these columns are one.

    Args:
        raw: of :func:`opened`.
        events: the event types that may occur; None: any.
        needs_positive: whether ratings must be above 0.

    Raises:
        DataError: values are missing or of the wrong form; says which, how many, one of them, and what to do.
    """
    typed = _typed(raw)
    read = _counted(raw, typed, events, needs_positive)
    return Interactions(typed.select(*NAMES).distinct(), read)


def _typed(raw: Raw) -> DataFrame:
    """Each role's value in its type, beside what it was as text."""
    kinds = {field.name: field.dataType for field in raw.rows.schema}
    types = dict(part.split(" ") for part in SCHEMA.split(", "))
    columns = list[Column]()
    for role in ("user", "item", "event", "rating", "time"):
        target = _COLUMN.get(role, role)
        if role not in raw.columns:
            columns.append(F.lit(None).cast(types[target]).alias(target))
            columns.append(F.lit(None).cast("string").alias(f"raw_{role}"))
            continue
        name = raw.columns[role]
        value = F.col(f"`{name.replace('`', '``')}`")
        text = _as_text(value, kinds[name])
        match role:
            case "rating":
                read = text.try_cast("double")
                typed = F.when(~F.isnan(read) & (F.abs(read) < F.lit(float("inf"))), read)
            case "time":
                is_time = isinstance(kinds[name], TimestampType | TimestampNTZType | DateType)
                typed = value.cast("timestamp") if is_time else _time(text)
            case _:
                typed = text
        columns += [typed.alias(target), text.alias(f"raw_{role}")]
    return raw.rows.select(*columns)


def _as_text(value: Column, kind: object) -> Column:
    """A value as text, empty as null; whole numbers without the ``.0`` that a column with gaps gives them."""
    text = value.cast("string")
    if isinstance(kind, NumericType):
        number = value.cast("double")
        is_whole = (F.floor(number) == number) & (F.abs(number) < 2.0**53)
        text = F.when(is_whole, value.try_cast("long").cast("string")).otherwise(F.when(~F.isnan(number), text))
    return F.when(text != "", text)


def _time(text: Column) -> Column:
    number = F.when(text.rlike(r"^\s*[0-9]+(\.[0-9]+)?\s*$"), text.try_cast("double"))
    seconds = (
        F.when(number < _MILLISECONDS_FROM, number)
        .when(number < _MICROSECONDS_FROM, number / 1e3)
        .otherwise(number / 1e6)
    )
    since_1970 = F.timestamp_micros(F.round(F.when(seconds < _LAST_SECOND, seconds) * 1e6).cast("long"))
    iso = F.when(text.rlike("^[0-9]{4}-[0-9]{2}-[0-9]{2}"), text.try_cast("timestamp"))
    return F.coalesce(since_1970, iso)


def _counted(raw: Raw, typed: DataFrame, events: Sequence[str] | None, needs_positive: bool) -> int:
    """How many rows there are; in the same pass counts every kind of fault, and refuses a table that has any."""
    faults = dict[str, tuple[Column, str, str]]()  # kind -> which rows, what is said of them, what to do

    def add(kind: str, role: str, bad: Column, said: str, todo: str) -> None:
        if role in raw.columns:
            faults[kind] = (bad, f"{said} in column {raw.columns[role]}", todo)

    add("user", "user", F.col("user_id").isNull(), "no user", "leave such rows out with --where")
    add("item", "item", F.col("item_id").isNull(), "no item", "leave such rows out with --where")
    add("no_event", "event", F.col("event").isNull(), "no event type", "leave such rows out with --where")
    if events is not None:
        unknown = ~F.col("event").isin([*events])
        add("event", "event", unknown, "an event type without a weight", "name it in --weights; 0 leaves it out")
    add("rating", "rating", F.col("rating").isNull(), "a rating that is no number", "mend or leave out such rows")
    if needs_positive:
        add("low", "rating", F.col("rating") <= 0, "a rating of 0 or below", "add --rating ignored, or --where")
    add("time", "time", F.col("time").isNull(), "a time that is none",
        "write seconds or milliseconds since 1970, or ISO 8601")  # fmt: skip
    row = F.concat_ws(", ", *(
        F.concat(F.lit(f"{raw.columns[role]}="), F.coalesce(f"raw_{role}", F.lit("null"))) for role in raw.columns
    ))  # fmt: skip
    counts = [F.count_if(F.coalesce(bad, F.lit(False))).alias(kind) for kind, (bad, _, _) in faults.items()]
    shown = [F.min(F.when(bad, row)).alias(f"{kind}_row") for kind, (bad, _, _) in faults.items()]
    try:
        found = typed.agg(F.count(F.lit(1)).alias("rows"), *counts, *shown).first()
    except UNREADABLE as error:
        raise DataError(f"{raw.path} cannot be read: {first_line(error)}") from error
    assert found is not None, "an aggregate has one row"
    if not found["rows"]:
        raise DataError(f"{raw.path}: has no row to evaluate")
    of_all = f"of {found['rows']:,} rows have"
    problems = [
        f"{raw.path}: {found[kind]:,} {of_all} {said}, such as {found[f'{kind}_row'][:200]}; {todo}"
        for kind, (_, said, todo) in faults.items()
        if found[kind]
    ]
    if problems:
        raise DataError(bulleted("cannot evaluate:", problems))
    return int(found["rows"])


def _table(spark: SparkSession, path: str, by_position: bool) -> DataFrame:
    """The table with its own columns: text as text, others as they are stored."""
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
