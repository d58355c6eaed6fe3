"""Interactions -> those that models learn from and those that are held out; by content and seed, never by row order."""

import math
from datetime import UTC, datetime, time

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.errors import DataError
from shoal.evaluation.request import Split

_DAY = 86_400  # seconds


def parted(
    rows: DataFrame, split: Split, seed: int, *, wanted: Column | None = None, keeps_seen: bool = False
) -> tuple[DataFrame, DataFrame]:
    """Part interactions in two.

    - within-item, within-user: of each item's (user's) n rows round(share x n) are kept to learn from, halves to the
      even number as Python rounds; which, says a hash of seed and pair, so rows of one pair mostly stay together.
    - time: rows before a moment are learned from. With a share it is the second of the row at that place in time.
    - leave-last-out: each user's last wanted row is held out. Rows of other items up to its time are learned from,
      later ones are not used; rows of the same item are not used either, unless ``keeps_seen``: then those before
      are. Users with one item only are learned from.
    - leave-one-out: the same with a wanted row that is drawn, whatever the times.

    Args:
        rows: of :func:`shoal.evaluation.reading.interactions`.
        split: how.
        seed: of what is drawn.
        wanted: which held-out rows will count; None: all. Only the leaving splits need to know.
        keeps_seen: whether pairs that are learned from will count.

    Returns:
        Rows to learn from, rows held out; both with the columns of ``rows``.
    """
    match split.kind:
        case "within-item" | "within-user":
            assert split.share is not None, "the form asks for it"
            return _within(rows, split.kind.removeprefix("within-") + "_id", split.share, seed)
        case "time":
            begins, ends = _span(rows, split)
            held = F.col("time") >= F.lit(begins)
            in_time = held if ends is None else held & (F.col("time") < F.lit(ends))
            return rows.where(~held), rows.where(in_time)
        case "leave-last-out" | "leave-one-out":
            return _left_out(rows, split, seed, wanted, keeps_seen=keeps_seen)


def inner(split: Split, has_time: bool) -> Split:
    """How train is split once more, to choose parameters on: as train and test were, as far as rows allow.

    A time split by days takes its share from what is before them, as a shorter history holds fewer of them.
    """
    if split.first_day is not None:
        return Split("time", share=0.8)
    return Split("leave-one-out") if split.kind == "leave-last-out" and not has_time else split


def resembling(
    train_rows: int, test_rows: int, most_per_user: int, *, later: bool, has_time: bool, keeps_later: bool
) -> Split:
    """How a given test file may have been held out of its train rows, to split train the same way.

    Args:
        train_rows: in all.
        test_rows: in all.
        most_per_user: test rows of the user who has most.
        later: whether no test row is before a train row.
        has_time: whether train rows have times.
        keeps_later: whether train may hold what users did after their test rows.
    """
    if most_per_user == 1 and has_time:
        return Split("leave-last-out", keeps_later=keeps_later)
    if most_per_user == 1:
        return Split("leave-one-out")
    share = min(0.9, max(0.5, train_rows / (train_rows + test_rows)))
    return Split("time" if later else "within-user", share=share)


def _by_hash(seed: int) -> list[Column]:
    """Columns that order rows at random, rows of one pair side by side."""
    pair, row = ("user_id", "item_id"), ("event", "rating", "time")
    return [F.xxhash64(F.lit(seed), *pair), F.xxhash64(F.lit(seed), *pair, *row), *map(F.col, (*pair, *row))]


def _within(rows: DataFrame, key: str, share: float, seed: int) -> tuple[DataFrame, DataFrame]:
    every = Window.partitionBy(key)
    placed = rows.withColumns(
        {
            "place": F.row_number().over(every.orderBy(*_by_hash(seed))),
            "kept": F.bround(F.lit(share) * F.count(F.lit(1)).over(every), 0),
        }
    )
    learned = F.col("place") <= F.col("kept")
    return placed.where(learned).select(*rows.columns), placed.where(~learned).select(*rows.columns)


def _span(rows: DataFrame, split: Split) -> tuple[datetime, datetime | None]:
    """The first moment that is held out, and the first after it that is not used."""
    if split.first_day is not None:
        ends = None if split.end_day is None else datetime.combine(split.end_day, time(), UTC)
        return datetime.combine(split.first_day, time(), UTC), ends
    assert split.share is not None, "the form asks for it"
    return datetime.fromtimestamp(_second_at(rows, split.share), UTC), None


def _second_at(rows: DataFrame, share: float) -> int:
    """The second of the row at ``share`` of all rows in order of time.

    The driver sees one count per day, and one per second of a single day.
    """
    seconds = rows.select(F.unix_seconds("time").alias("second"))
    day = F.floor(F.col("second") / _DAY)
    days = sorted(tuple(row) for row in seconds.groupBy(day.alias("day")).count().collect())
    place = math.floor(share * sum(count for _, count in days))
    found_day, before = _holding(days, place, 0)
    of_day = seconds.where(day == found_day).groupBy("second").count().collect()
    second, _ = _holding(sorted(tuple(row) for row in of_day), place, before)
    return int(second)


def _holding(counts: list[tuple[int, ...]], place: int, before: int) -> tuple[int, int]:
    """The value that holds the row at ``place``, and how many rows lie before that value."""
    for value, count in counts:
        if place < before + count:
            return value, before
        before += count
    raise DataError("there is no row to split")


def _left_out(
    rows: DataFrame, split: Split, seed: int, wanted: Column | None, *, keeps_seen: bool
) -> tuple[DataFrame, DataFrame]:
    by_time = split.kind == "leave-last-out"
    of_pair, of_row = _by_hash(seed)[:2]
    first = [F.col("time").alias("at")] if by_time else []
    order = F.struct(*first, of_pair.alias("drawn"), of_row.alias("row"), "item_id", "event", "rating", "time")
    may = F.lit(True) if wanted is None else F.coalesce(wanted, F.lit(False))
    last = (
        rows.groupBy("user_id")
        .agg(F.max(F.when(may, order)).alias("last"), F.min("item_id").alias("one"), F.max("item_id").alias("other"))
        .where((F.col("one") < F.col("other")) & F.col("last").isNotNull())
        .select("user_id", F.col("last.item_id").alias("last_item"), F.col("last.time").alias("last_time"),
                F.col("last.event").alias("last_event"), F.col("last.rating").alias("last_rating"))
    )  # fmt: skip
    beside = rows.join(last, "user_id", how="left")
    is_pair = F.col("item_id") == F.col("last_item")
    is_gone = is_pair & (F.col("time") == F.col("last_time")) if keeps_seen and by_time else is_pair
    drops_later = by_time and not split.keeps_later
    is_later = F.col("time") > F.col("last_time") if drops_later else F.lit(False)
    unused = F.coalesce(is_gone | is_later, F.lit(False))
    held = last.select(
        "user_id", F.col("last_item").alias("item_id"), F.col("last_event").alias("event"),
        F.col("last_rating").alias("rating"), F.col("last_time").alias("time"),
    )  # fmt: skip
    return beside.where(~unused).select(*rows.columns), held.select(*rows.columns)
