"""Schedules of deliveries, drawn from a seed: the same orders in any files, formats, order and company, and any kills.

Files are cut between orders, as exports are. Some come twice, as they were or under another name with their lines in
another order; some overlap; some have grown when they are looked at again. Calls name a file or the folder; some stop
after ingest, and some die at a commit.
"""

import csv
import gzip
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from published import rows
from pyspark.sql import functions as F
from shelf import Shelf

import shoal.lake
from shoal.errors import DataError
from shoal.sources import feed_named
from shoal.tables import BATCHES, EVENT_VERSIONS, EVENTS, ITEMS, ORDERS, REJECTED_EVENTS, USERS

ANY_SHARE = ("validate.max_rejected_share=1",)  # a small file may hold little else than rejected lines
_REPLANNED = "has changed or gone since it was planned"
_MOST_COMMITS = 44  # "before" and "after" of those that a call makes which brings one batch


@dataclass(frozen=True)
class Source:
    """The rows of a shop, and those that belong together."""

    feed: str
    table: pa.Table
    orders: tuple[tuple[int, ...], ...]  # places of rows

    @classmethod
    def of(cls, feed: str, table: pa.Table, order: Callable[[dict[str, Any]], object]) -> "Source":
        """Rows of a feed, by the order that each belongs to."""
        places = defaultdict(list)
        for place, row in enumerate(table.to_pylist()):
            places[order(row)].append(place)
        return cls(feed, table, tuple(map(tuple, places.values())))


@dataclass(frozen=True)
class Delivery:
    """A file, as it is written at some moment."""

    name: str
    places: tuple[int, ...]  # of rows, in the file's order


@dataclass(frozen=True)
class Call:
    """What is laid down, and the call that follows; it dies at its ``dies_at``-th commit, counting before and after."""

    deliveries: tuple[Delivery, ...]
    names: str  # of the folder, or of one file in it
    until: str
    dies_at: int | None


@dataclass(frozen=True)
class Schedule:
    """All calls; the last one names the folder and is let live."""

    seed: int
    calls: tuple[Call, ...]

    def __str__(self) -> str:
        """What a failed test shows: the seed makes it again."""
        said = [
            f"{len(call.deliveries)} files, {call.names} until {call.until}"
            + (f", dies at {call.dies_at}" if call.dies_at else "")
            for call in self.calls
        ]
        return f"seed {self.seed}: " + "; ".join(said)


def schedule_of(source: Source, seed: int, most_files: int = 5) -> Schedule:
    """A schedule in which every order comes at least once."""
    random = Random(seed)
    orders = [*source.orders]
    random.shuffle(orders)
    cuts = sorted(random.sample(range(1, len(orders)), random.randint(0, min(most_files, len(orders)) - 1)))
    parts = [orders[start:end] for start, end in zip([0, *cuts], [*cuts, len(orders)], strict=True)]
    queues = []  # of each file what is laid down in turn
    for number, part in enumerate(parts):
        name = f"{number}.{random.choice(('csv', 'jsonl', 'parquet', 'csv.gz'))}"
        overlap = random.sample(orders, random.randint(1, 3)) if random.random() < 0.3 else []
        whole = [*part, *(order for order in overlap if order not in part)]
        if random.random() < 0.4 and len(whole) > 1:  # it grows
            short = whole[: random.randrange(1, len(whole))]
            first = _mixed(random, short)
            more = _mixed(random, [order for order in whole if order not in short])
            queues.append([Delivery(name, first), Delivery(name, (*first, *more))])
        else:
            queues.append([Delivery(name, _mixed(random, whole))])
        if random.random() < 0.5:  # it comes again: as it is, or in another order and form
            last, form = queues[-1][-1], random.choice(("csv", "jsonl", "parquet"))
            places = last.places if random.random() < 0.3 else _mixed(random, whole)
            again = f"again-{last.name}" if places == last.places else f"again-{number}.{form}"
            queues.append([Delivery(again, places)])
    return Schedule(seed, (*_calls(random, queues), Call((), "", "validate", None)))


def _mixed(random: Random, orders: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    places = [place for order in orders for place in order]
    random.shuffle(places)
    return tuple(places)


def _calls(random: Random, queues: list[list[Delivery]]) -> Iterator[Call]:
    while queues:
        taken = [random.choice(queues) for _ in range(random.choice((1, 1, 2, 3)))]
        deliveries = {queue[0].name: queue.pop(0) for queue in taken if queue}
        queues = [queue for queue in queues if queue]
        if not deliveries:
            continue
        names = random.choice(("", "", next(iter(deliveries))))
        dies_at = random.randint(1, _MOST_COMMITS) if random.random() < 0.5 else None
        yield Call((*deliveries.values(),), names, random.choice(("ingest", "validate", "validate")), dies_at)


# -- carried out ----------------------------------------------------------------------------------------------------


def write(source: Source, delivery: Delivery, folder: Path) -> Path:
    """Lay a file down, in the form that its name says."""
    path = folder / delivery.name
    some = source.table.take([*delivery.places])
    if path.name.endswith(".parquet"):
        pq.write_table(some, path)
        return path
    dicts = [{name: _text(value) for name, value in row.items()} for row in some.to_pylist()]
    if path.name.endswith(".jsonl"):
        path.write_text("".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in dicts))
        return path
    content = _csv(source.table.column_names, dicts)
    path.write_bytes(gzip.compress(content, mtime=0) if path.name.endswith(".gz") else content)
    return path


def _csv(names: Sequence[str], dicts: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dicts)
    return text.getvalue().encode()


def _text(value: Any) -> Any:
    """A time as text; a zone stays said."""
    return value.isoformat() if isinstance(value, datetime) else value


class Died(BaseException):
    """As a kill: nothing that Shoal writes catches it."""


@contextmanager
def dying_at(number: int | None) -> Iterator[None]:
    """Have what runs meanwhile die at its ``number``-th commit, counting before and after."""
    seen = 0

    def observe(moment: str, operation: str, table: str) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shoal.lake, "observe", observe)
        yield


def carried_out(shelf: Shelf, source: Source, schedule: Schedule, folder: Path) -> int:
    """Every call of a schedule on a lake; returns how many of them died."""
    folder.mkdir()
    deaths = 0
    for call in schedule.calls:
        for delivery in call.deliveries:
            write(source, delivery, folder)
        again = True
        while again:
            again = False
            try:
                with dying_at(call.dies_at):
                    shelf.run((source.feed, folder / call.names), until=call.until, sets=ANY_SHARE)
            except Died:
                deaths += 1
            except DataError as error:  # its file has grown before a plan of it was carried out
                if _REPLANNED not in str(error):
                    raise
                again = call is schedule.calls[-1]
    return deaths


@dataclass(frozen=True)
class Truth:
    """What one clean run makes of a source."""

    silver: dict[str, list[tuple[Any, ...]]]


_TABLES = (EVENTS, EVENT_VERSIONS, REJECTED_EVENTS, ORDERS, ITEMS, USERS)


def truth_of(shelf: Shelf, source: Source, folder: Path) -> Truth:
    """What one call makes of one file."""
    folder.mkdir()
    path = folder / "all.parquet"
    pq.write_table(source.table, path)
    shelf.run((source.feed, path), until="validate", sets=ANY_SHARE)
    return Truth(standing(shelf))


def standing(shelf: Shelf) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of silver without where they came from."""
    return {table.name: rows(shelf, table) for table in _TABLES}


def assert_nothing_lost(shelf: Shelf, source: Source, truth: Truth, schedule: Schedule) -> None:
    """No row is lost, none is doubled, and the books say so."""
    found = standing(shelf)
    for name, expected in truth.silver.items():
        lost = [row for row in expected if row not in {*found[name]}][:3]
        new = [row for row in found[name] if row not in {*expected}][:3]
        assert found[name] == expected, f"{schedule}\n{name}: lost {lost}, more {new}"
    book = shelf.read(BATCHES).collect()
    assert {batch.state for batch in book if batch.message is None} == {"validated"}, str(schedule)
    assert all(_REPLANNED in batch.message and batch.rows_in is None for batch in book if batch.message), str(schedule)
    book = [batch for batch in book if batch.message is None]
    for batch in book:
        told = batch.rows_accepted + batch.rows_rejected + batch.rows_duplicate + batch.rows_ignored
        assert batch.rows_in == told, f"{schedule}\n{batch.batch_id}"
        assert batch.rows_in == sum(file.rows for file in batch.files), f"{schedule}\n{batch.batch_id}"
    assert sum(batch.rows_accepted for batch in book) == len(found[EVENTS.name]), str(schedule)
    assert sum(batch.rows_rejected for batch in book) == len(found[REJECTED_EVENTS.name]), str(schedule)
    bronze = shelf.read(feed_named(source.feed).table)
    places = bronze.select(F.countDistinct("batch_id", "source_file", "position"), F.count("*")).first()
    assert places[0] == places[1] == sum(batch.rows_in for batch in book), f"{schedule}\nbronze"
