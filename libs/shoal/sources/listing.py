"""Finding the files that an input names, on any file system Spark can reach."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
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

    path: str  # of a Delta table: folder@vVERSION, or folder@vFIRST..LAST for what was added in these versions
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
        return plain_path(self.uri)

    @property
    def state(self) -> State:
        return self.path, self.size, datetime.fromtimestamp(self.modified / 1000, tz=UTC)

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
    with _named(path):
        fs, place = _place(spark, path)
        entries = _found(fs, place)
        if not entries:
            globbed = any(sign in path for sign in "*?[{")
            what = "holds no file" if fs.exists(place) else "matches no file" if globbed else "does not exist"
            raise ConfigError(f"input {path} {what}")
        _require_data(path, entries)
        files = [
            _delta_table(spark, entry.path) if entry.is_folder else _source_file(spark, fs, entry, known or {})
            for entry in entries
        ]
    if not any(files):
        raise ConfigError(f"input {path} does not exist any more")
    return [file for file in files if file]


def find_news(
    spark: SparkSession, path: str, names: Collection[str] | None, known: Known, most: int
) -> tuple[list[SourceFile], list[str]]:
    """Those of the files that a path, glob or folder names which have come, as a stream is told of them.

    A name that is no data, or has gone, is passed by; so is a path where nothing lies yet.

    Args:
        names: paths of the files that have come; None: every file that is not known, the first ``most`` of them.
        known: what files hold that need not be opened.

    Returns:
        The files in order of their names, and what is wrong with others.

    Raises:
        DataError: the file system refuses.
    """
    problems = list[str]()
    with _named(path):
        fs, place = _place(spark, path)
        entries = _found(fs, place)
        for table in (entry.path for entry in entries if entry.is_folder):
            problems.append(f"{table}: is a Delta table among files; give it an --input of its own")
        listed = [entry for entry in entries if not entry.is_folder]
        come = [entry for entry in listed if (entry.state not in known if names is None else entry.path in names)]
        problems += [_unknown_format(entry) for entry in come if format_of(entry.path) is None]
        data = (entry for entry in come if format_of(entry.path) is not None)
        files = [_source_file(spark, fs, entry, known) for entry in (islice(data, most) if names is None else data)]
    return [file for file in files if file], problems


def is_table(spark: SparkSession, path: str) -> bool:
    """Whether a path is the folder of a Delta table; false where nothing is.

    Raises:
        DataError: the file system refuses.
    """
    with _named(path):
        fs, place = _place(spark, path)
        jvm: Any = spark._jvm
        return bool(fs.exists(place) and fs.exists(jvm.org.apache.hadoop.fs.Path(place, "_delta_log")))


def exists(spark: SparkSession, path: str) -> bool:
    """Whether a path is the name of a file or folder, also where it has the signs of a glob.

    Raises:
        DataError: the file system refuses.
    """
    with _named(path):
        fs, place = _place(spark, path)
        return bool(fs.exists(place))


def plain_path(uri: str) -> str:
    """The path as :class:`SourceFile` has it, of what a file system calls a file."""
    return uri.removeprefix("file:")


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Says of an input what a file system says of a path."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        told = error.java_exception.toString() if isinstance(error, Py4JJavaError) else error
        raise DataError(f"input {path} cannot be read: {str(told).strip().splitlines()[0]}") from error


def _place(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """The file system of a path, and the path as it has it."""
    jvm: Any = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    return place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()), place


def _found(fs: Any, place: Any) -> list[_Entry]:
    """What a path names, by name."""
    # A name that is there means itself, also where it has the signs of a glob.
    roots = [_entry(fs.getFileStatus(place))] if fs.exists(place) else _data(_entries(fs.globStatus(place) or []))
    return sorted((entry for root in roots for entry in _below(fs, root)), key=lambda entry: entry.uri)


def _require_data(path: str, entries: Sequence[_Entry]) -> None:
    files = [entry for entry in entries if not entry.is_folder]
    has_rows = len(files) < len(entries) or any(entry.size > 0 and format_of(entry.path) for entry in files)
    problems = [f"{entry.path}: is empty (0 bytes)" for entry in files if entry.size == 0 and not has_rows]
    problems += [_unknown_format(entry) for entry in files if format_of(entry.path) is None]
    if problems:
        raise DataError(bulleted(f"cannot ingest {path}:", problems))


def _unknown_format(entry: _Entry) -> str:
    return f"{entry.path}: cannot tell its format; known endings are {', '.join(FORMATS)}"


def _source_file(spark: SparkSession, fs: Any, entry: _Entry, known: Known) -> SourceFile | None:
    """The file with its content's hash; None where it has gone since it was listed."""
    digest = known.get(entry.state)
    if digest is None:
        digest = _EMPTY if entry.size == 0 else _hashed(spark, fs, entry)
    if digest is None:
        return None
    path, size, modified = entry.state
    return SourceFile(path, format_of(path) or "", size, modified, digest)


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
