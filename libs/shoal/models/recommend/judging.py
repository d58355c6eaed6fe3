"""What was measured of a list's model -> whether it is shown, and in what it is not the one that was measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shoal.models.metric import Metric
from shoal.models.recommend.blend import FittedBlend
from shoal.models.recommend.measuring import DIFFERENCE
from shoal.models.recommend.recommender import Fitted
from shoal.params import RecommendParams

_NOT_FITTED = "; not fitted: it "  # in a note, before why
_MEMBERS = "members"  # metric of a blend


@dataclass(frozen=True)
class Judgement:
    """What a model of taste is worth beside popularity; at most one of the first three says something."""

    failed: str = ""  # it loses, so it must not be shown
    untested: str = ""  # why the two could not be compared
    undecided: str = ""  # neither is known to be better
    members: str = ""  # of a blend: the models of which it was made when it was measured


def judge(metrics: Sequence[Metric], params: RecommendParams) -> Judgement:
    """Judge a list's model by the 95 % interval of its nDCG less that of popularity, for the same users.

    Args:
        metrics: of :func:`shoal.models.recommend.backtesting.measure`.
        params: the list's settings.
    """
    name = DIFFERENCE.format(k=params.k, model=params.model)
    own = {metric.metric: metric for metric in metrics if metric.model == params.model}
    value = {metric.metric: metric.value for metric in own.values()}
    low, high = value.get(f"{name} low"), value.get(f"{name} high")
    members = own[_MEMBERS].note if _MEMBERS in own else ""
    if low is None or high is None:
        why = f"it {next((m.note.partition(_NOT_FITTED)[2] for m in own.values()), '') or 'was not measured'}"
        if name in value:
            why = "that needs two users who bought something for the first time since then, fewer were found"
        untested = f"{params.model} is not tested against popularity {params.test_days} days back: {why}"
        return Judgement(untested=untested, members=members)
    measured = (
        f"the nDCG@{params.k} of {params.model} less that of popularity is {value[name]:.4f}, "
        f"95 % interval {low:.4f} to {high:.4f}"
    )
    if high < 0:
        return Judgement(failed=f"{measured}: popularity is better", members=members)
    undecided = "" if low > 0 else f"{measured}: {params.model} is not shown to be better"
    return Judgement(undecided=undecided, members=members)


def unfitted(params: RecommendParams, note: str, lacks: str) -> list[Metric]:
    """What is said of a model that could not be fitted on what was known then.

    Args:
        note: the protocol.
        lacks: why, of :class:`shoal.models.recommend.registry.Learned`.
    """
    figures = [f"{name}@{params.k}" for name in ("ndcg", "recall", "coverage")]
    return [Metric(params.model, figure, None, f"{note}{_NOT_FITTED}{lacks}") for figure in figures]


def told(metrics: Sequence[Metric], params: RecommendParams, fitted: Fitted) -> list[Metric]:
    """Metrics that say in what the model that was measured is not the one that is shown.

    Args:
        fitted: what was measured.
    """
    apart = ""
    if params.warm_start:
        apart += f"; fitted in {params.max_iter} iterations from random factors, also where the shown one goes on"
    if params.new_items:
        apart += "; without new items"
    found = [replace(one, note=one.note + apart) if one.model == params.model else one for one in metrics]
    names = members(fitted)
    return [*found, Metric(params.model, _MEMBERS, float(names.count(",") + 1), names)] if names else found


def members(fitted: Fitted) -> str:
    """The names of the models of which a blend is made, those of its settings that learned something; else empty."""
    return ", ".join(fitted.names) if isinstance(fitted, FittedBlend) else ""
