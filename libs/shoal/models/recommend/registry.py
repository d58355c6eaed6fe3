"""Every model of who wants what, by its name: as it is measured on any table, and as a list of a run has it."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, ClassVar, NamedTuple, Protocol

from pyspark.sql import DataFrame

from shoal.models.recommend.acts import abandoned, habits
from shoal.models.recommend.als import ALS, Als, als_model
from shoal.models.recommend.blend import Blend
from shoal.models.recommend.buy_again import BUY_AGAIN, BuyAgain, again_model
from shoal.models.recommend.content import CONTENT, Content, content_model
from shoal.models.recommend.item_item import Ease, ItemKnn
from shoal.models.recommend.latest import ABANDONED_CART, Latest, cart_model
from shoal.models.recommend.popularity import Popularity
from shoal.models.recommend.recommender import Fitted, Recommender
from shoal.models.recommend.trending import TRENDING, Trending, trend_model
from shoal.models.recommend.user_knn import UserKnn
from shoal.params import RecommendParams


class Tunable(Recommender, Protocol):
    """A recommender that is a frozen dataclass of settings, some of which are worth a search."""

    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]]  # by setting its sensible values, for ``dataclasses.replace``


RECOMMENDERS: Mapping[str, type[Tunable]] = {
    model.name: model for model in (Popularity, Trending, Latest, Als, Ease, ItemKnn, UserKnn, Content, BuyAgain, Blend)
}
# Learned from what users like, so they are to be better than popularity.
OF_TASTE = frozenset({ALS, Ease.name, ItemKnn.name, UserKnn.name, CONTENT, Blend.name})


# Of a blend's rank_constant: 60, the usual one, is for long lists, and lost on both data sets tried.
_FIRST_RANKS = 10.0


class Learned(NamedTuple):
    """A list's model, fitted; or why there is none."""

    model: Fitted | None
    lacks: str = ""  # a clause whose subject is the model


def list_model(params: RecommendParams, as_of: date, catalogue: DataFrame) -> Recommender:
    """The model of a list, with its settings; those of neighbours and ease are their own.

    Args:
        params: of the list.
        as_of: first shop-local day that must not be seen.
        catalogue: what is said of items then, as of :class:`shoal.models.recommend.content.Content`.
    """
    with_settings: Mapping[str, Callable[[], Recommender]] = {
        ALS: lambda: als_model(params),
        CONTENT: lambda: content_model(params, catalogue),
        BUY_AGAIN: lambda: again_model(params),
        TRENDING: lambda: trend_model(params, as_of),
        ABANDONED_CART: lambda: cart_model(params, as_of),
        Blend.name: lambda: Blend(
            tuple(map(made, params.blend.weights)), tuple(params.blend.weights.values()),
            scale="rank", rank_constant=_FIRST_RANKS,
        ),
    }  # fmt: skip

    def made(name: str) -> Recommender:
        return with_settings[name]() if name in with_settings else RECOMMENDERS[name]()

    return made(params.model)


def learned_from(model: str, acts: DataFrame, liked: Callable[[], DataFrame]) -> DataFrame:
    """The pairs that a list's model learns from.

    Args:
        model: its name.
        acts: rows of :func:`shoal.models.recommend.acts.acts`.
        liked: makes the rows of :func:`shoal.models.recommend.strengths.strengths`.
    """
    if model in (BUY_AGAIN, TRENDING):
        return habits(acts)
    return abandoned(acts) if model == ABANDONED_CART else liked()


def fitted(model: Recommender, pairs: DataFrame, params: RecommendParams) -> Learned:
    """A list's model, fitted. One of taste learns nothing from fewer than ``min_interactions`` pairs.

    Args:
        model: of :func:`list_model`.
        pairs: of :func:`learned_from`; kept, but for als, which counts them by itself.
        params: of the list.
    """
    few = f"needs {params.min_interactions:,} pairs of user and item and found fewer"
    if params.model in OF_TASTE and params.model != ALS and pairs.count() < params.min_interactions:
        return Learned(None, few)
    found = model.fit(pairs)
    if found is not None:
        return Learned(found)
    return Learned(None, few if params.model == ALS else "found nothing that it can learn from")
