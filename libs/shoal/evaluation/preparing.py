"""A request -> a trial: the table is read and split, and what counts when held out is settled."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from shoal.errors import DataError, did_you_mean
from shoal.evaluation.reading import interactions, opened
from shoal.evaluation.request import Request, Split
from shoal.evaluation.splits import inner, parted, resembling
from shoal.evaluation.trial import PAIR, Trial, opened_trial
from shoal.frames import persisted

_BOUGHT = ("purchase", "buy", "transaction", "order")  # what feeds call a purchase
_MOST_EVENTS = 1000  # different ones, of which the driver sees each

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """What models are tuned and measured on."""

    trial: Trial
    inner: Split  # of train, for tuning
    wanted: Column | None  # which held-out rows count; None: all
    candidates: DataFrame | None  # user_id, item_id that may be named; None: all items of train
    identical_rows: int  # of the table, that were read and not counted again
    notes: tuple[str, ...]  # worth saying


@dataclass(frozen=True)
class _Parts:
    learned: DataFrame
    held: DataFrame
    counted: DataFrame  # of what is held out, what counts
    inner: Split


@contextmanager
def prepared(spark: SparkSession, request: Request, tell: Tell) -> Iterator[Prepared]:
    """The trial that a request asks for, open for as long as it is needed.

    Raises:
        ConfigError: a path or ``where`` cannot be used.
        DataError: a table cannot be used, or leaves nothing to learn from or nobody to measure on.
    """
    notes = list[str]()

    def note(sentence: str) -> None:
        notes.append(sentence)
        tell(sentence)

    positive = "rating" in request.columns and request.rating != "ignored"
    with ExitStack() as stack:
        raw = opened(spark, request.interactions, request.columns, where=request.where)
        read = interactions(raw, None if request.weights is None else [*request.weights], needs_positive=positive)
        rows = stack.enter_context(persisted(read.rows))
        counting = _counting(request, events_of(rows) if "event" in raw.columns else [], note)
        wanted = None if counting is None else F.col("event").isin(counting)
        if request.split is not None:
            learned, held = parted(rows, request.split, request.seed, wanted=wanted, keeps_seen=request.keeps_seen)
            held = stack.enter_context(persisted(held))
            counted = held if wanted is None else held.where(wanted)
            parts = _Parts(learned, held, counted, inner(request.split, "time" in raw.columns))
            if "time" in raw.columns and not request.split.needs_time:
                note(f"{request.split} puts later rows into train: it compares models, it does not foretell sales")
        else:
            parts = _with_test_file(spark, request, rows, wanted, stack, note)
        trial = stack.enter_context(
            opened_trial(parts.learned, parts.counted, parts.held.count(), keeps_seen=request.keeps_seen)
        )
        candidates = None
        if request.negatives is not None:
            candidates = stack.enter_context(_candidates(spark, request.negatives, request, trial))
        identical = read.read - rows.count()
        if identical:
            note(f"{identical:,} of {read.read:,} rows are the same as another in all columns, and count once with it")
        yield Prepared(trial, parts.inner, wanted, candidates, identical, tuple(notes))


def _with_test_file(
    spark: SparkSession, request: Request, rows: DataFrame, wanted: Column | None, stack: ExitStack, note: Tell
) -> _Parts:
    """All rows to learn from, and those of the test file held out; it may lack all columns but user and item."""
    assert request.test is not None, "there is a split otherwise"
    raw = opened(spark, request.test, request.columns, optional=("event", "rating", "time"))
    held = stack.enter_context(persisted(interactions(raw).rows))
    counted = held.where(wanted) if wanted is not None and "event" in raw.columns else held
    has_time = "time" in request.columns
    split = _resembling(rows, held, has_time and "time" in raw.columns, has_time)
    if request.tune:
        note(f"train is split for tuning by {split}, as the test file may have been")
    return _Parts(rows, held, counted, split)


def events_of(rows: DataFrame) -> list[str]:
    """The types of events.

    Raises:
        DataError: there are so many that they are none.
    """
    found = rows.select("event").distinct().limit(_MOST_EVENTS + 1).collect()
    if len(found) > _MOST_EVENTS:
        raise DataError(f"the column of the event has more than {_MOST_EVENTS:,} different values; name another")
    return sorted(row["event"] for row in found if row["event"] is not None)


def _counting(request: Request, events: list[str], note: Tell) -> list[str] | None:
    """The types of events that count when held out; None: all."""
    if request.relevant is not None:
        unknown = [f"{name!r}{did_you_mean(name, events)}" for name in request.relevant if name not in events]
        if unknown:
            raise DataError(f"--relevant: no row has the event type {', '.join(unknown)}")
        return sorted(request.relevant)
    bought = [event for event in events if event.lower() in _BOUGHT]
    if not bought or len(bought) == len(events):
        return None
    note(f"only {', '.join(bought)} counts when held out; --relevant names other event types")
    return bought


def _resembling(train: DataFrame, test: DataFrame, both_have_time: bool, train_has_time: bool) -> Split:
    """How the test rows may have been held out."""
    of_train = train.agg(F.count(F.lit(1)), F.max("time")).first()
    of_test = test.agg(F.count(F.lit(1)), F.min("time")).first()
    most = test.groupBy("user_id").count().agg(F.max("count")).first()
    assert of_train is not None, "an aggregate has one row"
    assert of_test is not None, "an aggregate has one row"
    assert most is not None, "an aggregate has one row"
    keeps_later = True  # nothing says otherwise where test rows have no time
    if both_have_time:
        held_at = test.groupBy("user_id").agg(F.max("time").alias("held_at"))
        keeps_later = not train.join(held_at, "user_id", how="inner").where("time > held_at").isEmpty()
    return resembling(
        of_train[0],
        of_test[0],
        most[0],
        later=both_have_time and of_test[1] >= of_train[1],
        has_time=train_has_time,
        keeps_later=keeps_later,
    )


@contextmanager
def _candidates(spark: SparkSession, path: str, request: Request, trial: Trial) -> Iterator[DataFrame]:
    """Each user's sampled candidates and what is relevant to it: ``user_id``, ``item_id``."""
    columns = {role: request.columns[role] for role in ("user", "item")}
    given = interactions(opened(spark, path, columns)).rows.select(*PAIR)
    without = trial.users.join(given, "user_id", how="left_anti").count()
    if without:
        raise DataError(
            f"{path}: has no candidates for {without:,} of {trial.sizes.users:,} test users; "
            "they would be ranked among their own test items only"
        )
    with persisted(given.unionByName(trial.relevant).distinct()) as candidates:
        yield candidates
