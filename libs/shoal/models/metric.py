"""One measured figure, as every model reports it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A row of ``ops.metrics`` without its run, stage and entry."""

    model: str  # what was measured: the model, or a baseline by its name
    metric: str  # the field's own term, such as ``ndcg@10``
    value: float | None  # None where it could not be measured
    note: str  # what to know when reading it: protocol, base rate, ceiling


def stands_in(model: str, why: str, days: int = 0) -> Metric:
    """That an older model or a baseline took the place of today's model.

    Args:
        model: its name, as the ``source`` of its rows.
        why: what today's model lacks.
        days: its age, from the day of the run that fitted it; 0 for a baseline, which is as new as the run.
    """
    return Metric(model, "stands_in", float(days), f"days since it was fitted; today's model: {why}")
