"""DataFrame idioms that transforms and models share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any, cast

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructField, StructType

from shoal.tables import Table


def few_rows(spark: SparkSession, schema: StructType | str, rows: Iterable[Sequence[Any]]) -> DataFrame:
    """A few rows of the driver as a DataFrame.

    By way of Arrow they become a part of the plan: Spark knows how few they are, and a query of them needs no job.
    A time without a zone is one of this process's zone, as those are that ``collect`` gives.
    """
    known = schema if isinstance(schema, StructType) else cast(StructType, StructType.fromDDL(schema))
    typed = to_arrow_schema(known)
    columns = [*zip(*rows, strict=True)] or [()] * len(known)
    arrays = [_array(values, field.type) for values, field in zip(columns, typed, strict=True)]
    return spark.createDataFrame(pa.Table.from_arrays(arrays, schema=typed), schema=known)


def _array(values: Sequence[Any], of_type: pa.DataType) -> pa.Array:
    return pa.array([_for_arrow(value, of_type) for value in values], of_type)


def _for_arrow(value: Any, of_type: pa.DataType) -> Any:
    """A value as Arrow takes it: a map as pairs, and a time with its zone, as Arrow takes any other for UTC."""
    if value is None:
        return None
    if pa.types.is_timestamp(of_type) and of_type.tz is not None:
        return value.astimezone(UTC)
    if pa.types.is_map(of_type):
        return [(key, _for_arrow(held, of_type.item_type)) for key, held in value.items()]
    if pa.types.is_list(of_type):
        return [_for_arrow(held, of_type.value_type) for held in value]
    if pa.types.is_struct(of_type):
        held = value.asDict() if isinstance(value, Row) else value
        return {field.name: _for_arrow(held.get(field.name), field.type) for field in of_type}
    return value


def rows_of(spark: SparkSession, table: Table, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """A few rows of a table; names left out are null, also in columns that are required."""
    nullable = StructType([StructField(c.name, c.type, True) for c in table.columns])
    return few_rows(spark, nullable, [tuple(row.get(name) for name in table.names) for row in rows])


@contextmanager
def persisted(rows: DataFrame) -> Iterator[DataFrame]:
    """Keep rows for as long as they are used; frames made of them are not to be used any longer."""
    kept = rows.persist()
    try:
        yield _without_history(kept)
    finally:
        kept.unpersist()


def _without_history(kept: DataFrame) -> DataFrame:
    """Persisted rows as a source of their own, whose plan does not tell how they came about.

    Spark goes through the whole plan of a frame, the persisted part too, whenever another frame is made of it: of
    deep plans over few rows that is most of all the time. The kept rows know by themselves how to be computed again
    where an executor is lost with them. No public call gives them, so where Spark is not reached by way of its JVM, or
    is built otherwise, the frame stays as it is, which costs time and nothing else.
    """
    spark = kept.sparkSession
    if getattr(spark, "_jvm", None) is None:
        return kept
    jvm: Any = spark._jvm
    session = spark._jsparkSession
    try:
        found = session.sharedState().cacheManager().lookupCachedData(kept._jdf)
        source = jvm.org.apache.spark.sql.classic.Dataset.ofRows(session, found.get().cachedRepresentation())
    except (Py4JError, TypeError):  # a package that is not there cannot be called
        return kept
    return DataFrame(source, spark)


def sql_text(text: str) -> str:
    """``text`` as a string in Spark SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def quantiles(rows: DataFrame, columns: Sequence[str], shares: Sequence[float]) -> dict[str, list[float]]:
    """Exact quantiles of each column's values rounded to three significant digits; nulls are left out.

    Rounding bounds the number of different values (some 2,000 per factor of 100), so that one small map per column
    travels instead of every value, and neither order nor partitioning can change the result.

    Returns:
        Per column one value per share; empty lists for columns without a value.
    """
    found = rows.agg(
        *(F.percentile(three_digits(F.col(name)), F.lit([*shares])).alias(name) for name in columns)
    ).first()
    assert found is not None, "an aggregate has one row"
    return {name: [*(found[name] or [])] for name in columns}


def three_digits(value: Column) -> Column:
    """The value rounded to three significant digits."""
    number = value.cast("double")
    magnitude = F.pow(F.lit(10.0), F.floor(F.log10(F.abs(number))) - 2)
    return F.when(number == 0, F.lit(0.0)).otherwise(F.round(number / magnitude) * magnitude)
