"""``shoal ingest --stream``: news are brought in as they come, by the same ingest and validate as any other data."""

import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType

from shoal.books.runs import News, Run
from shoal.config import Config, check_columns, load_config
from shoal.config.feed_files import feed_given
from shoal.errors import DataError, bulleted
from shoal.ingest.streams import Ring, Source, arriving, source_of
from shoal.lake import Lake
from shoal.progress import Progress
from shoal.running.job import Arguments, carry_out, check_arguments, make_ready, opened_lake
from shoal.sources import Feed
from shoal.stages import named

INGEST, VALIDATE = named("ingest"), named("validate")
_EVERY = 10.0  # seconds between looks
_PATIENCE = 300.0  # seconds after which news that keep coming do not keep a look at the whole off any longer
_MOST_TOLD = 12  # refusals that the last message repeats


def follow(arguments: Arguments, progress: Progress) -> None:
    """Bring in what comes to the inputs until a signal says stop, or with ``once`` what is there now.

    Raises:
        ShoalError: with its exit code; everything that can be checked before Spark starts was checked before.
    """
    config = load_config(arguments.config_files, arguments.sets, lake=arguments.lake)
    check_columns(config)
    check_arguments([INGEST, VALIDATE], arguments, config)
    with opened_lake(config, INGEST.name, arguments, progress) as lake:
        follow_on(lake, config, arguments, progress)


def follow_on(lake: Lake, config: Config, arguments: Arguments, progress: Progress) -> None:
    """Follow the inputs on an open lake.

    Raises:
        DataError: at the end, if anything was refused; the rest has come in.
        ShoalError: anything that a stream cannot go on after.
    """
    make_ready(lake, config)
    given = dict.fromkeys([*arguments.inputs, *((given.feed, given.path) for given in config.ingest.inputs)])
    feeds = {feed: feed_given(feed) for feed, _ in given}
    sources = [source_of(lake, feed, feeds[feed].name, path) for feed, path in given]
    every = None if arguments.once else arguments.every or _EVERY
    following = _Following(lake, config, arguments, progress, feeds)
    with _asked_to_stop() as stop:
        following.take_up(sources, stop)
        news = arriving(lake.spark, sources, every=every, most_files=config.ingest.max_files)
        try:
            rung = list[float]()  # moments of the first and the last ring since the last look at the whole
            for ring in news:
                if stop.is_set():
                    break
                if ring is not None:
                    following.bring(ring, stop)
                    ring.answer()
                    rung = [*rung[:1], time.monotonic()]
                if every is None or not rung:
                    continue
                now = time.monotonic()
                if now - rung[-1] >= every or now - rung[0] >= _PATIENCE:
                    following.look_at_all(sources, stop)
                    rung.clear()
            if every is None and not stop.is_set():
                following.look_at_all(sources, stop)
        finally:
            news.close()
    following.end()


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """What Ctrl-C and SIGTERM set, so that work under way is finished; the second of them interrupts it."""
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():  # a notebook's; only the main thread has signals
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@dataclass
class _Following:
    """What has come in so far, and how more is brought in."""

    lake: Lake
    config: Config
    arguments: Arguments
    progress: Progress
    feeds: dict[str, Feed]  # by how they were given
    started: float = field(default_factory=time.monotonic)
    batches: int = 0
    rows: int = 0
    refused: list[str] = field(default_factory=list)  # the first of the different refusals
    refusals: set[int] = field(default_factory=set)  # hashes of all of them: a stream may run for months
    warned: deque[str] = field(default_factory=lambda: deque(maxlen=1000))  # the last

    def take_up(self, sources: list[Source], stop: threading.Event) -> None:
        """Finish what a killed process has begun, and read what the log of a table tells since the book was written."""
        self._round(sources, News(frozenset(), self.feeds, is_first=True))
        for source in sources:
            self._follow_up(source, stop)

    def bring(self, ring: Ring, stop: threading.Event) -> None:
        """Bring in what a stream has told."""
        if ring.source.is_table(self.lake.spark):
            self._follow_up(ring.source, stop)
        elif ring.names:  # files without a byte make a stream ring as well, and have no name there
            self._round([ring.source], News(ring.names, self.feeds))

    def look_at_all(self, sources: list[Source], stop: threading.Event) -> None:
        """Bring in what streams saw too early, or see only once: files that were empty, have grown or were mended."""
        for source in sources:
            if not source.is_table(self.lake.spark):
                while not stop.is_set() and self._round([source], News(None, self.feeds)):
                    pass

    def end(self) -> None:
        """Say where it stands.

        Raises:
            DataError: something was refused.
        """
        if self.refusals:
            headline = f"{len(self.refusals):,} refused, {self._counted} came in:"
            raise DataError(bulleted(headline, self.refused, total=len(self.refusals)))
        outcome = "done" if self.batches else "nothing new"
        if self.batches:
            self.progress.said(INGEST.name, f"{self._counted} came in; the same command goes on from here")
        self.progress.ended(INGEST.name, outcome, self.rows, time.monotonic() - self.started)

    @property
    def _counted(self) -> str:
        return "1 batch" if self.batches == 1 else f"{self.batches:,} batches"

    def _follow_up(self, source: Source, stop: threading.Event) -> None:
        """Read a table's log to its end, a batch at a time."""
        while not stop.is_set() and source.is_table(self.lake.spark) and self._round([source], News(None, self.feeds)):
            pass

    def _round(self, sources: list[Source], news: News) -> bool:
        """Ingest and validate what has come; returns whether there is more of it."""
        began = time.monotonic()
        told = list[str]()
        inputs = tuple((source.feed, source.path) for source in sources)
        ingest = self._run(INGEST.name, news, told, inputs)
        carry_out(INGEST, self.lake, self.config, ingest)
        for sentence in ingest.refused:
            self._refuse(sentence)
        if not ingest.rows and not news.is_first:
            return False
        told.clear()
        validate = self._run(VALIDATE.name, news, told)
        try:
            carry_out(VALIDATE, self.lake, self.config, validate)
        except DataError as refusal:
            self._refuse(str(refusal))
        rows = ingest.rows or 0
        if rows or validate.outcome != "nothing new":
            feeds = ", ".join(dict.fromkeys(self.feeds[source.feed].name for source in sources))
            what = "; ".join(told) or "nothing entered silver"
            self.progress.brought(feeds, what, files=ingest.files, rows=rows, seconds=time.monotonic() - began)
        self.batches += ingest.batches
        self.rows += rows
        return rows > 0 and ingest.is_cut

    def _run(self, job: str, news: News, told: list[str], inputs: tuple[tuple[str, str], ...] = ()) -> Run:
        def tell(kind: str, sentence: str) -> None:
            if kind == "report":
                told.append(sentence)
            elif kind == "warning":
                self._warn(sentence)
            else:
                self.progress.said(job, sentence)

        retries = self.arguments.retry_refused and news.is_first
        return Run(job, datetime.now(UTC), inputs=inputs, retry_refused=retries, news=news, tell=tell)

    def _refuse(self, sentence: str) -> None:
        if hash(sentence) not in self.refusals:
            self.refusals.add(hash(sentence))
            self.refused = [*self.refused, sentence][:_MOST_TOLD]
        self._warn(sentence)

    def _warn(self, sentence: str) -> None:
        """Warn once: what stands in the way of one batch may stand in the way of the next."""
        if sentence not in self.warned:
            self.warned.append(sentence)
            self.progress.warned(INGEST.name, sentence)
