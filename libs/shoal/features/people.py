"""Whose acts are whose at a cut: the tiles that features and models read.

Where no visitor with events of its own has met a user, and no account was merged, tiles are read as they are.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books.runs import Run
from shoal.frames import persisted
from shoal.params import FeatureParams
from shoal.tables import (
    ACCOUNT_ALIASES,
    EVENTS,
    IDENTITIES,
    USER_CHANGES,
    USER_DAYS,
    USER_ITEM_DAYS,
    USERS,
    VISITOR_DAYS,
    VISITOR_ITEM_DAYS,
    Table,
)
from shoal.transforms.accounts import counted
from shoal.transforms.baskets import of_users_and_guests
from shoal.transforms.cuts import EACH, at_each, taken_along
from shoal.transforms.identities import accounts_at, merged, of_same_people, resolved, shared
from shoal.transforms.shop_items import shop_items
from shoal.transforms.tiles import gathered

_OF_VISITORS = {USER_DAYS.name: VISITOR_DAYS, USER_ITEM_DAYS.name: VISITOR_ITEM_DAYS}
_WORST = 3  # numbers of users that a warning names


class Readable(Protocol):
    """What tables are read from: a lake, or one as it was known on a day."""

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """Rows of a table, now or at a version."""


@dataclass(frozen=True)
class Asked:
    """Of whom something is to be known, and as of when."""

    pairs: DataFrame  # user_id, as_of: each once
    cuts: Sequence[date]  # the different as_of, ascending


@dataclass(frozen=True)
class People:
    """Who is who in a run, by the versions that it has pinned."""

    lake: Readable
    run: Run
    params: FeatureParams
    _accounts: dict[date | tuple[date, ...], DataFrame] = field(default_factory=dict)  # at a cut, or at each of many

    @property
    def are_users_only(self) -> bool:
        """True where tiles are those of users alone: what is known at a cut is then in them as they are."""
        return not {VISITOR_DAYS.name, ACCOUNT_ALIASES.name} & {*self.run.versions_read}

    def tiles(self, table: Table, cut: date) -> DataFrame:
        """The tiles of everyone who is a user by what was known before a cut.

        To each user's own come those of the visitors that are the user's by then, and those of the accounts that were
        merged into the user's. Days after the cut are there too.

        Args:
            table: ``features.user_days`` or ``features.user_item_days``.
            cut: first shop-local day whose links and merges must not be seen.

        Returns:
            Rows of the table, without ``bucket`` where anything was added.
        """
        of_users = self.read(table)
        if self.are_users_only:
            return of_users
        accounts, others = self.accounts(cut), []
        if accounts is not None:
            of_users = merged(of_users, accounts)
        if VISITOR_DAYS.name in self.run.versions_read:
            owners = resolved(
                self.read(IDENTITIES),
                as_of=cut,
                max_users_per_visitor=self.params.max_users_per_visitor,
                accounts=accounts,
            )
            of_visitors = self.read(_OF_VISITORS[table.name])
            others = [of_visitors.join(owners, on="visitor_id", how="inner").drop("visitor_id")]
        return gathered(of_users, *others, key=table.key)

    def tiles_of_all(self, table: Table, cuts: Sequence[date]) -> DataFrame:
        """:meth:`tiles` at one cut, or of everyone at each of many.

        With many, a tile is there once for each cut after it, with ``as_of`` and without ``bucket``.

        Args:
            table: ``features.user_days`` or ``features.user_item_days``.
            cuts: ascending, each once.
        """
        if len(cuts) == 1:
            return self.tiles(table, cuts[0])
        in_time = F.col("event_date") < F.lit(cuts[-1])
        of_users = taken_along(self.read(table).where(in_time).drop("bucket"), cuts)
        if self.are_users_only:
            return of_users
        accounts, others = self.accounts_at_each(cuts), []
        if accounts is not None:
            of_users = merged(of_users, accounts, "as_of")
        if VISITOR_DAYS.name in self.run.versions_read:
            owners = self._resolved_each(taken_along(self.read(IDENTITIES), cuts, "linked_date"), cuts)
            acts = self.read(_OF_VISITORS[table.name]).where(in_time).drop("bucket")
            others = [EACH.before(acts.join(owners, on="visitor_id", how="inner").drop("visitor_id"))]
        return gathered(of_users, *others, key=[*table.key, "as_of"])

    def tiles_at(self, table: Table, asked: Asked) -> DataFrame:
        """The tiles of each user who is asked for, by what was known before the user's own cuts.

        A tile is there once for each cut after it; days from the cut on are not.

        Args:
            table: ``features.user_days`` or ``features.user_item_days``.
            asked: of whom, and as of when.

        Returns:
            What :meth:`tiles` gives of the user at that cut, with ``as_of`` and without ``bucket``.
        """
        whose, in_time = self.accounts_of(asked), F.col("event_date") < F.lit(asked.cuts[-1])
        own = self.read(table).where(in_time).drop("bucket").withColumnRenamed("user_id", "account")
        found = EACH.before(own.join(whose, on="account", how="inner")).drop("account")
        if self.are_users_only:
            return found
        others = []
        if VISITOR_DAYS.name in self.run.versions_read:
            acts = self.read(_OF_VISITORS[table.name]).where(in_time).drop("bucket")
            met = acts.join(self._owners_of(asked, whose), on="visitor_id", how="inner").drop("visitor_id")
            others = [EACH.before(met)]
        return gathered(found, *others, key=[*table.key, "as_of"])

    def shop_items_at(self, cuts: Sequence[date], since: date) -> DataFrame:
        """What all users did with each item, by what was known before each cut; see ``shop_items``.

        Args:
            cuts: ascending, each once.
            since: a day before which there are no events.
        """
        linked = None
        if VISITOR_DAYS.name in self.run.versions_read:
            acts = self.read(VISITOR_ITEM_DAYS).where("purchases > 0 OR ratings > 0").drop("bucket")
            of_them = self.read(IDENTITIES).join(acts.select("visitor_id").distinct(), on="visitor_id", how="left_semi")
            owners = self._resolved_each(taken_along(of_them, cuts, "linked_date"), cuts).drop("user_id")
            linked = EACH.before(acts.join(owners, on="visitor_id", how="inner"))
        return shop_items(self.read(USER_ITEM_DAYS), since=since, cuts=cuts, linked=linked)

    @contextmanager
    def kept_tiles(self, table: Table, cut: date) -> Iterator[DataFrame]:
        """:meth:`tiles` for whoever reads them again and again: what was put together is kept meanwhile."""
        with self._kept(self.tiles(table, cut)) as tiles:
            yield tiles

    @contextmanager
    def kept_tiles_of_all(self, table: Table, cuts: Sequence[date]) -> Iterator[DataFrame]:
        """:meth:`tiles_of_all` in the same way."""
        with self._kept(self.tiles_of_all(table, cuts)) as tiles:
            yield tiles

    @contextmanager
    def kept_tiles_at(self, table: Table, asked: Asked) -> Iterator[DataFrame]:
        """:meth:`tiles_at` in the same way."""
        with self._kept(self.tiles_at(table, asked)) as tiles:
            yield tiles

    @contextmanager
    def _kept(self, tiles: DataFrame) -> Iterator[DataFrame]:
        if self.are_users_only:
            yield tiles
            return
        with persisted(tiles) as kept:
            yield kept

    def warn_of_shared(self, cut: date) -> None:
        """Say how many visitors are nobody's for having met too many users before a cut."""
        limit = self.params.max_users_per_visitor
        found = shared(
            self.read(IDENTITIES), as_of=cut, max_users_per_visitor=limit, accounts=self.accounts(cut)
        ).collect()  # one row per number of users
        if not found:
            return
        worst = sorted((row["users"] for row in found), reverse=True)[:_WORST]
        self.run.warn(
            f"visitor ids that met more than {limit} users each: {sum(row['visitors'] for row in found):,} "
            f"(the most: {', '.join(f'{users:,}' for users in worst)}); they are taken for shared devices, and what "
            "they did without a user is nobody's (features.max_users_per_visitor)"
        )

    def counted(self, cut: date) -> DataFrame:
        """``user_id`` of who is summarised and learned from, by what was known before a cut; former accounts too."""
        told = self.read(USER_CHANGES) if USER_CHANGES.name in self.run.versions_read else None
        return counted(self.read(USERS), told, as_of=cut, accounts=self.accounts(cut))

    def counted_of_all(self, cuts: Sequence[date]) -> DataFrame:
        """:meth:`counted` at one cut, or with ``as_of`` at each of many."""
        if len(cuts) == 1:
            return self.counted(cuts[0])
        told = self.changes_of_all(cuts)
        return counted(at_each(self.read(USERS), cuts), told, as_of=None, accounts=self.accounts_at_each(cuts))

    def changes_of_all(self, cuts: Sequence[date]) -> DataFrame | None:
        """What user feeds said, where there are many cuts once for each; None in a shop without them.

        What was said after a cut is there too: who is of the staff, or no longer, is known of all times at once.
        """
        if USER_CHANGES.name not in self.run.versions_read:
            return None
        told = self.read(USER_CHANGES)
        return told if len(cuts) == 1 else at_each(told, cuts)

    def accounts_of_all(self, cuts: Sequence[date]) -> DataFrame | None:
        """:meth:`accounts` at one cut, or with ``as_of`` at each of many."""
        return self.accounts(cuts[0]) if len(cuts) == 1 else self.accounts_at_each(cuts)

    def events(self, cut: date, *, but: DataFrame | None) -> DataFrame:
        """Events of guests and of those who are :meth:`counted`, under the accounts that theirs have become by a cut.

        Args:
            but: ``user_id`` of others whose events are left out.
        """
        events, accounts = self.read(EVENTS), self.accounts(cut)
        if accounts is not None:
            events = merged(events, accounts)
        if but is not None:
            events = events.join(but, on="user_id", how="left_anti")
        if USER_CHANGES.name not in self.run.versions_read:  # then nobody is known to be anything but a customer
            return events
        return of_users_and_guests(events, self.counted(cut))

    def every_account(self, users: DataFrame, cut: date) -> DataFrame:
        """``user_id`` of these users, and of all accounts that are one with theirs by a cut."""
        accounts = self.accounts(cut)
        return users if accounts is None else of_same_people(users, accounts)

    def accounts(self, cut: date) -> DataFrame | None:
        """What merged accounts had become before a cut, of ``identities.accounts_at``; None where none was merged."""
        if ACCOUNT_ALIASES.name not in self.run.versions_read:
            return None
        if cut not in self._accounts:
            self._accounts[cut] = accounts_at(self.read(ACCOUNT_ALIASES), as_of=cut)
        return self._accounts[cut]

    def accounts_at_each(self, cuts: Sequence[date]) -> DataFrame | None:
        """As :meth:`accounts`, of every cut, with ``as_of``."""
        if ACCOUNT_ALIASES.name not in self.run.versions_read:
            return None
        key = (*cuts,)
        if key not in self._accounts:
            merges = taken_along(self.read(ACCOUNT_ALIASES), cuts, "merged_date")
            self._accounts[key] = accounts_at(merges, as_of=None)
        return self._accounts[key]

    def accounts_of(self, asked: Asked) -> DataFrame:
        """``account``, ``as_of``, ``user_id``: the accounts whose tiles are a user's by then."""
        own = asked.pairs.select(F.col("user_id").alias("account"), "as_of", "user_id")
        accounts = self.accounts_at_each(asked.cuts)
        if accounts is None:
            return own
        former = accounts.withColumnRenamed("former_user_id", "account")
        still = own.join(former.select("account", "as_of"), on=["account", "as_of"], how="left_anti")
        became = former.join(asked.pairs, on=["user_id", "as_of"], how="left_semi")
        return still.unionByName(became)

    def _owners_of(self, asked: Asked, whose: DataFrame) -> DataFrame:
        """``visitor_id``, ``as_of``, ``user_id``: the visitors who are a user's by then."""
        links = self.read(IDENTITIES)
        users = whose.select(F.col("account").alias("user_id"), "as_of")
        met = EACH.before(links.join(users, on="user_id", how="inner"), "linked_date")
        # Whose such a visitor is, all that it had met by then decide.
        every = links.join(met.select("visitor_id", "as_of").distinct(), on="visitor_id", how="inner")
        owners = self._resolved_each(every, asked.cuts)
        return owners.join(asked.pairs, on=["user_id", "as_of"], how="left_semi")

    def _resolved_each(self, links: DataFrame, cuts: Sequence[date]) -> DataFrame:
        limit = self.params.max_users_per_visitor
        return resolved(links, as_of=None, max_users_per_visitor=limit, accounts=self.accounts_at_each(cuts))

    def read(self, table: Table) -> DataFrame:
        """A table at the version that the run has pinned."""
        return self.lake.read(table, self.run.versions_read[table.name])


def of_run(lake: Readable, run: Run, params: FeatureParams) -> People:
    """Who is who before this run's day; what can matter to nobody by then is not pinned, so that no stage reads it."""
    everyone = People(lake, run, params)
    if VISITOR_DAYS.name in run.versions_read:
        links = known_before(lake.read(IDENTITIES, run.versions_read[IDENTITIES.name]), run.day)
        acts = lake.read(VISITOR_DAYS, run.versions_read[VISITOR_DAYS.name]).where(F.col("event_date") < F.lit(run.day))
        if some_are_met(acts, links):
            everyone.warn_of_shared(run.day)
        else:
            del run.versions_read[VISITOR_DAYS.name], run.versions_read[VISITOR_ITEM_DAYS.name]
    return everyone


def of_runs(lake: Readable, runs: Sequence[Run], params: FeatureParams) -> People:
    """As :func:`of_run`, of runs that have pinned the same versions, by day; what is shared is told of the last."""
    *others, last = runs
    everyone = of_run(lake, last, params)
    if not others or VISITOR_DAYS.name not in runs[0].versions_read:
        return everyone
    since = None
    if VISITOR_DAYS.name in last.versions_read:
        acted = everyone.read(VISITOR_DAYS).groupBy("visitor_id").agg(F.min("event_date").alias("acted"))
        linked = everyone.read(IDENTITIES).groupBy("visitor_id").agg(F.min("linked_date").alias("linked"))
        both = acted.join(linked, on="visitor_id", how="inner")
        found = both.agg(F.min(F.greatest("acted", "linked")).alias("since")).first()
        since = None if found is None else found["since"]
    for run in others:
        if since is None or run.day <= since:
            del run.versions_read[VISITOR_DAYS.name], run.versions_read[VISITOR_ITEM_DAYS.name]
    return everyone


def some_are_met(of_visitors: DataFrame, identities: DataFrame) -> bool:
    """True if any of these rows is of a visitor that has met a user."""
    ids = identities.select("visitor_id").distinct()
    return not of_visitors.join(ids, on="visitor_id", how="left_semi").isEmpty()


def known_before(identities: DataFrame, cut: date) -> DataFrame:
    """The links that a cut knows."""
    return identities.where(F.col("linked_date") < F.lit(cut))
