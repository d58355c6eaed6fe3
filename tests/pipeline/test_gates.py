"""Whatever expectation a batch breaks, silver stays as it was."""

import json
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from shoal.errors import GateError
from shoal.quality import gate
from shoal.quality.suites import suite_of
from shoal.sources import feed_named
from shoal.sources.mapping import Shop, row_rules
from shoal.tables import BATCHES, EVENTS, SILVER

DAY = date(2025, 3, 1)
ROWS = 400
HUGE = 10**30  # more than MONEY holds

# What half of a batch says so that this expectation, and no other but the sum of all, does not hold.
SAID = {
    "event_type is set": {"event_type": None},
    "event_type is one of its allowed values": {"event_type": "teleport"},
    "event_time is set": {"event_time": None},
    "event_time is a time": {"event_time": "yesterday"},
    "event_time is not after delivered_at": {"event_time": "2099-01-01T12:00:00Z"},
    "updated_at is a time": {"updated_at": "yesterday"},
    "previous_event_time is a time": {"previous_event_time": "yesterday"},
    "item_id is set for what is done to an item": {"item_id": None},
    "quantity >= 1": {"quantity": 0},
    "quantity is a whole number": {"quantity": "some"},
    "quantity fits": {"quantity": 2**40},
    "unit_price >= 0": {"unit_price": -1, "quantity": None},
    "unit_price is a number": {"unit_price": "cheap"},
    "the amount fits": {"unit_price": 999_999_999_999, "quantity": 2_000_000_000},
    "discount_amount >= 0": {"discount_amount": -1},
    "discount_amount is a number": {"discount_amount": "some"},
    "rating >= 0": {"rating": -1},
    "rating is a number": {"rating": "good"},
    "duration_s >= 0": {"duration_s": -1},
    "duration_s is a number": {"duration_s": "long"},
    "line_kind is one of its allowed values": {"line_kind": "mystery"},
    "currency is the shop's": {"currency": "USD"},
    "is_deleted is true or false": {"is_deleted": "some"},
    "the row fits its header": "{this is no JSON",
    "the row is text in UTF-8": {"user_id": "m\ufffdller"},
}
# What no delivery can break, as Shoal fills it in itself: here its own mapping is at fault.
# The first two hide what else is wrong.
FAULTS = {
    "the batch has at least one row": lambda rows: rows.limit(0),
    "(event_id, event_date) is unique among accepted rows": lambda rows: rows.unionByName(rows),
    "amount_base >= 0": lambda rows: rows.withColumn("amount_base", -F.col("amount_base")),
    **{
        f"{name} is set": lambda rows, name=name: rows.withColumn(name, F.lit(None).cast(EVENTS.schema[name].dataType))
        for name in ("event_id", "event_date", "delivered_at", "is_deleted", "source", "batch_id", "content_hash")
    },
}
TOGETHER = "rows keep every rule"  # each rule by few rows, but most rows by some rule


def event(number):
    at = f"{DAY + timedelta(days=number % 20)}T10:00:00Z"
    return {
        "event_id": f"e{number}", "event_type": "purchase", "event_time": at, "user_id": f"u{number % 9}",
        "item_id": f"i{number % 31}", "quantity": 1, "unit_price": 9.5, "currency": "EUR", "order_id": f"o{number}",
    }  # fmt: skip


def batched(names, size):
    names = iter(names)
    return iter(lambda: tuple(islice(names, size)), ())


def good(batch):
    return [event(1000 * batch + n) for n in range(ROWS)]


def spoilt(batch, breaks):
    """A batch of which equal shares of the rows break one expectation each, and an equal share none."""
    rows = good(batch)
    for n, row in enumerate(rows):
        if n % (len(breaks) + 1):
            values = breaks[n % (len(breaks) + 1) - 1]
            rows[n] = f"{values} {n}" if isinstance(values, str) else row | values
    return rows


def a_little_of_each(batch):
    """Of three rules each is broken by 4 % of the rows, where 5 % may; 12 % break one."""
    wrong = [{"quantity": 0}, {"event_type": "teleport"}, {"item_id": None}]
    return [row | (wrong[n % 25] if n % 25 < len(wrong) else {}) for n, row in enumerate(good(batch))]


@pytest.mark.parametrize("size", [pytest.param(8, marks=pytest.mark.long), pytest.param(1, marks=pytest.mark.slow)])
def test_whatever_a_batch_breaks_silver_stays_as_it_was(shelf, tmp_path, monkeypatch, size):
    """For each expectation, or for ``size`` of them together, a batch that breaks it."""
    said, faults = [*batched(SAID, size)], [*batched([*FAULTS][:2], 1), *batched([*FAULTS][2:], size)]
    groups = [*said, *faults, (TOGETHER,)]
    batches = [spoilt(number, [SAID[name] for name in names]) for number, names in enumerate(said, start=1)]
    for names in faults:  # what each row says as its campaign is the fault that meets its batch
        batches.append([row | {"campaign_id": "|".join(names)} for row in good(len(batches) + 1)])
    batches.append(a_little_of_each(len(batches) + 1))
    judge = gate.judge

    def at_fault(judged, *args, **more):
        for name in filter(None, (judged.first()["campaign_id"] or "").split("|")):
            judged = FAULTS[name](judged)
        return judge(judged, *args, **more)

    monkeypatch.setattr(gate, "judge", at_fault)
    written = [tmp_path / f"{number}.jsonl" for number in range(len(batches) + 1)]
    for path, rows in zip(written, [good(0), *batches], strict=True):
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))

    shelf.run(("shoal", written[0]), until="validate")
    before = [shelf.lake.version(table) for table in SILVER]
    with pytest.raises(GateError):
        shelf.run(*(("shoal", path) for path in written[1:]), until="validate")

    assert [shelf.lake.version(table) for table in SILVER] == before
    refused = shelf.read(BATCHES, "state = 'refused'").collect()
    message = {groups[int(Path(row.files[0].path).stem) - 1]: row.message for row in refused}
    assert {*message} == {*groups}
    assert [name for names in groups for name in names if f"\n  {name}: " not in message[names]] == []
    assert message[TOGETHER,].startswith("1 of ")


def test_every_expectation_has_its_batch():
    rules = row_rules(feed_named("shoal"), Shop("UTC", "EUR"))
    suite = suite_of(EVENTS, tolerance=0.05, extra=[rule for rule in rules if rule not in EVENTS.row_rules])

    critical = {e.meta["name"] for e in suite.expectations if e.meta["severity"] == "critical"}

    assert critical == {*SAID, *FAULTS, TOGETHER}
