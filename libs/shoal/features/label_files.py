"""A file of users and labels of any kind, as numbers."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BooleanType, DataType, MapType, NumericType, StructType

from shoal.errors import ConfigError, DataError, bulleted, did_you_mean
from shoal.features.spine import column_of
from shoal.frames import persisted
from shoal.models.selection.codebooks import CLASSES
from shoal.sources.any_table import any_table, as_text
from shoal.sources.readers import UNREADABLE, first_line

_MOST = 10  # labels: more are a table of features
_MOST_TEXTS = CLASSES  # more would be looked at by tenths, which text has none of: it has no order
_TIMES = ("as_of", "time")
_NUMBER, _TEXTS = "_label_", "_texts"  # columns: a label's number, and what is no number


@dataclass(frozen=True)
class FileLabels:
    """Labels of users."""

    rows: DataFrame  # user_id and a column of numbers per label
    columns: dict[str, str]  # column of rows by name of the label
    users: int


@contextmanager
def labels_of_file(spark: SparkSession, path: str) -> Iterator[FileLabels]:
    """The labels of a file, each as a number; for as long as they are used.

    Yes is 1 and no is 0, also as text. Text that is no number is numbered in the order of the alphabet. What is empty
    is null.

    Args:
        spark: the session.
        path: CSV, TSV, Parquet or a Delta table: ``user_id``, and a column for each label.

    Raises:
        ConfigError: it cannot be read, or used; says why.
    """
    try:
        rows = any_table(spark, path)
    except UNREADABLE as error:
        raise ConfigError(f"--label: {path} cannot be read: {first_line(error)}") from error
    except DataError as error:
        raise ConfigError(f"--label: {error}") from error
    names = [name for name in rows.columns if name != "user_id"]
    _refuse(_of_columns(path, rows, names))
    kinds = {field.name: field.dataType for field in rows.schema}
    numbers, texts = [], []
    for place, name in enumerate(names):
        number, text = _number_or_text(column_of(name), kinds[name])
        numbers.append(number.alias(f"{_NUMBER}{place}"))
        texts.append(text)
    user = as_text(column_of("user_id"), kinds["user_id"]).alias("user_id")
    with persisted(rows.select(user, *numbers, F.array(*texts).alias(_TEXTS))) as kept:
        users, numeric = _counted(kept, path, len(names))
        told = _different_texts(kept, len(names))
        _refuse(_of_texts(path, names, told, numeric))
        values = [
            F.array_position(F.lit(told[place]), F.col(_TEXTS)[place]).cast("double").alias(f"{_NUMBER}{place}")
            if told[place] else F.col(f"{_NUMBER}{place}")
            for place in range(len(names))
        ]  # fmt: skip
        yield FileLabels(
            kept.select("user_id", *values), {name: f"{_NUMBER}{place}" for place, name in enumerate(names)}, users
        )


def _refuse(problems: Iterable[str]) -> None:
    if found := [*problems]:
        raise ConfigError(bulleted("cannot use these labels:", found))


def _counted(rows: DataFrame, path: str, labels: int) -> tuple[int, list[int]]:
    """How many users there are, each of whom must be there once, and how many numbers each label has."""
    numbers = [f"{_NUMBER}{place}" for place in range(labels)]
    of_users = rows.groupBy("user_id").agg(
        F.count(F.lit(1)).alias("times"), *(F.count(name).alias(name) for name in numbers)
    )
    found = of_users.agg(
        F.count("user_id").alias("users"), F.sum("times").alias("rows"), F.max("times").alias("most"),
        F.max_by("user_id", F.struct("times", "user_id")).alias("user"),
        F.count_if(F.col("user_id").isNull()).alias("nobody"), *(F.sum(name).alias(name) for name in numbers),
    ).first()  # fmt: skip
    assert found is not None, "an aggregate has one row"
    if not found["users"]:
        _refuse([f"{path}: has no row with a user_id"])
    if found["nobody"]:
        _refuse([f"{path}: some rows have no user_id; leave such rows out"])
    if found["most"] > 1:
        _refuse([f"{path}: {found['rows']:,} rows are of {found['users']:,} users, {found['most']:,} of them of "
                 f"{found['user'][:200]}; leave one row per user"])  # fmt: skip
    return found["users"], [found[name] for name in numbers]


def _different_texts(rows: DataFrame, labels: int) -> list[list[str]]:
    """Per label its different texts, sorted; some more than are allowed where there are too many."""
    each = rows.select(F.posexplode(_TEXTS).alias("place", "text")).where("text IS NOT NULL").distinct()
    told: list[list[str]] = [[] for _ in range(labels)]
    for row in each.limit(labels * (_MOST_TEXTS + 1)).collect():
        told[row["place"]].append(row["text"])
    return [sorted(texts) for texts in told]


def _of_texts(path: str, names: list[str], told: list[list[str]], numeric: list[int]) -> Iterator[str]:
    for name, texts, numbers in zip(names, told, numeric, strict=True):
        if len(texts) > _MOST_TEXTS:
            yield f"{path}: its column {name} has more than {_MOST_TEXTS} different texts; a label has few"
        elif texts and numbers:
            yield (f"{path}: its column {name} has numbers and text, such as {texts[0][:100]!r}; write one of them, "
                   "and nothing where nothing is known")  # fmt: skip


def _of_columns(path: str, rows: DataFrame, names: list[str]) -> Iterator[str]:
    if "user_id" not in rows.columns:
        yield f"{path}: has no column user_id{did_you_mean('user_id', rows.columns)}"
    elif not names:
        yield f"{path}: has no column beside user_id; add one with a label"
    if len(names) > _MOST:
        yield f"{path}: has {len(names)} columns beside user_id, each of them a label; {_MOST} are the most"
    for name in names:
        if name.lower() in _TIMES:
            yield (f"{path}: its column {name} is no label, and features are those of the run's day; leave it out, or "
                   "join features to times of your own with `shoal features as-of`")  # fmt: skip
        if isinstance(rows.schema[name].dataType, ArrayType | MapType | StructType):
            yield f"{path}: its column {name} is nested; a label is one value"


def _number_or_text(value: Column, kind: DataType) -> tuple[Column, Column]:
    """A value as a number, and as text where it is none; both null of what is empty."""
    if isinstance(kind, BooleanType | NumericType):
        return value.cast("double"), F.lit(None).cast("string")
    text = F.trim(value.cast("string"))
    small = F.lower(text)
    number = F.when(small == "true", F.lit(1.0)).when(small == "false", F.lit(0.0)).otherwise(text.try_cast("double"))
    return number, F.when((text != "") & number.isNull(), text)
