"""Whatever the schedule of deliveries and kills, silver is that of one clean run: no row lost, none doubled."""

import json
import random
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from schedules import ANY_SHARE, Source, assert_nothing_lost, carried_out, schedule_of, truth_of, write
from shelf import SHORT_LIFE

from shoal.synthetic import synthesize
from shoal.synthetic import write as write_shop
from shoal.tables import EVENTS, REJECTED_EVENTS


def invoices(count):
    """A small shop's invoices: lines that repeat, cancellations, free lines and an invoice of no known kind."""
    lines = []
    for number in range(count):
        kind = {7: "A", 5: "C"}.get(number % 8, "")
        for line in range(1 + number % 4):
            item = f"i{(number + line // 2) % 9}"  # the first two lines of an invoice are the same
            lines.append({
                "InvoiceNo": f"{kind}{1000 + number}", "StockCode": item, "Description": f'THE "{item}", RED',
                "Quantity": -1 if kind == "C" else 1 + line // 2,
                "InvoiceDate": datetime(2011, 3, 26, 22, 30) + timedelta(hours=5 * number),  # noqa: DTZ001
                "UnitPrice": 0.0 if number % 11 == 3 else 2.55, "Country": "EIRE",
                "CustomerID": None if number % 5 == 0 else 17 + number % 3,
            })  # fmt: skip
    return Source.of("online_retail", pa.Table.from_pylist(lines), lambda line: line["InvoiceNo"])


@pytest.fixture(scope="module")
def tiny(shelf_at, tmp_path_factory):
    """Sixteen invoices, and what one clean run makes of them."""
    folder, source = tmp_path_factory.mktemp("tiny"), invoices(16)
    return source, truth_of(shelf_at(folder / "lake"), source, folder / "landing")


@pytest.mark.long
@pytest.mark.parametrize("seed", [21])
def test_a_schedule_of_a_few_invoices(shelf, tiny, tmp_path, seed):
    source, truth = tiny
    schedule = schedule_of(source, seed, most_files=2)

    carried_out(shelf, source, schedule, tmp_path / "landing")

    assert_nothing_lost(shelf, source, truth, schedule)


def test_schedules_meet_all_that_they_are_to_meet():
    """Of the two hundred that the slow test carries out: kills at every kind of moment, copies, growth, overlap."""
    source = invoices(16)
    schedules = [schedule_of(source, seed, most_files=3) for seed in range(1000, 1200)]
    calls = [call for schedule in schedules for call in schedule.calls]
    files = [delivery for call in calls for delivery in call.deliveries]

    assert all({p for c in s.calls for d in c.deliveries for p in d.places} == {*range(source.table.num_rows)}
               for s in schedules), "every row comes at least once"  # fmt: skip
    assert {call.dies_at for call in calls} >= {*range(1, 40)}
    assert {call.until for call in calls} == {"ingest", "validate"}
    assert {len(call.deliveries) for call in calls} >= {0, 1, 2, 3}
    assert {delivery.name.partition(".")[2] for delivery in files} == {"csv", "jsonl", "parquet", "csv.gz"}
    assert any(delivery.name.startswith("again-") for delivery in files)
    grown = [s for s in schedules if len({d.name for c in s.calls for d in c.deliveries})
             < sum(len(c.deliveries) for c in s.calls)]  # fmt: skip
    assert len(grown) > 50
    assert schedule_of(source, 3) == schedule_of(source, 3)


@pytest.fixture(scope="module")
def retail(data, shelf_at, tmp_path_factory):
    """Three hundred invoices of Online Retail."""
    folder, table = tmp_path_factory.mktemp("some"), pq.read_table(data / "online_retail" / "online_retail.parquet")
    every = pc.unique(table["InvoiceNo"]).to_pylist()
    odd = [number for number in every if number.startswith("A")]
    chosen = pa.array([*random.Random(5).sample(every, 300), *odd])
    some = table.filter(pc.is_in(table["InvoiceNo"], value_set=chosen))
    source = Source.of("online_retail", some, lambda line: line["InvoiceNo"])
    return source, truth_of(shelf_at(folder / "lake"), source, folder / "landing")


@pytest.fixture(scope="module")
def synthetic(spark, shelf_at, tmp_path_factory):
    """A small synthetic shop, whose events carry ids."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_shop(synthesize(spark, users=60, items=30, days=20, seed=5), folder / "shop")
    table = pq.read_table(folder / "shop" / "events")
    source = Source.of("shoal", table, lambda event: event["order_id"] or event["event_id"])
    return source, truth_of(shelf_at(folder / "lake"), source, folder / "landing")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shop", "most_files", "seed"),
    [
        *(("retail", 5, seed) for seed in range(12)),
        *(("synthetic", 5, seed) for seed in range(4)),
        *(("tiny", 3, seed) for seed in range(1000, 1200)),
    ],
)
def test_a_schedule(request, shelf, tmp_path, shop, most_files, seed):
    source, truth = request.getfixturevalue(shop)
    schedule = schedule_of(source, seed, most_files=most_files)

    carried_out(shelf, source, schedule, tmp_path / "landing")

    assert_nothing_lost(shelf, source, truth, schedule)


COMMITS = (
    "merge ops.batches", "append bronze.online_retail", "record ops.runs", "merge ops.claims", "append ops.quality",
    "append ops.days", "append silver.events", "append silver.event_versions", "append silver.rejected_events",
    "merge silver.orders", "merge silver.items", "merge silver.users", "merge ops.lake",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_schedule_whose_calls_are_killed(shelf_at, tiny, tmp_path, seed):
    """By SIGKILL, JVM and all: a call of its own process dies before or after a commit that the seed names."""
    source, truth = tiny
    chosen, schedule = random.Random(seed), schedule_of(source, seed, most_files=3)
    (tmp_path / "short.yaml").write_text(json.dumps({"spark": SHORT_LIFE}))
    (tmp_path / "landing").mkdir()
    died = 0
    for number, call in enumerate(schedule.calls):
        for delivery in call.deliveries:
            write(source, delivery, tmp_path / "landing")
        survived = tmp_path / f"survived-{number}"
        deadly = chosen.choice(COMMITS) if number < len(schedule.calls) - 1 else None
        survived.write_text("".join(f"{commit}\n" for commit in _commits() if commit != deadly))
        command = [sys.executable, Path(__file__).with_name("killed.py"), chosen.choice(("before", "after")), survived,
                   "pipeline", "--until", call.until, "--feed", source.feed,
                   "--input", tmp_path / "landing" / call.names, "--lake", tmp_path / "lake",
                   "--config", tmp_path / "short.yaml", "--set", *ANY_SHARE]  # fmt: skip
        ended = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, start_new_session=True, check=False, timeout=600
        )
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        died += ended.returncode != 0
    assert ended.returncode == 0
    assert died
    assert_nothing_lost(shelf_at(tmp_path / "lake"), source, truth, schedule)


def _commits():
    """Every kind of commit of ingest and validate: those of which a process is not to die."""
    tables = ("ops.lake", "ops.batches", "ops.files", "ops.claims", "ops.runs", "ops.quality", "ops.days",
              "bronze.online_retail",
              "silver.events", "silver.event_versions", "silver.rejected_events", "silver.orders", "silver.items",
              "silver.users")  # fmt: skip
    return [f"{what} {table}" for what in ("create", "append", "merge", "record", "replace") for table in tables]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_schedule_of_the_whole_of_online_retail(shelf, compiled, data, tmp_path, seed):
    """541,909 lines; the counts are those of the literature, as in test_online_retail."""
    table = pq.read_table(data / "online_retail" / "online_retail.parquet")
    source = Source.of("online_retail", table, lambda line: line["InvoiceNo"])
    schedule = schedule_of(source, seed)

    with compiled():
        carried_out(shelf, source, schedule, tmp_path / "landing")

    known = {
        (kind, guest): shelf.read(EVENTS, f"event_type = '{kind}' AND user_id IS {'' if guest else 'NOT '}NULL").count()
        for kind in ("purchase", "return") for guest in (False, True)
    }  # fmt: skip
    assert known == {("purchase", False): 397_884, ("purchase", True): 132_219, ("return", False): 8_905,
                     ("return", True): 383}, str(schedule)  # fmt: skip
    assert shelf.read(REJECTED_EVENTS).count() == 2_518
    assert shelf.read(EVENTS).select("event_id").distinct().count() == 541_909 - 2_518
