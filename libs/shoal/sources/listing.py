"""Finding the files that an input names, on any file system Spark can reach."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from shoal.errors import ConfigError, DataError, bulleted

FORMATS = {
    ".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet",
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

    Files whose name begins with ``.`` or ``_`` are not data.

    Raises:
        ConfigError: nothing is there.
        DataError: files are empty or of an unknown format; all of them are listed.
    """
    jvm: Any = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    fs = place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    if fs.exists(jvm.org.apache.hadoop.fs.Path(place, "_delta_log")):
        return [_delta_table(spark, path)]
    roots = fs.globStatus(place) or []
    found = sorted((f for root in roots for f in _below(fs, root)), key=lambda s: str(s.getPath().toString()))
    if not found:
        globbed = any(sign in path for sign in "*?[{")
        what = "matches no file" if globbed else "holds no file" if len(roots) else "does not exist"
        raise ConfigError(f"input {path} {what}")
    problems = [f"{_name(s)}: is empty (0 bytes)" for s in found if s.getLen() == 0]
    problems += [
        f"{_name(s)}: cannot tell its format; known endings are {', '.join(FORMATS)}"
        for s in found
        if format_of(_name(s)) is None
    ]
    if problems:
        raise DataError(bulleted(f"cannot ingest {path}:", problems))
    return [_source_file(jvm, fs, status) for status in found]


def _source_file(jvm: Any, fs: Any, status: Any) -> SourceFile:
    stream = fs.open(status.getPath())
    try:
        digest = str(jvm.org.apache.commons.codec.digest.DigestUtils.sha256Hex(stream))
    finally:
        stream.close()
    modified = datetime.fromtimestamp(status.getModificationTime() / 1000, tz=UTC)
    name = _name(status)
    return SourceFile(name, format_of(name) or "", int(status.getLen()), modified, digest)


def _delta_table(spark: SparkSession, path: str) -> SourceFile:
    table = f"delta.`{path}`"
    latest = spark.sql(f"DESCRIBE HISTORY {table} LIMIT 1").first()
    detail = spark.sql(f"DESCRIBE DETAIL {table}").first()
    assert latest is not None, "a Delta table has a history"
    assert detail is not None, "a Delta table has a detail"
    modified = latest["timestamp"].astimezone(UTC)
    content = f"{detail['id']}@{latest['version']}"
    name = f"{path.rstrip('/')}@v{latest['version']}"
    return SourceFile(name, "delta", int(detail["sizeInBytes"]), modified, content)


def _below(fs: Any, status: Any) -> list[Any]:
    if not status.isDirectory():
        return [status]
    children = [c for c in fs.listStatus(status.getPath()) if c.getPath().getName()[0] not in "._"]
    return [file for child in children for file in _below(fs, child)]


def _name(status: Any) -> str:
    return str(status.getPath().toString()).removeprefix("file:")


def format_of(name: str) -> str | None:
    """The format that a file's ending names; None if it names none."""
    endings = (ending for ending in FORMATS if name.lower().endswith(ending))
    return next((FORMATS[ending] for ending in endings), None)
