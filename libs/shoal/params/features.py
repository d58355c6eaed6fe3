"""How features are built."""

from pydantic import Field

from shoal.params.base import Params


class FeatureParams(Params):
    """Layout of the tiles; what is computed from them is declared in ``tables/features.py``."""

    tile_buckets: int = Field(ge=1, le=4096, description="hash buckets of users, fixed when the lake is made")
