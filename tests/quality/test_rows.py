from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType

from shoal.quality.rows import reasons
from shoal.tables import EVENTS, Rule

Frame = Callable[..., DataFrame]

NOON = datetime(2021, 6, 1, 12, tzinfo=UTC)

# A good purchase, and for each rule of silver.events the values that break this rule and no other.
PURCHASE: dict[str, Any] = {
    "event_id": "e1",
    "event_type": "purchase",
    "event_time": NOON,
    "event_date": date(2021, 6, 1),
    "user_id": "u1",
    "item_id": "mug",
    "quantity": 1,
    "delivered_at": NOON,
    "is_deleted": False,
    "source": "shop",
    "batch_id": "b1",
    "content_hash": "h1",
}
BREAKING: dict[str, dict[str, Any]] = {
    **{f"{column.name} is set": {column.name: None} for column in EVENTS.columns if column.required},
    "event_type is one of its allowed values": {"event_type": "bought"},
    "quantity >= 1": {"quantity": 0},
    "unit_price >= 0": {"unit_price": Decimal("-0.000001")},
    "amount_base >= 0": {"amount_base": Decimal("-0.000001")},
    "discount_amount >= 0": {"discount_amount": Decimal("-0.000001")},
    "line_kind is one of its allowed values": {"line_kind": "thing"},
    "rating >= 0": {"rating": -0.5},
    "duration_s >= 0": {"duration_s": -0.1},
    "item_id is set for what is done to an item": {"item_id": None},
    "event_time is not after delivered_at": {"event_time": NOON + timedelta(hours=24, seconds=1)},
}
HARMLESS: dict[str, dict[str, Any]] = {
    "a plain purchase": {},
    "a guest": {"user_id": None},
    "nulls where they are allowed": {"quantity": None, "unit_price": None, "line_kind": None},
    "values at their lower limits": {"unit_price": Decimal(0), "rating": 0.0, "duration_s": 0.0},
    "a search is not about an item": {"event_type": "search", "item_id": None},
    "a tombstone may have lost its item": {"is_deleted": True, "item_id": None},
    "a clock that is a day ahead": {"event_time": NOON + timedelta(hours=24)},
}


def reasons_of(rows: DataFrame, rules: list[Rule]) -> list[list[str]]:
    return [row.reasons for row in rows.select(reasons(rules).alias("reasons")).collect()]


def test_every_rule_of_an_event_can_be_broken_alone(frame: Frame) -> None:
    assert BREAKING.keys() == {rule.name for rule in EVENTS.row_rules}
    events = frame(EVENTS, *({**PURCHASE, **values} for values in BREAKING.values()))

    assert reasons_of(events, EVENTS.row_rules) == [[name] for name in BREAKING]


def test_good_events_break_nothing(frame: Frame) -> None:
    events = frame(EVENTS, *({**PURCHASE, **values} for values in HARMLESS.values()))

    assert reasons_of(events, EVENTS.row_rules) == [[] for _ in HARMLESS]


def test_reasons_come_in_the_order_of_the_rules(spark: SparkSession) -> None:
    rules = [Rule("b", "id > 5"), Rule("c", "id < 5"), Rule("a", "id != 0"), Rule('it\'s "odd"', "id = 7")]

    assert reasons_of(spark.range(1), rules) == [["b", "a", 'it\'s "odd"']]


def test_a_null_condition_counts_as_kept(spark: SparkSession) -> None:
    unknown = spark.range(1).withColumn("paid", F.lit(None).cast("int"))
    rules = [Rule("paid > 0", "paid > 0"), Rule("paid is set", "paid IS NOT NULL"), Rule("null", "NULL")]

    assert reasons_of(unknown, rules) == [["paid is set"]]


def test_reasons_are_text_even_without_rules(spark: SparkSession) -> None:
    judged = spark.range(1).withColumn("reasons", reasons([]))

    assert judged.schema["reasons"].dataType.simpleString() == ArrayType(StringType()).simpleString()
    assert [row.reasons for row in judged.collect()] == [[]]


def test_reasons_are_never_null(spark: SparkSession) -> None:
    rows = spark.range(4).withColumn("paid", F.when(F.col("id") > 1, F.col("id")))
    judged = rows.withColumn("reasons", reasons([Rule("paid > 2", "paid > 2")]))

    assert judged.where("reasons IS NULL").isEmpty()
    assert judged.where("size(reasons) > 0").count() == 1  # 2; null says nothing about 0 and 1
