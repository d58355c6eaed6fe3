"""Every model of who wants what, by its name: as it is measured on any table, and as a list of a run has it."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, ClassVar, Protocol

from pyspark.sql import DataFrame

from shoal.models.recommend.acts import abandoned, habits
from shoal.models.recommend.als import ALS, Als, als_model
from shoal.models.recommend.blend import Blend
from shoal.models.recommend.buy_again import BuyAgain, again_model
from shoal.models.recommend.content import CONTENT, Content, content_model
from shoal.models.recommend.item_item import Ease, ItemKnn
from shoal.models.recommend.latest import Latest, cart_model
from shoal.models.recommend.popularity import Popularity
from shoal.models.recommend.recommender import Recommender
from shoal.models.recommend.trending import Trending, trend_model
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


_FIRST_RANKS = (
    10.0  # of a blend's rank_constant: 60, the usual one, is for long lists, and lost on both data sets tried
)


def list_model(params: RecommendParams, as_of: date, catalogue: DataFrame) -> Recommender:
    """The model of a list, with its settings; those of neighbours and ease are their own.

    Args:
        params: of the list.
        as_of: first shop-local day that must not be seen.
        catalogue: what is said of items then, as of :class:`shoal.models.recommend.content.Content`.
    """

    def made(name: str) -> Recommender:
        match name:
            case "als":
                return als_model(params)
            case "content":
                return content_model(params, catalogue)
            case "buy_again":
                return again_model(params)
            case "trending":
                return trend_model(params, as_of)
            case "abandoned_cart":
                return cart_model(params, as_of)
            case "blend":
                weights = params.blend.weights
                return Blend(
                    tuple(map(made, weights)), tuple(weights.values()), scale="rank", rank_constant=_FIRST_RANKS
                )
        return RECOMMENDERS[name]()

    return made(params.model)


def learned_from(model: str, acts: DataFrame, liked: Callable[[], DataFrame]) -> DataFrame:
    """The pairs that a list's model learns from.

    Args:
        model: its name.
        acts: rows of :func:`shoal.models.recommend.acts.acts`.
        liked: makes the rows of :func:`shoal.models.recommend.strengths.strengths`.
    """
    match model:
        case "buy_again" | "trending":
            return habits(acts)
        case "abandoned_cart":
            return abandoned(acts)
    return liked()
