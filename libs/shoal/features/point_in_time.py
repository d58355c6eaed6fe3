"""A spine of users and times -> the same rows with each user's features at that time: `shoal features as-of`.

Whatever the number of cuts, tiles are read once: each is taken along to the cuts after it (transforms/cuts.py).
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, MapType, StructType

from shoal.books import facts
from shoal.books.runs import Run
from shoal.config import Config
from shoal.errors import ConfigError, did_you_mean
from shoal.features import own as own_features
from shoal.features import tiling
from shoal.features.as_known import as_known
from shoal.features.people import Asked, People, Readable, of_run
from shoal.features.spine import WHEN, WHO, Spine, cannot_join, checked, column_of, latest, opened
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.sources.readers import UNREADABLE, first_line
from shoal.tables import EVENTS, ITEMS, USER_CHANGES, USER_DAYS, USER_ITEM_DAYS, USERS
from shoal.tables.feature import Features
from shoal.tables.user_features import FEATURES
from shoal.transforms.accounts import counted
from shoal.transforms.user_features import user_features

IS_KNOWN = "is_known"
# What a run judges by limits that it has learned on its own day is of that day: at another it would tell the future.
_SHOWN = tuple(feature.name for feature in FEATURES.values() if feature.is_shown)
OF_A_RUN = tuple(name for name in _SHOWN if FEATURES.needed_for([name]).over("limits"))
OFFERED = tuple(name for name in _SHOWN if name not in OF_A_RUN)
_REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")
_PARQUET_TIMES = "spark.sql.parquet.outputTimestampType"
_PAIR = ["user_id", "as_of"]
_IS_BARRED = "_is_barred"

Tell = Callable[[str, str], None]  # a kind (note, warning) and a sentence


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    spine: str  # path of the list
    out: str  # folder to write
    names: tuple[str, ...]  # of features, in the order in which they are declared; then the shop's own
    known_as_of: date | None = None  # first day whose deliveries must not be seen

    @property
    def is_csv(self) -> bool:
        """Whether text is written, and not Parquet."""
        return self.out.lower().endswith(".csv")


def asked(config: Config, *, spine: str, out: str, only: str | None, known_as_of: date | None = None) -> Request:
    """A request as the command line says it; needs no Spark.

    Args:
        config: the settings, whose own features may be named.
        spine: path of the list.
        out: path of what is to be written.
        only: names of features, with commas; None: all of them.
        known_as_of: first shop-local day whose deliveries must not be seen; None: whatever was delivered is.

    Raises:
        ConfigError: all that can be seen to be wrong.
    """
    own = own_features.features_of(config)
    every = Features([*FEATURES.values(), *own])
    of_a_run = [*OF_A_RUN, *(one.name for one in own if every.needed_for([one.name]).over("limits"))]
    known = [*OFFERED, *(one.name for one in own if one.name not in of_a_run)]
    wanted = {*known} if only is None else {name.strip() for name in only.split(",") if name.strip()}
    problems = [_unknown(name, known, of_a_run) for name in sorted(wanted - {*known})]
    if not wanted:
        problems.append("--only: names no feature")
    if not spine.strip():
        problems.append("--spine: is empty; name a file of user_id and as_of")
    elif not _REMOTE.match(spine) and not any(sign in spine for sign in "*?[{") and not os.path.exists(spine):
        problems.append(f"--spine: {spine} does not exist")
    folder = out.rstrip("/")
    if not folder.lower().endswith((".parquet", ".csv")):
        problems.append(f"--out: {out} must end in .parquet or .csv, which says what is written")
    elif not _REMOTE.match(folder) and os.path.exists(folder):
        problems.append(f"--out: {out} is there already; name a new one")
    if problems:
        raise cannot_join(problems)
    return Request(spine, folder, tuple(name for name in known if name in wanted), known_as_of)


def join(lake: Lake, config: Config, request: Request, tell: Tell) -> str:
    """Write the rows of a spine with the features of each; says what was written.

    Args:
        lake: whose newest tiles are read.
        config: the settings, with features of the shop's own.
        request: of :func:`asked`.
        tell: takes what a person should know.

    Raises:
        ConfigError: the spine, the lake or the place to write cannot be used.
    """
    started = time.monotonic()
    built = tiling.newest(lake)
    if built.batches_since:
        tell("warning", f"batches that are in no tile yet, and are not seen: {built.batches_since}; "
             "`shoal features --as-of DAY` builds their days")  # fmt: skip
    if config.features.outliers != "keep":
        tell("warning", f"features.outliers={config.features.outliers} has no effect here: which purchases are extreme "
             "is told by limits of one run, so they count as they were paid")  # fmt: skip
    if any(one.name in request.names for one in config.features.own):
        own_features.check(lake.spark, config)
    held = facts.known(lake)
    zone, gap = held["time_zone"], int(held.get("session_gap_minutes", config.features.session_gap_minutes))
    run = Run("features", datetime.now(UTC), versions_read=dict(built.versions), tell=tell)
    rows = opened(lake.spark, request.spine, zone=zone, taken={IS_KNOWN, _IS_BARRED, *request.names})
    if request.is_csv:
        _refuse_nested(rows, request)
    with ExitStack() as stack:
        source: Readable = lake
        if request.known_as_of is not None:
            known = as_known(lake, run.versions_read, known_as_of=request.known_as_of, zone=zone, gap_minutes=gap)
            source = stack.enter_context(known)
        first, last = _span(source, run)
        kept = stack.enter_context(persisted(rows))
        spine = checked(kept, request.spine, first=first, last=latest(last, tiling.MOST_SILENT_DAYS))
        run.as_of = spine.cuts[-1]
        if (silent := (run.as_of - last).days - 1) > tiling.SILENT_DAYS:
            tell("warning", f"the last event is of {last}: nothing is known of the {silent} days before {run.as_of}")
        pairs = spine.rows.select(F.col(WHO).alias("user_id"), F.col(WHEN).alias("as_of")).distinct()
        each = Asked(stack.enter_context(persisted(pairs)), spine.cuts)
        people = of_run(source, run, config.features)
        days = stack.enter_context(people.kept_tiles_at(USER_DAYS, each))
        item_days = stack.enter_context(people.kept_tiles_at(USER_ITEM_DAYS, each))
        shop = people.shop_items_at(each.cuts, first)
        features, barred = _features(people, config, request, each, (days, item_days), shop)
        return _written(request, spine, features, barred, started)


def _features(
    people: People, config: Config, request: Request, asked: Asked, tiles: tuple[DataFrame, DataFrame], shop: DataFrame
) -> tuple[DataFrame, DataFrame]:
    """Each user's features at each cut that is asked for, and who may have none: staff, tests, and who objected."""
    users = people.read(USERS).select("user_id", "account_kind").join(asked.pairs, on="user_id", how="inner")
    changes, accounts = None, people.accounts_at_each(asked.cuts)
    if USER_CHANGES.name in people.run.versions_read:
        whose = people.accounts_of(asked).select(F.col("account").alias("user_id"), "as_of")
        changes = people.read(USER_CHANGES).join(whose, on="user_id", how="inner")
    own = [one for one in own_features.features_of(config) if {*request.names} - {*OFFERED}]
    found = user_features(
        tiles[0],
        tiles[1],
        users,
        as_of=None,
        run_id="",
        items=people.read(ITEMS),
        user_changes=changes,
        accounts=accounts,
        only=[name for name in request.names if name in FEATURES],
        own=own,
        shop=shop,
    )
    columns = [F.col(name) if name in FEATURES else F.col("own")[name].alias(name) for name in request.names]
    barred = users.join(counted(users, changes, as_of=None, accounts=accounts), on=_PAIR, how="left_anti")
    return found.select(*_PAIR, *columns), barred.select(*_PAIR, F.lit(True).alias(_IS_BARRED))


def _written(request: Request, spine: Spine, features: DataFrame, barred: DataFrame, started: float) -> str:
    """Write the rows with their features; says how many there are."""
    named = features.withColumn(IS_KNOWN, F.lit(True)).withColumnsRenamed({"user_id": WHO, "as_of": WHEN})
    out = barred.withColumnsRenamed({"user_id": WHO, "as_of": WHEN})
    # The spine's own names may be any: of the features only those that are asked for come beside them.
    whole = spine.rows.join(named, on=[WHO, WHEN], how="left").join(out, on=[WHO, WHEN], how="left")
    counts = Observation()
    seen = whole.observe(
        counts,
        F.count(F.lit(1)).alias("rows"),
        F.count_if(F.col(IS_KNOWN)).alias("known"),
        F.count_if(F.col(_IS_BARRED)).alias("barred"),
    )
    own = [F.col(WHEN).alias("as_of") if name == "as_of" else column_of(name) for name in spine.columns]
    cut = [] if "as_of" in spine.columns else [F.col(WHEN).alias("as_of")]
    known = F.coalesce(F.col(IS_KNOWN), F.lit(False)).alias(IS_KNOWN)
    table = seen.select(*own, *cut, known, *request.names)
    try:
        if request.is_csv:
            table.write.mode("error").csv(request.out, header=True, escape='"')
        else:
            with _times_as_readers_know_them(table.sparkSession):
                table.write.mode("error").parquet(request.out)
    except UNREADABLE as error:
        raise ConfigError(f"--out: {request.out} cannot be written: {first_line(error)}") from error
    found = counts.get
    assert found["rows"] == spine.size, "a row was lost or doubled"
    cuts = f"{spine.cuts[0]}" if len(spine.cuts) == 1 else f"{spine.cuts[0]} to {spine.cuts[-1]}"
    lines = [
        f"{request.out}: {found['rows']:,} rows, {spine.users:,} users, {len(spine.cuts):,} cuts ({cuts}), "
        f"{len(request.names)} features, {time.monotonic() - started:.1f} s"
    ]
    if found["barred"]:
        lines.append(
            f"{found['barred']:,} rows have no features: their users may not be profiled, or are staff or tests"
        )
    if unmet := found["rows"] - found["known"] - found["barred"]:
        why = "their users had done nothing before, or are deleted or merged by then"
        lines.append(f"{unmet:,} rows have no features: {why}")
    return "\n".join(lines)


@contextmanager
def _times_as_readers_know_them(spark: SparkSession) -> Iterator[None]:
    """Meanwhile Parquet's times are moments in UTC; by default Spark writes INT96, whose zone no reader knows."""
    before = str(spark.conf.get(_PARQUET_TIMES))
    spark.conf.set(_PARQUET_TIMES, "TIMESTAMP_MICROS")
    try:
        yield
    finally:
        spark.conf.set(_PARQUET_TIMES, before)


def _span(source: Readable, run: Run) -> tuple[date, date]:
    """The first and the last day with an event."""
    span = tiling.known_days(source.read(EVENTS, run.versions_read[EVENTS.name]))
    if span is None:
        raise ConfigError("there were no events by then: nothing is known of anybody")
    return span


def _refuse_nested(rows: DataFrame, request: Request) -> None:
    nested = [field.name for field in rows.schema if isinstance(field.dataType, ArrayType | MapType | StructType)]
    if nested:
        raise cannot_join(f"{request.spine}: its column {name} is nested, which CSV cannot hold; write Parquet"
                          for name in nested)  # fmt: skip


def _unknown(name: str, known: list[str], of_a_run: list[str]) -> str:
    if name in of_a_run:
        return (
            f"--only: {name} is judged by limits that a run learns on its own day, so there is none at other days; "
            "features.users has it of each run"
        )
    return f"--only: unknown feature {name!r}{did_you_mean(name, known)}"
