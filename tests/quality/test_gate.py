import socket
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from great_expectations import ExpectationSuite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType

from shoal.errors import ShoalError
from shoal.quality import gate
from shoal.quality.gate import FEW, Verdict, judge, refusal, warnings
from shoal.quality.rows import reasons
from shoal.quality.suites import KNOWN, suite_of
from shoal.tables import EVENTS, QUALITY, Column, Rule, Table

Frame = Callable[..., DataFrame]
Row = dict[str, Any]

TOYS = Table(
    name="silver.toys",
    doc="One row per toy.",
    key=("id",),
    columns=(
        Column("id", LongType(), "its number", required=True),
        Column("colour", StringType(), "its colour", allowed=("red", "blue")),
        Column("price", DoubleType(), "pounds", low=1, high=9),
    ),
    rules=(Rule("red toys cost at most 5", "colour != 'red' OR price <= 5"),),
)
# Each rule in Python, as an oracle: True where the row breaks it.
ORACLE: dict[str, Callable[[Row], bool]] = {
    "id is set": lambda toy: toy["id"] is None,
    "colour is one of its allowed values": lambda toy: toy["colour"] not in ("red", "blue", None),
    "price >= 1": lambda toy: toy["price"] is not None and toy["price"] < 1,
    "price <= 9": lambda toy: toy["price"] is not None and toy["price"] > 9,
    "red toys cost at most 5": lambda toy: toy["colour"] == "red" and (toy["price"] or 0) > 5,
}
UNIQUE = "(id) is unique among accepted rows"
ACCEPTED = "rows keep every rule"
ANY_ROW = "the batch has at least one row"


def toys(number: int, **values: Any) -> list[Row]:
    """``number`` good toys, changed by ``values``."""
    return [{"id": i, "colour": "blue", "price": 3.0, **values} for i in range(number)]


def mixed(*parts: list[Row]) -> list[Row]:
    """All rows under ids of their own."""
    rows = [row for part in parts for row in part]
    return [{**row, "id": None if row["id"] is None else i} for i, row in enumerate(rows)]


def with_reasons(rows: DataFrame, rules: Sequence[Rule]) -> DataFrame:
    return rows.withColumn("reasons", reasons(rules))


def verdicts_of(
    frame: Frame, rows: Sequence[Row], *, table: Table = TOYS, max_rejected_share: float = 0.05
) -> dict[str, Verdict]:
    """Verdicts of the expectations by name."""
    judged = with_reasons(frame(table, *rows), table.row_rules)
    verdicts = judge(judged, table, rules=table.row_rules, max_rejected_share=max_rejected_share)
    return {verdict.name: verdict for verdict in verdicts if verdict.kind == "expectation"}


def core(verdict: Verdict) -> tuple[Any, ...]:
    """What was found, without what the rule says of itself."""
    return (verdict.kind, verdict.name, verdict.severity, verdict.success, verdict.rows, verdict.failures,
            verdict.observed)  # fmt: skip


def broken(verdicts: dict[str, Verdict]) -> set[str]:
    return {name for name, verdict in verdicts.items() if not verdict.success}


# --- The two engines agree


TOY = st.fixed_dictionaries(
    {
        "id": st.one_of(st.none(), st.integers(0, 20)),
        "colour": st.sampled_from(["red", "blue", "green", "", "RED", None]),
        "price": st.sampled_from([None, -1.0, 0.0, 0.999, 1.0, 5.0, 5.001, 9.0, 9.001, 1e300, float("nan")]),
    }
)


@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(rows=st.lists(TOY, min_size=100, max_size=300))
def test_rows_and_expectations_count_the_same_failures(frame: Frame, rows: list[Row]) -> None:
    judged = with_reasons(frame(TOYS, *rows), TOYS.row_rules)
    verdicts = judge(judged, TOYS, rules=TOYS.row_rules, max_rejected_share=0.05)
    expectations = {v.name: v.failures for v in verdicts if v.kind == "expectation"}
    rules = {v.name: v.failures for v in verdicts if v.kind == "rule"}

    # Spark holds NaN to be greater than any number, Python says no to every comparison.
    numbers = [{**row, "price": 1e301 if row["price"] != row["price"] else row["price"]} for row in rows]
    expected = {name: sum(map(is_broken, numbers)) for name, is_broken in ORACLE.items()}
    assert rules == expected
    assert {name: expectations[name] for name in expected} == expected
    accepted = [row["id"] for row in numbers if not any(is_broken(row) for is_broken in ORACLE.values())]
    assert expectations[ACCEPTED] == len(rows) - len(accepted)
    assert expectations[UNIQUE] == sum(accepted.count(number) > 1 for number in accepted)


# --- Each expectation holds for good data and can be broken


def test_a_good_batch_passes(frame: Frame) -> None:
    verdicts = verdicts_of(frame, toys(10))

    assert not broken(verdicts)
    observed = "broken by 0 of 10 rows (0 %); at most 5 % may"
    assert core(verdicts[ACCEPTED]) == ("expectation", ACCEPTED, "critical", True, 10, 0, observed)


def test_a_rule_holds_up_to_its_tolerance(frame: Frame) -> None:
    at_the_limit = verdicts_of(frame, mixed(toys(95), toys(5, price=0.0)))
    beyond = verdicts_of(frame, mixed(toys(94), toys(6, price=0.0)))

    assert not broken(at_the_limit)
    assert broken(beyond) == {"price >= 1", ACCEPTED}
    observed = "broken by 6 of 100 rows (6 %); at most 5 % may"
    assert core(beyond["price >= 1"]) == ("expectation", "price >= 1", "critical", False, 100, 6, observed)


def test_each_rule_can_be_broken_alone(frame: Frame) -> None:
    bad: list[Row] = [{"id": None}, {"colour": "green"}, {"price": 0.0}, {"price": 9.5}]
    bad += [{"colour": "red", "price": 6.0}]
    # The first rule is broken by one row, the second by two, ...: none can be mistaken for another.
    rows = mixed(toys(10), *(toys(number, **values) for number, values in enumerate(bad, start=1)))
    verdicts = verdicts_of(frame, rows, max_rejected_share=0)

    assert [verdicts[rule.name].failures for rule in TOYS.row_rules] == [1, 2, 3, 4, 5]
    assert broken(verdicts) == {rule.name for rule in TOYS.row_rules} | {ACCEPTED}
    assert verdicts[ACCEPTED].failures == 1 + 2 + 3 + 4 + 5


def test_rejected_rows_add_up_over_the_rules(frame: Frame) -> None:
    verdicts = verdicts_of(frame, mixed(toys(94), toys(3, price=0.0), toys(3, colour="green")))

    assert broken(verdicts) == {ACCEPTED}
    assert verdicts[ACCEPTED].failures == 6


def test_a_batch_without_rows_is_refused(frame: Frame) -> None:
    verdicts = verdicts_of(frame, [])

    assert broken(verdicts) == {ANY_ROW}
    assert verdicts[ANY_ROW].severity == "critical"
    assert verdicts[ANY_ROW].observed == "0 rows"


PAIRED = replace(TOYS, key=("id", "colour"))


@pytest.mark.parametrize("table", [TOYS, PAIRED], ids=["one column", "two columns"])
def test_accepted_rows_have_a_key_of_their_own(frame: Frame, table: Table) -> None:
    name = f"({', '.join(table.key)}) is unique among accepted rows"
    rejected_twin = [{"id": 0, "colour": "blue", "price": 0.0}]
    accepted_twin = [{"id": 1, "colour": "blue", "price": 4.0}]
    verdicts = verdicts_of(frame, toys(30) + rejected_twin + accepted_twin, table=table)

    assert broken(verdicts) == {name}
    assert (verdicts[name].rows, verdicts[name].failures) == (31, 2)  # of the accepted rows; both twins
    assert verdicts[name].severity == "critical"


def test_a_part_of_the_key_may_repeat(frame: Frame) -> None:
    assert not broken(verdicts_of(frame, toys(5) + toys(5, colour="red"), table=PAIRED))


def test_few_values_stop_a_batch_only_if_they_are_many_of_its_rows(frame: Frame) -> None:
    def prices(good: int, bad: int, none: int) -> tuple[bool, str]:
        rows = mixed(toys(good), toys(bad, price=0.0), toys(none, price=None))
        verdict = verdicts_of(frame, rows)["price >= 1"]
        return verdict.success, verdict.severity

    # One of five prices, in a batch with hardly any: chance.
    assert prices(4, 1, 95) == (False, "warning")
    # The same prices are all that a small batch has.
    assert prices(4, 1, 0) == (False, "critical")
    # A fifth of a hundred prices is no chance, though only 1 % of the rows are rejected.
    assert prices(FEW - 20, 20, 1900) == (False, "critical")


# --- What is known of shop events


def shop_event(**values: Any) -> Row:
    noon = datetime(2021, 6, 1, 12, tzinfo=UTC)
    return {
        "event_type": "view",
        "event_time": noon,
        "event_date": date(2021, 6, 1),
        "user_id": "u",
        "item_id": "mug",
        "delivered_at": noon,
        "is_deleted": False,
        "source": "shop",
        "batch_id": "b",
        "content_hash": "h",
        **values,
    }


def shop_batch(*parts: tuple[int, Row]) -> list[Row]:
    """So many events of each kind, each with an id of its own."""
    rows = [shop_event(**values) for number, values in parts for _ in range(number)]
    return [{**row, "event_id": f"e{i}"} for i, row in enumerate(rows)]


def sold(**values: Any) -> Row:
    return {"event_type": "purchase", "quantity": 1, "amount_base": Decimal("9.5"), **values}


RETURN = {"event_type": "return", "quantity": 1, "amount_base": Decimal("9.5")}
FREE = Decimal(0)


def test_what_is_known_holds_up_to_its_limit(frame: Frame) -> None:
    batch = shop_batch(
        (12, sold()),
        (4, sold(amount_base=FREE)),  # 4 of 40 purchases are free
        (24, sold(user_id=None)),  # 24 of 40 are of guests
        (20, RETURN),  # half as many as purchases
        (1, {"event_time": datetime(1995, 1, 1, tzinfo=UTC)}),
        (61, {"is_deleted": True}),  # half of 122 events
    )

    assert not broken(verdicts_of(frame, batch, table=EVENTS))


def test_what_is_known_warns_beyond_its_limit(frame: Frame) -> None:
    batch = shop_batch(
        (10, sold()),
        (5, sold(amount_base=FREE)),
        (25, sold(user_id=None)),
        (21, RETURN),
        (1, {"event_time": datetime(1994, 12, 31, 23, 59, 59, tzinfo=UTC)}),
        (63, {"is_deleted": True}),
    )
    verdicts = verdicts_of(frame, batch, table=EVENTS)

    assert broken(verdicts) == {known.name for known in KNOWN[EVENTS.name]}
    counted = {name: (verdicts[name].rows, verdicts[name].failures) for name in broken(verdicts)}
    assert counted == {
        "returns are at most half as many as purchases": (61, 21),
        "at least 40 % of purchases have a user_id": (40, 25),
        "at most 10 % of priced purchases are free": (40, 5),
        "event_time is after 1994": (125, 1),
        "at most half of the events are taken back": (125, 63),
    }
    assert refusal([*verdicts.values()]) is None
    assert len(warnings([*verdicts.values()])) == 5


@pytest.mark.parametrize(
    "parts",
    [
        # UCI Online Retail, a thousandth: lines of customers and of guests, returns.
        pytest.param([(398, sold()), (132, sold(user_id=None)), (9, RETURN)], id="a gift shop"),
        pytest.param([(50, {}), (9, {"event_type": "cart"})], id="clicks without purchases"),
    ],
)
def test_healthy_shops_pass_without_a_word(frame: Frame, parts: list[tuple[int, Row]]) -> None:
    assert not broken(verdicts_of(frame, shop_batch(*parts), table=EVENTS))


def _bad_values(column: Column) -> list[Row]:
    """For each rule of the column, in order, a value that breaks it."""
    bad: list[Any] = [None] if column.required else []
    bad += ["no such word"] if column.allowed else []
    bad += [column.low - 1] if column.low is not None else []
    bad += [column.high + 1] if column.high is not None else []
    cast = {"integer": int, "decimal": Decimal, "double": float}.get(column.type.typeName(), str)
    return [{column.name: None if value is None else cast(value)} for value in bad]


def test_every_declared_expectation_of_an_event_can_be_broken(frame: Frame) -> None:
    bad = [values for column in EVENTS.columns for values in _bad_values(column)]
    bad += [{"item_id": None}, {"event_time": datetime(2021, 6, 3, tzinfo=UTC)}]
    rules = EVENTS.row_rules
    assert len(bad) == len(rules)
    # The first rule is broken by one row, the second by two, ...: none can be mistaken for another.
    rows = [shop_event(event_id=f"e{i}.{j}") | values for i, values in enumerate(bad, 1) for j in range(i)]
    verdicts = verdicts_of(frame, rows, table=EVENTS, max_rejected_share=0)

    assert [verdicts[rule.name].failures for rule in rules] == [*range(1, len(rules) + 1)]
    assert broken(verdicts) == {ACCEPTED} | {rule.name for rule in rules}
    assert all(verdict.severity == "critical" for verdict in verdicts.values() if not verdict.success)


# --- The feed's own rules


def test_a_feeds_rule_is_judged_by_what_was_recorded(frame: Frame) -> None:
    own = Rule("raw price is a number", "raw.price RLIKE '^[0-9]'")  # the table has no such column
    price = F.when(F.col("id") < 3, "?").otherwise("3").alias("price")
    rules = [*TOYS.row_rules, own]
    mapped = with_reasons(frame(TOYS, *toys(20)).withColumn("raw", F.struct(price)), rules).drop("raw")
    verdicts = judge(mapped, TOYS, rules=rules, max_rejected_share=0.05)

    assert [v.name for v in verdicts if v.kind == "rule"] == [rule.name for rule in rules]
    judged = {v.kind: (v.success, v.rows, v.failures) for v in verdicts if v.name == own.name}
    assert judged == {"expectation": (False, 20, 3), "rule": (False, 20, 3)}


# --- What judging must not do


def test_order_and_partitioning_change_nothing(frame: Frame) -> None:
    rows = mixed(toys(40), toys(6, price=0.0), toys(3, colour="green"), toys(20, price=None))
    judged = with_reasons(frame(TOYS, *rows), TOYS.row_rules)

    def verdicts(batch: DataFrame) -> list[Verdict]:
        return judge(batch, TOYS, rules=TOYS.row_rules, max_rejected_share=0.05)

    shuffled = judged.repartition(5, "price").sortWithinPartitions(F.desc("id"))
    assert verdicts(shuffled) == verdicts(judged.coalesce(1))


def test_spark_disk_network_and_console_are_left_alone(
    spark: SparkSession,
    frame: Frame,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def surroundings() -> tuple[object, ...]:
        context = spark.sparkContext
        return (
            SparkSession.getActiveSession() is spark,
            context.applicationId,
            context._jsc.getPersistentRDDs().size(),
            sorted(spark.conf.getAll.items()),
            spark.catalog.listTables(),
        )

    connect = socket.socket.connect

    def connect_to_spark_only(this: socket.socket, address: Any) -> None:
        assert address[0] in ("127.0.0.1", "localhost"), f"tried to reach {address}"
        connect(this, address)

    judged = with_reasons(frame(TOYS, *toys(20)), TOYS.row_rules).persist()
    judged.count()
    before = surroundings()
    capfd.readouterr()
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr(socket.socket, "connect", connect_to_spark_only)
        judge(judged, TOYS, rules=TOYS.row_rules, max_rejected_share=0.05)
    printed = capfd.readouterr()
    after = surroundings()
    judged.unpersist()

    assert after == before
    assert not [*tmp_path.iterdir()]
    assert printed.out + printed.err == ""


def test_a_fault_of_the_machinery_is_no_fault_of_the_data(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    def shortened(table: Table, **settings: Any) -> ExpectationSuite:  # a fault is tried again and again
        suite = suite_of(table, **settings)
        return ExpectationSuite("short", [e for e in suite.expectations if (e.meta or {})["name"] == "price >= 1"])

    monkeypatch.setattr(gate, "suite_of", shortened)
    lost = F.when(F.col("id") == 7, F.raise_error(F.lit("executor lost"))).otherwise(F.col("price"))
    rows = with_reasons(frame(TOYS, *toys(10)).repartition(2), TOYS.row_rules)  # else the planner would meet the fault
    judged = rows.withColumn("price", lost.cast("double"))

    with pytest.raises(ShoalError, match="could not judge short") as caught:
        judge(judged, TOYS, rules=TOYS.row_rules, max_rejected_share=0.05)
    assert type(caught.value) is ShoalError
    assert caught.value.exit_code == 1
    assert "price >= 1: " in str(caught.value)
    assert "executor lost" in str(caught.value)


# --- What is said


def expectation(name: str, *, success: bool, severity: str = "critical", observed: str = "seen") -> Verdict:
    return Verdict("expectation", name, severity, success, 100, 0 if success else 6, observed)


def test_a_verdict_is_a_row_of_quality_without_its_batch_or_run() -> None:
    assert {"batch_id", "sequence", "run_id", *(field.name for field in fields(Verdict))} == {*QUALITY.names}


def test_a_batch_that_holds_is_not_refused() -> None:
    rejecting = Verdict("rule", "r", "info", False, 100, 3, None)

    assert refusal([expectation("a", success=True), rejecting]) is None
    assert refusal([expectation("a", success=False, severity="warning")]) is None


def test_a_refusal_names_what_broke_why_and_what_to_do() -> None:
    said = refusal(
        [
            expectation(
                "price >= 1",
                success=False,
                observed="broken by 6 of 100 rows (6 %); at most 5 % may",
            ),
            expectation("id is set", success=True),
            expectation("odd", success=False, severity="warning"),
            Verdict("rule", "id is set", "info", True, 100, 0, None),
            Verdict("rule", "b", "info", False, 100, 2, None),
            Verdict("rule", "price >= 1", "info", False, 100, 1234, None),
        ]
    )

    assert said == (
        "1 of 3 expectations do not hold:\n"
        "  price >= 1: broken by 6 of 100 rows (6 %); at most 5 % may\n"
        "rows were rejected most often by: price >= 1 (1,234), b (2)\n"
        "silver has not changed; mend the export or the feed's mapping and run again\n"
        "if these rows are rightly rejected and the others are wanted, raise validate.max_rejected_share "
        "and pass --retry-refused"
    )


def test_a_refusal_without_rejected_rows_does_not_speak_of_their_share() -> None:
    said = refusal([expectation(ANY_ROW, success=False, observed="0 rows")])

    assert said is not None
    assert "0 rows" in said
    assert "max_rejected_share" not in said


def test_warnings_are_the_broken_expectations_that_do_not_stop() -> None:
    verdicts = [
        expectation("a", success=False, severity="warning", observed="broken by 3"),
        expectation("b", success=True, severity="warning"),
        expectation("c", success=False),
        Verdict("rule", "d", "info", False, 100, 3, None),
    ]

    assert warnings(verdicts) == ["a: broken by 3"]
