"""How the features of a run are distributed, beside those of the run whose time its models learn from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal.books.runs import Run
from shoal.config import Config
from shoal.features.group import Group
from shoal.lake import Lake
from shoal.quality.shift import DRIFT, Distribution, Shift, shift
from shoal.tables import FEATURE_DRIFT
from shoal.transforms.distributions import histograms, is_text, lowest, named

_NAMED = 5  # features that a warning names


@dataclass(frozen=True)
class Measured:
    """The distribution of each feature of a run, and the sum of its values."""

    distributions: dict[str, Distribution]
    totals: dict[str, float]

    @property
    def users(self) -> int:
        """How many users the run has."""
        return next((found.users for found in self.distributions.values()), 0)

    def total(self, name: str) -> int:
        """The sum of a feature that counts; of yes and no, how many are yes."""
        return round(self.totals.get(name, 0.0))


def measure(features: DataFrame, config: Config, cuts: Sequence[date]) -> dict[date, Measured]:
    """Count the users of each feature by bin, of all features in one pass.

    Args:
        features: rows of ``features.users`` of one run at each of the cuts.

    Returns:
        What was counted, by cut.
    """
    names = named([one.name for one in config.features.own])
    one = cuts[0] if len(cuts) == 1 else None
    by_cut: dict[date, list[Row]] = {cut: [] for cut in cuts}
    # At most some hundred bins of some hundred features and each cut, however many users there are.
    for row in histograms(features, as_of=one, names=names).collect():
        by_cut[one or row["as_of"]].append(row)
    return {cut: _measured(names, rows) for cut, rows in by_cut.items()}


def _measured(names: Sequence[str], rows: Sequence[Row]) -> Measured:
    nulls, totals = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    bins: dict[str, dict[int, int]] = {name: {} for name in names}
    for row in rows:
        name = names[row["place"]]
        if row["bin"] is None:
            nulls[name] = row["users"]
        else:
            bins[name][row["bin"]] = row["users"]
            totals[name] += row["total"]
    return Measured({name: Distribution(nulls[name], bins[name]) for name in names}, totals)


def reference(releases: Sequence[Row], as_of: date, horizon_days: int) -> Row | None:
    """The run that features are compared with: the newest release that is older by a horizon, else the first of all.

    Args:
        releases: every release, oldest first.
        as_of: of the run that is compared; no later one is taken, nor one of the same day.
        horizon_days: so much older are the newest examples that a model learns from.
    """
    earlier = [row for row in releases if row["as_of"] < as_of and row["kind"] != "rollback"]
    learned = [row for row in earlier if row["as_of"] <= as_of - timedelta(days=horizon_days)]
    if learned:
        return max(learned, key=lambda row: (row["as_of"], row["seq"]))
    return min(earlier, key=lambda row: (row["as_of"], row["seq"]), default=None)


def record(lake: Lake, config: Config, group: Group, found: Mapping[date, Measured], releases: Sequence[Row]) -> None:
    """Write the distributions beside those of the reference, and warn of inputs of models that have drifted."""
    horizon = max((target.horizon_days for target in config.propensity.values()), default=0)
    references = {run.day: reference(releases, run.day, horizon) for run in group.runs}
    held = _held(lake, {row["run_id"] for row in references.values() if row is not None})
    inputs = {name for segments in config.segments.values() for name in segments.inputs}
    inputs |= {name for target in config.propensity.values() for name in target.inputs}
    inputs |= {f"own.{name}" for name in inputs}  # as the shop's own are called here
    rows = list[dict[str, Any]]()
    for run in group.runs:
        now, compared = found[run.day], references[run.day]
        before = {} if compared is None else held.get(compared["run_id"], {})
        shifts = {name: shift(before[name], of) for name, of in now.distributions.items() if name in before}
        rows += [_row(run, name, now, before.get(name), shifts.get(name), compared) for name in now.distributions]
        if compared is not None:
            _tell(run, shifts, inputs, compared)
    group.require_waiting(lake)
    lake.record(FEATURE_DRIFT, rows, where=group.slice)


def _held(lake: Lake, run_ids: Collection[str]) -> dict[str, dict[str, Distribution]]:
    """The distributions that earlier runs have left, by run."""
    held: dict[str, dict[str, Distribution]] = {run_id: {} for run_id in run_ids}
    if not held:
        return held
    rows = lake.read(FEATURE_DRIFT).where(F.col("run_id").isin([*run_ids]))
    for row in rows.select("run_id", "feature", "nulls", "histogram").collect():
        bins = {each["bin"]: each["users"] for each in row["histogram"]}
        held[row["run_id"]][row["feature"]] = Distribution(row["nulls"], bins)
    return held


def _row(
    run: Run, name: str, found: Measured, before: Distribution | None, moved: Shift | None, compared: Row | None
) -> dict[str, Any]:
    now, text = found.distributions[name], is_text(name)
    return {
        "run_id": run.key,
        "as_of": run.day,
        "feature": name,
        "users": now.users,
        "nulls": now.nulls,
        "null_share": now.null_share if now.users else None,
        "mean": None if text or not now.known else float(f"{found.totals[name] / now.known:.9g}"),
        "histogram": [
            {"bin": place, "low": None if text else lowest(place), "users": users}
            for place, users in sorted(now.bins.items())
        ],
        "reference_run_id": None if before is None or compared is None else compared["run_id"],
        "reference_null_share": before.null_share if before is not None and before.users else None,
        "psi": moved.psi if moved else None,
        "psi_by_chance": moved.by_chance if moved else None,
        "state": moved.state if moved else None,
    }


def _tell(run: Run, shifts: dict[str, Shift | None], inputs: Collection[str], compared: Row) -> None:
    drifted = sorted(
        (-moved.psi, name) for name, moved in shifts.items() if moved and moved.state == "drift" and name in inputs
    )
    if not drifted:
        return
    worst = ", ".join(f"{name} {-psi:.2f}" for psi, name in drifted[:_NAMED])
    more = f" and {len(drifted) - _NAMED} more" if len(drifted) > _NAMED else ""
    what = "input of models is" if len(drifted) == 1 else "inputs of models are"
    run.warn(
        f"{len(drifted)} {what} distributed otherwise than in the run of {compared['as_of']} (PSI above {DRIFT}, or "
        f"nulls): {worst}{more}: SELECT * FROM ops.feature_drift WHERE {run.slice} AND state = 'drift'"
    )
