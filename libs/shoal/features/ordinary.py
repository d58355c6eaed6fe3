"""What is ordinary in a run: features learns it, and the stages after it judge by the same limits.

Among them are the edges of the scores of buyers, which are those of the first day of the month.

Every run is pinned to its ``features.limits``. That nobody is suspect on its day says nothing of the earlier cuts that
propensity learns from: a robot of long ago was suspect then.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal.books.runs import Run
from shoal.features.people import People
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.params import FeatureParams
from shoal.tables import LIMITS, USER_DAYS
from shoal.transforms import outliers, rfm, suspects
from shoal.transforms.accounts import counted
from shoal.transforms.limits import Limits, limits, spreads


def score_edges(
    lake: Lake,
    run: Run,
    params: FeatureParams,
    people: People,
    users: DataFrame,
    user_changes: DataFrame | None,
    shown: Row | None,
    first_bought: date | None,
) -> list[dict[str, Any]]:
    """The edges of the scores of buyers, which hold for the whole month.

    Where the release that is shown is of the same month, its edges stay, whatever came late since. Otherwise they are
    computed as of the month's first day, from what is known of the days before it, so that the first run of a month
    may be of any day; where nobody had bought by then, as of the run's own day. Who behaves as no human does
    sets no edge.

    Args:
        users: rows of ``silver.users``.
        user_changes: rows of ``silver.user_changes``; None in a shop without a user feed.
        shown: the release that this run knows as current; None before the first.
        first_bought: day of the first purchase, guests' among them; None without one.

    Returns:
        Rows of ``features.limits``, one per measure.
    """
    month = rfm.month_of(run.day)
    if shown is not None and shown["as_of"] >= month:
        of_shown = F.col("run_id") == F.lit(shown["run_id"])
        if held := lake.read(LIMITS).where(of_shown & F.expr("scope = 'buyer'")).collect():
            return [{**row.asDict(), "run_id": run.key} for row in held]
    for cut in dict.fromkeys((month, run.day)):
        if first_bought is None or first_bought >= cut:
            continue
        counting = counted(users, user_changes, as_of=cut, accounts=people.accounts(cut))
        buyers = rfm.buyers(people.tiles(USER_DAYS, cut), counting, as_of=cut, params=params.limits)
        if found := rfm.edges(buyers, run_id=run.key).collect():
            if cut != month:
                run.note(f"nobody had bought before {month}: scores of recency, frequency and spend have the edges of "
                         f"{cut}")  # fmt: skip
            return [row.asDict() for row in found]
    return []


def learn(
    lake: Lake,
    run: Run,
    params: FeatureParams,
    days: DataFrame,
    item_days: DataFrame,
    users: DataFrame,
    edges: Sequence[dict[str, Any]],
) -> Limits:
    """Learn beyond what nobody is taken for human and no purchase for a usual one, and keep the edges of scores."""
    found = spreads(
        suspects.user_values(days, item_days, users, as_of=run.day, params=params.limits),
        outliers.item_values(item_days, as_of=run.day, params=params.limits),
    )
    with persisted(found) as kept:
        rows = limits(kept, as_of=run.day, run_id=run.key, params=params.limits)
        lake.replace(LIMITS, rows.unionByName(lake.frame(LIMITS, edges)), where=run.slice, once=run.key)
    return limits_at(lake, run, params, lake.written[LIMITS.name])


def tell(run: Run, *, suspects: int, extremes: int, treatment: str) -> None:
    """Say who and what is out of the ordinary."""
    if suspects:
        who = "user behaves as no human does and is" if suspects == 1 else "users behave as no human does and are"
        run.note(
            f"{suspects:,} {who} left out of models, segments and lists: "
            f"SELECT user_id, suspect_reasons FROM features.users WHERE {run.slice} AND is_suspect"
        )
    if extremes:
        purchases = "purchase is" if extremes == 1 else "purchases are"
        run.note(
            f"{extremes:,} {purchases} beyond the usual pieces or price of their item "
            f"(features.outliers={treatment}): SELECT user_id, extreme_purchases FROM features.users "
            f"WHERE {run.slice} AND extreme_purchases > 0"
        )


def limits_of(lake: Lake, run: Run, params: FeatureParams) -> Limits:
    """The limits that a run is pinned to."""
    return limits_at(lake, run, params, run.versions_read[LIMITS.name])


def limits_at(lake: Lake, run: Run, params: FeatureParams, version: int) -> Limits:
    """The limits of a run as they are in a version of their table."""
    rows = lake.read(LIMITS, version).where(run.slice)
    few = rows.where("scope <> 'item'").select("scope", "measure", "lower", "upper", "edges").collect()
    return Limits(
        of_users={row["measure"]: row["upper"] for row in few if row["scope"] == "user"},
        of_shop={row["measure"]: (row["lower"], row["upper"]) for row in few if row["scope"] == "shop"},
        of_items=rows.where("scope = 'item'"),
        params=params.limits,
        treatment=params.outliers,
        of_buyers={row["measure"]: row["edges"] for row in few if row["scope"] == "buyer"},
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
