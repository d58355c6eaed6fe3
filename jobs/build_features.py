"""silver.events, silver.orders, silver.users, silver.user_changes, silver.identities, silver.account_aliases ->
features.user_days, features.user_item_days, features.visitor_days, features.visitor_item_days, features.limits,
features.users
"""

from collections.abc import Callable, Mapping

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal import batches, facts, ordinary, people, releases, runs
from shoal.batches import Batch
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.errors import ConfigError, RaceError
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.people import People
from shoal.runs import Run
from shoal.tables import (
    EVENTS,
    IDENTITIES,
    LIMITS,
    ORDERS,
    USER_CHANGES,
    USER_DAYS,
    USER_FEATURES,
    USER_ITEM_DAYS,
    USERS,
    VISITOR_DAYS,
    VISITOR_ITEM_DAYS,
    Table,
)
from shoal.transforms import outliers, suspects, tiles
from shoal.transforms.accounts import counted
from shoal.transforms.limits import Limits, limits, spreads
from shoal.transforms.user_features import user_features

_THROUGH = "through_sequence"
_SILENT_DAYS, _MOST_SILENT_DAYS = 31, 366  # without events before as_of: a shop that rests, and a slip of the pen


def build_features(lake: Lake, config: Config, run: Run) -> None:
    """Open the run: bring the tiles of touched days up to date, then summarise every user before ``as_of``."""
    entered = [b for b in batches.all_batches(lake) if b.has_entered]
    if not entered:
        raise ConfigError(f"{lake.location} holds no validated events yet; run ingest and validate first")
    last = max(entered, key=lambda batch: batch.row["sequence"])
    pins = dict(last.row["silver_versions"])
    _check_as_of(lake.read(EVENTS, pins[EVENTS.name]), run)

    wanted, run.id = run.id, runs.run_id_of(run.day, settings_hash(config), pins)
    if wanted not in (None, run.id):
        raise ConfigError(f"--run-id {wanted}: this day, these settings, code and data make {run.id}")
    book = releases.history(lake)
    if opened := runs.opened(lake, run.id):
        runs.adopt(run, opened)
        run.nothing_new(f"run {run.id} is already open" if not releases.is_released(book, run.id)
                        else f"run {run.id} is already released: nothing new")  # fmt: skip
        return
    current = releases.current([row for row in book if row["as_of"] <= run.day])  # a backfill knows no later one
    run.previous_seq = current["seq"] if current else None
    run.versions_read = {**pins, **_refresh_tiles(lake, config, run, entered, pins)}
    everyone = _people(lake, config, run)
    days, item_days = everyone.tiles(USER_DAYS, run.day), everyone.tiles(USER_ITEM_DAYS, run.day)
    users, told = lake.read(USERS, run.versions_read[USERS.name]), runs.read_if_there(lake, run, USER_CHANGES)
    usual = _limits(lake, config, run, days, item_days, counted(users, told, as_of=run.day))
    features = user_features(days, item_days, users, as_of=run.day, run_id=run.key, user_changes=told, limits=usual)
    lake.replace(USER_FEATURES, features, where=run.slice, once=run.key)
    run.versions_read[USER_FEATURES.name] = lake.written[USER_FEATURES.name]
    found = _found(lake, run)
    run.rows = found["users"]
    if found["suspects"] or found["extremes"] or config.features.outliers != "keep":
        run.versions_read[LIMITS.name] = lake.written[LIMITS.name]
    _tell(run, found, config.features.outliers)


def _limits(lake: Lake, config: Config, run: Run, days: DataFrame, item_days: DataFrame, users: DataFrame) -> Limits:
    """Learn beyond what nobody is taken for human and no purchase for a usual one."""
    params = config.features.limits
    found = spreads(
        suspects.user_values(days, item_days, users, as_of=run.day, params=params),
        outliers.item_values(item_days, as_of=run.day, params=params),
    )
    with persisted(found) as kept:
        learned = limits(kept, as_of=run.day, run_id=run.key, params=params)
        lake.replace(LIMITS, learned, where=run.slice, once=run.key)
    return ordinary.limits_at(lake, run, config.features, lake.written[LIMITS.name])


def _found(lake: Lake, run: Run) -> Row:
    """How many users there are, how many of them are suspect, and how many purchases of how many are extreme."""
    found = lake.read(USER_FEATURES).where(run.slice).agg(
        F.count(F.lit(1)).alias("users"),
        F.count_if("is_suspect").alias("suspects"),
        F.coalesce(F.sum("extreme_purchases"), F.lit(0)).alias("extremes"),
        F.count_if(F.col("extreme_purchases") > 0).alias("buyers"),
    ).first()  # fmt: skip
    assert found is not None, "an aggregate has one row"
    return found


def _tell(run: Run, found: Row, treatment: str) -> None:
    """Say who and what is out of the ordinary."""
    if found["suspects"]:
        who = (
            "user behaves as no human does and is"
            if found["suspects"] == 1
            else "users behave as no human does and are"
        )
        run.note(
            f"{found['suspects']:,} {who} left out of models, segments and lists: "
            f"SELECT user_id, suspect_reasons FROM features.users WHERE {run.slice} AND is_suspect"
        )
    if found["extremes"]:
        purchases = "purchase is" if found["extremes"] == 1 else "purchases are"
        run.note(
            f"{found['extremes']:,} {purchases} beyond the usual pieces or price of their item "
            f"(features.outliers={treatment}): SELECT user_id, extreme_purchases FROM features.users "
            f"WHERE {run.slice} AND extreme_purchases > 0"
        )


def _check_as_of(events: DataFrame, run: Run) -> None:
    """Refuse a day before all events and one that must be a slip, as later days would only be archived behind it."""
    as_of = run.day
    span = events.where("NOT is_deleted").agg(F.min("event_date").alias("first"), F.max("event_date").alias("last"))
    first, last = span.first() or (None, None)
    if first is None or last is None or as_of <= first:
        raise ConfigError(
            f"--as-of {as_of}: nothing is known before that day; events run from {first} to {last}, "
            "and as_of is the first day that must not be seen"
        )
    silent = (as_of - last).days - 1
    if silent > _MOST_SILENT_DAYS:
        raise ConfigError(f"--as-of {as_of}: the last event is of {last}, {silent:,} days before; is that day meant?")
    if silent > _SILENT_DAYS:
        run.warn(f"the last event before --as-of {as_of} is of {last}: nothing is known of the {silent} days between")


def _people(lake: Lake, config: Config, run: Run) -> People:
    """Who is who before this run's day; what can matter to nobody by then is not pinned, so that no stage reads it."""
    everyone = People(lake, run, config.features)
    if VISITOR_DAYS.name in run.versions_read:
        links = people.known_before(lake.read(IDENTITIES, run.versions_read[IDENTITIES.name]), run.day)
        acts = lake.read(VISITOR_DAYS, run.versions_read[VISITOR_DAYS.name]).where(F.col("event_date") < F.lit(run.day))
        if people.some_are_met(acts, links):
            everyone.warn_of_shared(run.day)
        else:
            del run.versions_read[VISITOR_DAYS.name], run.versions_read[VISITOR_ITEM_DAYS.name]
    return everyone


def _refresh_tiles(
    lake: Lake, config: Config, run: Run, entered: list[Batch], pins: Mapping[str, int]
) -> dict[str, int]:
    """Rebuild the days that batches have touched since the tiles were built; returns the tiles' versions."""
    wanted = config.features.tile_buckets
    held = facts.settle(lake, {"tile_buckets": (str(wanted), "from the settings when the lake was made")})
    buckets = int(held["tile_buckets"])
    if buckets != wanted:
        run.warn(f"features.tile_buckets={wanted} has no effect: the lake was made with {buckets}")
    events, orders = lake.read(EVENTS, pins[EVENTS.name]), lake.read(ORDERS, pins[ORDERS.name])
    build: dict[Table, Callable[[DataFrame, DataFrame], DataFrame]] = {
        USER_DAYS: lambda on_days, begun: tiles.user_days(on_days, begun, buckets=buckets),
        USER_ITEM_DAYS: lambda on_days, _: tiles.user_item_days(on_days, buckets=buckets),
    }
    if _visitors_matter(lake, events, pins):
        build |= {
            VISITOR_DAYS: lambda on_days, begun: tiles.visitor_days(on_days, begun, buckets=buckets),
            VISITOR_ITEM_DAYS: lambda on_days, _: tiles.visitor_item_days(on_days, buckets=buckets),
        }
    through = max(batch.row["sequence"] for batch in entered)
    for table, built in build.items():
        stamp = lake.last_stamp(table, _THROUGH)
        done = int(stamp[1]) if stamp else 0
        if done >= through:
            continue
        days = sorted({d for b in entered if b.row["sequence"] > done for d in b.row["touched_days"]})
        if done == 0:
            rows, where = built(events, orders), None
        else:
            rows = built(events.where(F.col("event_date").isin(days)), orders.where(F.col("order_date").isin(days)))
            where = "event_date IN (" + ", ".join(f"DATE '{day}'" for day in days) + ")" if days else "false"
        # Who waited for another run that knows more batches must not write over its tiles.
        lake.replace(table, rows, where=where, once="tiles", number=through, stamp={_THROUGH: str(through)})
    return {table.name: _version_through(lake, table, through) for table in build}


def _visitors_matter(lake: Lake, events: DataFrame, pins: Mapping[str, int]) -> bool:
    """True from the first run on that knows a visitor who met a user and did something without one."""
    if IDENTITIES.name not in pins:
        return False
    if lake.exists(VISITOR_DAYS):
        return True
    return people.some_are_met(events.where(tiles.OF_VISITORS), lake.read(IDENTITIES, pins[IDENTITIES.name]))


def _version_through(lake: Lake, table: Table, through: int) -> int:
    """The newest version of the tiles, which must know the batches that this run knows, and no others."""
    stamp = lake.last_stamp(table, _THROUGH)
    assert stamp is not None, f"{table.name} was just built"
    version, known = stamp
    if int(known) != through:
        raise RaceError(f"{table.name}: another run has rebuilt the tiles from other batches; run the command again")
    return version


if __name__ == "__main__":
    run_job("features")
