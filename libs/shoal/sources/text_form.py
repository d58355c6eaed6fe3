"""One text form for raw values, the same whatever file format they came in."""

import re

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType

from shoal.sources.feed import ISO_DATE, RawColumn

# How a time says its own zone: Z, +01:00, +0100, or after the clock +01, UTC, Europe/London.
ZONE = r"(Z|[+-][0-9]{2}:?[0-9]{2}|:[0-9]{2}(\.[0-9]+)?([+-][0-9]{1,2}| ?[A-Za-z][A-Za-z0-9_/+-]*))$"
# A time that has its text form already: most do, and to read and write it again is most of what a row costs.
_CANONICAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,5}[1-9])?Z$"
_JAVA_FLOAT = r"^-?\d\.\d+E\d+$"  # 1.2345678E7, which from_json makes of 12345678.0; Excel's 1.23E+07 has lost digits
_WITH_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+(,\d*)?|\d*,\d+|\d+,)$"  # 1.234 or 1.234,50 or 1234,5
_EXACT = "decimal(38,10)"
_ALL_WHOLE = 2.0**63  # the first float beyond the whole numbers of 64 bits


def text_form(value: Column, column: RawColumn, data_type: DataType | None = None) -> Column:
    """The value as text; empty text and NaN are null.

    Whole numbers lose the ``.0`` that a spreadsheet gave them, decimals their trailing zeros; times become ISO
    8601, without a zone where they had none. What does not have the declared form stays as it came.
    """
    kind = (data_type or StringType()).typeName()
    if kind == "timestamp":
        return F.concat(_iso(value), F.lit("Z"))
    if kind in {"timestamp_ntz", "date"}:
        return _iso(value.cast("timestamp"))  # the session's zone is UTC: the clock stays as it is
    text = F.to_json(value) if kind in {"struct", "map", "array"} else value.cast("string")
    if kind in {"float", "double"}:
        text = F.coalesce(_whole(value), text)
    text = F.when((F.trim(text) != "") & ~text.isin("NaN", '"NaN"'), text)  # the latter from a bare NaN in JSON
    if column.decimal_comma and kind == "string":
        text = _with_point(text)
    match column.form:
        case "integer":
            exact = F.when(text.rlike(_JAVA_FLOAT), text.try_cast(_EXACT).cast("string"))
            plain = F.when(exact.rlike(r"\.0+$"), exact)
            return F.regexp_replace(F.coalesce(plain, F.trim(text)), r"^([+-]?\d+)\.0+$", "$1")
        case "decimal":
            exact = text.try_cast(_EXACT).cast("string")
            return F.coalesce(F.regexp_replace(exact, r"\.?0+$", ""), F.trim(text))
        case "time":
            return _time_form(F.trim(text), column.time_formats)
        case "text":
            return text


def _with_point(text: Column) -> Column:
    """A number with a decimal comma as one with a point; points that part thousands are taken out.

    A point that parts no thousands, and all that is no number, stays as it is.
    """
    number = F.trim(text)
    return F.when(number.rlike(_WITH_COMMA), F.translate(number, ",.", ".")).otherwise(text)


def _whole(number: Column) -> Column:
    """A whole number's digits and ``.0``, which from 10 million on Spark would write with an exponent."""
    is_whole = (F.abs(number) < _ALL_WHOLE) & (F.floor(number) == number)
    return F.when(is_whole, F.concat(number.cast("long").cast("string"), F.lit(".0")))


def _time_form(text: Column, formats: tuple[str, ...]) -> Column:
    iso = _iso(F.when(text.rlike(ISO_DATE), text.try_cast("timestamp")))
    others = [_by_pattern(text, pattern) for pattern in formats]
    read = F.coalesce(F.when(text.rlike(ZONE), F.concat(iso, F.lit("Z"))), iso, *others, text)
    return F.when(text.rlike(_CANONICAL), text).otherwise(read)


def _by_pattern(text: Column, pattern: str) -> Column:
    read = _iso(F.try_to_timestamp(text, F.lit(pattern)))
    says_zone = re.search("[VzOXxZ]", re.sub("'[^']*'", "", pattern))
    return F.concat(read, F.lit("Z")) if says_zone else read


def _iso(time: Column) -> Column:
    text = F.date_format(time, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS")
    return F.regexp_replace(text, r"\.?0*$", "")
