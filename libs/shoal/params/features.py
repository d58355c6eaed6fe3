"""How features are built."""

from collections import Counter
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from shoal.params.base import Params


class LimitParams(Params):
    """Beyond what nobody is taken for human, and no purchase for a usual one.

    Learned limits lie ``deviations`` robust standard deviations from the median, on a log scale; the floors hold
    where what was learned is lower, so that a quiet shop does not mark whoever is keen.
    """

    days: int = Field(ge=1, description="days before as_of that are looked at")
    deviations: float = Field(gt=0, description="how far beyond the median of all users a robot lies")
    min_users: int = Field(ge=2, description="of fewer users nothing is learned: the floors hold")
    rate: float = Field(gt=0, description="floor: looks on one day")
    breadth: float = Field(gt=0, description="floor: different items looked at on one day")
    hours: float = Field(gt=0, le=24, description="floor: hours of one day with a look")
    pace: float = Field(gt=0, description="floor: looks per second on one day")
    regularity: float = Field(gt=0, description="floor: mean over variance of the looks a day")
    looks_per_purchase: float = Field(gt=0, description="who buys a line for that many looks is human")
    item_deviations: float = Field(gt=0, description="how far from the median of an item a purchase is extreme")
    item_factor: float = Field(gt=1, description="floor: how many times the median, or part of it, is not extreme yet")
    min_purchases: int = Field(
        ge=2, description="fewer of an item: the shop's limit of pieces holds, and none of price"
    )


class AffinityParams(Params):
    """How it is told what a user likes more than others do."""

    category_levels: int = Field(ge=1, le=16, description="parts of a category's path that make one category")
    prior_lines: float = Field(gt=0, description="purchase lines as others have them that everybody has besides")
    most: int = Field(ge=1, le=1000, description="categories, and brands, of a user that are kept, the strongest")


class OwnFeatureParams(Params):
    """A feature of the shop's own. It is an item of a list, so what is left out has its default here."""

    name: str = Field(pattern="^[a-z][a-z0-9_]{0,62}$", description="its name in the column own of features.users")
    sql: str = Field(min_length=1, description="Spark SQL of a number: an aggregate, or over user an expression")
    over: Literal["days", "orders", "sessions", "basket", "facets", "contexts", "user"] = Field(
        "days", description="whose rows it is over, as docs/features.md names them"
    )
    window: int | None = Field(None, ge=1, description="days before as_of from :since on; null: all before it")
    doc: str = Field(min_length=1, description="what it means")
    unit: str = Field(min_length=1, description="what it is counted in")
    null: str = Field("where there is nothing to compute it from", min_length=1, description="what null means")

    @model_validator(mode="after")
    def _whole(self) -> "OwnFeatureParams":
        if (":since" in self.sql) != (self.window is not None):
            raise ValueError(f"{self.name}: a window needs :since in its sql, and :since a window")
        return self

    @model_serializer(mode="wrap")
    def _said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only what was said, as of a rule."""
        whole: dict[str, Any] = handler(self)
        return {name: value for name, value in whole.items() if name in self.model_fields_set}


class FeatureParams(Params):
    """Layout of the tiles, whose they are, and what is out of the ordinary.

    What is computed from them is declared in ``tables/user_features``, beside what a shop adds.
    """

    tile_buckets: int = Field(ge=1, le=4096, description="hash buckets of users, fixed when the lake is made")
    session_gap_minutes: int = Field(
        ge=1, le=1440, description="silence that ends a session, fixed with the first tiles"
    )
    max_users_per_visitor: int = Field(ge=1, description="a visitor that met more users is a device that many share")
    outliers: Literal["keep", "cap", "reject"] = Field(
        description="what becomes of extreme purchases: they stay, count as much as the limit, or do not count"
    )
    limits: LimitParams
    affinity: AffinityParams
    own: tuple[OwnFeatureParams, ...] = Field(strict=False, description="features of the shop's own")

    @field_validator("own")
    @classmethod
    def _names(cls, own: tuple[OwnFeatureParams, ...]) -> tuple[OwnFeatureParams, ...]:
        times = Counter(feature.name for feature in own)
        if twice := [name for name, number in times.items() if number > 1]:
            raise ValueError(f"two features are named {', '.join(map(repr, twice))}")
        return own
