"""A value has one text, whatever type and spelling it came in."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from shoal.sources.feed import Form, RawColumn
from shoal.sources.text_form import text_form

CLOCK = datetime(2010, 12, 1, 8, 26)  # noqa: DTZ001 - a time without a zone is the point
FORMS = ("text", "integer", "decimal", "time")
FORMATS = ("M/d/yyyy H:mm", "yyyy-MM-dd HH:mm")  # of a feed, beside ISO
POINT = T.StructType([T.StructField("x", T.IntegerType()), T.StructField("y", T.IntegerType())])


class Given(NamedTuple):
    value: Any
    type: T.DataType = T.StringType()


def texts(spark: SparkSession, given: dict[Form, list[Given]]) -> dict[Form, list[str | None]]:
    """The texts of values of any types under each form: one row, a column for each."""
    flat = [(f"c{place}", form, each) for place, (form, each) in enumerate((f, e) for f in given for e in given[f])]
    schema = T.StructType([T.StructField(name, each.type) for name, _, each in flat])
    row = spark.createDataFrame([tuple(each.value for _, _, each in flat)], schema)
    columns = [
        text_form(F.col(name), RawColumn(name, form, "", time_formats=FORMATS), e.type) for name, form, e in flat
    ]
    found = iter(row.select(*(c.alias(name) for c, (name, _, _) in zip(columns, flat, strict=True))).collect()[0])
    return {form: [next(found) for _ in each] for form, each in given.items()}


def spellings(spark: SparkSession, form: Form, spelled: dict[str, list[Given]]) -> dict[str, list[str | None]]:
    """The texts of what shall all be spelled alike."""
    found = iter(texts(spark, {form: [each for given in spelled.values() for each in given]})[form])
    return {text: [next(found) for _ in given] for text, given in spelled.items()}


def alike(spelled: dict[str, list[Given]]) -> dict[str, list[str]]:
    return {text: [text] * len(given) for text, given in spelled.items()}


def words(*values: str) -> list[Given]:
    return [Given(value) for value in values]


def test_a_whole_number_loses_what_a_spreadsheet_added(spark):
    spelled = {
        "17850": [
            *words("17850", "17850.0", "17850.00", " 17850 "),
            Given(17850, T.IntegerType()), Given(17850, T.LongType()), Given(17850.0, T.FloatType()),
            Given(17850.0, T.DoubleType()), Given(Decimal("17850.00"), T.DecimalType(9, 2)),
        ],
        # From 10 million on, Java writes a float with an exponent.
        "1433221332117": [*words("1433221332117.0", "1.433221332117E12"), Given(1433221332117.0, T.DoubleType())],
        "-6": [*words("-6", "-6.0"), Given(-6, T.IntegerType()), Given(-6.0, T.DoubleType())],
    }  # fmt: skip

    assert spellings(spark, "integer", spelled) == alike(spelled)


@pytest.mark.parametrize("form", ["integer", "decimal"])
def test_a_decimal_comma_is_read_where_text_has_one(spark, form):
    written = {"1.234,50": "1234.5", "1.234": "1234", "-1.234.567,8": "-1234567.8", "7,": "7", ",5": "0.5", "12": "12",
               "+3,25": "3.25", "1.5": "1.5", "n/a": "n/a", "1,2,3": "1,2,3", "12.34,5": "12.34,5"}  # fmt: skip
    if form == "integer":
        written = {text: number for text, number in written.items() if "," not in text} | {"2,0": "2"}
    column = RawColumn("price", form, "", decimal_comma=True)
    rows = spark.createDataFrame([(text,) for text in written], "text string")

    found = {row[0]: row[1] for row in rows.select("text", text_form(F.col("text"), column, T.StringType())).collect()}

    assert found == written
    numbers = spark.createDataFrame([(1.5,)], "number double").select(
        text_form(F.col("number"), column, T.DoubleType())
    )
    assert numbers.collect() == [("1.5",)], "a number of its own type has no comma"


def test_a_decimal_loses_its_trailing_zeros_and_no_digit_more(spark):
    spelled = {
        "2.55": [
            *words("2.55", "2.5500", " 2.55 "), Given(2.55, T.DoubleType()), Given(2.55, T.FloatType()),
            Given(Decimal("2.55"), T.DecimalType(18, 6)),
        ],
        "0.001": [*words("0.001", "1E-3"), Given(0.001, T.DoubleType()), Given(Decimal("0.001"), T.DecimalType(18, 6))],
        "100": [*words("100", "100.0", "1e2"), Given(100, T.IntegerType()), Given(100.0, T.DoubleType())],
        "12345678": [*words("12345678", "12345678.000"), Given(12345678.0, T.DoubleType())],
        "-0.1": words("-0.10"),
        "0": [*words("0", "0.00"), Given(0.0, T.DoubleType())],
    }  # fmt: skip

    assert spellings(spark, "decimal", spelled) == alike(spelled)


def test_a_time_is_iso_and_says_a_zone_only_where_it_had_one(spark):
    spelled = {
        "2010-12-01T08:26:00": [
            *words("2010-12-01 08:26", "2010-12-01T08:26:00", "2010-12-01 08:26:00.000", "12/1/2010 8:26"),
            Given(CLOCK, T.TimestampNTZType()),
        ],
        "2010-12-01T08:26:00Z": [
            *words("2010-12-01T08:26:00Z", "2010-12-01 09:26:00+01:00", "2010-12-01T09:26:00.0+0100"),
            *words("2010-12-01 08:26:00 UTC", "2010-12-01 08:26:00+00", "2010-12-01 09:26:00 Europe/Paris"),
            Given(CLOCK.replace(tzinfo=UTC), T.TimestampType()),
        ],
        "2010-12-01T00:00:00": [*words("2010-12-01"), Given(date(2010, 12, 1), T.DateType())],
        "2010-12-01T08:26:00.25": [
            *words("2010-12-01 08:26:00.250"), Given(CLOCK.replace(microsecond=250_000), T.TimestampNTZType()),
        ],
    }  # fmt: skip

    assert spellings(spark, "time", spelled) == alike(spelled)


def test_a_time_in_its_form_already_is_what_reading_it_would_make_of_it(spark, monkeypatch):
    """The short way is right where the long way agrees, also on days and hours that do not exist."""
    days = ["0001-01-01", "1970-01-01", "2024-02-29", "2025-02-29", "2025-13-01", "2025-06-31", "9999-12-31"]
    clocks = ["00:00:00", "10:20:30", "24:00:00", "23:59:60", "23:59:59.999999", "10:00:10.1", "10:00:00.000001"]
    times = words(*(f"{day}T{clock}Z" for day in days for clock in clocks))

    short = texts(spark, {"time": times})
    monkeypatch.setattr("shoal.sources.text_form._CANONICAL", "^never$")

    assert short == texts(spark, {"time": times})


def test_what_does_not_have_the_form_stays_as_it_came(spark):
    strange = {
        "integer": ["17850.5", "C536379", "1.23457E+07", "1.23456785E7"],
        "decimal": ["2,55", "free"],
        "time": ["08:26", "2010", "13/45/2010 8:26", "2010-02-30", "1291191960", "soon"],  # a clock is not of today
    }
    assert texts(spark, {form: words(*values) for form, values in strange.items()}) == strange


def test_nothing_has_no_text(spark):
    nothing = [*words("", "   ", "NaN"), Given(None), Given(math.nan, T.DoubleType()), Given(None, T.DoubleType())]

    found = texts(spark, dict.fromkeys(FORMS, nothing))

    assert found == dict.fromkeys(FORMS, [None] * len(nothing))


def test_text_is_left_alone_and_what_is_nested_is_json(spark):
    given = {
        " Mug, 2.50 ": Given(" Mug, 2.50 "),
        "00042": Given("00042"),
        '{"x":1,"y":2}': Given((1, 2), POINT),
        "[1,2]": Given([1, 2], T.ArrayType(T.IntegerType())),
        '{"red":1}': Given({"red": 1}, T.MapType(T.StringType(), T.IntegerType())),
        "true": Given("true"),
        "12345678.0": Given(12345678.0, T.DoubleType()),  # as other programs write it to CSV, without an exponent
    }
    assert texts(spark, {"text": [*given.values()]}) == {"text": [*given]}
