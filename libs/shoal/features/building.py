"""The features of a run, or of runs of many days in one pass over the tiles: the same code and the same rows."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.config import Config
from shoal.features import drift as feature_drift
from shoal.features import ordinary
from shoal.features import own as own_features
from shoal.features.group import Group
from shoal.features.opening import Days, Ground
from shoal.features.ordinary import Edges
from shoal.features.people import People
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.tables import (
    ITEM_FEATURES,
    ITEMS,
    LIMITS,
    USER_CATEGORIES,
    USER_DAYS,
    USER_FEATURES,
    USER_ITEM_DAYS,
    USERS,
    VISITOR_DAYS,
    VISITOR_ITEM_DAYS,
)
from shoal.transforms.catalogue import catalogue_at, catalogue_at_each
from shoal.transforms.cuts import at_each
from shoal.transforms.item_features import item_features, item_sums
from shoal.transforms.limits import Limits
from shoal.transforms.user_categories import met, user_categories
from shoal.transforms.user_features import user_features

_TILES = (USER_DAYS, USER_ITEM_DAYS, VISITOR_DAYS, VISITOR_ITEM_DAYS)
# A row of a tile takes some 250 bytes of a shuffle: this many are half a gigabyte of a core's memory.
_ROWS_PER_CORE = 2_000_000
# What a pass costs however many cuts it has is by then a small part of it, and a kill loses one pass.
_MOST_CUTS = 16


@dataclass(frozen=True)
class Building:
    """What the features of runs are made of."""

    lake: Lake
    config: Config
    ground: Ground
    days: Days
    people: People  # of all these runs
    edges: dict[date, Edges] = field(default_factory=dict)  # of scores, by cut: one month's runs share them

    def build(self, group: Group) -> None:
        """Write the rows of runs: what is ordinary, every user, how features are distributed, tastes and items.

        The runs are open once their rows in ``ops.runs`` are written. Until then the same call may be made again: of
        one run it leaves the rows that are there, of several it writes them anew.

        Raises:
            RaceError: another process has opened one of several runs meanwhile.
        """
        lake, config = self.lake, self.config
        with self._tiles(group) as (days, item_days):
            limits = self._limits(group, days, item_days)
            rows = self._features(group, days, item_days, limits)
            group.put(lake, USER_FEATURES, _by_run(rows, group))
            versions = {table.name: lake.written[table.name] for table in (LIMITS, USER_FEATURES)}
            written = lake.read(USER_FEATURES, versions[USER_FEATURES.name]).where(group.slice)
            measured = feature_drift.measure(written, config, group.cuts)
            for run in group.runs:
                run.versions_read |= versions
                found = measured[run.day]
                run.rows = found.users
                ordinary.tell(
                    run,
                    suspects=found.total("is_suspect"),
                    extremes=found.total("extreme_purchases"),
                    treatment=config.features.outliers,
                )
            feature_drift.record(lake, config, group, measured, self.ground.releases)
            with self._kept(group, item_days) as kept:
                self._beside_users(group, kept, ordinary.humans(written).select("user_id", *group.own))

    def cuts_per_pass(self, cuts: Sequence[date]) -> int:
        """How many of these cuts are built at once: a tile travels once for each cut after it."""
        tables = [table for table in _TILES if table.name in self.people.run.versions_read]
        before = (self.people.read(table).where(F.col("event_date") < F.lit(cuts[-1])) for table in tables)
        rows = sum(tiles.count() for tiles in before)
        cores = self.lake.spark.sparkContext.defaultParallelism
        return max(1, min(_MOST_CUTS, cores * _ROWS_PER_CORE // max(rows, 1)))

    @contextmanager
    def _tiles(self, group: Group) -> Iterator[tuple[DataFrame, DataFrame]]:
        """The tiles at the group's cuts; what is put together for many of them is kept for all that follows."""
        tables = (USER_DAYS, USER_ITEM_DAYS)
        if group.day is not None:
            days, item_days = (self.people.tiles(table, group.day) for table in tables)
            yield days, item_days
            return
        with ExitStack() as stack:
            kept = (stack.enter_context(self.people.kept_tiles_of_all(table, group.cuts)) for table in tables)
            days, item_days = kept
            yield days, item_days

    @contextmanager
    def _kept(self, group: Group, item_days: DataFrame) -> Iterator[DataFrame]:
        """The tiles of items for whoever reads them again and again."""
        if group.day is None:
            yield item_days
            return
        with self.people.kept_tiles(USER_ITEM_DAYS, group.day) as kept:
            yield kept

    def _limits(self, group: Group, days: DataFrame, item_days: DataFrame) -> Limits:
        lake, params = self.lake, self.config.features
        shown = {run.day: self.ground.shown(run) for run in group.runs}
        edges = ordinary.score_edges(lake, group, params, self.people, shown, self.days.first_bought, self.edges)
        counted = self.people.counted_of_all(group.cuts)
        return ordinary.learn(lake, group, params, days, item_days, counted, edges)

    def _features(self, group: Group, days: DataFrame, item_days: DataFrame, limits: Limits) -> DataFrame:
        users, items = self.people.read(USERS), self.people.read(ITEMS)
        return user_features(
            days,
            item_days,
            users if group.day is not None else at_each(users, group.cuts),
            as_of=group.day,
            run_id=group.run_id,
            items=items if group.day is None else catalogue_at(items, group.day),
            user_changes=self.people.changes_of_all(group.cuts),
            accounts=self.people.accounts_of_all(group.cuts),
            limits=limits,
            own=own_features.features_of(self.config),
        )

    def _beside_users(self, group: Group, item_days: DataFrame, users: DataFrame) -> None:
        """Summarise what each of these users likes, and what became of each item among them."""
        lake, liked, day = self.lake, self.config.features.affinity, group.day
        every_item = self.people.read(ITEMS)
        items = catalogue_at_each(every_item, group.cuts) if day is None else catalogue_at(every_item, day)
        with persisted(met(item_days, every_item if day is None else items, users, as_of=day, params=liked)) as found:
            rows = user_categories(found, as_of=day, run_id=group.run_id, params=liked)
            group.put(lake, USER_CATEGORIES, _by_run(rows, group))
        of_users = item_days.join(users, on=["user_id", *group.own], how="left_semi")
        with persisted(item_sums(of_users, items, as_of=day)) as sums:
            rows = item_features(sums, as_of=day, run_id=group.run_id)
            group.put(lake, ITEM_FEATURES, _by_run(rows, group))


def _by_run(rows: DataFrame, group: Group) -> DataFrame:
    """Rows of several runs gathered by run: else every task would write a file for each of them."""
    return rows if group.day is not None else rows.hint("rebalance", "run_id")
