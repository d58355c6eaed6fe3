"""How the probability of a future action is learned."""

from pydantic import Field

from shoal.params.base import Params


class PropensityParams(Params):
    """One target: the user begins an order within ``horizon_days``."""

    horizon_days: int = Field(ge=1, le=730, description="days after as_of that count")
    inputs: tuple[str, ...] = Field(strict=False, min_length=1, description="columns of features.users")
    reg: float = Field(ge=0, description="L2 penalty on standardised features")
    max_iter: int = Field(ge=1, description="iterations of the fit")
    min_positives: int = Field(ge=1, description="fewer users who did it: nothing is learned")
    min_auc: float = Field(
        ge=0, le=1, description="gate: a model whose area under the ROC curve is below this is not used"
    )
    active_days: int = Field(ge=1, description="users without an event in this many days are not scored")
