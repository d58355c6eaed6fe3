"""What a run would have known of its users on earlier days, and what they did from there on: examples to learn from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame

from shoal.books import runs
from shoal.books.runs import Run
from shoal.features import ordinary
from shoal.features.people import People
from shoal.lake import Lake
from shoal.params import FeatureParams
from shoal.tables import ITEMS, USER_CHANGES, USER_DAYS, USER_ITEM_DAYS, USERS
from shoal.tables.feature import Feature
from shoal.transforms import labels
from shoal.transforms.catalogue import catalogue_at
from shoal.transforms.limits import Limits
from shoal.transforms.user_features import user_features


@dataclass(frozen=True)
class Past:
    """The earlier days of a run, by the versions that it has pinned."""

    people: People
    users: DataFrame  # rows of silver.users of who teaches anything
    items: DataFrame  # rows of silver.items
    user_changes: DataFrame | None
    limits: Limits

    def features(self, cut: date, *, only: Collection[str] | None = None, own: Sequence[Feature] = ()) -> DataFrame:
        """Rows of ``features.users`` at a cut, without who was suspect then.

        Args:
            cut: first shop-local day that is not seen.
            only: names of the features that are wanted; None: all.
            own: features of the shop's own, if wanted.
        """
        # By today's limits: what is scored today must be judged as what was learned from.
        return ordinary.humans(user_features(
            self.people.tiles(USER_DAYS, cut), self.people.tiles(USER_ITEM_DAYS, cut), self.users, as_of=cut,
            run_id=self.people.run.key, user_changes=self.user_changes, limits=self.limits,
            accounts=self.people.accounts(cut), items=catalogue_at(self.items, cut), only=only, own=own,
        ))  # fmt: skip

    def with_label(self, features: DataFrame, *, cut: date, horizon_days: int, active_days: int) -> DataFrame:
        """Users who were active before a cut with ``label``: whether they began an order within the horizon.

        What came of it is read as it was known at the horizon's end; see ``labels.with_label``.

        Args:
            features: rows of ``features.users`` at the cut.
            cut: first day of the horizon.
            horizon_days: days from the cut on that count.
            active_days: users without an event in this many days before the cut are left out.
        """
        end = cut + timedelta(days=horizon_days)
        return labels.with_label(
            features, self.people.tiles(USER_DAYS, end), cut=cut, horizon_days=horizon_days, active_days=active_days,
            accounts=self.people.accounts(end),
        )  # fmt: skip


def past_of(lake: Lake, run: Run, params: FeatureParams, everyone: DataFrame) -> Past:
    """The earlier days of a run, of whom it may learn from.

    Args:
        lake: where the run's tables are.
        run: a run that is open.
        params: the settings of features.
        everyone: rows of ``features.users`` of the run.
    """
    people = People(lake, run, params)
    users = people.read(USERS)
    told = runs.read_if_there(lake, run, USER_CHANGES)
    if told is not None:  # who objects by now teaches nothing either, whatever was allowed at an earlier cut
        users = users.join(people.counted(run.day), on="user_id", how="left_semi")
    limits = ordinary.limits_of(lake, run, params)
    found = ordinary.suspects_of(everyone)
    if found is not None:  # nor who is suspect by now, whatever was known then
        users = users.join(people.every_account(found, run.day), on="user_id", how="left_anti")
    return Past(people, users, people.read(ITEMS), told, limits)
