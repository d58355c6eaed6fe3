"""Spark's streams as bells: they tell what has come to an input, and wait until it was brought in.

What comes in and what has come before is for the lake's books to say, as with any ingest. A stream saves looking
through all of an input, and its checkpoint saves telling everything anew: losing it costs time, never rows.
"""

import hashlib
import logging
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from shoal.errors import ConfigError, DataError, ShoalError
from shoal.lake import Lake
from shoal.sources.listing import exists, is_table, plain_path
from shoal.sources.readers import UNREADABLE, first_line, literal

_TICK = 0.25  # seconds between looks at whether something has rung
_SETTLING = 5.0  # seconds that a stream is given to note that its last news were brought in
# Spark reads the status of a file only, as long as nobody asks for its content.
_STATUS = "path string, modificationTime timestamp, length long, content binary"
_FOREVER = "36500d"  # by default Spark passes by what is a week older than the youngest file


@dataclass(frozen=True)
class Source:
    """An input that is followed."""

    feed: str  # as it was given
    path: str
    checkpoint: str

    def is_table(self, spark: SparkSession) -> bool:
        """Whether it is a Delta table now; else files."""
        return is_table(spark, self.path)


def source_of(lake: Lake, feed: str, name: str, path: str) -> Source:
    """An input of a feed, and where its checkpoint lies: in the lake.

    Args:
        feed: as it was given, also a file that declares one.
        name: of that feed.
    """
    jvm: Any = lake.spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    fs = place.getFileSystem(lake.spark._jsparkSession.sessionState().newHadoopConf())
    whole = str(fs.makeQualified(place).toString())
    root = lake.spark.conf.get("spark.sql.warehouse.dir") if lake.is_in_catalog else lake.root
    return Source(feed, path, f"{root}/_streams/{name}/{hashlib.sha256(whole.encode()).hexdigest()[:16]}")


@dataclass(frozen=True)
class Ring:
    """Something has come to an input; its stream stands still until it is answered."""

    source: Source
    names: frozenset[str] = frozenset()  # paths of files; none of a table, whose log says more
    answered: threading.Event = field(default_factory=threading.Event)
    failures: list[str] = field(default_factory=list)

    def answer(self) -> None:
        """It was brought in, and need not be told again."""
        self.answered.set()

    def fail(self) -> None:
        """It was not brought in, and is to be told again by the next stream."""
        if not self.answered.is_set():
            self.failures.append("stopped before it was brought in")
            self.answered.set()


def arriving(
    spark: SparkSession, sources: Sequence[Source], *, every: float | None, most_files: int
) -> Generator[Ring | None, None, None]:
    """What comes to the inputs, one ring after the other; None every now and then while nothing comes.

    A ring that is not answered before the iterator is closed will be told again.

    Args:
        every: seconds between looks; None: what is there now, and no more.
        most_files: that one ring names.

    Raises:
        ConfigError: another process follows the same input into the same lake.
        DataError: an input cannot be followed.
    """
    rings = SimpleQueue[Ring]()
    queries = [_Query(spark, source, every, most_files, rings) for source in sources]
    ring = None
    try:
        for query in queries:
            query.start()
        while True:
            try:
                ring = rings.get(timeout=_TICK)
            except Empty:
                going_on = [query.goes_on() for query in queries]
                if not any(going_on) and rings.empty():
                    return
                yield None
                continue
            yield ring
    finally:
        with _quietly():
            _stop(queries, ring, rings)


def _stop(queries: "Sequence[_Query]", last: Ring | None, rings: "SimpleQueue[Ring]") -> None:
    """End all streams; those that wait for an answer are told that there is none."""
    if last is not None:
        last.fail()
    until = monotonic() + _SETTLING
    while rings.empty() and any(query.is_busy() for query in queries) and monotonic() < until:
        sleep(_TICK / 5)
    while not rings.empty():
        rings.get().fail()
    # A ring may come while its stream is being stopped, which waits for the answer.
    stopping = [threading.Thread(target=query.stop, daemon=True) for query in queries]
    for thread in stopping:
        thread.start()
    while any(thread.is_alive() for thread in stopping):
        with suppress(Empty):
            rings.get(timeout=_TICK).fail()


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep py4j from telling the traceback of every stream that was told that its news were not brought in."""
    loggers = [logging.getLogger(name) for name in ("py4j.clientserver", "py4j.java_gateway")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was in zip(loggers, before, strict=True):
            logger.disabled = was


class _Query:
    """The stream of one input, which is started anew where it ends by itself."""

    def __init__(
        self, spark: SparkSession, source: Source, every: float | None, most_files: int, rings: "SimpleQueue[Ring]"
    ) -> None:
        self._spark, self._source, self._every, self._most_files, self._rings = spark, source, every, most_files, rings
        self._query: StreamingQuery | None = None
        self._failures = 0

    def start(self) -> None:
        """Begin, or go on from the checkpoint."""
        while True:
            try:
                self._query = self._started()
                return
            except UNREADABLE as error:
                self._take(error)

    def goes_on(self) -> bool:
        """Whether more may come; of a stream that has failed another is begun."""
        if self._query is None or self._query.isActive:
            return self._query is not None
        error = self._query.exception()
        if error is None:
            return False
        self._take(error)
        self.start()
        self._rings.put(Ring(self._source))  # what has come meanwhile may not be told
        return True

    def is_busy(self) -> bool:
        """Whether it has something to note down."""
        return self._query is not None and self._query.isActive and bool(self._query.status["isTriggerActive"])

    def stop(self) -> None:
        if self._query is not None:
            self._query.stop()

    def _take(self, error: Exception) -> None:
        """Bear a failure: of a table whose columns have changed by a new start, of a spoilt checkpoint without it.

        Raises:
            ShoalError: neither would help.
        """
        said = f"{self._source.path} cannot be followed: {first_line(error)}"
        if "CONCURRENT_STREAM_LOG_UPDATE" in str(error) or "ConcurrentModification" in str(error):
            raise ConfigError(f"another stream follows {self._source.path} into this lake; one is enough") from error
        self._failures += 1
        if self._failures > 2:
            raise (DataError if isinstance(error, UNREADABLE) else ShoalError)(said) from error
        if self._failures == 2:
            self._forget()

    def _forget(self) -> None:
        jvm: Any = self._spark._jvm
        place = jvm.org.apache.hadoop.fs.Path(self._source.checkpoint)
        place.getFileSystem(self._spark._jsparkSession.sessionState().newHadoopConf()).delete(place, True)

    def _started(self) -> StreamingQuery:
        of_table = self._source.is_table(self._spark)
        tells = self._table() if of_table else self._files()
        trigger: dict[str, Any] = (
            {"availableNow": True}
            if self._every is None
            else {"processingTime": f"{self._every * 1000:.0f} milliseconds"}
        )
        writer = tells.writeStream.option("checkpointLocation", self._source.checkpoint).trigger(**trigger)
        return writer.foreachBatch(self._table_has_news if of_table else self._files_have_come).start()

    def _files(self) -> DataFrame:
        path = self._source.path
        reader = (
            self._spark.readStream.format("binaryFile").schema(_STATUS)
            .option("recursiveFileLookup", "true")  # what folders are called says nothing
            .option("ignoreMissingFiles", "true")  # what has gone since it was listed
            .option("maxFileAge", _FOREVER)
            .option("maxFilesPerTrigger", self._most_files)
        )  # fmt: skip
        return reader.load(literal(path) if exists(self._spark, path) else path).select("path")

    def _table(self) -> DataFrame:
        """Of a table only that something has come: no row is read, and what it was its log tells."""
        history = f"DESCRIBE HISTORY delta.`{self._source.path.replace('`', '``')}` LIMIT 1"
        latest = self._spark.sql(history).first()
        assert latest is not None, "a Delta table has a history"
        reader = (
            self._spark.readStream.format("delta")
            .option("startingVersion", latest["version"])  # without a checkpoint; what came before the book knows
            .option("ignoreChanges", "true")  # they are told as well
            .option("maxFilesPerTrigger", 1_000_000)
        )  # fmt: skip
        return reader.load(self._source.path)

    def _files_have_come(self, files: DataFrame, _epoch: int) -> None:
        self._ring(plain_path(row["path"]) for row in files.collect())

    def _table_has_news(self, _rows: DataFrame, _epoch: int) -> None:
        self._ring(())

    def _ring(self, names: Iterable[str]) -> None:
        """Tell of a micro-batch, which is done for Spark once this returns."""
        self._failures = 0
        ring = Ring(self._source, frozenset(names))
        self._rings.put(ring)
        ring.answered.wait()
        if ring.failures:
            raise InterruptedError(ring.failures[0])
