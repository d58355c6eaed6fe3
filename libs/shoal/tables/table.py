"""What a table is: its name, its columns, the key that makes a row unique and the rules its rows keep.

Nothing here starts a JVM: types come from ``pyspark.sql.types``, conditions are SQL text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pyspark.sql.types import DataType, DateType, StringType, StructField, StructType, TimestampType

from shoal.errors import SchemaError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


Policy = Literal["quarantine", "warn", "stop", "record"]
Severity = Literal["critical", "warning", "info"]

_USUAL: dict[Policy, Severity] = {"quarantine": "critical", "stop": "critical", "warn": "warning", "record": "info"}


def severity_of(policy: Policy, given: Severity | None) -> Severity:
    """How bad it is that a rule is broken: as given, else what follows from its policy."""
    return given or _USUAL[policy]


@dataclass(frozen=True)
class Rule:
    """A named condition that rows keep; a null condition counts as kept, as in SQL CHECK.

    Its ``policy`` says what becomes of rows that break it. ``quarantine``: each is rejected, and the batch is refused
    where they are too many. The other policies leave the row where it is and look at the share of the rows that the
    rule speaks of, those for which its condition is not null: where fewer than ``mostly`` keep it, ``warn`` says so,
    ``stop`` refuses all of them and ``record`` only writes it down.
    """

    name: str  # what a marketer or engineer reads as the reason of a rejection
    condition: str  # Spark SQL over the row
    policy: Policy = "quarantine"
    severity: Severity | None = None  # a word for people and their alerts; None: what follows from the policy
    mostly: float | None = None  # None: 1.0, and of quarantine what the settings tolerate
    owner: str = ""  # who is asked about it
    reason: str = ""  # why it must hold

    @property
    def rejects(self) -> bool:
        """Whether a row that breaks it is rejected."""
        return self.policy == "quarantine"


@dataclass(frozen=True)
class Column:
    """One column, declared once: schema, row rules, constraints, expectations and docs are derived from it."""

    name: str
    type: DataType
    doc: str  # what it means, with its unit and the meaning of null
    required: bool = False
    allowed: tuple[str, ...] | None = None
    low: float | None = None  # inclusive
    high: float | None = None  # inclusive
    pattern: str | None = None  # of text: a regular expression of Java's that is found in it
    max_length: int | None = None  # of text: characters
    personal: bool = False  # names or describes a person: kept out of file statistics

    @property
    def rules(self) -> Iterator[Rule]:
        """The conditions that this declaration puts on a row."""
        if self.required:
            yield Rule(f"{self.name} is set", f"{self.name} IS NOT NULL")
        if self.allowed is not None:
            values = ", ".join(f"'{value}'" for value in self.allowed)
            yield Rule(f"{self.name} is one of its allowed values", f"{self.name} IN ({values})")
        if self.low is not None:
            yield Rule(f"{self.name} >= {_number(self.low)}", f"{self.name} >= {_number(self.low)}")
        if self.high is not None:
            yield Rule(f"{self.name} <= {_number(self.high)}", f"{self.name} <= {_number(self.high)}")
        if self.pattern is not None:
            yield Rule(f"{self.name} has its form", f"{self.name} RLIKE r'{self.pattern}'")
        if self.max_length is not None:
            longest = f"has at most {self.max_length} characters"
            yield Rule(f"{self.name} {longest}", f"length({self.name}) <= {self.max_length}")


@dataclass(frozen=True)
class Table:
    """A named contract between the one job that writes it and the jobs that read it."""

    name: str  # "<layer>.<table>"
    doc: str  # starts with "One row per ..."
    key: tuple[str, ...]
    columns: Sequence[Column]
    partition_by: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()  # order of rows inside files, so that statistics can skip them
    rules: tuple[Rule, ...] = ()  # conditions over several columns
    writer: str = ""  # the job that writes it; "" for ops tables, which every job writes
    checks: tuple[Rule, ...] = ()  # further conditions, enforced by the table itself

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        unknown = sorted({*self.key, *self.partition_by, *self.sort_by} - {*self.names})
        if unknown:
            raise SchemaError(self.name, [f"key, partition or sort order uses undeclared columns {unknown}"])
        if len({*self.names}) != len(self.names):
            raise SchemaError(self.name, ["a column is declared twice"])
        quoted = [column.name for column in self.columns if "'" in (column.pattern or "")]
        if quoted:
            raise SchemaError(self.name, [f"the pattern of {name} holds a quote: write \\x27" for name in quoted])

    @property
    def layer(self) -> str:
        return self.name.split(".")[0]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def schema(self) -> StructType:
        """The declared schema; required columns are not nullable and every column carries its comment."""
        return StructType([StructField(c.name, c.type, not c.required, {"comment": c.doc}) for c in self.columns])

    @property
    def row_rules(self) -> list[Rule]:
        """Every rule a row must keep: those of its columns, then those over several columns."""
        return [*(rule for column in self.columns for rule in column.rules), *self.rules]

    @property
    def constraints(self) -> dict[str, str]:
        """CHECK constraints by name. Delta refuses a row whose condition is null, so null is allowed here."""
        conditions = [
            (rule.name, rule.condition)
            for column in self.columns
            for rule in column.rules
            if rule.condition != f"{column.name} IS NOT NULL"  # NOT NULL is part of the schema
        ]
        return {
            re.sub(r"\W+", "_", name.replace(">=", "at least").replace("<=", "at most")): f"coalesce({holds}, true)"
            for name, holds in [*conditions, *((check.name, check.condition) for check in self.checks)]
        }

    @property
    def statistics_columns(self) -> list[str]:
        """Columns whose least and greatest values Delta keeps in its log: those that files can be skipped by.

        These are the key, the order inside files, the batch, and days and times. None that is personal: an erasure
        would not reach the log. Of all 250 columns of a wide table statistics would cost more than they save.
        """
        return [
            c.name
            for c in self.columns
            if not c.personal
            and c.name not in self.partition_by
            and (c.name in {*self.key, *self.sort_by, "batch_id"} or isinstance(c.type, DateType | TimestampType))
        ]

    def select(self, rows: "DataFrame") -> "DataFrame":
        """Keep this table's columns, in its order.

        The plan is checked, not the data: no Spark job runs.

        Raises:
            SchemaError: a column is missing or has another type; all problems are listed.
        """
        found = {column.name: column.dataType for column in rows.schema}
        problems = [
            f"{c.name}: missing"
            if c.name not in found
            else f"{c.name}: is {found[c.name].simpleString()}, declared {c.type.simpleString()}"
            for c in self.columns
            if c.name not in found or _plain(found[c.name]) != _plain(c.type)
        ]
        if problems:
            raise SchemaError(self.name, problems)
        return rows.select(*self.names)


def _number(bound: float) -> str:
    """A limit as SQL writes it, without an exponent where it is whole."""
    return str(int(bound)) if bound == int(bound) else repr(bound)


def _plain(data_type: DataType) -> str:
    """The type without nullability, which a plan may narrow or widen inside arrays and maps."""
    return data_type.simpleString()


def text(name: str, doc: str, *, required: bool = False, personal: bool = False) -> Column:
    """A column of free text: most columns of the foreign world are one."""
    return Column(name, StringType(), doc, required=required, personal=personal)
