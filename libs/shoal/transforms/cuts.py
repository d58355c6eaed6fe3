"""Where the past ends: on one day for everybody, or for each row on a day of its own.

What is computed at a cut is written once. With one day it is a literal in the plan, and whatever is said is said by
user. With many, rows carry theirs in the column ``as_of``, and whatever is said is said by user and ``as_of``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.tables.feature import Feature


@dataclass(frozen=True)
class Cut:
    """The first shop-local day that must *not* be seen; None: of each row its own."""

    day: date | None

    @property
    def own(self) -> tuple[str, ...]:
        """What a key has beside its own columns: ``as_of``, or nothing."""
        return () if self.day is not None else ("as_of",)

    @property
    def column(self) -> Column:
        """The day, as a column of rows."""
        return F.col("as_of") if self.day is None else F.lit(self.day)

    def since(self, days: int) -> Column:
        """The day that many days before the cut."""
        if self.day is None:
            return F.date_sub("as_of", days)
        return F.lit(self.day - timedelta(days=days))

    def before(self, rows: DataFrame, day: str = "event_date") -> DataFrame:
        """The rows that are seen; ``day`` is the column that says of when they are."""
        return rows.where(F.col(day) < self.column)

    def sql(self, text: str, window: int | None = None) -> str:
        """SQL of a feature, with ``:as_of`` and ``:since`` put in."""
        if self.day is None:
            as_of, since = "as_of", f"date_sub(as_of, {window})"
        else:
            as_of, since = f"DATE '{self.day}'", f"DATE '{self.day - timedelta(days=window or 0)}'"
        return text.replace(":as_of", as_of).replace(":since", since)

    def feature(self, feature: Feature) -> str:
        """A feature as SQL, of its type and under its name."""
        sql = self.sql(feature.sql, feature.window)
        typed = sql if feature.type is None else f"CAST({sql} AS {feature.type.simpleString()})"
        return f"{typed} AS {feature.name}"


EACH = Cut(None)


def taken_along(rows: DataFrame, cuts: Sequence[date], day: str = "event_date") -> DataFrame:
    """Rows once for each cut after them, with ``as_of``; ``day`` is the column that says of when they are."""
    return rows.withColumn("as_of", F.explode(F.filter(F.lit([*cuts]), lambda cut: cut > F.col(day))))


def at_each(rows: DataFrame, cuts: Sequence[date]) -> DataFrame:
    """Rows once for every cut, with ``as_of``."""
    return rows.withColumn("as_of", F.explode(F.lit([*cuts])))


def of_cut(values: Mapping[date, Any]) -> Column:
    """Of each row the value of its cut, as a part of the plan; null where the cut has none."""
    pairs = [F.lit(each) for pair in values.items() for each in pair]
    return F.try_element_at(F.create_map(*pairs), F.col("as_of"))
