"""How features are built."""

from typing import Literal

from pydantic import Field

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


class FeatureParams(Params):
    """Layout of the tiles, whose they are, and what is out of the ordinary.

    What is computed from them is declared in ``tables/features.py``.
    """

    tile_buckets: int = Field(ge=1, le=4096, description="hash buckets of users, fixed when the lake is made")
    max_users_per_visitor: int = Field(ge=1, description="a visitor that met more users is a device that many share")
    outliers: Literal["keep", "cap", "reject"] = Field(
        description="what becomes of extreme purchases: they stay, count as much as the limit, or do not count"
    )
    limits: LimitParams
