"""Any table -> what is said of items, one row each."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from shoal.errors import DataError
from shoal.evaluation.reading import opened
from shoal.sources.any_table import as_text


def catalogue(spark: SparkSession, path: str, columns: Mapping[str, str]) -> DataFrame:
    """What a table says of items.

    Where it has several rows of an item, as a table of events has, a text is the one that most of them have, and the
    price their median.

    Args:
        spark: the session.
        path: as :func:`shoal.evaluation.reading.opened` takes it.
        columns: role -> column: ``item`` and some of ``title``, ``category``, ``brand`` and ``price``.

    Returns:
        ``item_id``, ``title``, ``category``, ``brand`` (text) and ``price`` (double); null where nothing is said.

    Raises:
        ConfigError: nothing is there.
        DataError: it cannot be read, lacks columns, or names no item.
    """
    raw = opened(spark, path, columns)
    kinds = {field.name: field.dataType for field in raw.rows.schema}

    def value(role: str) -> Column:
        if role not in raw.columns:
            return F.lit(None).cast("string")
        name = raw.columns[role]
        return as_text(F.col(f"`{name.replace('`', '``')}`"), kinds[name])

    told = raw.rows.select(
        value("item").alias("item_id"),
        *(value(role).alias(role) for role in ("title", "category", "brand")),
        value("price").try_cast("double").alias("price"),
    ).where("item_id IS NOT NULL")
    texts = [F.mode(name, deterministic=True).alias(name) for name in ("title", "category", "brand")]
    items = told.groupBy("item_id").agg(*texts, F.percentile("price", F.lit(0.5)).alias("price"))
    if items.isEmpty():
        raise DataError(f"{path}: no row of column {columns['item']} names an item")
    return items
