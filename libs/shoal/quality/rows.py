"""Tell good rows from bad: the names of the rules that each row breaks, and what it says to the other rules."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.tables import Rule


def judged_by(rules: Sequence[Rule], rows: DataFrame) -> DataFrame:
    """The rows with ``reasons`` and, where a rule does not reject, ``outcomes``: every rule judged in one pass."""
    judged = rows.withColumn("reasons", reasons(rules))
    others = others_of(rules)
    return judged.withColumn("outcomes", outcomes(others)) if others else judged


def others_of(rules: Sequence[Rule]) -> list[Rule]:
    """The rules that reject no row, in the order of ``outcomes``."""
    return [rule for rule in rules if not rule.rejects]


def reasons(rules: Sequence[Rule]) -> Column:
    """The names of the rules that a row breaks, of those that reject it.

    Args:
        rules: conditions over the columns of the row. A condition that is null counts as kept, as in SQL
            CHECK: that a value must be there is a rule of its own. Rules of another policy than quarantine
            are left out.

    Returns:
        ``array<string>`` in the order of ``rules``; empty for a good row, never null.
    """
    none = F.array().cast("array<string>")
    rejecting = [rule for rule in rules if rule.rejects]
    if not rejecting:
        return none
    broken = [~F.coalesce(F.expr(rule.condition), F.lit(True)) for rule in rejecting]
    names = [F.when(is_broken, F.lit(rule.name)) for is_broken, rule in zip(broken, rejecting, strict=True)]
    # Nearly every row is good, and Spark compiles conditions but not the compacting of arrays.
    return F.when(reduce(or_, broken), F.array_compact(F.array(*names))).otherwise(none)


def outcomes(rules: Sequence[Rule]) -> Column:
    """Whether a row keeps each rule, in their order; null where a rule says nothing about it."""
    return F.array(*(F.expr(rule.condition).cast("boolean") for rule in rules)).cast("array<boolean>")
