"""Files of every format as rows of bronze: the feed's columns as text, and where each row came from."""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from py4j.protocol import Py4JJavaError
from pyspark.errors import (
    AnalysisException,
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    IllegalArgumentException,
    NumberFormatException,
    PySparkException,
    SparkRuntimeException,
    SparkUpgradeException,
    UnsupportedOperationException,
)
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from shoal.errors import DataError, bulleted
from shoal.frames import few_rows
from shoal.sources import additions
from shoal.sources.feed import SEPARATORS, Feed, RawColumn
from shoal.sources.listing import SourceFile
from shoal.sources.nested import file_columns, nested_paths, said_once, tops, unnested
from shoal.sources.renames import advice
from shoal.sources.text_form import text_form

Columns = Mapping[str, str | None]  # name in the file, in its order -> type, where the format has types
UNREADABLE = (PySparkException, Py4JJavaError)  # Spark's own exceptions reach Python in either form
# What Spark raises where an expression cannot take a value: no retry will help.
OF_A_VALUE = (
    AnalysisException,
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    IllegalArgumentException,
    NumberFormatException,
    SparkRuntimeException,
    SparkUpgradeException,
    UnsupportedOperationException,
)
_TEXT_MAP = "map<string,string>"
_EXTRA = RawColumn("", "text", "a column that the feed does not declare")
_ZSTD = " (Spark reads zstd from 4.1 on, older ones where Hadoop's native library has it; else take gzip)"
_NANOS = "; Spark knows no nanoseconds: write times in microseconds"
_MOST_COLUMNS = 2000  # of CSV, Parquet and Delta: with many more, Spark plans for hours
_MOST_LINES = 500  # of one quoted text
_METADATA = "_metadata"  # Spark's own column of where a row was read
_HEADER_LINES = 1000  # JSON lines that are read to learn which columns there are


def check_columns(
    spark: SparkSession, feed: Feed, files: Sequence[SourceFile], before: Sequence[str] = ()
) -> dict[str, Columns]:
    """Refuse files that cannot be opened as their format, or lack a required column; all problems at once.

    Args:
        before: the columns that the feed brought last, to find one that was renamed.

    Returns:
        The columns of each file, by its path.

    Raises:
        DataError: names each file, what it lacks, what it has, and what may have been renamed.
    """
    columns, problems = columns_of(spark, feed, files, before)
    if problems:
        raise cannot_ingest(feed, problems)
    return columns


def cannot_ingest(feed: Feed, problems: Mapping[str, Sequence[str]]) -> DataError:
    """The error that names what is wrong with files, by their paths."""
    return DataError(bulleted(f"cannot ingest as {feed.name}:", (said for each in problems.values() for said in each)))


def columns_of(
    spark: SparkSession, feed: Feed, files: Sequence[SourceFile], before: Sequence[str] = ()
) -> tuple[dict[str, Columns], dict[str, list[str]]]:
    """The columns of each file that can be opened, and what is wrong with each that cannot be ingested, by its path.

    Args:
        before: as of :func:`check_columns`.
    """
    problems, columns = dict[str, list[str]](), dict[str, Columns]()
    for file in files:
        try:
            columns[file.path] = _columns_of(spark, feed, file)
        except (*UNREADABLE, ValueError) as error:
            hint = _ZSTD if file.path.lower().endswith(".zst") else _NANOS if "NANOS" in str(error) else ""
            problems[file.path] = [f"{file.path}: cannot be read as {file.format}: {first_line(error)}{hint}"]
            continue
        found = [*columns[file.path]]
        if len(found) > _MOST_COLUMNS and file.format != "json":
            problems[file.path] = [f"{file.path}: has {len(found):,} columns; at most {_MOST_COLUMNS:,} can be read"]
            continue
        missing = _missing(feed, found)
        taken = [name for name in found if _is_taken(name)] if file.format != "json" else []
        if taken:
            problems.setdefault(file.path, []).append(
                f"{file.path}: rename {', '.join(taken)}; _metadata and _shoal_... are names kept for reading"
            )
        if missing:
            has = ", ".join(found[:12]) or "no column"
            hints = advice(feed, missing, found, () if file.format == "json" else before)
            hints = _other_separator(feed, found) if file.format == "csv" and len(found) == 1 else hints
            lacks = "; ".join([f"{file.path}: lacks {', '.join(missing)}", f"it has {has}", *hints])
            problems.setdefault(file.path, []).append(lacks)
    return columns, problems


def _other_separator(feed: Feed, found: Sequence[str]) -> list[str]:
    """What to do about a header that is one name: it may be parted by another sign."""
    signs = [sign for sign in SEPARATORS if sign != feed.separator and sign in found[0]]
    if not signs:
        return []
    sign = max(signs, key=found[0].count)
    todo = f"write separator: {json.dumps(sign)} into its mapping" if feed.version else "declare a feed of your own"
    return [f"its columns are parted by {json.dumps(sign)}, not by {json.dumps(feed.separator)}: {todo}"]


def _missing(feed: Feed, found: Sequence[str]) -> list[str]:
    """The columns that a file lacks: required ones, or those that would hold what is required."""
    holds = {name: path.top for name, path in nested_paths(feed).items()}
    names = [c.file_name for c in feed.columns if c.required and c.file_name not in found]
    return [name for name in names if holds.get(name) not in found]


def raw_rows(spark: SparkSession, feed: Feed, files: Sequence[SourceFile], batch_id: str) -> DataFrame:
    """Rows of ``bronze.<feed>``: every row of every file.

    Files of the same format and layout are read together. A text row that does not fit its header is kept
    whole in ``malformed``.
    """
    layouts: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for file in files:
        layouts.setdefault((file.format, _layout(spark, feed, file)), []).append(file.path)
    parts = [_READERS[form](spark, feed, paths) for (form, _), paths in layouts.items()]
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.unionByName(part)
    times = few_rows(
        spark, "source_file string, delivered_at timestamp", [(file.path, file.modified_at) for file in files]
    )
    delivered = rows.join(F.broadcast(times), on="source_file", how="left")
    return feed.table.select(delivered.withColumn("batch_id", F.lit(batch_id)))


def is_readable(spark: SparkSession, feed: Feed, file: SourceFile) -> bool:
    """Whether every row of a file can be read; reads them all, and keeps none.

    Raises:
        PySparkException, Py4JJavaError: it could not be tried, for a reason that does not lie in the file.
    """
    try:
        raw_rows(spark, feed, [file], "").write.format("noop").mode("overwrite").save()
    except UNREADABLE as error:
        if not is_of_the_input(error):
            raise
        return False
    return True


def is_of_the_input(error: Exception) -> bool:
    """True where a file could not be read or planned; false for a full disk, a lost executor and the like."""
    # The plan itself does not fit the files: no retry will help.
    return isinstance(error, OF_A_VALUE) or any(
        sign in str(error) for sign in ("FAILED_READ_FILE", "MALFORMED", "CANNOT_READ_FILE")
    )


def cannot_carry_out(feed: Feed, error: Exception) -> str:
    """What to say of a batch on whose rows an expression of its feed fails."""
    return f"the SQL of the feed {feed.name} cannot be carried out on every row: {first_line(error)}"


def first_line(error: Exception) -> str:
    """What an error says of a file, else its first line; Java's own words where it came from Java."""
    said = str(error.java_exception.getMessage()) if isinstance(error, Py4JJavaError) else str(error)
    if of_a_file := re.search(r"\[(FAILED_READ_FILE|CANNOT_READ_FILE|MALFORMED)[A-Z_.]*\] [^\n]*", said):
        return of_a_file[0][:300]
    return (said.strip().splitlines() or [type(error).__name__])[0][:200]


def _csv_rows(spark: SparkSession, feed: Feed, paths: list[str]) -> DataFrame:
    header = _csv_header(spark, feed, paths[0])  # files of one layout share it
    schema = StructType([StructField(name, StringType()) for name in [*header, "_shoal_malformed"]])
    lines = (
        spark.read.schema(schema)
        .option("header", feed.has_header)
        .option("mode", "PERMISSIVE")
        .option("columnNameOfCorruptRecord", "_shoal_malformed")
        .option("multiLine", feed.multi_line)
        .option("sep", feed.separator)
        .option("quote", '"' if feed.has_quotes else "")
        .option("escape", '"' if feed.has_quotes else "")
        .csv([literal(path) for path in paths])
    )
    numbered, line = _numbered(lines, first=2 if feed.has_header else 1)  # the header is line 1
    extra, malformed = _undeclared(feed, lines, header), F.col("_shoal_malformed")
    if feed.multi_line:
        malformed = F.coalesce(_endless(header, line), malformed)
    file = _plain_path("_shoal_block.file_path")
    return _as_bronze(feed, numbered, extra, malformed, file, line, has_commas=True)


def _endless(header: Sequence[str], line: Column) -> Column:
    """Fails where a row spans so many lines that a quote in it has no end, and the rest of the file is one value.

    Null otherwise.
    """
    text = F.coalesce("_shoal_malformed", F.concat_ws("", *(_column(name) for name in header)))
    breaks = F.length(text) - F.length(F.translate(text, "\n", ""))
    said = F.concat(
        F.lit("[MALFORMED_CSV] row "), line.cast("string"), F.lit(" of "), _plain_path("_shoal_block.file_path"),
        F.lit(" begins a text of "), breaks.cast("string"), F.lit(" lines: a quote has no end"),
    )  # fmt: skip
    return F.when(breaks > _MOST_LINES, F.raise_error(said).cast("string"))


def _json_rows(spark: SparkSession, feed: Feed, paths: list[str]) -> DataFrame:
    numbered, line = _numbered(spark.read.text([literal(path) for path in paths]), first=1)
    lines = numbered.withColumn("_shoal_position", line).where(F.trim("value") != "")
    malformed = F.when(F.col("_shoal_row").isNull(), F.col("value"))
    rows = _with_objects(lines).withColumn("_shoal_malformed", malformed)
    # Every line may have other keys: they stay in the map, where they meet no name of ours.
    known = [column.file_name for column in feed.columns]
    named = rows.select(
        "_shoal_row",
        "_shoal_malformed",
        "_shoal_block",
        "_shoal_position",
        *(F.col("_shoal_row").getItem(name).alias(name) for name in dict.fromkeys([*known, *tops(feed)])),
    )
    others = F.map_filter(F.coalesce("_shoal_row", _empty_map()), lambda name, _: ~name.isin(known))
    extra = F.transform_values(others, lambda _, value: text_form(value, _EXTRA))
    return _as_bronze(
        feed, named, extra, F.col("_shoal_malformed"), _plain_path("_shoal_block.file_path"), F.col("_shoal_position")
    )


def _with_objects(lines: DataFrame) -> DataFrame:
    """Lines of JSON and, as ``_shoal_row``, the object each is; null where it is none, several, or has a name twice.

    Read by itself a line would be its first object, and what follows would be lost. Some exports write an array, one
    element a line and a comma after it.
    """
    line = F.btrim("value", F.lit(" ,\t"))
    objects = F.from_json(F.concat(F.lit("["), line, F.lit("]")), f"array<{_TEXT_MAP}>")
    first, names = F.get("_shoal_objects", F.lit(0)), F.map_keys(F.get("_shoal_objects", F.lit(0)))
    is_one = (F.size("_shoal_objects") == 1) & (F.size(F.array_distinct(names)) == F.size(names))
    parsed = lines.withColumn("_shoal_objects", objects)  # by itself, so that a line is read once
    return parsed.withColumn("_shoal_row", F.when(is_one, first)).drop("_shoal_objects")


def _parquet_rows(spark: SparkSession, feed: Feed, paths: list[str]) -> DataFrame:
    rows = spark.read.parquet(*(literal(path) for path in paths))
    located = rows.select(
        "*", F.col("_metadata.file_path").alias("_shoal_file"), F.col("_metadata.row_index").alias("_shoal_position")
    )
    return _stored_rows(feed, located, rows.columns, _plain_path("_shoal_file"))


def _delta_rows(spark: SparkSession, feed: Feed, paths: list[str]) -> DataFrame:
    (path,) = paths
    rows = _delta_table(spark, path)
    columns = [name for name in rows.columns if name != _METADATA]
    # The table at its version is what was delivered: its rows are numbered through all of its files.
    numbered, index = _numbered(rows, first=0, through=True)
    return _stored_rows(feed, numbered.withColumn("_shoal_position", index), columns, F.lit(path))


_READERS: dict[str, Callable[[SparkSession, Feed, list[str]], DataFrame]] = {
    "csv": _csv_rows,
    "json": _json_rows,
    "parquet": _parquet_rows,
    "delta": _delta_rows,
}


def _stored_rows(feed: Feed, rows: DataFrame, columns: Sequence[str], file: Column) -> DataFrame:
    # A row group is read by one task; every core shall shape and write its values.
    spread = rows.repartition(F.col("_shoal_position"))
    extra = _undeclared(feed, rows, columns)
    return _as_bronze(feed, spread, extra, F.lit(None).cast("string"), file, F.col("_shoal_position"))


def _numbered(lines: DataFrame, first: int, *, through: bool = False) -> tuple[DataFrame, Column]:
    """Rows of files with ``_shoal_block``, the part of a file that they were in, and the expression of their number.

    Tasks read blocks of files, each in order: a row's number is its place in its block after the rows of the
    blocks before, in its file or, with ``through``, in all files. One small row per block is shared out; blank
    lines of a CSV are not counted.
    """
    placed = lines.select(
        "*",
        F.struct("_metadata.file_path", "_metadata.file_block_start").alias("_shoal_block"),
        F.monotonically_increasing_id().alias("_shoal_order"),
    )
    blocks = placed.groupBy("_shoal_block").agg(
        F.min("_shoal_order").alias("_shoal_first"), F.count("*").alias("_shoal_rows")
    )
    together = [] if through else ["_shoal_block.file_path"]
    before = Window.partitionBy(*together).orderBy("_shoal_block").rowsBetween(Window.unboundedPreceding, -1)
    starts = blocks.select(
        "_shoal_block", "_shoal_first", F.coalesce(F.sum("_shoal_rows").over(before), F.lit(0)).alias("_shoal_before")
    )
    numbered = placed.join(F.broadcast(starts), on="_shoal_block", how="inner")
    return numbered, F.col("_shoal_before") + F.col("_shoal_order") - F.col("_shoal_first") + first


def _undeclared(feed: Feed, rows: DataFrame, columns: Sequence[str]) -> Column:
    """The columns that the feed does not declare, as a map."""
    known = {column.file_name for column in feed.columns}
    others = [(name, rows.schema[name].dataType) for name in columns if name not in known]
    entries = [part for name, kind in others for part in (F.lit(name), text_form(_column(name), _EXTRA, kind))]
    return F.create_map(*entries) if entries else _empty_map()


def _empty_map() -> Column:
    return F.create_map().cast(_TEXT_MAP)


def _as_bronze(
    feed: Feed,
    rows: DataFrame,
    extra: Column,
    malformed: Column,
    file: Column,
    position: Column,
    *,
    has_commas: bool = False,
) -> DataFrame:
    """Rows as bronze holds them.

    Args:
        has_commas: numbers are text that people wrote, in which a feed may have decimal commas; formats with numbers of
            their own have points, and there 1.234 is little more than one.
    """
    columns = feed.columns if has_commas else [replace(column, decimal_comma=False) for column in feed.columns]
    rows, extra = unnested(feed, rows), said_once(feed, extra)
    types = {field.name: field.dataType for field in rows.schema}
    return rows.select(
        *(
            text_form(_column(c.file_name), c, types[c.file_name]).alias(c.name)
            if c.file_name in types
            else F.lit(None).cast("string").alias(c.name)
            for c in columns
        ),
        F.map_filter(extra, lambda _, value: value.isNotNull()).alias("extra"),
        malformed.alias("malformed"),
        file.alias("source_file"),
        position.cast("long").alias("position"),
    )


def _is_taken(name: str) -> bool:
    """Whether a column would be mistaken for one that Spark or the readers add."""
    return name.lower() == "_metadata" or name.lower().startswith("_shoal_")


def _layout(spark: SparkSession, feed: Feed, file: SourceFile) -> tuple[str, ...]:
    """What files of a format must have in common to be read together."""
    match file.format:
        case "csv":
            return tuple(_csv_header(spark, feed, file.path))
        case "parquet":
            fields = spark.read.parquet(literal(file.path)).schema
            return tuple(f"{field.name} {field.dataType.simpleString()}" for field in fields)
        case "delta":
            return (file.path,)
        case _:
            return ()  # every line says its own keys


def _columns_of(spark: SparkSession, feed: Feed, file: SourceFile) -> Columns:
    """Columns of a file, from its header or footer; of JSON lines those of its first rows, by name."""
    match file.format:
        case "csv":
            return dict.fromkeys(_csv_header(spark, feed, file.path))
        case "parquet":
            return _typed(spark.read.parquet(literal(file.path)).schema)
        case "delta":
            return _typed(_schema_of_table(spark, file.path))
        case _:
            lines = spark.read.text(literal(file.path)).where(F.trim("value") != "").limit(_HEADER_LINES)
            keys = _with_objects(lines).select(F.explode(F.map_keys("_shoal_row")).alias("key"))
            names = sorted(row["key"] for row in keys.distinct().collect())
            if not names:
                raise ValueError(f"none of its first {_HEADER_LINES:,} lines is a JSON object")
            return dict.fromkeys(names)


def _typed(schema: StructType) -> Columns:
    return {field.name: field.dataType.simpleString() for field in schema}


def _csv_header(spark: SparkSession, feed: Feed, path: str) -> list[str]:
    """The names of a CSV's columns: those of its first line, or the declared ones where it has no header."""
    first = spark.read.text(literal(path)).first()
    line = "" if first is None else str(first["value"]).lstrip("\ufeff").rstrip("\r")
    if "\x00" in line or "\ufffd" in line:
        raise ValueError("its first line is not text in UTF-8")
    names = line.split(feed.separator)
    if feed.has_quotes:
        names = next(csv.reader([line], delimiter=feed.separator), [])
    if not feed.has_header:
        declared = file_columns(feed)
        if len(names) != len(declared):
            wanted = f"{len(declared)} columns, {', '.join(declared)}"
            raise ValueError(f"its first line has {len(names)} columns, and a file without a header has {wanted}")
        return declared
    counts = Counter(name.lower() for name in names)  # to Spark, names that differ in case only are the same
    twice = [repr(name) for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"its header has {', '.join(twice)} more than once")
    return names


def is_there(spark: SparkSession, path: str) -> bool:
    """Whether a Delta table can still be read at the version, or versions, that a path names."""
    try:
        _delta_table(spark, path)
    except UNREADABLE:
        return False
    return True


def _delta_table(spark: SparkSession, path: str) -> DataFrame:
    """The table at the version that ``folder@vVERSION`` names, or what ``folder@vFIRST..LAST`` have added."""
    if (named := additions.versions_of(path)) is not None:
        return _added_rows(spark, named)
    folder, _, version = path.rpartition("@v")
    return spark.read.format("delta").option("versionAsOf", version).load(folder)


def _added_rows(spark: SparkSession, named: additions.Versions) -> DataFrame:
    """The rows of the files that were added in these versions, and ``_metadata`` as a column that a join keeps."""
    schema, files = additions.schema_at(spark, named), additions.files_of(spark, named)
    parts = {field.name: field.dataType for field in schema if field.name in files[0].partition}
    stored = StructType([field for field in schema if field.name not in parts])
    reader = spark.read.schema(stored).option("recursiveFileLookup", "true")  # what folders are called says nothing
    rows = reader.parquet(*(literal(file.path) for file in files)).select("*", _METADATA)
    if not parts:
        return rows
    values = few_rows(spark, "_shoal_file string, _shoal_parts map<string,string>", files)
    located = rows.withColumn("_shoal_file", _plain_path(f"{_METADATA}.file_path"))
    joined = located.join(F.broadcast(values), on="_shoal_file", how="left")
    typed = {name: F.col("_shoal_parts")[name].cast(kind) for name, kind in parts.items()}
    return joined.withColumns(typed).select(*map(_column, schema.names), _METADATA)


def _schema_of_table(spark: SparkSession, path: str) -> StructType:
    """The columns of a table at the version, or the last of the versions, that its path names."""
    if (named := additions.versions_of(path)) is not None:
        return additions.schema_at(spark, named)
    return _delta_table(spark, path).schema


def literal(path: str) -> str:
    """The path with the signs of a glob escaped, which Spark would otherwise look for."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


def _column(name: str) -> Column:
    """A column of any name, also with a dot or a backtick in it."""
    return F.col(f"`{name.replace('`', '``')}`")


def _plain_path(name: str) -> Column:
    """The path that Spark reports, decoded and without ``file:``, as :class:`SourceFile` has it."""
    path = F.col(name)
    decoded = F.url_decode(F.regexp_replace(path, r"\+", "%2B"))
    # Said of every row, so only odd names are decoded.
    return F.regexp_replace(F.when(path.rlike("[%+]"), decoded).otherwise(path), "^file:/+", "/")
