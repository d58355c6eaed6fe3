"""What was added to a Delta table, version by version, read off its log.

A file of the log tells which files of rows a version has added and removed. Files that hold the same rows as those
that they replace (OPTIMIZE) are marked so, and are none that was added.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import unquote

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from shoal.errors import DataError
from shoal.sources.listing import SourceFile, find_files

_ACTIONS = (
    "add struct<path: string, partitionValues: map<string, string>, size: bigint, dataChange: boolean, "
    "deletionVector: struct<storageType: string>>, "
    "remove struct<dataChange: boolean>, commitInfo struct<operation: string>"
)
_MOST_VERSIONS = 1000  # that are looked at together
_NAME = re.compile(r"(?P<folder>.*)@v(?P<first>\d+)\.\.(?P<last>\d+)")
_INSTEAD = "run `shoal ingest` without --stream, which takes the table as it is now; the stream goes on from there"


class Versions(NamedTuple):
    """Some versions of a table that follow each other; as a path ``folder@vFIRST..LAST``."""

    folder: str
    first: int
    last: int

    @property
    def path(self) -> str:
        return f"{self.folder}@v{self.first}..{self.last}"


class AddedFile(NamedTuple):
    """A file of rows that a version has added."""

    path: str
    partition: dict[str, str | None]  # values of the partition columns, which the file itself need not hold


class Commit(NamedTuple):
    """What a version has done to the rows of a table."""

    version: int
    at: datetime  # UTC
    files: int  # that it added
    size: int  # bytes of these
    removed: int  # files
    operation: str | None
    are_whole: bool  # false where rows of the added files do not count

    @property
    def adds_rows(self) -> bool:
        """False where nothing new came: settings, OPTIMIZE, and DELETE, which writes anew what it leaves."""
        return self.files > 0 and not (self.removed > 0 and self.operation == "DELETE")

    @property
    def problem(self) -> str | None:
        """Why a stream cannot tell which rows are new; None where it can."""
        if not self.adds_rows:
            return None
        if self.removed > 0:
            return f"version {self.version} ({self.operation or 'unknown operation'}) has changed rows that were there"
        if not self.are_whole:
            return f"version {self.version} ({self.operation or 'unknown operation'}) adds files with a deletion vector"
        return None


def versions_of(path: str) -> Versions | None:
    """The versions that a path names; None for any other path."""
    named = _NAME.fullmatch(path)
    return Versions(named["folder"], int(named["first"]), int(named["last"])) if named else None


def find_additions(
    spark: SparkSession, folder: str, brought: Callable[[str], Sequence[tuple[int, int]]], most_files: int
) -> tuple[list[SourceFile], bool]:
    """What a table holds that was not brought yet: of one never read all it holds now, else what was added since.

    Args:
        brought: first and last of the versions that were read, of the table with the id that it is given.
        most_files: where more were added, the versions end before the one that would exceed it.

    Returns:
        One or none, and whether there is more, which is found once this was read.

    Raises:
        ConfigError: there is no table.
        DataError: a version has changed rows, the log is gone, or the columns have other names in the files.
    """
    (now,) = find_files(spark, folder)
    table_id, _, latest = now.sha256.rpartition("@")
    place = now.path.rpartition("@v")[0]
    ranges = brought(table_id)
    if not any(first == 0 for first, _ in ranges):
        return [now], False
    for first, last in gaps(ranges, int(latest)):
        if batch := _first_of(spark, Versions(place, first, last), most_files):
            named = Versions(place, batch[0].version, batch[-1].version)
            size, at = sum(commit.size for commit in batch if commit.adds_rows), batch[-1].at
            return [SourceFile(named.path, "delta", size, at, f"{table_id}@{named.last}")], named.last < int(latest)
    return [], False


def gaps(ranges: Iterable[tuple[int, int]], last: int) -> list[tuple[int, int]]:
    """The versions up to ``last`` that lie in no range, as ranges; both ends belong to a range."""
    found, reached = list[tuple[int, int]](), 0
    for begin, end in sorted((begin, end) for begin, end in ranges if begin <= last):
        if begin > reached:
            found.append((reached, begin - 1))
        reached = max(reached, end + 1)
    if reached <= last:
        found.append((reached, last))
    return found


def first_batch(commits: Iterable[Commit], most_files: int) -> list[Commit]:
    """The commits, from the first on, that are read together; empty where none adds a row.

    Raises:
        DataError: before any row that can be read comes a commit that has changed what was there.
    """
    taken, files = list[Commit](), 0
    for commit in commits:
        if files and (commit.problem or (commit.adds_rows and files + commit.files > most_files)):
            break
        if commit.problem:
            raise DataError(commit.problem)
        taken.append(commit)
        files += commit.files if commit.adds_rows else 0
    return taken if files else []


def schema_at(spark: SparkSession, versions: Versions) -> StructType:
    """The columns that a table had at the last of these versions."""
    return spark.read.format("delta").option("versionAsOf", versions.last).load(versions.folder).schema


def files_of(spark: SparkSession, versions: Versions) -> list[AddedFile]:
    """The files that these versions have added, each once, by version and path."""
    adding = [commit.version for commit in _commits(spark, versions) if commit.adds_rows]
    added = _actions(spark, versions).where("add.dataChange").where(F.col("version").isin(adding))
    rows = added.select("version", "add.path", "add.partitionValues").collect()
    found = {_located(versions.folder, row["path"]): row for row in sorted(rows, key=lambda row: row[:2])}
    return [AddedFile(path, dict(row["partitionValues"] or {})) for path, row in found.items()]


def _first_of(spark: SparkSession, versions: Versions, most_files: int) -> list[Commit]:
    """The commits of a gap that are to be read now."""
    mapping = spark.sql(f"DESCRIBE DETAIL delta.`{versions.folder.replace('`', '``')}`").first()
    assert mapping is not None, "a Delta table has a detail"
    if (mode := mapping["properties"].get("delta.columnMapping.mode", "none")) != "none":
        raise DataError(
            f"{versions.folder}: its columns have other names in its files (columnMapping {mode}); {_INSTEAD}"
        )
    for first in range(versions.first, versions.last + 1, _MOST_VERSIONS):
        some = versions._replace(first=first, last=min(first + _MOST_VERSIONS - 1, versions.last))
        try:
            if batch := first_batch(_commits(spark, some), most_files):
                return batch
        except PySparkException as error:
            said = f"the log of versions {some.first} to {some.last} cannot be read any more"
            raise DataError(f"{versions.folder}: {said}; {_INSTEAD}") from error
        except DataError as error:
            raise DataError(f"{versions.folder}: {error}; {_INSTEAD}") from error
    return []


def _commits(spark: SparkSession, versions: Versions) -> list[Commit]:
    added = F.col("add.dataChange")
    told = _actions(spark, versions).groupBy("version").agg(
        F.max("at").alias("at"),
        F.count_if(added).alias("files"),
        F.coalesce(F.sum(F.when(added, F.col("add.size"))), F.lit(0)).alias("size"),
        F.count_if(F.col("remove.dataChange")).alias("removed"),
        F.max("commitInfo.operation").alias("operation"),
        (F.count_if(added & F.col("add.deletionVector").isNotNull()) == 0).alias("are_whole"),
    )  # fmt: skip
    rows = sorted(told.collect(), key=lambda row: row["version"])
    return [Commit(**{**row.asDict(), "at": row["at"].astimezone(UTC)}) for row in rows]


def _actions(spark: SparkSession, versions: Versions) -> DataFrame:
    """A row for each file added or removed and what else the log tells of some versions."""
    numbers = range(versions.first, versions.last + 1)
    log = re.sub(r"([\\*?\[\]{}])", r"\\\1", f"{versions.folder}/_delta_log")
    told = spark.read.schema(_ACTIONS).json([f"{log}/{number:020}.json" for number in numbers])
    number = F.regexp_extract("_metadata.file_path", r"(\d+)\.json$", 1).cast("long")
    return told.select("*", number.alias("version"), F.col("_metadata.file_modification_time").alias("at"))


def _located(folder: str, path: str) -> str:
    """A file as the log names it, relative to the table or not, by its path."""
    plain = unquote(path)
    return plain.removeprefix("file:") if re.match("/|[A-Za-z][A-Za-z0-9+.-]*:/", plain) else f"{folder}/{plain}"
