"""Plain figures of groups of buyers, exact in any order."""

from collections.abc import Mapping
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from shoal.models.segments.naming import Figures
from shoal.models.segments.scaling import Scale

FIGURES = {  # what names speak of -> column of features.users
    "recency": "recency_days",
    "frequency": "frequency",
    "spend": "net_spend",
    "tenure": "tenure_days",
    "basket": "basket_size",
    "ticket": "order_value",
}


class Group(NamedTuple):
    """A segment, or all buyers: plain figures, and means on the scaled axes that names speak of."""

    figures: Figures
    scaled: dict[str, float]


def figures_by(rows: DataFrame, by: Column, spoken: Mapping[str, Scale]) -> dict[int | None, Group]:
    """The figures of each group of rows, and of all of them under None; every sum is exact in any order."""
    found = (
        rows.rollup(by.alias("place"))
        .agg(
            F.count(F.lit(1)).alias("users"),
            F.avg("recency_days").alias("recency"),
            F.median("recency_days").alias("median_recency"),
            F.sum("frequency").alias("orders"),
            F.avg("tenure_days").alias("tenure"),
            F.count_if(F.col("frequency") == 1).alias("once"),
            F.avg(F.col("basket_size").cast("decimal(18,6)")).alias("basket"),
            F.sum("net_spend").alias("net"),
            F.sum("spend").alias("spend"),
            *(F.avg(scale.scaled).alias(f"scaled_{figure}") for figure, scale in spoken.items()),
        )
        .collect()
    )
    return {row["place"]: Group(_figures_of(row), {name: row[f"scaled_{name}"] for name in spoken}) for row in found}


def _figures_of(row: Row) -> Figures:
    return Figures(
        users=row["users"],
        recency=row["recency"],
        median_recency=row["median_recency"],
        frequency=row["orders"] / row["users"],
        tenure=row["tenure"],
        once=row["once"] / row["users"],
        basket=None if row["basket"] is None else float(row["basket"]),
        net=row["net"],
        ticket=None if row["spend"] is None else float(row["spend"] / row["orders"]),
    )
