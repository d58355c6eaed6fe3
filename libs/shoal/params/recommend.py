"""How items are recommended: to users, and beside other items."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from shoal.params.base import Params, Seed


class StrengthParams(Params):
    """How much an act says that a user wants an item."""

    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        min_length=1, description="strength of each column of user_item_days; 0 leaves it out"
    )
    half_life_days: float = Field(gt=0, description="an event this old counts half")

    @field_validator("weights")
    @classmethod
    def _some_weight(cls, weights: dict[str, float]) -> dict[str, float]:
        if not any(weights.values()):
            raise ValueError("at least one must be above 0, got only 0")
        return weights


class RecommendParams(StrengthParams):
    """One list per user."""

    model: Literal["als", "buy_again", "popularity"] = Field(
        description="who fills the list: als and popularity what is new, buy_again what the user bought before"
    )
    engine: Literal["mllib", "native"] = Field(
        description="what fits the model: mllib over the cluster, native in one task"
    )
    top_n: int = Field(ge=1, le=1000, description="items per user")
    active_days: int = Field(ge=1, description="users without an event in this many days get no list")
    exclude_owned: bool = Field(description="true: never what the user already bought")
    in_stock_only: bool = Field(description="true: nothing of which a feed says that none is left")
    rank: int = Field(ge=1, le=512, description="length of the factors")
    max_iter: int = Field(ge=1, description="iterations of ALS")
    reg: float = Field(ge=0, description="penalty on the factors")
    alpha: float = Field(gt=0, description="confidence per unit of strength")
    seed: Seed = Field(description="same seed and data, same factors")
    min_interactions: int = Field(ge=1, description="fewer user-item pairs: nothing is learned")
    popularity_days: int = Field(ge=1, description="days before as_of whose buyers make an item popular")
    test_days: int = Field(ge=1, description="days before as_of that are held out to measure quality")
    k: int = Field(ge=1, description="length of the list at which quality is measured")


class SimilarItemsParams(StrengthParams):
    """Beside each item those that the same users want."""

    top_n: int = Field(ge=1, le=1000, description="items beside each item")
    in_stock_only: bool = Field(description="true: nothing of which a feed says that none is left")
    shrink: float = Field(ge=0, description="common users that halve a cosine")
    power: float = Field(ge=0, le=1, description="of the strength; 0 makes all pairs of user and item equal")
    max_history: int = Field(ge=2, description="strongest pairs of a user that count; the cost grows by its square")


class BoughtTogetherParams(Params):
    """Beside each item those that are in the same orders."""

    top_n: int = Field(ge=1, le=1000, description="items beside each item")
    in_stock_only: bool = Field(description="true: nothing of which a feed says that none is left")
    days: int = Field(ge=1, description="days before as_of whose orders count")
    max_items: int = Field(ge=2, description="an order with more different items counts for nothing")
    min_together: int = Field(ge=1, description="orders that hold both; fewer make no pair")
