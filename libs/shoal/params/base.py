"""The base of every settings object."""

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Settings that cannot change after they are read, and that refuse unknown keys.

    No field has a default: every value, with its reason, stands in ``conf/default.yaml``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
