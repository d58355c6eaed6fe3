"""What is ordinary in a run: features learns it, and the stages after it judge by the same limits.

A run is pinned to ``features.limits`` only where they matter: where a user is suspect, a purchase is extreme, or
extreme purchases are treated. Elsewhere no stage reads them.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.lake import Lake
from shoal.params import FeatureParams
from shoal.runs import Run
from shoal.tables import LIMITS
from shoal.transforms.limits import Limits


def limits_of(lake: Lake, run: Run, params: FeatureParams) -> Limits | None:
    """The limits that a run is pinned to; None where they matter to nobody."""
    version = run.versions_read.get(LIMITS.name)
    return None if version is None else limits_at(lake, run, params, version)


def limits_at(lake: Lake, run: Run, params: FeatureParams, version: int) -> Limits:
    """The limits of a run as they are in a version of their table."""
    rows = lake.read(LIMITS, version).where(run.slice)
    few = rows.where("scope <> 'item'").select("scope", "measure", "lower", "upper").collect()
    return Limits(
        of_users={row["measure"]: row["upper"] for row in few if row["scope"] == "user"},
        of_shop={row["measure"]: (row["lower"], row["upper"]) for row in few if row["scope"] == "shop"},
        of_items=rows.where("scope = 'item'"),
        params=params.limits,
        treatment=params.outliers,
    )


def suspects_of(run: Run, features: DataFrame) -> DataFrame | None:
    """``user_id`` of the users who are suspect in a run; None where nobody is.

    Args:
        features: rows of ``features.users`` of the run.
    """
    if LIMITS.name not in run.versions_read:
        return None
    found = features.where("is_suspect").select("user_id")
    return None if found.isEmpty() else found


def humans(features: DataFrame) -> DataFrame:
    """Rows of ``features.users`` without those of suspects."""
    return features.where(~F.col("is_suspect"))
