"""One measured figure, as every model reports it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A row of ``ops.metrics`` without its run, stage and entry."""

    model: str  # what was measured: the model, or a baseline by its name
    metric: str  # the field's own term, such as ``ndcg@10``
    value: float | None  # None where it could not be measured
    note: str  # what to know when reading it: protocol, base rate, ceiling
