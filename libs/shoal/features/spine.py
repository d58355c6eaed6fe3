"""A list of users and times -> each row with its own cut: the spine of a training set."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DateType, TimestampNTZType, TimestampType

from shoal.errors import ConfigError, DataError, bulleted, did_you_mean
from shoal.sources.any_table import any_table, as_text, as_time
from shoal.sources.readers import UNREADABLE, first_line

WHO, WHEN = "_spine_user_id", "_spine_as_of"  # of each row: the user's id as text, and the row's cut
_DAY = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*$"
_MIDNIGHT = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]00:00(:00([.]0+)?)?)?\s*$"  # what some programs make of a day


@dataclass(frozen=True)
class Spine:
    """The rows of a spine, and what is known of them."""

    rows: DataFrame  # the table's own columns, and WHO and WHEN
    columns: tuple[str, ...]  # the table's own
    size: int
    users: int
    cuts: tuple[date, ...]  # the different ones, ascending


def opened(spark: SparkSession, path: str, *, zone: str, taken: Collection[str]) -> DataFrame:
    """The table with two columns more, :data:`WHO` and :data:`WHEN`, which are null where nothing can be read.

    Args:
        spark: the session.
        path: CSV, TSV, Parquet or a Delta table with ``user_id`` and ``as_of`` (a day) or ``time`` (a moment); where
            there are both, ``as_of`` is taken.
        zone: the shop's: a moment is of its day.
        taken: names of columns that will be added.

    Raises:
        ConfigError: it cannot be read, lacks columns, or has some of a name that is taken; all of these together.
    """
    try:
        rows = any_table(spark, path)
    except UNREADABLE as error:
        if "PATH_NOT_FOUND" in str(error):
            raise ConfigError(f"--spine: {path} does not exist, or matches no file") from error
        raise ConfigError(f"--spine: {path} cannot be read: {first_line(error)}") from error
    except DataError as error:
        raise ConfigError(f"--spine: {error}") from error
    if problems := [*_of_columns(path, rows.columns, taken)]:
        raise cannot_join(problems)
    kinds = {field.name: field.dataType for field in rows.schema}
    cut = _day("as_of", kinds["as_of"]) if "as_of" in kinds else _day_of_time("time", kinds["time"], zone)
    return rows.withColumns({WHO: as_text(column_of("user_id"), kinds["user_id"]), WHEN: cut})


def checked(rows: DataFrame, path: str, *, first: date, last: date) -> Spine:
    """What is known of the rows of :func:`opened`, in one pass over them.

    Args:
        rows: of :func:`opened`, kept.
        path: where they are from, for messages.
        first: the first day with an event: before the next one there is nothing to know.
        last: the last day that a cut may be.

    Raises:
        ConfigError: values are missing or cannot be used: says which, how many, one of them, and what to do.
    """
    name = "as_of" if "as_of" in rows.columns else "time"
    cut = F.col(WHEN)
    faults = {
        "nobody": (F.col(WHO).isNull(), "no user_id", "leave such rows out"),
        "never": (cut.isNull(), f"no {name} that is {_FORMS[name]}", _TODO[name]),
        "early": (cut <= F.lit(first), f"a cut at or before {first}, the first day with an event: nothing was known",
                  "leave such rows out"),
        "late": (cut > F.lit(last), f"a cut after {last}, a year after the last event", "is that day meant?"),
    }  # fmt: skip
    told = F.concat_ws(", ", *(
        F.concat(F.lit(f"{column}="), F.coalesce(column_of(column).cast("string"), F.lit("null")))
        for column in ("user_id", name)
    ))  # fmt: skip
    is_usable = (cut > F.lit(first)) & (cut <= F.lit(last))
    counts = [F.count_if(F.coalesce(bad, F.lit(False))).alias(kind) for kind, (bad, _, _) in faults.items()]
    shown = [F.min(F.when(bad, told)).alias(f"{kind}_row") for kind, (bad, _, _) in faults.items()]
    try:
        found = rows.agg(
            F.count(F.lit(1)).alias("rows"),
            F.count_distinct(WHO).alias("users"),
            F.collect_set(F.when(is_usable, cut)).alias("cuts"),  # days: few, whatever the rows
            *counts,
            *shown,
        ).first()
    except UNREADABLE as error:
        raise ConfigError(f"--spine: {path} cannot be read: {first_line(error)}") from error
    assert found is not None, "an aggregate has one row"
    if not found["rows"]:
        raise ConfigError(f"--spine: {path} has no row")
    problems = [
        f"{path}: {found[kind]:,} of {found['rows']:,} rows have {said}, such as {found[f'{kind}_row'][:200]}; {todo}"
        for kind, (_, said, todo) in faults.items()
        if found[kind]
    ]
    if problems:
        raise cannot_join(problems)
    own = tuple(column for column in rows.columns if column not in (WHO, WHEN))
    return Spine(rows, own, found["rows"], found["users"], tuple(sorted(found["cuts"])))


def latest(last_event: date, most_silent_days: int) -> date:
    """The last day that may be meant as a cut."""
    return last_event + timedelta(days=1 + most_silent_days)


def cannot_join(problems: Iterable[str]) -> ConfigError:
    """All problems as one error, bounded."""
    return ConfigError(bulleted("cannot join features:", problems))


_FORMS = {"as_of": "a day such as 2025-03-01", "time": "a time"}
_TODO = {
    "as_of": "write days as YYYY-MM-DD, or name a column of moments time",
    "time": "write ISO 8601, or seconds or milliseconds since 1970",
}


def _of_columns(path: str, columns: list[str], taken: Collection[str]) -> Iterator[str]:
    if "user_id" not in columns:
        yield f"{path}: has no column user_id{did_you_mean('user_id', columns)}"
    if not {"as_of", "time"} & {*columns}:
        there = ", ".join(columns[:12])
        yield f"{path}: has neither a column as_of (a day) nor time (a moment); its columns are {there}"
    held = {name.lower() for name in (WHO, WHEN, *taken)} | ({"as_of"} - {*columns})
    for name in columns:
        if name.lower() in held:
            yield f"{path}: its column {name} has the name of one that is added; rename it, or choose others by --only"


def column_of(name: str) -> Column:
    """A column of the table itself, whatever signs are in its name."""
    return F.col("`" + name.replace("`", "``") + "`")


def _day(name: str, kind: DataType) -> Column:
    """A day; also of what programs write that know times only, where all of it is midnight."""
    value = column_of(name)
    if isinstance(kind, DateType):
        return value
    if isinstance(kind, TimestampType | TimestampNTZType):
        return F.when(value == F.date_trunc("DAY", value), value.cast("date"))
    text = value.cast("string")
    return F.when(text.rlike(_MIDNIGHT), F.trim(text).substr(1, 10).try_cast("date"))


def _day_of_time(name: str, kind: DataType, zone: str) -> Column:
    """The shop-local day of a moment, UTC where it names no zone; a day without a time is itself."""
    value = column_of(name)
    if isinstance(kind, DateType):
        return value
    if isinstance(kind, TimestampType | TimestampNTZType):
        return F.from_utc_timestamp(value.cast("timestamp"), zone).cast("date")
    text = value.cast("string")
    local = F.from_utc_timestamp(as_time(text), zone).cast("date")
    return F.when(text.rlike(_DAY), F.trim(text).try_cast("date")).otherwise(local)
