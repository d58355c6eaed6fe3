"""Tell good rows from bad: the names of the rules that each row breaks."""

from collections.abc import Sequence

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
    broken = [F.when(~F.expr(rule.condition), F.lit(rule.name)) for rule in rules]
    # Without rules the array has no type of its own.
    return F.array_compact(F.array(*broken)).cast("array<string>")
