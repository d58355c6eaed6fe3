"""How features are built."""

from pydantic import Field

from shoal.params.base import Params


class FeatureParams(Params):
    """Layout of the tiles, and whose they are; what is computed from them is declared in ``tables/features.py``."""

    tile_buckets: int = Field(ge=1, le=4096, description="hash buckets of users, fixed when the lake is made")
    max_users_per_visitor: int = Field(ge=1, description="a visitor that met more users is a device that many share")
