"""How items are recommended: to users, and beside other items."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

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


class Pin(Params):
    """An item that has its place. It is an item of a list, so nothing of it has a default."""

    item: str = Field(min_length=1, description="item_id")
    rank: int = Field(ge=1, description="its place, from 1")


class ListRules(Params):
    """What the shop wants or will not have in a list."""

    exclude_items: tuple[str, ...] = Field(strict=False, description="item_id that are never named")
    exclude_categories: tuple[str, ...] = Field(
        strict=False, description="category paths, or beginnings of them, of which nothing is named"
    )
    exclude_brands: tuple[str, ...] = Field(strict=False, description="brands of which nothing is named")
    max_per_category: int | None = Field(ge=1, description="items of one category in a list; null: any number")
    max_per_brand: int | None = Field(ge=1, description="items of one brand in a list; null: any number")
    min_price: float | None = Field(ge=0, description="lowest price, shop's currency; null: any")
    max_price: float | None = Field(ge=0, description="highest price, shop's currency; null: any")
    price_tier: float | None = Field(
        gt=1, description="prices within 1/x to x times what the user usually pays for a piece; null: any"
    )
    min_margin: float | None = Field(
        ge=-1, lt=1, description="least share of the price that is left above the cost; null: any"
    )
    bought_within_days: dict[str, Annotated[int, Field(ge=1)] | None] = Field(
        description="with exclude_owned, how long a purchase counts, by category path and default; null: for ever"
    )
    pinned: tuple[Pin, ...] = Field(strict=False, description="items that have their place, for everybody")

    @field_validator("bought_within_days")
    @classmethod
    def _default(cls, days: dict[str, int | None]) -> dict[str, int | None]:
        if "default" not in days:
            raise ValueError("must say default, which holds for items of no other category")
        return days

    @field_validator("pinned")
    @classmethod
    def _places(cls, pinned: tuple[Pin, ...]) -> tuple[Pin, ...]:
        for name in ("item", "rank"):
            values = [getattr(pin, name) for pin in pinned]
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"{name} {', '.join(map(str, twice))} is there twice")
        return pinned

    @model_validator(mode="after")
    def _possible(self) -> "ListRules":
        if self.min_price is not None and self.max_price is not None and self.max_price < self.min_price:
            raise ValueError(f"max_price must be at least min_price ({self.min_price}), got {self.max_price}")
        if both := sorted({pin.item for pin in self.pinned} & {*self.exclude_items}):
            raise ValueError(f"pinned must not name what exclude_items does: {', '.join(both)}")
        return self


class ContentParams(Params):
    """What counts when items are compared by what is said of them."""

    title: float = Field(ge=0, description="weight of the words of titles; 0 leaves them out")
    category: float = Field(ge=0, description="weight of the levels of category paths")
    brand: float = Field(ge=0, description="weight of the brand")
    price: float = Field(ge=0, description="weight of the price level, half an octave each")

    @model_validator(mode="after")
    def _some_weight(self) -> "ContentParams":
        if not any((self.title, self.category, self.brand, self.price)):
            raise ValueError("at least one must be above 0, got only 0")
        return self


class BlendParams(Params):
    """What each model's word is worth in a blend of their rankings; 0 leaves it out."""

    als: float = Field(ge=0, description="weight of als")
    item_knn: float = Field(ge=0, description="weight of item_knn")
    content: float = Field(ge=0, description="weight of content; it is left out where nothing is said of items")
    ease: float = Field(ge=0, description="weight of ease")
    user_knn: float = Field(ge=0, description="weight of user_knn")
    popularity: float = Field(ge=0, description="weight of popularity")

    @property
    def weights(self) -> dict[str, float]:
        """Those above 0, by the model's name."""
        return {name: weight for name, weight in self.model_dump().items() if weight}

    @model_validator(mode="after")
    def _several(self) -> "BlendParams":
        if len(self.weights) < 2:
            raise ValueError("at least two must be above 0: one model alone is no blend")
        return self


class RecommendParams(StrengthParams):
    """One list per user."""

    model: Literal[
        "als", "ease", "item_knn", "user_knn", "content", "blend",
        "buy_again", "popularity", "trending", "abandoned_cart",
    ] = Field(
        description="who fills the list: als, ease, item_knn, user_knn, content, blend and popularity what is new, "
        "buy_again what the user bought before, trending what gains buyers, abandoned_cart what was left in the cart"
    )  # fmt: skip
    engine: Literal["mllib", "native"] = Field(
        description="what fits the model: mllib over the cluster, native in one task"
    )
    top_n: int = Field(ge=1, le=1000, description="items per user")
    active_days: int = Field(ge=1, description="users without an event in this many days get no list")
    exclude_owned: bool = Field(description="true: never what the user already bought")
    in_stock_only: bool = Field(description="true: nothing of which a feed says that none is left")
    rank: int = Field(ge=1, le=512, description="length of the factors")
    max_iter: int = Field(ge=1, description="iterations of ALS")
    warm_start: int = Field(
        ge=0,
        le=100,
        description="iterations of ALS from the last released factors, in place of max_iter from random ones; 0: never",
    )
    retrain_days: int = Field(
        ge=0, description="a model fitted fewer days ago is kept: users with news are folded into its items; 0: none is"
    )
    reg: float = Field(ge=0, description="penalty on the factors")
    alpha: float = Field(gt=0, description="confidence per unit of strength")
    seed: Seed = Field(description="same seed and data, same factors")
    min_interactions: int = Field(ge=1, description="fewer user-item pairs: no model of taste learns anything")
    content: ContentParams = Field(description="what counts for content, and for new items of als")
    new_items: int = Field(
        ge=0, le=1000, description="places of a list of als for items of which it has no factor yet, at most; 0: none"
    )
    blend: BlendParams = Field(description="what each model's word is worth, for blend")
    popularity_days: int = Field(ge=1, description="days before as_of whose buyers make an item popular")
    trend_days: int = Field(ge=1, description="days whose new buyers are set beside those of as many days before")
    cart_days: int = Field(ge=1, description="days for which what was left in a cart is named")
    test_days: int = Field(ge=1, description="days before as_of that are held out to measure quality")
    k: int = Field(ge=1, description="length of the list at which quality is measured")
    candidates: int = Field(
        ge=1, le=5000, description="items per user of which caps, price tiers, pins and diversity choose"
    )
    diversity: float = Field(ge=0, lt=1, description="share of unlikeness in what decides, for als; 0: none")
    popularity_penalty: float = Field(ge=0, description="what the best known item loses, its score being 0 to 1")
    rules: ListRules = Field(description="what the shop wants or will not have")

    @model_validator(mode="after")
    def _has_factors(self) -> "RecommendParams":
        if self.new_items and self.model != "als":
            raise ValueError(f"new_items must be 0 where the model is {self.model}: it gives new items places among "
                             "those that als names")  # fmt: skip
        for name in ("retrain_days", "warm_start"):
            if getattr(self, name) and self.model != "als":
                raise ValueError(f"{name} must be 0 where the model is {self.model}: only factors of als are stored, "
                                 "for a later run to keep or to go on from")  # fmt: skip
        if self.diversity and self.model != "als":
            raise ValueError(f"diversity must be 0 where the model is {self.model}, which has no factors; set "
                             "rules.max_per_category instead")  # fmt: skip
        if self.warm_start and self.engine == "mllib":
            raise ValueError("warm_start must be 0 where the engine is mllib, which always begins from random factors")
        if self.model == "buy_again" and self.exclude_owned and self.rules.bought_within_days["default"] is None:
            raise ValueError("exclude_owned must be false where the model is buy_again, which names what is owned; "
                             "or say in rules.bought_within_days for how many days a purchase counts")  # fmt: skip
        if not self.exclude_owned and any(days is not None for days in self.rules.bought_within_days.values()):
            raise ValueError("rules.bought_within_days says how long a purchase keeps an item out, and needs "
                             "exclude_owned: true")  # fmt: skip
        if beyond := [pin.item for pin in self.rules.pinned if pin.rank > self.top_n]:
            raise ValueError(f"pinned beyond the list's {self.top_n} places: {', '.join(beyond)}")
        return self


class BySegmentParams(Params):
    """What is popular in each segment and region."""

    top_n: int = Field(ge=1, le=1000, description="items per segment and region")
    in_stock_only: bool = Field(description="true: nothing of which a feed says that none is left")
    days: int = Field(ge=1, description="days before as_of whose buyers count")
    min_buyers: int = Field(ge=1, description="a group with fewer buyers in these days has no list of its own")
    prior: float = Field(ge=0, description="buyers of the whole shop's taste that are added to each group")


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
