"""What is ordinary in a run: features learns it, and the stages after it judge by the same limits.

Among them are the edges of the scores of buyers, which are those of the first day of the month.

Every run is pinned to its ``features.limits``. That nobody is suspect on its day says nothing of the earlier cuts that
propensity learns from: a robot of long ago was suspect then.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal.books.runs import Run
from shoal.features.group import Group
from shoal.features.people import People
from shoal.frames import persisted
from shoal.lake import Lake
from shoal.params import FeatureParams
from shoal.tables import LIMITS, USER_DAYS
from shoal.transforms import outliers, rfm, suspects
from shoal.transforms.cuts import of_cut
from shoal.transforms.limits import Limits, limits, spreads

Edges = list[dict[str, Any]]  # rows of features.limits whose scope is buyer


def score_edges(
    lake: Lake,
    group: Group,
    params: FeatureParams,
    people: People,
    shown: Mapping[date, Row | None],
    first_bought: date | None,
    known: dict[date, Edges],
) -> Edges:
    """The edges of the scores of buyers, which hold for the whole month.

    Where the release that is shown is of the same month, its edges stay, whatever came late since. Otherwise they are
    computed as of the month's first day, from what is known of the days before it, so that the first run of a month
    may be of any day; where nobody had bought by then, as of the run's own day. Who behaves as no human does
    sets no edge.

    Args:
        shown: by day the release that its run knows as current; None before the first.
        first_bought: day of the first purchase, guests' among them; None without one.
        known: edges that were computed so far, by cut; those that are computed now are added.

    Returns:
        Rows of ``features.limits``, one per run and measure.
    """
    kept = _kept_edges(lake, group.runs, shown)
    waiting = [run.day for run in group.runs if not kept[run.day]]
    _compute_edges(people, params, [rfm.month_of(day) for day in waiting], first_bought, known)
    late = [day for day in waiting if not known.get(rfm.month_of(day))]  # nobody had bought before the month
    _compute_edges(people, params, late, first_bought, known)
    found = Edges()
    for run in group.runs:
        month = rfm.month_of(run.day)
        edges = kept[run.day] or known.get(month) or known.get(run.day, [])
        if run.day in late and edges:
            run.note(
                f"nobody had bought before {month}: scores of recency, frequency and spend have the edges of {run.day}"
            )
        found += [{**edge, "run_id": run.key} for edge in edges]
    return found


def _kept_edges(lake: Lake, runs: Sequence[Run], shown: Mapping[date, Row | None]) -> dict[date, Edges]:
    """By day the edges of the release that is shown of the same month."""
    held = {run.day: shown[run.day] for run in runs}
    ids = {day: row["run_id"] for day, row in held.items() if row is not None and row["as_of"] >= rfm.month_of(day)}
    if not ids:
        return {run.day: [] for run in runs}
    of_shown = F.col("run_id").isin(sorted({*ids.values()}))
    rows = [row.asDict() for row in lake.read(LIMITS).where(of_shown & F.expr("scope = 'buyer'")).collect()]
    return {run.day: [row for row in rows if row["run_id"] == ids.get(run.day)] for run in runs}


def _compute_edges(
    people: People, params: FeatureParams, days: Sequence[date], first_bought: date | None, known: dict[date, Edges]
) -> None:
    """Add the edges of the days that are not known yet: none of a day before which nobody had bought."""
    cuts = sorted({day for day in days if day not in known and first_bought is not None and first_bought < day})
    if not cuts:
        return
    day = cuts[0] if len(cuts) == 1 else None
    tiles, counting = people.tiles_of_all(USER_DAYS, cuts), people.counted_of_all(cuts)
    buyers = rfm.buyers(tiles, counting, as_of=day, params=params.limits)
    known |= {cut: [] for cut in cuts}
    for row in rfm.edges(buyers, run_id="").collect():
        known[row["as_of"]].append(row.asDict())


def learn(
    lake: Lake,
    group: Group,
    params: FeatureParams,
    days: DataFrame,
    item_days: DataFrame,
    users: DataFrame,
    edges: Edges,
) -> Limits:
    """Learn beyond what nobody is taken for human and no purchase for a usual one, and keep the edges of scores.

    Args:
        days, item_days: the tiles at the group's cut, or at each of them.
        users: ``user_id`` of who is learned from, with ``as_of`` where there are many cuts.
        edges: of :func:`score_edges`.
    """
    found = spreads(
        suspects.user_values(days, item_days, users, as_of=group.day, params=params.limits),
        outliers.item_values(item_days, as_of=group.day, params=params.limits),
        *group.own,
    )
    with persisted(found) as kept:
        rows = limits(kept, as_of=group.day, run_id=group.run_id, params=params.limits)
        group.put(lake, LIMITS, rows.unionByName(lake.frame(LIMITS, edges)))
    return limits_at(lake, group, params, lake.written[LIMITS.name])


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
    return limits_at(lake, Group([run]), params, run.versions_read[LIMITS.name])


def limits_at(lake: Lake, group: Group, params: FeatureParams, version: int) -> Limits:
    """The limits of runs as they are in a version of their table; of several runs, each row's by its cut."""
    rows = lake.read(LIMITS, version).where(group.slice)
    few = rows.where("scope <> 'item'").select("run_id", "scope", "measure", "lower", "upper", "edges").collect()

    def told(scope: str, name: str) -> dict[str, Any]:
        of_scope = [row for row in few if row["scope"] == scope]
        if group.day is not None:
            return {row["measure"]: row[name] for row in of_scope}
        days = {run.key: run.day for run in group.runs}
        by_measure: dict[str, dict[date, Any]] = {}
        for row in of_scope:
            if row[name] is not None:
                by_measure.setdefault(row["measure"], {})[days[row["run_id"]]] = row[name]
        return {measure: of_cut(values) for measure, values in by_measure.items()}

    lower = told("shop", "lower")
    return Limits(
        of_users=told("user", "upper"),
        of_shop={measure: (lower.get(measure), upper) for measure, upper in told("shop", "upper").items()},
        of_items=rows.where("scope = 'item'"),
        params=params.limits,
        treatment=params.outliers,
        of_buyers=told("buyer", "edges"),
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
