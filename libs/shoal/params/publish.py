"""How a run is made visible."""

from pydantic import Field

from shoal.params.base import Params


class PublishParams(Params):
    """What publish adds to a run."""

    hold_out_share: float = Field(ge=0, lt=1, description="share of users that are never to be contacted")
    hold_out_salt: str = Field(min_length=1, description="change it only to draw another hold-out")
    max_retries: int = Field(ge=0, description="tries after another run published first")
