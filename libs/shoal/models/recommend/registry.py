"""Every model of who wants what, by its name."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from shoal.models.recommend.als import Als
from shoal.models.recommend.blend import Blend
from shoal.models.recommend.buy_again import BuyAgain
from shoal.models.recommend.item_item import Ease, ItemKnn
from shoal.models.recommend.latest import Latest
from shoal.models.recommend.popularity import Popularity
from shoal.models.recommend.recommender import Recommender
from shoal.models.recommend.trending import Trending
from shoal.models.recommend.user_knn import UserKnn


class Tunable(Recommender, Protocol):
    """A recommender that is a frozen dataclass of settings, some of which are worth a search."""

    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]]  # by setting its sensible values, for ``dataclasses.replace``


RECOMMENDERS: Mapping[str, type[Tunable]] = {
    model.name: model for model in (Popularity, Trending, Latest, Als, Ease, ItemKnn, UserKnn, BuyAgain, Blend)
}
