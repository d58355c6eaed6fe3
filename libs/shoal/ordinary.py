"""What is ordinary in a run: features learns it, and the stages after it judge by the same limits.

Every run is pinned to its ``features.limits``. That nobody is suspect on its day says nothing of the earlier cuts that
propensity learns from: a robot of long ago was suspect then.
"""

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal.frames import persisted
from shoal.lake import Lake
from shoal.params import FeatureParams
from shoal.runs import Run
from shoal.tables import LIMITS, USER_FEATURES
from shoal.transforms import outliers, suspects
from shoal.transforms.limits import Limits, limits, spreads


def learn(
    lake: Lake, run: Run, params: FeatureParams, days: DataFrame, item_days: DataFrame, users: DataFrame
) -> Limits:
    """Learn beyond what nobody is taken for human and no purchase for a usual one."""
    found = spreads(
        suspects.user_values(days, item_days, users, as_of=run.day, params=params.limits),
        outliers.item_values(item_days, as_of=run.day, params=params.limits),
    )
    with persisted(found) as kept:
        rows = limits(kept, as_of=run.day, run_id=run.key, params=params.limits)
        lake.replace(LIMITS, rows, where=run.slice, once=run.key)
    return limits_at(lake, run, params, lake.written[LIMITS.name])


def figures(lake: Lake, run: Run) -> Row:
    """How many users there are, how many of them are suspect, and how many purchases are extreme."""
    counts = lake.read(USER_FEATURES).where(run.slice).agg(
        F.count(F.lit(1)).alias("users"),
        F.count_if("is_suspect").alias("suspects"),
        F.coalesce(F.sum("extreme_purchases"), F.lit(0)).alias("extremes"),
    ).first()  # fmt: skip
    assert counts is not None, "an aggregate has one row"
    return counts


def tell(run: Run, found: Row, treatment: str) -> None:
    """Say who and what is out of the ordinary."""
    if found["suspects"]:
        who = (
            "user behaves as no human does and is"
            if found["suspects"] == 1
            else "users behave as no human does and are"
        )
        run.note(
            f"{found['suspects']:,} {who} left out of models, segments and lists: "
            f"SELECT user_id, suspect_reasons FROM features.users WHERE {run.slice} AND is_suspect"
        )
    if found["extremes"]:
        purchases = "purchase is" if found["extremes"] == 1 else "purchases are"
        run.note(
            f"{found['extremes']:,} {purchases} beyond the usual pieces or price of their item "
            f"(features.outliers={treatment}): SELECT user_id, extreme_purchases FROM features.users "
            f"WHERE {run.slice} AND extreme_purchases > 0"
        )


def limits_of(lake: Lake, run: Run, params: FeatureParams) -> Limits:
    """The limits that a run is pinned to."""
    return limits_at(lake, run, params, run.versions_read[LIMITS.name])


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


def suspects_of(features: DataFrame) -> DataFrame | None:
    """``user_id`` of the users who are suspect in a run; None where nobody is, so that no stage joins them for nothing.

    Args:
        features: rows of ``features.users`` of the run.
    """
    found = features.where("is_suspect").select("user_id")
    return None if found.isEmpty() else found


def humans(features: DataFrame) -> DataFrame:
    """Rows of ``features.users`` without those of suspects."""
    return features.where(~F.col("is_suspect"))
