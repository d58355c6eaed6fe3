"""Any table -> interactions: who did what with which item, when, and how it was rated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, TimestampNTZType, TimestampType

from shoal.errors import ConfigError, DataError, bulleted, did_you_mean
from shoal.sources.any_table import any_table, as_text, as_time
from shoal.sources.readers import UNREADABLE, first_line

SCHEMA = "user_id string, item_id string, event string, rating double, time timestamp"
NAMES = ("user_id", "item_id", "event", "rating", "time")
_COLUMN = {"user": "user_id", "item": "item_id"}  # of a role; others are named as the role


@dataclass(frozen=True)
class Raw:
    """A table as it lies there, and which of its columns has which role."""

    path: str
    rows: DataFrame
    columns: Mapping[str, str]  # role -> column


def opened(
    spark: SparkSession,
    path: str,
    columns: Mapping[str, str],
    *,
    optional: Sequence[str] = (),
    where: str | None = None,
) -> Raw:
    """A table of CSV, TSV or other text, Parquet or Delta, with the columns that have a role.

    Text without a header has columns ``c1``, ``c2``, ... and is meant where ``columns`` holds numbers.

    Args:
        spark: the session.
        path: a file, a glob, a folder of files, or the folder of a Delta table.
        columns: role -> column's name, or its place from 1.
        optional: roles that the table may lack.
        where: SQL over the table's own columns; only rows of which it holds are read.

    Raises:
        ConfigError: nothing is there, or ``where`` cannot be used.
        DataError: it cannot be read, or lacks columns.
    """
    by_position = all(name.isdecimal() for name in columns.values())
    try:
        rows = any_table(spark, path, by_position=by_position)
    except UNREADABLE as error:
        if "PATH_NOT_FOUND" in str(error):
            raise ConfigError(f"{path} does not exist, or matches no file") from error
        raise DataError(f"{path} cannot be read: {first_line(error)}") from error
    found = {
        role: (f"c{name}" if by_position and f"c{name}" in rows.columns else name) for role, name in columns.items()
    }
    missing = {role: name for role, name in found.items() if name not in rows.columns and role not in optional}
    if missing:
        lacks = [
            f"{path}: has no column {name!r} for {role}{did_you_mean(name, rows.columns)}"
            for role, name in missing.items()
        ]
        raise DataError(bulleted("cannot evaluate:", lacks))
    if where is not None:
        try:
            rows = rows.where(where)
        except UNREADABLE as error:
            raise ConfigError(f"--where {where!r} cannot be used on {path}: {first_line(error)}") from error
    return Raw(path, rows, {role: name for role, name in found.items() if name in rows.columns})


@dataclass(frozen=True)
class Interactions:
    """A table as interactions."""

    rows: DataFrame  # user_id, item_id, event, rating and time; null where the table has no such column
    read: int  # rows of the table, of which identical ones are one here


def interactions(raw: Raw, events: Sequence[str] | None = None, *, needs_positive: bool = False) -> Interactions:
    """The rows as interactions; refuses a table with values that cannot be used.

    Ids are text, as they are written: whole numbers without ``.0``. Times are seconds, milliseconds or microseconds
    since 1970, or ISO 8601 (UTC where they name no zone). Rows that are the same in all of these columns are one.

    Args:
        raw: of :func:`opened`.
        events: the event types that may occur; None: any.
        needs_positive: whether ratings must be above 0.

    Raises:
        DataError: values are missing or of the wrong form; says which, how many, one of them, and what to do.
    """
    typed = _typed(raw)
    read = _counted(raw, typed, events, needs_positive)
    return Interactions(typed.select(*NAMES).distinct(), read)


def _typed(raw: Raw) -> DataFrame:
    """Each role's value in its type, beside what it was as text."""
    kinds = {field.name: field.dataType for field in raw.rows.schema}
    types = dict(part.split(" ") for part in SCHEMA.split(", "))
    columns = list[Column]()
    for role in ("user", "item", "event", "rating", "time"):
        target = _COLUMN.get(role, role)
        if role not in raw.columns:
            columns.append(F.lit(None).cast(types[target]).alias(target))
            columns.append(F.lit(None).cast("string").alias(f"raw_{role}"))
            continue
        name = raw.columns[role]
        value = F.col(f"`{name.replace('`', '``')}`")
        text = as_text(value, kinds[name])
        match role:
            case "rating":
                read = text.try_cast("double")
                typed = F.when(~F.isnan(read) & (F.abs(read) < F.lit(float("inf"))), read)
            case "time":
                is_time = isinstance(kinds[name], TimestampType | TimestampNTZType | DateType)
                typed = value.cast("timestamp") if is_time else as_time(text)
            case _:
                typed = text
        columns += [typed.alias(target), text.alias(f"raw_{role}")]
    return raw.rows.select(*columns)


def _counted(raw: Raw, typed: DataFrame, events: Sequence[str] | None, needs_positive: bool) -> int:
    """How many rows there are; in the same pass counts every kind of fault, and refuses a table that has any."""
    faults = dict[str, tuple[Column, str, str]]()  # kind -> which rows, what is said of them, what to do

    def add(kind: str, role: str, bad: Column, said: str, todo: str) -> None:
        if role in raw.columns:
            faults[kind] = (bad, f"{said} in column {raw.columns[role]}", todo)

    add("user", "user", F.col("user_id").isNull(), "no user", "leave such rows out with --where")
    add("item", "item", F.col("item_id").isNull(), "no item", "leave such rows out with --where")
    add("no_event", "event", F.col("event").isNull(), "no event type", "leave such rows out with --where")
    if events is not None:
        unknown = ~F.col("event").isin([*events])
        add("event", "event", unknown, "an event type without a weight", "name it in --weights; 0 leaves it out")
    add("rating", "rating", F.col("rating").isNull(), "a rating that is no number", "mend or leave out such rows")
    if needs_positive:
        add("low", "rating", F.col("rating") <= 0, "a rating of 0 or below", "add --rating ignored, or --where")
    add("time", "time", F.col("time").isNull(), "a time that is none",
        "write seconds or milliseconds since 1970, or ISO 8601")  # fmt: skip
    row = F.concat_ws(", ", *(
        F.concat(F.lit(f"{raw.columns[role]}="), F.coalesce(f"raw_{role}", F.lit("null"))) for role in raw.columns
    ))  # fmt: skip
    counts = [F.count_if(F.coalesce(bad, F.lit(False))).alias(kind) for kind, (bad, _, _) in faults.items()]
    shown = [F.min(F.when(bad, row)).alias(f"{kind}_row") for kind, (bad, _, _) in faults.items()]
    try:
        found = typed.agg(F.count(F.lit(1)).alias("rows"), *counts, *shown).first()
    except UNREADABLE as error:
        raise DataError(f"{raw.path} cannot be read: {first_line(error)}") from error
    assert found is not None, "an aggregate has one row"
    if not found["rows"]:
        raise DataError(f"{raw.path}: has no row to evaluate")
    of_all = f"of {found['rows']:,} rows have"
    problems = [
        f"{raw.path}: {found[kind]:,} {of_all} {said}, such as {found[f'{kind}_row'][:200]}; {todo}"
        for kind, (_, said, todo) in faults.items()
        if found[kind]
    ]
    if problems:
        raise DataError(bulleted("cannot evaluate:", problems))
    return int(found["rows"])
