"""What the lists of a run may learn from, and what they may offer to whom."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books.runs import Run
from shoal.config import Config
from shoal.features import ordinary
from shoal.features.people import People
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.models import recommend
from shoal.models.recommend import Backtest, FittedBySegment
from shoal.params import BoughtTogetherParams, BySegmentParams, RecommendParams, StrengthParams
from shoal.tables import ITEMS, SEGMENTS, USER_CHANGES, USER_FEATURES, USER_ITEM_DAYS
from shoal.transforms.baskets import baskets
from shoal.transforms.catalogue import goods_at, in_stock


@dataclass(frozen=True)
class Assortment:
    """Frames that hold for as long as it is open; what several lists need is computed once."""

    lake: Lake
    run: Run
    people: People
    item_days: DataFrame  # tiles before the run's day, of everyone who counts
    acts: DataFrame  # what they did with each item, as of shoal.models.recommend.acts
    items: DataFrame  # what may be recommended, by item_id, with what is to be known of it
    features: DataFrame  # features.users of the run
    suspects: DataFrame | None  # user_id; None where there are none
    held: ExitStack
    _liked: dict[str, DataFrame] = field(default_factory=dict)
    _actives: dict[int, int] = field(default_factory=dict)
    _by_segment: list[FittedBySegment] = field(default_factory=list)

    @property
    def groups(self) -> DataFrame:
        """``item_id`` and ``item_group_id``."""
        return self.items.select("item_id", "item_group_id")

    def fingerprints(self, params: StrengthParams, clock: date) -> DataFrame:
        """``user_id`` and ``fingerprint``: what each user has done, as a number."""
        return recommend.fingerprints(self.liked(params, clock), recommend.owned(self.acts))

    def offered(self, in_stock_only: bool) -> DataFrame:
        """The items that may be named."""
        return in_stock(self.items) if in_stock_only else self.items

    def admitted(self, params: RecommendParams) -> DataFrame:
        """The items that a list may name."""
        return recommend.admitted(self.offered(params.in_stock_only), params.rules)

    def barred(self, params: RecommendParams) -> DataFrame:
        """``user_id`` and ``item_id`` that a list must not name."""
        if not params.exclude_owned:
            return recommend.nothing(self.acts)
        return recommend.still_owned(self.acts, self.items, self.run.day, params.rules.bought_within_days)

    def active(self, days: int) -> DataFrame:
        """``user_id`` of the users with an event in the last ``days``."""
        return ordinary.humans(self.features).where(F.col("recency_event_days") <= days).select("user_id")

    def actives(self, days: int) -> int:
        """How many these are."""
        if days not in self._actives:
            self._actives[days] = self.active(days).count()
        return self._actives[days]

    def shown(self, rows: DataFrame) -> DataFrame:
        """Rows that name an item, with what there is to be known of it."""
        return rows.drop("item_group_id").join(self.items, on="item_id", how="inner")

    def own(self, params: StrengthParams, clock: date | None = None) -> DataFrame:
        """What users have done that may be named as a reason: pairs with ``strength``, ``bought`` and ``title``."""
        bought = recommend.owned(self.acts).withColumn("bought", F.lit(True))
        return (
            self.liked(params, clock)
            .join(self.items.select("item_id", "title"), on="item_id", how="inner")
            .join(bought, on=["user_id", "item_id"], how="left")
            .withColumn("bought", F.coalesce("bought", F.lit(False)))
        )

    def by_segment(self, shown: str | None, params: BySegmentParams) -> FittedBySegment:
        """What is popular in each segment and region.

        Args:
            shown: the segmentation whose segments count; None: none.
        """
        if not self._by_segment:
            of_run = self.lake.read(SEGMENTS).where(self.run.slice).where(F.col("segmentation") == F.lit(shown))
            people = ordinary.humans(self.features).select("user_id", F.col("last_region").alias("region"))
            people = people.join(of_run.select("user_id", "segment_id", "segment_name"), on="user_id", how="left")
            items = self.offered(params.in_stock_only)
            ranked = recommend.by_segment(self.acts, people, items, as_of=self.run.day, params=params)
            self._by_segment.append(FittedBySegment(self.held.enter_context(persisted(ranked)), people))
        return self._by_segment[0]

    def liked(self, params: StrengthParams, clock: date | None = None) -> DataFrame:
        """Strengths by these settings, of ages by the run's day or an earlier clock."""
        clock = clock or self.run.day
        key = f"{sorted(params.weights.items())} {params.half_life_days} {clock}"
        if key not in self._liked:
            found = recommend.strengths(self.item_days, as_of=self.run.day, params=params, clock=clock)
            self._liked[key] = self.held.enter_context(persisted(found))
        return self._liked[key]

    @property
    def _catalogue(self) -> DataFrame:
        """Rows of silver.items."""
        return self.lake.read(ITEMS, self.run.versions_read[ITEMS.name])

    @contextmanager
    def backtest(self, days: int) -> Iterator[Backtest]:
        """What was known so many days before the run's day, and what was bought since."""
        with self.people.kept_tiles(USER_ITEM_DAYS, self.run.day - timedelta(days=days)) as tiles:
            earlier = None if self.people.are_users_only else self._of_who_counts(tiles)
            then = goods_at(self._catalogue, self.run.day - timedelta(days=days))
            with recommend.backtest(
                self.item_days, self.groups, as_of=self.run.day, days=days, known_before=earlier, catalogue=then
            ) as test:
                yield test

    def _of_who_counts(self, tiles: DataFrame) -> DataFrame:
        """Tiles of an earlier cut, under the accounts of then, of those from whom the run learns."""
        day = self.run.day
        suspects = None if self.suspects is None else self.people.every_account(self.suspects, day)
        known = _but(tiles, suspects)
        if USER_CHANGES.name not in self.run.versions_read:
            return known
        counted = self.people.every_account(self.features.select("user_id"), day)
        return known.join(counted, on="user_id", how="left_semi")

    @contextmanager
    def orders(self, params: BoughtTogetherParams) -> Iterator[DataFrame]:
        """``items`` of each order of guests, and of the users whom models may learn from."""
        events = self.people.events(self.run.day, but=self.suspects)
        found = baskets(events, as_of=self.run.day, days=params.days, max_items=params.max_items)
        with persisted(found.select("items")) as kept:
            yield kept


@contextmanager
def opened(lake: Lake, config: Config, run: Run) -> Iterator[Assortment]:
    """What a run may learn from and offer, by the versions that it has pinned."""
    with ExitStack() as held:
        people = People(lake, run, config.features)
        features = lake.read(USER_FEATURES, run.versions_read[USER_FEATURES.name]).where(run.slice)
        suspects = ordinary.suspects_of(features)
        tiles = held.enter_context(people.kept_tiles(USER_ITEM_DAYS, run.day))
        item_days = _but(tiles.where(F.col("event_date") < F.lit(run.day)), suspects)
        if USER_CHANGES.name in run.versions_read:  # who is left out of the features teaches nothing either
            item_days = item_days.join(features.select("user_id"), on="user_id", how="left_semi")
        acts = held.enter_context(persisted(recommend.acts(item_days, as_of=run.day)))
        items = held.enter_context(persisted(goods_at(lake.read(ITEMS, run.versions_read[ITEMS.name]), run.day)))
        yield Assortment(lake, run, people, item_days, acts, items, features, suspects, held)


def _but(acts: DataFrame, suspects: DataFrame | None) -> DataFrame:
    """Acts of others than suspects; those of nobody known stay."""
    return acts if suspects is None else acts.join(suspects, on="user_id", how="left_anti")
