"""Files of every format as rows of bronze: the feed's columns as text, and where each row came from."""

import csv
from collections.abc import Callable, Sequence

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from shoal.errors import DataError, bulleted
from shoal.sources.feed import Feed, RawColumn
from shoal.sources.listing import SourceFile
from shoal.sources.text_form import text_form

UNREADABLE = (PySparkException, Py4JJavaError)  # Spark's own exceptions reach Python in either form
_TEXT_MAP = "map<string,string>"
_HEADER_LINES = 1000  # JSON lines that are read to learn which columns there are


def check_columns(spark: SparkSession, feed: Feed, files: Sequence[SourceFile]) -> None:
    """Refuse files that cannot be opened as their format, or lack a required column; all problems at once.

    Raises:
        DataError: names each file, what it lacks and what it has.
    """
    problems = []
    for file in files:
        try:
            found = _columns_of(spark, file)
        except (*UNREADABLE, ValueError) as error:
            problems.append(f"{file.path}: cannot be read as {file.format}: {first_line(error)}")
            continue
        missing = [column.name for column in feed.columns if column.required and column.name not in found]
        if missing:
            has = ", ".join(found[:12]) or "no column"
            problems.append(f"{file.path}: lacks {', '.join(missing)}; it has {has}")
    if problems:
        raise DataError(bulleted(f"cannot ingest as {feed.name}:", problems))


def raw_rows(spark: SparkSession, feed: Feed, files: Sequence[SourceFile], batch_id: str) -> DataFrame:
    """Rows of ``bronze.<feed>``: every row of every file.

    Files of the same format and header are read together. A text row that does not fit its header is kept
    whole in ``malformed``.
    """
    layouts: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for file in files:
        layouts.setdefault((file.format, tuple(_columns_of(spark, file))), []).append(file.path)
    parts = [_READERS[form](spark, feed, paths, columns) for (form, columns), paths in layouts.items()]
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.unionByName(part)
    times = spark.createDataFrame(
        [(file.path, file.modified_at) for file in files], "source_file string, delivered_at timestamp"
    )
    placed = rows.withColumn("source_file", _plain_path("source_file"))
    delivered = placed.join(F.broadcast(times), on="source_file", how="left")
    return feed.table.select(delivered.withColumn("batch_id", F.lit(batch_id)))


def first_line(error: Exception) -> str:
    """The first line of what an error says, Java's own words where it came from Java, at a length that fits."""
    said = str(error.java_exception.getMessage()) if isinstance(error, Py4JJavaError) else str(error)
    return (said.strip().splitlines() or [type(error).__name__])[0][:200]


def _csv_rows(spark: SparkSession, feed: Feed, paths: list[str], columns: Sequence[str]) -> DataFrame:
    schema = StructType([StructField(name, StringType()) for name in [*columns, "_malformed"]])
    lines = (
        spark.read.schema(schema)
        .option("header", True)
        .option("mode", "PERMISSIVE")
        .option("columnNameOfCorruptRecord", "_malformed")
        .option("multiLine", feed.multi_line)
        .option("escape", '"')
        .csv(paths)
    )
    numbered, line = _numbered(lines, first=2)  # the header is line 1
    return _as_bronze(feed, numbered, columns, F.col("_malformed"), line)


def _json_rows(spark: SparkSession, feed: Feed, paths: list[str], columns: Sequence[str]) -> DataFrame:
    numbered, line = _numbered(spark.read.text(paths), first=1)
    known = {column.name for column in feed.columns}
    rows = (
        numbered.withColumn("_position", line)
        .where(F.trim("value") != "")
        .withColumn("_row", F.from_json("value", _TEXT_MAP))
        .withColumn("_malformed", F.when(F.col("_row").isNull(), F.col("value")))
        .select("*", *(F.col("_row").getItem(name).alias(name) for name in sorted({*columns} | known)))
    )
    return _as_bronze(feed, rows, columns, F.col("_malformed"), F.col("_position"))


def _parquet_rows(spark: SparkSession, feed: Feed, paths: list[str], columns: Sequence[str]) -> DataFrame:
    return _stored_rows(feed, spark.read.parquet(*paths), columns, F.col("_metadata.file_path"))


def _delta_rows(spark: SparkSession, feed: Feed, paths: list[str], columns: Sequence[str]) -> DataFrame:
    (path,) = paths
    folder, _, version = path.rpartition("@v")
    rows = spark.read.format("delta").option("versionAsOf", version).load(folder)
    # Rows are numbered by (file, row) inside the table; the table at its version is what was delivered.
    return _stored_rows(feed, rows, columns, F.lit(path))


_READERS: dict[str, Callable[[SparkSession, Feed, list[str], Sequence[str]], DataFrame]] = {
    "csv": _csv_rows,
    "json": _json_rows,
    "parquet": _parquet_rows,
    "delta": _delta_rows,
}


def _stored_rows(feed: Feed, rows: DataFrame, columns: Sequence[str], file: Column) -> DataFrame:
    located = rows.select("*", file.alias("_file"), F.col("_metadata.row_index").alias("_index"))
    # A row group is read by one task; every core shall shape and write its values.
    located = located.repartition(F.col("_index"))
    return _as_bronze(feed, located, columns, F.lit(None).cast("string"), F.col("_index"))


def _numbered(lines: DataFrame, first: int) -> tuple[DataFrame, Column]:
    """Rows of text files with ``_file``, and the expression of their line number.

    Tasks read blocks of files, each in order: a row's line is its place in its block after the rows of the
    blocks before. One small row per block is shared out; blank lines of a CSV are not counted.
    """
    placed = lines.select(
        "*",
        F.col("_metadata.file_path").alias("_file"),
        F.col("_metadata.file_block_start").alias("_block"),
        F.monotonically_increasing_id().alias("_order"),
    )
    blocks = placed.groupBy("_file", "_block").agg(F.min("_order").alias("_first"), F.count("*").alias("_rows"))
    before = Window.partitionBy("_file").orderBy("_block").rowsBetween(Window.unboundedPreceding, -1)
    starts = blocks.select(
        "_file", "_block", "_first", F.coalesce(F.sum("_rows").over(before), F.lit(0)).alias("_before")
    )
    numbered = placed.join(F.broadcast(starts), on=["_file", "_block"], how="inner")
    return numbered, F.col("_before") + F.col("_order") - F.col("_first") + first


def _as_bronze(feed: Feed, rows: DataFrame, columns: Sequence[str], malformed: Column, position: Column) -> DataFrame:
    types = {field.name: field.dataType for field in rows.schema}
    known = [column.name for column in feed.columns]
    others = [RawColumn(name, "text", "") for name in columns if name not in known]
    entries = [part for c in others for part in (F.lit(c.name), text_form(F.col(f"`{c.name}`"), c, types.get(c.name)))]
    extra = F.create_map(*entries) if entries else F.create_map().cast(_TEXT_MAP)
    return rows.select(
        *(
            text_form(F.col(f"`{c.name}`"), c, types[c.name]).alias(c.name)
            if c.name in columns
            else F.lit(None).cast("string").alias(c.name)
            for c in feed.columns
        ),
        F.map_filter(extra, lambda _, value: value.isNotNull()).alias("extra"),
        malformed.alias("malformed"),
        F.col("_file").alias("source_file"),
        position.cast("long").alias("position"),
    )


def _columns_of(spark: SparkSession, file: SourceFile) -> list[str]:
    """Column names of a file, from its header or footer; of JSON lines those of its first rows."""
    match file.format:
        case "csv":
            return _csv_header(spark, file.path)
        case "parquet":
            return list(spark.read.parquet(file.path).columns)
        case "delta":
            return list(spark.read.format("delta").load(file.path.rpartition("@v")[0]).columns)
        case _:
            lines = spark.read.text(file.path).where(F.trim("value") != "").limit(_HEADER_LINES)
            keys = lines.select(F.explode(F.map_keys(F.from_json("value", _TEXT_MAP))).alias("key"))
            names = sorted(row["key"] for row in keys.distinct().collect())
            if not names:
                raise ValueError(f"none of its first {_HEADER_LINES:,} lines is a JSON object")
            return names


def _csv_header(spark: SparkSession, path: str) -> list[str]:
    first = spark.read.text(path).first()
    line = "" if first is None else str(first["value"]).lstrip("\ufeff").rstrip("\r")
    if "\x00" in line or "\ufffd" in line:
        raise ValueError("its first line is not text in UTF-8")
    return next(csv.reader([line]), [])


def _plain_path(name: str) -> Column:
    """The path that Spark reports, decoded and without ``file:``, as :class:`SourceFile` has it."""
    decoded = F.url_decode(F.regexp_replace(name, r"\+", "%2B"))
    return F.regexp_replace(decoded, "^file:/+", "/")
