"""How the features of a run are distributed, beside those of the run whose time its models learn from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal.books.runs import Run
from shoal.config import Config
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


def measure(features: DataFrame, config: Config, *, as_of: date) -> Measured:
    """Count the users of each feature by bin, of all features in one pass.

    Args:
        features: rows of ``features.users`` of one run.
    """
    names = named([one.name for one in config.features.own])
    nulls, totals = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    bins: dict[str, dict[int, int]] = {name: {} for name in names}
    # At most some hundred bins of some hundred features, however many users there are.
    for row in histograms(features, as_of=as_of, names=names).collect():
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


def record(lake: Lake, config: Config, run: Run, found: Measured, releases: Sequence[Row]) -> None:
    """Write the distributions beside those of the reference, and warn of inputs of models that have drifted."""
    horizon = max((target.horizon_days for target in config.propensity.values()), default=0)
    compared = reference(releases, run.day, horizon)
    before = {} if compared is None else _held(lake, compared["run_id"])
    shifts = {name: shift(before[name], now) for name, now in found.distributions.items() if name in before}
    rows = [_row(run, name, found, before.get(name), shifts.get(name), compared) for name in found.distributions]
    lake.record(FEATURE_DRIFT, rows, where=run.slice)
    inputs = {name for segments in config.segments.values() for name in segments.inputs}
    inputs |= {name for target in config.propensity.values() for name in target.inputs}
    if compared is not None:
        _tell(run, shifts, inputs, compared)


def _held(lake: Lake, run_id: str) -> dict[str, Distribution]:
    """The distributions that an earlier run has left."""
    rows = lake.read(FEATURE_DRIFT).where(F.col("run_id") == F.lit(run_id)).select("feature", "nulls", "histogram")
    return {
        row["feature"]: Distribution(row["nulls"], {each["bin"]: each["users"] for each in row["histogram"]})
        for row in rows.collect()
    }


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
