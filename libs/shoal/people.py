"""Whose acts are whose at a cut: the tiles that features and models read.

Where no visitor with events of its own has met a user, and no account was merged, tiles are read as they are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.frames import persisted
from shoal.lake import Lake
from shoal.params import FeatureParams
from shoal.runs import Run
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
from shoal.transforms.identities import accounts_at, merged, of_same_people, resolved, shared
from shoal.transforms.tiles import gathered

_OF_VISITORS = {USER_DAYS.name: VISITOR_DAYS, USER_ITEM_DAYS.name: VISITOR_ITEM_DAYS}
_WORST = 3  # numbers of users that a warning names


@dataclass(frozen=True)
class People:
    """Who is who in a run, by the versions that it has pinned."""

    lake: Lake
    run: Run
    params: FeatureParams
    _accounts: dict[date, DataFrame] = field(default_factory=dict)

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
        of_users = self._read(table)
        if self.are_users_only:
            return of_users
        accounts, others = self.accounts(cut), []
        if accounts is not None:
            of_users = merged(of_users, accounts)
        if VISITOR_DAYS.name in self.run.versions_read:
            owners = resolved(
                self._read(IDENTITIES),
                as_of=cut,
                max_users_per_visitor=self.params.max_users_per_visitor,
                accounts=accounts,
            )
            of_visitors = self._read(_OF_VISITORS[table.name])
            others = [of_visitors.join(owners, on="visitor_id", how="inner").drop("visitor_id")]
        return gathered(of_users, *others, key=table.key)

    @contextmanager
    def kept_tiles(self, table: Table, cut: date) -> Iterator[DataFrame]:
        """:meth:`tiles` for whoever reads them again and again: what was put together is kept meanwhile."""
        tiles = self.tiles(table, cut)
        if self.are_users_only:
            yield tiles
            return
        with persisted(tiles) as kept:
            yield kept

    def warn_of_shared(self, cut: date) -> None:
        """Say how many visitors are nobody's for having met too many users before a cut."""
        limit = self.params.max_users_per_visitor
        found = shared(
            self._read(IDENTITIES), as_of=cut, max_users_per_visitor=limit, accounts=self.accounts(cut)
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
        told = self._read(USER_CHANGES) if USER_CHANGES.name in self.run.versions_read else None
        return counted(self._read(USERS), told, as_of=cut, accounts=self.accounts(cut))

    def events(self, cut: date, *, but: DataFrame | None) -> DataFrame:
        """Events of guests and of those who are :meth:`counted`, under the accounts that theirs have become by a cut.

        Args:
            but: ``user_id`` of others whose events are left out.
        """
        events, accounts = self._read(EVENTS), self.accounts(cut)
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
            self._accounts[cut] = accounts_at(self._read(ACCOUNT_ALIASES), as_of=cut)
        return self._accounts[cut]

    def _read(self, table: Table) -> DataFrame:
        return self.lake.read(table, self.run.versions_read[table.name])


def of_run(lake: Lake, run: Run, params: FeatureParams) -> People:
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


def some_are_met(of_visitors: DataFrame, identities: DataFrame) -> bool:
    """True if any of these rows is of a visitor that has met a user."""
    ids = identities.select("visitor_id").distinct()
    return not of_visitors.join(ids, on="visitor_id", how="left_semi").isEmpty()


def known_before(identities: DataFrame, cut: date) -> DataFrame:
    """The links that a cut knows."""
    return identities.where(F.col("linked_date") < F.lit(cut))
