"""Examples at three cuts -> a model that was fitted, calibrated and tested in time order, or why there is none.

With a horizon of H days and outcomes known up to ``as_of``:

1. fit at ``as_of - 3H``, calibrate at ``as_of - 2H``, test once at ``as_of - H``: those metrics are shown;
2. fit again at ``as_of - 2H`` and calibrate at ``as_of - H``: that model is applied.

A cut's features lie before it and its outcomes within H days from it on, so the tested model has seen
nothing that happened after its test cut. With less history fewer cuts are left, and the steps are shortened.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType

from shoal.errors import ConfigError, bulleted
from shoal.frames import persisted
from shoal.models.metric import Metric
from shoal.models.propensity.fitting import Examples, calibrate, fit
from shoal.models.propensity.measuring import measure, unmeasured
from shoal.models.propensity.model import BASE_RATE, LOGISTIC_REGRESSION, PropensityModel
from shoal.params import PropensityParams
from shoal.tables import USER_FEATURES

CUTS = 3  # fit, calibrate, test


@dataclass(frozen=True)
class Learned:
    """What a target's users are scored with, and how far that was tested."""

    model: PropensityModel | None  # None: there is too little to learn from, or it did not pass its gate
    source: str  # name of the model, or of the baseline where there is none
    base_rate: float  # share of users who did it after the newest cut; 0 where no cut has an outcome yet
    metrics: list[Metric] = field(default_factory=list)
    failed: str = ""  # why there is no model: what was needed and what was found
    untested: str = ""  # for want of which cuts the model there is was not tested or not calibrated
    warnings: list[str] = field(default_factory=list)  # what else to know of the model


@dataclass(frozen=True)
class _History:
    """The cuts that can be learned from, newest first, and what ended them."""

    cuts: list[Examples]
    newest: Examples | None  # with outcomes, even if too few to learn from
    ended_by: str  # sentence on the next older cut; empty where none more was needed


def learn(
    examples: Callable[[date], DataFrame],
    *,
    as_of: date,
    first_day: date,
    params: PropensityParams,
    own: Mapping[str, str] | None = None,
) -> Learned:
    """Learn from what users did after earlier days how likely they are to do it after ``as_of``.

    A cut can be learned from if more than half a horizon of history lies before it and at least
    ``min_positives`` users did it, and as many did not. There is no model where no cut can be, where no input
    varies, and where the gate says no: the test's AUC is below ``min_auc``, or the newest outcomes contradict the
    refitted model. One that could not be tested is given, and said to be so.

    Args:
        examples: for a cut, rows of ``features.users`` at it of the users active before it, with ``label``:
            1.0 if they did it within the horizon from the cut on, else 0.0. Called once per cut that is
            needed, newest first, never for one without history.
        as_of: first shop-local day that is not seen.
        first_day: day of the first event.
        params: the target's settings.
        own: by name what the shop's own features mean that the rows have as columns; the model remembers it.

    Raises:
        ConfigError: an input is not a numeric column of ``features.users``; all are listed.
    """
    own = own or {}
    _check(params.inputs, own)
    with ExitStack() as stack:
        history = _history(examples, stack, as_of=as_of, first_day=first_day, params=params)
        if not history.cuts:
            rate = history.newest.rate if history.newest else 0.0
            return _none(rate, _no_fit(history), unmeasured(history.newest, "nothing was fitted"))
        learned = _learned(history, params)
    if learned.model is None:
        return learned
    return replace(learned, model=replace(learned.model, own={n: own[n] for n in learned.model.columns if n in own}))


def _learned(history: _History, params: PropensityParams) -> Learned:
    """Test a model where there is a cut for it, and fit the one that is applied."""
    cuts, rate = history.cuts, history.cuts[0].rate
    warnings = list[str]()
    metrics = unmeasured(cuts[0], "no cut was left to test at")
    if len(cuts) > 1:
        tested = _model(cuts[1:], params, [])
        if tested is None:
            return _none(rate, _no_input(cuts[-1]), unmeasured(cuts[0], "nothing could be fitted"))
        metrics, area = measure(tested, cuts[0], known_rate=cuts[1].rate)
        if area is None or area < params.min_auc:
            return _none(rate, _below_gate(area, cuts[0], params), metrics)
    newest = cuts[:2] if len(cuts) == CUTS else cuts[:1]
    applied = _model(newest, params, warnings)
    if applied is None:
        return _none(rate, _no_input(newest[-1]), metrics)
    if applied.calibration_slope == 0:
        return _none(rate, _contradicted(applied), metrics)
    return Learned(applied, LOGISTIC_REGRESSION, rate, metrics, untested=_shortened(history), warnings=warnings)


def _model(cuts: Sequence[Examples], params: PropensityParams, warnings: list[str]) -> PropensityModel | None:
    """A model fitted at the oldest of one or two cuts, and calibrated at the newer if there are two."""
    found = fit(cuts[-1], params)
    if found is None:
        return None
    model, converged = found
    if not converged:
        warnings.append(
            f"the fit at {cuts[-1].cut} needs more than max_iter {params.max_iter} steps to converge; "
            "its coefficients are used as they are"
        )
    return calibrate(model, cuts[0]) if len(cuts) > 1 else model


def _none(rate: float, why: str, metrics: list[Metric]) -> Learned:
    return Learned(None, BASE_RATE, rate, metrics, failed=why)


def _check(inputs: Sequence[str], own: Collection[str]) -> None:
    numeric = {*own, *(c.name for c in USER_FEATURES.columns if isinstance(c.type, NumericType))}
    wrong = [name for name in inputs if name not in numeric]
    if wrong:
        raise ConfigError(bulleted("propensity.inputs: not a numeric column of features.users:", wrong))


def _history(
    examples: Callable[[date], DataFrame],
    stack: ExitStack,
    *,
    as_of: date,
    first_day: date,
    params: PropensityParams,
) -> _History:
    """The cuts that can be learned from, persisted until the stack is closed."""
    horizon = params.horizon_days
    cuts: list[Examples] = []
    newest = None
    for back in range(1, CUTS + 1):
        cut = as_of - timedelta(days=back * horizon)
        days = (cut - first_day).days
        found = _examples(examples(cut), cut, stack, params) if _worth_asking(days, back, horizon) else None
        newest = newest or found
        problem = _problem(found, cut, days, params)
        if problem or found is None:
            return _History(cuts, newest, problem)
        cuts.append(found)
    return _History(cuts, newest, "")


def _worth_asking(days: int, back: int, horizon: int) -> bool:
    """The newest cut gives the base rate, even if it cannot be learned from."""
    return days > 0 if back == 1 else 2 * days > horizon


def _examples(rows: DataFrame, cut: date, stack: ExitStack, params: PropensityParams) -> Examples:
    columns = dict.fromkeys(["user_id", "recency_days", *params.inputs, "label"])
    kept = stack.enter_context(persisted(rows.select(*columns)))
    counted = kept.agg(F.count(F.lit(1)).alias("users"), F.count_if(F.col("label") == 1).alias("positives")).first()
    assert counted is not None, "an aggregate has one row"
    return Examples(cut, kept, counted["users"], counted["positives"])


def _problem(found: Examples | None, cut: date, days: int, params: PropensityParams) -> str:
    """Why a cut cannot be learned from; empty where it can."""
    horizon, least = params.horizon_days, params.min_positives
    if 2 * days <= horizon or found is None:
        return f"a cut needs more than {horizon / 2:g} days of history before it, {cut} has {max(days, 0)}"
    did, did_not = found.positives, found.users - found.positives
    if min(did, did_not) < least:
        return (
            f"a cut needs {least} users who did it within {horizon} days and {least} who did not, "
            f"{cut} has {did} and {did_not}"
        )
    return ""


def _shortened(history: _History) -> str:
    """What was left out for want of cuts; empty where nothing was."""
    cuts = history.cuts
    if len(cuts) == CUTS:
        return ""
    if len(cuts) == 1:
        return (
            f"the model, fitted at {cuts[0].cut}, is neither calibrated nor tested: that needs {CUTS} cuts, "
            f"one was found ({history.ended_by})"
        )
    return (
        f"the model, fitted at {cuts[1].cut} for its test and at {cuts[0].cut} for use, is not calibrated: "
        f"that needs {CUTS} cuts, two were found ({history.ended_by})"
    )


def _no_fit(history: _History) -> str:
    unknown = history.newest is None or not history.newest.users
    return f"no rate can be measured yet: {history.ended_by}" if unknown else history.ended_by


def _no_input(examples: Examples) -> str:
    return f"a fit needs an input with two values, {examples.cut} has none"


def _below_gate(area: float | None, test: Examples, params: PropensityParams) -> str:
    found = "none" if area is None else f"{area:.3f}"
    return f"the test needs an AUC of {params.min_auc:g}, {test.cut} has {found}"


def _contradicted(model: PropensityModel) -> str:
    return (
        f"calibration needs users to whom the model fitted at {model.fit_cut} gives more "
        f"to do it more often, {model.calibration_cut} shows the opposite or no difference"
    )
