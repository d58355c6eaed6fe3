"""The base of every settings object, and kinds of values that several share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]  # a whole number of 32 bits that is not negative


class Params(BaseModel):
    """Settings that cannot change after they are read, and that refuse unknown keys.

    No field has a default: every value, with its reason, stands in ``conf/default.yaml``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
