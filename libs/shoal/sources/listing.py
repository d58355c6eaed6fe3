"""Finding the files that an input names, on any file system Spark can reach."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from shoal.errors import ConfigError, DataError, bulleted

_ROWS_OF_TEXT = {".csv": "csv", ".tsv": "csv", ".jsonl": "json", ".ndjson": "json", ".json": "json"}
FORMATS = {
    **{f"{ending}{packed}": form for ending, form in _ROWS_OF_TEXT.items() for packed in ("", ".gz", ".zst")},
    ".parquet": "parquet",
}
# Names that programs give to what they have not written to its end: Hadoop's shell, Flink, browsers and the like.
UNFINISHED = ("._copying_", ".tmp", ".inprogress", ".part", ".filepart", ".crdownload")
_EMPTY = hashlib.sha256(b"").hexdigest()

State = tuple[str, int, datetime]  # path, size in bytes and modification time in UTC of a file
Known = Mapping[State, str]  # hash of what a file in that state holds


@dataclass(frozen=True)
class SourceFile:
    """A file, or a Delta table at a version, that an input names."""

    path: str  # of a Delta table: folder@vVERSION
    format: str  # csv, json, parquet or delta
    size: int  # bytes
    modified_at: datetime  # UTC
    sha256: str  # of the content

    @property
    def state(self) -> State:
        """What a listing says of it."""
        return self.path, self.size, self.modified_at

    @property
    def is_empty(self) -> bool:
        """True where there is not even a header; a Delta table has a schema in any case."""
        return self.size == 0 and self.format != "delta"


@dataclass(frozen=True)
class _Entry:
    """What a file system lists, asked for once: every question to the JVM costs as much as the whole answer."""

    place: Any  # Hadoop's path
    uri: str
    is_folder: bool
    size: int
    modified: int  # milliseconds since 1970

    @property
    def path(self) -> str:
        return self.uri.removeprefix("file:")

    @property
    def name(self) -> str:
        return self.uri.rpartition("/")[2]

    @property
    def is_data(self) -> bool:
        """False for marks, checksums and what is still being written."""
        return not self.name.startswith((".", "_")) and not self.name.lower().endswith(UNFINISHED)


def find_files(spark: SparkSession, path: str, known: Known | None = None) -> list[SourceFile]:
    """Every file that a path, glob or folder names, in order of its name; of a Delta table its latest version.

    Files whose name begins with ``.`` or ``_``, or ends as that of an unfinished one, are not data, unless the path is
    their own. An empty file among others that are not is found with the size 0: a quiet hour, and nothing to read.

    Args:
        known: what files hold that need not be opened.

    Raises:
        ConfigError: nothing is there.
        DataError: files are of an unknown format, or all are empty, all of them listed, or the file system refuses.
    """
    try:
        fs, entries = _found(spark, path)
        _require_data(path, entries)
        files = [
            _delta_table(spark, entry.path) if entry.is_folder else _source_file(spark, fs, entry, known or {})
            for entry in entries
        ]
    except (PySparkException, Py4JJavaError) as error:
        told = error.java_exception.toString() if isinstance(error, Py4JJavaError) else error
        raise DataError(f"input {path} cannot be read: {str(told).strip().splitlines()[0]}") from error
    if not any(files):
        raise ConfigError(f"input {path} does not exist any more")
    return [file for file in files if file]


def _found(spark: SparkSession, path: str) -> tuple[Any, list[_Entry]]:
    """The file system of a path, and what the path names there."""
    jvm: Any = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    fs = place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    exists = fs.exists(place)
    # A name that is there means itself, also where it has the signs of a glob.
    roots = [_entry(fs.getFileStatus(place))] if exists else _data(_entries(fs.globStatus(place) or []))
    found = sorted((entry for root in roots for entry in _below(fs, root)), key=lambda entry: entry.uri)
    if not found:
        globbed = any(sign in path for sign in "*?[{")
        what = "holds no file" if exists else "matches no file" if globbed else "does not exist"
        raise ConfigError(f"input {path} {what}")
    return fs, found


def _require_data(path: str, entries: Sequence[_Entry]) -> None:
    files = [entry for entry in entries if not entry.is_folder]
    has_rows = len(files) < len(entries) or any(entry.size > 0 and format_of(entry.path) for entry in files)
    problems = [f"{entry.path}: is empty (0 bytes)" for entry in files if entry.size == 0 and not has_rows]
    problems += [
        f"{entry.path}: cannot tell its format; known endings are {', '.join(FORMATS)}"
        for entry in files
        if format_of(entry.path) is None
    ]
    if problems:
        raise DataError(bulleted(f"cannot ingest {path}:", problems))


def _source_file(spark: SparkSession, fs: Any, entry: _Entry, known: Known) -> SourceFile | None:
    """The file with its content's hash; None where it has gone since it was listed."""
    modified = datetime.fromtimestamp(entry.modified / 1000, tz=UTC)
    digest = known.get((entry.path, entry.size, modified))
    if digest is None:
        digest = _EMPTY if entry.size == 0 else _hashed(spark, fs, entry)
    if digest is None:
        return None
    return SourceFile(entry.path, format_of(entry.path) or "", entry.size, modified, digest)


def _hashed(spark: SparkSession, fs: Any, entry: _Entry) -> str | None:
    jvm: Any = spark._jvm
    try:
        stream = fs.open(entry.place)
    except Py4JJavaError as error:
        if error.java_exception.getClass().getName() == "java.io.FileNotFoundException" and not fs.exists(entry.place):
            return None
        raise
    try:
        return str(jvm.org.apache.commons.codec.digest.DigestUtils.sha256Hex(stream))
    finally:
        stream.close()


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


def _below(fs: Any, entry: _Entry) -> list[_Entry]:
    """The files below; the folder of a Delta table counts as one."""
    if not entry.is_folder:
        return [entry]
    children = _entries(fs.listStatus(entry.place))
    if any(child.name == "_delta_log" for child in children):
        return [entry]
    return [file for child in _data(children) for file in _below(fs, child)]


def _data(entries: Iterable[_Entry]) -> list[_Entry]:
    return [entry for entry in entries if entry.is_data]


def _entries(statuses: Iterable[Any]) -> list[_Entry]:
    return [_entry(status) for status in statuses]


def _entry(status: Any) -> _Entry:
    place = status.getPath()
    return _Entry(
        place,
        str(place.toString()),
        bool(status.isDirectory()),
        int(status.getLen()),
        int(status.getModificationTime()),
    )


def format_of(name: str) -> str | None:
    """The format that a file's ending names; None if it names none."""
    endings = (ending for ending in FORMATS if name.lower().endswith(ending))
    return next((FORMATS[ending] for ending in endings), None)
