"""Every kind of rule, judged four ways: in Python, in one pass, by the suite, and by an expectation of its own."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DoubleType, LongType, StringType

from shoal.quality import gate
from shoal.quality.known import Expected
from shoal.quality.rows import judged_by
from shoal.tables import Column, Rule, Table

Frame = Callable[..., DataFrame]
Row = dict[str, Any]

KNOWN_ITEMS = {"mug", "plate"}
LINES = Table(
    name="silver.lines",
    doc="One row per line.",
    key=("id",),
    columns=(
        Column("id", LongType(), "its number", required=True),
        Column("code", StringType(), "its code", pattern="^[A-Z]{2}-\\d+$", max_length=6),
        Column("colour", StringType(), "its colour", allowed=("red", "blue")),
        Column("price", DoubleType(), "pounds", low=1, high=9),
        Column("begins", DateType(), "first day"),
        Column("ends", DateType(), "last day"),
        Column("item_id", StringType(), "what it is of"),
        Column("amount", StringType(), "as it came"),
    ),
    rules=(Rule("it ends after it begins", "ends >= begins"),),
)
FURTHER = [
    Rule("item_id is known", "item_id IS NULL OR is_known"),
    Rule("amount is a number", "amount IS NULL OR try_cast(amount AS DECIMAL(18, 6)) IS NOT NULL"),
    Rule("most are cheap", "price < 5", policy="warn", mostly=0.5),
]
DAY = date(2025, 3, 1)
LINE = st.fixed_dictionaries({
    "id": st.one_of(st.none(), st.integers(0, 150)),
    "code": st.sampled_from([None, "AB-1", "AB-123", "AB-1234", "ab-1", "xAB-1", "", "ÄB-1", "AB-", "AB-1\nx"]),
    "colour": st.sampled_from([None, "red", "blue", "RED", "", " red"]),
    "price": st.sampled_from([None, 0.999, 1.0, 4.999, 5.0, 9.0, 9.001, -1.0, 1e300]),
    "begins": st.sampled_from([None, DAY, DAY + timedelta(1)]),
    "ends": st.sampled_from([None, DAY, DAY + timedelta(1)]),
    "item_id": st.sampled_from([None, "mug", "plate", "Mug", "", "bowl"]),
    "amount": st.sampled_from([None, "1", "-2.5", "1e3", "1,5", "", "some", "0x10"]),
})  # fmt: skip


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_code(code: str) -> bool:
    """Two capital letters of ASCII, a hyphen, digits; `$` of a regular expression also stands before a last break."""
    letters, _, digits = code.removesuffix("\n").partition("-")
    return len(letters) == 2 and letters.isascii() and letters.isalpha() and letters.isupper() and digits.isdigit()


# True where the row breaks the rule.
ORACLE: dict[str, Callable[[Row], bool]] = {
    "id is set": lambda line: line["id"] is None,
    "code has its form": lambda line: line["code"] is not None and not is_code(line["code"]),
    "code has at most 6 characters": lambda line: len(line["code"] or "") > 6,
    "colour is one of its allowed values": lambda line: line["colour"] not in (None, "red", "blue"),
    "price >= 1": lambda line: line["price"] is not None and line["price"] < 1,
    "price <= 9": lambda line: line["price"] is not None and line["price"] > 9,
    "it ends after it begins": lambda line: bool(line["begins"] and line["ends"] and line["ends"] < line["begins"]),
    "item_id is known": lambda line: line["item_id"] not in (None, *KNOWN_ITEMS),
    "amount is a number": lambda line: line["amount"] is not None and not is_number(line["amount"]),
}
# The same by the expectations that Great Expectations itself has for it.
NATIVE = [
    Expected("id is set", "ExpectColumnValuesToNotBeNull", {"column": "id"}),
    Expected("code has its form", "ExpectColumnValuesToMatchRegex", {"column": "code", "regex": "^[A-Z]{2}-\\d+$"}),
    Expected("code has at most 6 characters", "ExpectColumnValueLengthsToBeBetween",
             {"column": "code", "max_value": 6}),
    Expected("colour is one of its allowed values", "ExpectColumnValuesToBeInSet",
             {"column": "colour", "value_set": ["red", "blue"]}),
    Expected("price >= 1", "ExpectColumnValuesToBeBetween", {"column": "price", "min_value": 1}),
    Expected("price <= 9", "ExpectColumnValuesToBeBetween", {"column": "price", "max_value": 9}),
    Expected("it ends after it begins", "ExpectColumnPairValuesAToBeGreaterThanB",
             {"column_A": "ends", "column_B": "begins", "or_equal": True,
              "ignore_row_if": "either_value_is_missing"}),
    Expected("item_id is known", "ExpectColumnValuesToBeInSet", {"column": "item_id", "value_set": [*KNOWN_ITEMS]}),
]  # fmt: skip


@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(lines=st.lists(LINE, min_size=200, max_size=400))
def test_every_kind_of_rule_counts_the_same_failures_whoever_judges(frame: Frame, lines: list[Row]) -> None:
    rules = [*LINES.row_rules, *FURTHER]
    rows = frame(LINES, *lines).withColumn("is_known", F.col("item_id").isin(*KNOWN_ITEMS))
    judged = judged_by(rules, rows)

    verdicts = gate.judge(judged, LINES, rules=rules, max_rejected_share=0.05)
    native = gate.judge_expected(rows, LINES, NATIVE)

    expected = {name: sum(map(is_broken, lines)) for name, is_broken in ORACLE.items()}
    one_pass = {v.name: v.failures for v in verdicts if v.kind == "rule"}
    by_suite = {v.name: v.failures for v in verdicts if v.kind == "expectation"}
    assert {name: one_pass[name] for name in expected} == expected
    assert {name: by_suite[name] for name in expected} == expected
    assert {v.name: v.failures for v in native} == {name: expected[name] for name in expected if name in
                                                    {v.name for v in native}}  # fmt: skip

    accepted = [line for line in lines if not any(is_broken(line) for is_broken in ORACLE.values())]
    ids = [line["id"] for line in accepted]
    assert by_suite["rows keep every rule"] == len(lines) - len(accepted)
    assert by_suite["(id) is unique among accepted rows"] == sum(ids.count(number) > 1 for number in ids)
    priced = [line["price"] for line in accepted if line["price"] is not None]
    cheap = next(v for v in verdicts if v.name == "most are cheap" and v.kind == "expectation")
    assert (cheap.rows, cheap.failures) == (len(priced), sum(price >= 5 for price in priced))
    assert one_pass["most are cheap"] == cheap.failures
