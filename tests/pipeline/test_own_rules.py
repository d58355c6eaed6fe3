"""The shop's own rules on whole stages, and a run that must not be released."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import functions as F
from shelf import SMALL, Shelf

from shoal.books import releases
from shoal.errors import ConfigError, GateError
from shoal.tables import BATCHES, EVENTS, GOLD_USERS, QUALITY, RECOMMENDATIONS, REJECTED_EVENTS, SILVER

pytestmark = pytest.mark.long

DAY = date(2025, 3, 1)
AS_OF = DAY + timedelta(days=60)
EVEN = {"name": "items are even", "condition": "CAST(substring(item_id, 2) AS INT) % 2 = 0", "owner": "Ann"}
CHEAP = {"name": "most are cheap", "condition": "unit_price < 5", "policy": "warn", "mostly": 0.9, "reason": "we are"}
MEAN = {"name": "mean price", "expectation": "ExpectColumnMeanToBeBetween", "policy": "stop",
        "arguments": {"column": "unit_price", "max_value": 8}}  # fmt: skip
REGION = {"name": "regions are known", "condition": "region IS NOT NULL", "policy": "record", "table": "gold.users"}
MANY = {"name": "many users", "expectation": "ExpectTableRowCountToBeBetween", "policy": "stop",
        "arguments": {"min_value": 1000}, "table": "gold.users"}  # fmt: skip


def event(number: int, price: float) -> dict[str, Any]:
    at = f"{DAY + timedelta(days=number % 50)}T10:00:00Z"
    return {
        "event_id": f"e{number}", "event_type": "purchase", "event_time": at, "user_id": f"u{number % 37}",
        "item_id": f"i{2 * (number % 40)}", "quantity": 1, "unit_price": price, "currency": "EUR",
        "order_id": f"o{number}",
    }  # fmt: skip


def sets(*rules: dict[str, Any]) -> tuple[str, ...]:
    return (*SMALL, f"validate.rules={json.dumps([*rules])}")


@dataclass(frozen=True)
class Story:
    """A lake with one accepted batch, and a delivery that is dearer than the shop's rules allow."""

    shelf: Shelf
    dear: Path

    def verdicts(self, name: str, where: str = "kind = 'expectation'") -> list[Any]:
        rows = self.shelf.read(QUALITY, where).where(F.col("name") == name).collect()
        return sorted(rows, key=lambda row: row["sequence"] or 0)


@pytest.fixture(scope="module")
def story(shelf_at, tmp_path_factory) -> Story:
    folder = tmp_path_factory.mktemp("own_rules")
    shelf = shelf_at(folder / "lake")
    rows = [event(number, 9.5 if number % 5 == 0 else 4.5) for number in range(600)]
    rows += [{**event(number, 4.5), "item_id": "i7"} for number in range(600, 610)]
    (folder / "first.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "dear.jsonl").write_text("".join(f"{json.dumps(event(n, 9.5))}\n" for n in range(1000, 1100)))
    shelf.run(("shoal", folder / "first.jsonl"), until="validate", sets=sets(EVEN, CHEAP, MEAN))
    return Story(shelf, folder / "dear.jsonl")


def test_a_rule_of_the_shop_rejects_its_rows_and_a_warning_leaves_them(story):
    assert story.shelf.read(EVENTS).count() == 600
    assert {tuple(row["reasons"]) for row in story.shelf.read(REJECTED_EVENTS).collect()} == {("items are even",)}

    (even,), (cheap,), (mean,) = (story.verdicts(one["name"]) for one in (EVEN, CHEAP, MEAN))
    assert (even["policy"], even["severity"], even["failures"], even["owner"]) == ("quarantine", "critical", 10, "Ann")
    assert (cheap["policy"], cheap["success"], cheap["rows"], cheap["failures"]) == ("warn", False, 600, 120)
    assert (cheap["mostly"], cheap["reason"], cheap["table_name"]) == (0.9, "we are", "silver.events")
    assert (mean["success"], mean["observed"]) == (True, "found 5.5; at most 8 is allowed")
    assert (mean["expectation"], json.loads(mean["arguments"])) == (
        "expect_column_mean_to_be_between", {"column": "unit_price", "max_value": 8},
    )  # fmt: skip
    ran = story.shelf.lake.spark.read.format("delta").load(f"{story.shelf.lake.root}/ops/runs")
    (warned,) = [w for row in ran.where("job = 'validate'").collect() for w in row["warnings"]]
    assert warned.endswith(": most are cheap: broken by 120 of 600 rows (20 %); at most 10 % may (because we are)")


def test_raw_rows_have_their_verdicts_too(story):
    (held,) = story.verdicts("bronze holds the rows of the book")

    assert (held["success"], held["table_name"], held["observed"]) == (True, "bronze.shoal", "610 rows, 610 expected")


def test_a_batch_that_a_rule_stops_leaves_silver_alone_until_the_rule_is_mended(story):
    before = [story.shelf.lake.version(table) for table in SILVER]

    with pytest.raises(GateError, match=r"mean price: found 9.5; at most 8 is allowed"):
        story.shelf.run(("shoal", story.dear), until="validate", sets=sets(EVEN, MEAN))

    assert [story.shelf.lake.version(table) for table in SILVER] == before
    assert [row["state"] for row in story.shelf.read(BATCHES, "state = 'refused'").collect()] == ["refused"]
    story.shelf.run(first="validate", until="validate", retry_refused=True, sets=sets(EVEN, {**MEAN, "policy": "warn"}))
    assert story.shelf.read(EVENTS).count() == 700
    assert [row["policy"] for row in story.verdicts("mean price")] == ["stop", "stop", "warn"]


def test_rules_that_cannot_be_used_stop_before_anything_is_written(story):
    versions = {table.name: story.shelf.lake.version(table) for table in (*SILVER, BATCHES, QUALITY)}

    with pytest.raises(ConfigError) as refused:
        story.shelf.run(first="validate", until="validate", sets=sets({**EVEN, "condition": "itm_id > 0"}))

    assert "validate.rules[0].condition: " in str(refused.value)
    assert {table.name: story.shelf.lake.version(table) for table in (*SILVER, BATCHES, QUALITY)} == versions


def test_a_run_that_breaks_a_rule_is_not_released(story):
    with pytest.raises(GateError) as refused:
        story.shelf.run(first="features", as_of=AS_OF, sets=sets(REGION, MANY))

    assert "gold.users: many users: 37 rows" in str(refused.value)
    assert not releases.history(story.shelf.lake)
    (many,), (region,) = story.verdicts("many users"), story.verdicts("regions are known")
    assert many["run_id"] == region["run_id"]
    assert (many["batch_id"], many["success"], many["table_name"]) == (None, False, "gold.users")
    assert (region["severity"], region["success"], region["failures"]) == ("info", False, 37)


def test_a_run_whose_tables_were_spoilt_is_not_released(story):
    run_id = story.shelf.run(first="features", until="recommend", as_of=AS_OF, sets=sets(REGION))
    of_run = f"run_id = '{run_id}'"
    good = story.shelf.read(RECOMMENDATIONS, of_run).collect()
    story.shelf.lake.record(RECOMMENDATIONS, [row.asDict() for row in good[:1]])  # one row twice

    with pytest.raises(GateError, match=r"gold.recommendations: the ranks of each list are 1, 2, 3, ...: broken by"):
        story.shelf.run(first="publish", as_of=AS_OF, sets=sets(REGION))

    assert not releases.history(story.shelf.lake)
    broken = story.shelf.read(QUALITY, f"{of_run} AND NOT success AND severity = 'critical'").collect()
    assert {row["name"] for row in broken} == {
        "the ranks of each list are 1, 2, 3, ...", "no list names an item twice",
    }  # fmt: skip
    story.shelf.lake.record(RECOMMENDATIONS, [row.asDict() for row in good], where=of_run)
    story.shelf.run(first="publish", as_of=AS_OF, sets=sets(REGION))
    assert releases.current(releases.history(story.shelf.lake))["run_id"] == run_id
    assert story.shelf.read(GOLD_USERS, of_run).count() == 37
