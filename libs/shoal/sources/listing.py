"""Finding the files that an input names, on any file system Spark can reach."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from shoal.errors import ConfigError, DataError, bulleted

FORMATS = {
    ".csv": "csv", ".csv.gz": "csv", ".tsv": "csv", ".tsv.gz": "csv", ".parquet": "parquet",
    ".jsonl": "json", ".jsonl.gz": "json", ".ndjson": "json", ".json": "json", ".json.gz": "json",
}  # fmt: skip


@dataclass(frozen=True)
class SourceFile:
    """A file, or a Delta table at a version, that an input names."""

    path: str  # of a Delta table: folder@vVERSION
    format: str  # csv, json, parquet or delta
    size: int  # bytes
    modified_at: datetime  # UTC
    sha256: str  # of the content


def find_files(spark: SparkSession, path: str) -> list[SourceFile]:
    """Every file that a path, glob or folder names, in order of its name; of a Delta table its latest version.

    Files whose name begins with ``.`` or ``_`` are not data, unless the path is their own.

    Raises:
        ConfigError: nothing is there.
        DataError: files are empty or of an unknown format, all of them listed, or the file system refuses.
    """
    try:
        fs, found = _found(spark, path)
        _require_data(path, [status for status in found if not status.isDirectory()])
        return [_delta_table(spark, _name(s)) if s.isDirectory() else _source_file(spark, fs, s) for s in found]
    except Py4JJavaError as error:
        said = str(error.java_exception.toString()).splitlines()[0]
        raise DataError(f"input {path} cannot be read: {said}") from error


def _found(spark: SparkSession, path: str) -> tuple[Any, list[Any]]:
    """The file system of a path, and what the path names there."""
    jvm: Any = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    fs = place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    exists = fs.exists(place)
    # A name that is there means itself, also where it has the signs of a glob.
    roots = [fs.getFileStatus(place)] if exists else _data(fs.globStatus(place) or [])
    found = sorted((f for root in roots for f in _below(fs, root)), key=lambda s: str(s.getPath().toString()))
    if not found:
        globbed = any(sign in path for sign in "*?[{")
        what = "holds no file" if exists else "matches no file" if globbed else "does not exist"
        raise ConfigError(f"input {path} {what}")
    return fs, found


def _require_data(path: str, files: Sequence[Any]) -> None:
    problems = [f"{_name(s)}: is empty (0 bytes)" for s in files if s.getLen() == 0]
    problems += [
        f"{_name(s)}: cannot tell its format; known endings are {', '.join(FORMATS)}"
        for s in files
        if format_of(_name(s)) is None
    ]
    if problems:
        raise DataError(bulleted(f"cannot ingest {path}:", problems))


def _source_file(spark: SparkSession, fs: Any, status: Any) -> SourceFile:
    jvm: Any = spark._jvm
    stream = fs.open(status.getPath())
    try:
        digest = str(jvm.org.apache.commons.codec.digest.DigestUtils.sha256Hex(stream))
    finally:
        stream.close()
    modified = datetime.fromtimestamp(status.getModificationTime() / 1000, tz=UTC)
    name = _name(status)
    return SourceFile(name, format_of(name) or "", int(status.getLen()), modified, digest)


def _delta_table(spark: SparkSession, path: str) -> SourceFile:
    table = f"delta.`{path.replace('`', '``')}`"
    latest = spark.sql(f"DESCRIBE HISTORY {table} LIMIT 1").first()
    detail = spark.sql(f"DESCRIBE DETAIL {table}").first()
    assert latest is not None, "a Delta table has a history"
    assert detail is not None, "a Delta table has a detail"
    modified = latest["timestamp"].astimezone(UTC)
    content = f"{detail['id']}@{latest['version']}"
    name = f"{path}@v{latest['version']}"
    return SourceFile(name, "delta", int(detail["sizeInBytes"]), modified, content)


def _below(fs: Any, status: Any) -> list[Any]:
    """The files below; the folder of a Delta table counts as one."""
    if not status.isDirectory():
        return [status]
    children = list(fs.listStatus(status.getPath()))
    if any(child.getPath().getName() == "_delta_log" for child in children):
        return [status]
    return [file for child in _data(children) for file in _below(fs, child)]


def _data(statuses: Iterable[Any]) -> list[Any]:
    return [status for status in statuses if status.getPath().getName()[0] not in "._"]


def _name(status: Any) -> str:
    return str(status.getPath().toString()).removeprefix("file:")


def format_of(name: str) -> str | None:
    """The format that a file's ending names; None if it names none."""
    endings = (ending for ending in FORMATS if name.lower().endswith(ending))
    return next((FORMATS[ending] for ending in endings), None)
