"""silver.events, silver.orders, silver.items, silver.users, silver.user_changes, silver.identities,
silver.account_aliases ->
features.user_days, features.user_item_days, features.visitor_days, features.visitor_item_days, features.limits,
features.users, features.user_categories, features.items
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books import batches, releases, runs
from shoal.books.runs import Run
from shoal.cli import run_job
from shoal.config import Config, settings_hash
from shoal.errors import ConfigError
from shoal.features import drift as feature_drift
from shoal.features import ordinary, people, tiling
from shoal.features import own as own_features
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.tables import (
    EVENTS,
    ITEM_FEATURES,
    ITEMS,
    LIMITS,
    USER_CATEGORIES,
    USER_CHANGES,
    USER_DAYS,
    USER_FEATURES,
    USER_ITEM_DAYS,
    USERS,
)
from shoal.transforms.catalogue import catalogue_at
from shoal.transforms.item_features import item_features, item_sums
from shoal.transforms.user_categories import met, user_categories
from shoal.transforms.user_features import user_features


def build_features(lake: Lake, config: Config, run: Run) -> None:
    """Open the run: bring the tiles of touched days up to date, then summarise every user before ``as_of``."""
    entered = [b for b in batches.all_batches(lake) if b.has_entered]
    if not entered:
        raise ConfigError(f"{lake.location} holds no validated events yet; run ingest and validate first")
    last = max(entered, key=lambda batch: batch.row["sequence"])
    pins = dict(last.row["silver_versions"])
    first_bought = _checked(lake.read(EVENTS, pins[EVENTS.name]), run)

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
    run.versions_read = {**pins, **tiling.refresh(lake, config, run, entered, pins)}
    everyone = people.of_run(lake, run, config.features)
    days, item_days = everyone.tiles(USER_DAYS, run.day), everyone.tiles(USER_ITEM_DAYS, run.day)
    users, told = lake.read(USERS, run.versions_read[USERS.name]), runs.read_if_there(lake, run, USER_CHANGES)
    edges = ordinary.score_edges(lake, run, config.features, everyone, users, told, current, first_bought)
    limits = ordinary.learn(lake, run, config.features, days, item_days, everyone.counted(run.day), edges)
    items = catalogue_at(lake.read(ITEMS, run.versions_read[ITEMS.name]), run.day)
    features = user_features(
        days,
        item_days,
        users,
        as_of=run.day,
        run_id=run.key,
        items=items,
        user_changes=told,
        accounts=everyone.accounts(run.day),
        limits=limits,
        own=own_features.features_of(config),
    )
    lake.replace(USER_FEATURES, features, where=run.slice, once=run.key)
    run.versions_read |= {table.name: lake.written[table.name] for table in (LIMITS, USER_FEATURES)}
    written = lake.read(USER_FEATURES, run.versions_read[USER_FEATURES.name]).where(run.slice)
    measured = feature_drift.measure(written, config, as_of=run.day)
    run.rows = measured.users
    ordinary.tell(
        run,
        suspects=measured.total("is_suspect"),
        extremes=measured.total("extreme_purchases"),
        treatment=config.features.outliers,
    )
    feature_drift.record(lake, config, run, measured, book)
    with everyone.kept_tiles(USER_ITEM_DAYS, run.day) as kept:
        _beside_users(lake, config, run, kept, items, ordinary.humans(written).select("user_id"))


def _beside_users(
    lake: Lake, config: Config, run: Run, item_days: DataFrame, items: DataFrame, users: DataFrame
) -> None:
    """Summarise what each of these users likes, and what became of each item among them."""
    liked = config.features.affinity
    with persisted(met(item_days, items, users, as_of=run.day, params=liked)) as found:
        rows = user_categories(found, as_of=run.day, run_id=run.key, params=liked)
        lake.replace(USER_CATEGORIES, rows, where=run.slice, once=run.key)
    of_users = item_days.join(users, on="user_id", how="left_semi")
    with persisted(item_sums(of_users, items, as_of=run.day)) as sums:
        lake.replace(ITEM_FEATURES, item_features(sums, as_of=run.day, run_id=run.key), where=run.slice, once=run.key)


def _checked(events: DataFrame, run: Run) -> date | None:
    """Refuse a day before all events and one that must be a slip, as later days would only be archived behind it.

    Returns:
        Day of the first purchase; None without one.
    """
    as_of = run.day
    bought_on = F.when(F.col("event_type") == "purchase", F.col("event_date"))
    span = events.where("NOT is_deleted").agg(
        F.min("event_date").alias("first"), F.max("event_date").alias("last"), F.min(bought_on).alias("first_bought")
    )
    first, last, first_bought = span.first() or (None, None, None)
    if first is None or last is None:
        raise ConfigError(
            f"--as-of {as_of}: nothing is known of any day: all that was delivered so far was rejected, ignored or "
            "taken back, or tells of items and users only; `shoal show` counts it"
        )
    if as_of <= first:
        raise ConfigError(
            f"--as-of {as_of}: nothing is known before that day; events run from {first} to {last}, "
            "and as_of is the first day that must not be seen"
        )
    silent = (as_of - last).days - 1
    if silent > tiling.MOST_SILENT_DAYS:
        raise ConfigError(f"--as-of {as_of}: the last event is of {last}, {silent:,} days before; is that day meant?")
    if silent > tiling.SILENT_DAYS:
        run.warn(f"the last event before --as-of {as_of} is of {last}: nothing is known of the {silent} days between")
    return first_bought


if __name__ == "__main__":
    run_job("features")
