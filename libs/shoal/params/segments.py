"""How users are grouped."""

from typing import Literal

from pydantic import Field, model_validator

from shoal.params.base import Params, Seed


class SegmentParams(Params):
    """One segmentation of buyers."""

    k: int | Literal["auto"] = Field(description="number of segments, or auto to choose within k_range")
    k_range: tuple[int, int] = Field(strict=False, description="least and greatest k that auto may choose")
    inputs: tuple[str, ...] = Field(strict=False, min_length=1, description="columns of features.users")
    seed: Seed = Field(description="same seed and data, same segments")
    max_iter: int = Field(ge=1, description="iterations of KMeans")
    min_users_per_segment: int = Field(ge=1, description="fewer buyers than k times this: fewer segments")

    @model_validator(mode="after")
    def _range(self) -> "SegmentParams":
        low, high = self.k_range
        if not 2 <= low <= high <= 50:
            raise ValueError(f"k_range must be two numbers within 2..50, the least first, got {low}, {high}")
        if isinstance(self.k, int) and not 2 <= self.k <= 50:
            raise ValueError(f"k must be within 2..50, got {self.k}")
        return self
