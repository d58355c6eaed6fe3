"""One text form for raw values, the same whatever file format they came in."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType

from shoal.sources.feed import RawColumn

ZONE = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"  # how a time says its own zone
_EXACT = "decimal(38,10)"


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
    text = F.when((F.trim(text) != "") & (text != "NaN"), text)
    match column.form:
        case "integer":
            return F.regexp_replace(F.trim(text), r"^([+-]?\d+)\.0+$", "$1")
        case "decimal":
            exact = text.try_cast(_EXACT).cast("string")
            return F.coalesce(F.regexp_replace(exact, r"\.?0+$", ""), F.trim(text))
        case "time":
            return _time_form(F.trim(text), column.time_formats)
        case "text":
            return text


def _time_form(text: Column, formats: tuple[str, ...]) -> Column:
    zoned = F.when(text.rlike(ZONE), F.concat(_iso(text.try_cast("timestamp")), F.lit("Z")))
    others = [_iso(F.try_to_timestamp(text, F.lit(pattern))) for pattern in formats]
    return F.coalesce(zoned, _iso(text.try_cast("timestamp")), *others, text)


def _iso(time: Column) -> Column:
    text = F.date_format(time, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS")
    return F.regexp_replace(text, r"\.?0*$", "")
