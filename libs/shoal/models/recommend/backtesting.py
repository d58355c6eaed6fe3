"""What was known some days ago -> what each list is worth, on what was bought since."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.frames import few_rows, persisted
from shoal.models.metric import Metric
from shoal.models.recommend.acts import acts, owned
from shoal.models.recommend.als import ALS
from shoal.models.recommend.buy_again import BUY_AGAIN
from shoal.models.recommend.content import CATALOGUE
from shoal.models.recommend.judging import told, unfitted
from shoal.models.recommend.latest import ABANDONED_CART
from shoal.models.recommend.lists import Voice, lists, nothing
from shoal.models.recommend.measuring import Contest, compare
from shoal.models.recommend.popularity import POPULARITY, best_sellers
from shoal.models.recommend.reasons import InGeneral
from shoal.models.recommend.recommender import Fitted
from shoal.models.recommend.registry import OF_TASTE, Learned, fitted, learned_from, list_model
from shoal.models.recommend.strengths import strengths
from shoal.params import RecommendParams

NEW = (
    "bought for the first time in the last {days} days; users and items known before; "
    "pairs bought before are removed from lists and relevance"
)
AGAIN = (
    "bought in the last {days} days, first or again; users and items known before; "
    "pairs bought before are kept: not comparable with als and popularity"
)


def bought_before(acts: DataFrame, allowed_items: DataFrame, k: int) -> DataFrame:
    """Each user's own purchases, most often bought first, ties by the latest day and then by item_id.

    Args:
        acts: rows of :func:`shoal.models.recommend.acts.acts`.
        allowed_items: ``item_id`` of what may be named.
        k: length of the list.

    Returns:
        ``user_id``, ``item_id``, ``rank`` up to ``k``.
    """
    bought = acts.where("purchases > 0").join(allowed_items, "item_id", how="left_semi")
    order = Window.partitionBy("user_id").orderBy(F.desc("purchases"), F.desc("last_bought"), "item_id")
    ranked = bought.withColumn("rank", F.row_number().over(order)).where(F.col("rank") <= k)
    return ranked.select("user_id", "item_id", "rank")


@dataclass(frozen=True)
class Backtest:
    """What was known some days before a cut, and what was bought from then on: what any list is measured on.

    Users and items without a tile before are left out of all.
    """

    as_of: date  # first day that was not known
    days: int  # after it, in which was bought what counts
    tiles: DataFrame  # rows of features.user_item_days before
    acts: DataFrame  # of them, as of :func:`shoal.models.recommend.acts.acts`
    items: DataFrame  # item_id and item_group_id of what may be named
    # What item feeds had said by then, as of shoal.models.recommend.content. A title, category, brand or price that no
    # feed tells is that of the item's latest event, which may lie after ``as_of``.
    catalogue: DataFrame
    again: DataFrame  # user_id, item_id: bought since, first or again
    new: DataFrame  # of these, bought for the first time


@contextmanager
def backtest(
    user_item_days: DataFrame,
    items: DataFrame,
    *,
    as_of: date,
    days: int,
    known_before: DataFrame | None = None,
    catalogue: DataFrame | None = None,
) -> Iterator[Backtest]:
    """What was known ``days`` before ``as_of``, kept for as long as it is used.

    Args:
        user_item_days: rows of ``features.user_item_days``.
        items: ``item_id`` and ``item_group_id`` of what may be recommended, one row each.
        as_of: first shop-local day that must not be seen.
        days: how many before it are held out.
        known_before: the same tiles as they were known ``days`` before ``as_of``, where visitors have become users
            since; None: the same.
        catalogue: what was said of items then, for models that look at it; None: nothing.
    """
    cut, day = as_of - timedelta(days=days), F.col("event_date")
    train = (user_item_days if known_before is None else known_before).where(day < F.lit(cut))
    later = user_item_days.where((day >= F.lit(cut)) & (day < F.lit(as_of)) & (F.col("purchases") > 0))
    with ExitStack() as kept:
        done = kept.enter_context(persisted(acts(train, as_of=cut)))
        known = kept.enter_context(persisted(items.join(done, "item_id", how="left_semi")))
        bought = (
            later.join(done, "user_id", how="left_semi")
            .join(known, "item_id", how="left_semi")
            .select("user_id", "item_id")
            .distinct()
            .join(owned(done).withColumn("had", F.lit(True)), ["user_id", "item_id"], how="left")
        )
        bought = kept.enter_context(persisted(bought))
        pairs = bought.select("user_id", "item_id")
        told = few_rows(done.sparkSession, CATALOGUE, []) if catalogue is None else catalogue
        yield Backtest(cut, days, train, done, known, told, pairs, bought.where("had IS NULL").drop("had"))


def measure(test: Backtest, wanted: Mapping[str, RecommendParams]) -> dict[str, list[Metric]]:
    """Fit each list's model on what was known then and measure it on what was bought since.

    Of lists of what users know already, ``buy_again`` and ``abandoned_cart``, what is offered is measured on all
    purchases, beside ``bought_before``: what the user bought most often.

    The others (filled by popularity, as published) and ``popularity`` are measured on what
    is new to the user, whatever ``exclude_owned`` says: pairs bought before are removed from the lists and from what
    counts as relevant. ``bought_before`` stands beside them too: where it is strong, people buy the same things again.

    The rules of a list, what it does for diversity, and the new items of als are left out: it is the model that is
    measured, fitted from random factors also where the one that is shown goes on from its last. Of a blend, ``members``
    names the models that had something to learn from. What only events say of items is that of today
    (:class:`Backtest`).

    Args:
        test: what was known.
        wanted: the settings of each list by its name; lists are as long as ``k``.

    Returns:
        Per list the metrics of its model and what stands beside it; those of a model of taste are None
        if it could not be fitted.
    """
    new, again, learned = dict[str, Contest](), dict[str, Contest](), dict[str, Learned]()
    then = _Then(test)
    for entry, params in wanted.items():
        own = {"bought_before": then.bought_before(params.k)}
        if params.model in (BUY_AGAIN, ABANDONED_CART):
            own = {params.model: then.own(params), **own}
        else:
            learned[entry] = Learned(None) if params.model == POPULARITY else then.fitted(params)
            new[entry] = Contest(then.new(params, learned[entry].model), params.k, NEW.format(days=test.days))
        again[entry] = Contest(own, params.k, AGAIN.format(days=test.days))
    found: dict[str, list[Metric]] = {entry: [] for entry in wanted}
    for contests, relevant in ((new, test.new), (again, test.again)):
        measured = compare([*contests.values()], relevant, test.items) if contests else []
        for entry, metrics in zip(contests, measured, strict=True):
            found[entry] += metrics
    for entry, (model, lacks) in learned.items():
        if model is not None:
            found[entry] = told(found[entry], wanted[entry], model)
        elif wanted[entry].model in OF_TASTE:
            found[entry] += unfitted(wanted[entry], new[entry].note, lacks)
    return found


@dataclass(frozen=True)
class _Then:
    """The lists of a day in the past; what several lists are set beside is made once."""

    test: Backtest
    _made: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def bought_before(self, k: int) -> DataFrame:
        made: DataFrame = self._once(("before", k), lambda: bought_before(self.test.acts, self.test.items, k))
        return made

    def own(self, params: RecommendParams) -> DataFrame:
        """Of what the user knows already."""
        model = self.fitted(params).model
        users = self.test.again.select("user_id").distinct()
        voices = [] if model is None else [self._voice(model, params)]
        return lists(voices, users, nothing(users), self.test.items, params.k)

    def new(self, params: RecommendParams, model: Fitted | None) -> dict[str, DataFrame]:
        """Of what is new to the user, by the model's name."""
        said, popular = self._popular(params)
        if model is None:
            return {POPULARITY: popular}
        return {POPULARITY: popular, params.model: self._lists([self._voice(model, params), said], params)}

    def fitted(self, params: RecommendParams) -> Learned:
        """The model of a list, as it would have been then."""
        test = self.test
        liked = partial(strengths, test.tiles, as_of=test.as_of, params=params)
        model = list_model(params, test.as_of, test.catalogue)
        pairs = learned_from(params.model, test.acts, liked)
        if params.model not in OF_TASTE or params.model == ALS:  # which keeps what it reads by itself
            return fitted(model, pairs, params)
        with persisted(pairs) as kept:
            return fitted(model, kept, params)

    def _voice(self, model: Fitted, params: RecommendParams) -> Voice:
        return Voice(InGeneral(model, "measured"), params.model)  # nobody reads why

    def _popular(self, params: RecommendParams) -> tuple[Voice, DataFrame]:
        def made() -> tuple[Voice, DataFrame]:
            test, days = self.test, params.popularity_days
            said = Voice(best_sellers(test.acts, test.items, as_of=test.as_of, days=days), POPULARITY)
            return said, self._lists([said], params)

        found: tuple[Voice, DataFrame] = self._once(("popular", params.k, params.popularity_days), made)
        return found

    def _lists(self, voices: Sequence[Voice], params: RecommendParams) -> DataFrame:
        users = self.test.new.select("user_id").distinct()
        return lists(voices, users, owned(self.test.acts), self.test.items, params.k)

    def _once(self, key: tuple[object, ...], make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
