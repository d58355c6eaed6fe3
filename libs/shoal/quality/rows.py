"""Tell good rows from bad: the names of the rules that each row breaks."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F

from shoal.tables import Rule


def reasons(rules: Sequence[Rule]) -> Column:
    """The names of the rules that a row breaks.

    Args:
        rules: conditions over the columns of the row. A condition that is null counts as kept, as in SQL
            CHECK: that a value must be there is a rule of its own.

    Returns:
        ``array<string>`` in the order of ``rules``; empty for a good row, never null.
    """
    none = F.array().cast("array<string>")
    if not rules:
        return none
    broken = [~F.coalesce(F.expr(rule.condition), F.lit(True)) for rule in rules]
    names = [F.when(is_broken, F.lit(rule.name)) for is_broken, rule in zip(broken, rules, strict=True)]
    # Nearly every row is good, and Spark compiles conditions but not the compacting of arrays.
    return F.when(reduce(or_, broken), F.array_compact(F.array(*names))).otherwise(none)
