"""Features of users: all of them from events, beside Spark and DuckDB, and what one more day costs."""

from collections.abc import Mapping
from math import log

from benchmarks.contest import Contest, Contestant
from benchmarks.features import work
from benchmarks.features.shared import NAMES
from shoal.tables.user_features import FEATURES

_ALL, _SHARED = "Shoal", f"Shoal, {len(NAMES)} features"
_SPARK, _WRITTEN, _TWO = "Spark as people write it", "DuckDB as people write it", "DuckDB in two levels"
_SHOWN = sum(feature.is_shown for feature in FEATURES.values())

_FULL = (
    f"From events, five in a session, over {work.DAYS} days, to {len(NAMES)} features per user over six windows (1, "
    "7, 30, 90, 365 days, and all), four of seven being exact distinct counts, written; all tables must be equal in "
    f"these. Shoal makes and commits its tiles by day and learns limits on the way, and then {_SHOWN} features, or "
    "these alone."
)
_MORE = (
    "The features stage of a daily run in a lake with so many days of history and one more that has come: tiles of the "
    f"new day, then {_SHOWN} features of every user from all tiles. rows are the new day's events, as many on each day."
)


def contests(scale: float) -> list[Contest]:
    """The contests of this stage.

    Args:
        scale: of the full size; 4 is that of the target.
    """
    rows, users, items = int(5_000_000 * scale), int(500_000 * scale), int(50_000 * min(1, scale))
    per_day, people = 5 * int(600 * scale), int(15_000 * scale)
    return [
        Contest(
            "full build", _FULL, rows, lambda folder: work.make(folder, rows, users, items),
            [
                Contestant(_ALL, "benchmarks.features.by_shoal", f"{_SHOWN} features, three Delta tables", rounds=2),
                Contestant(
                    _SHARED, "benchmarks.features.by_shoal", "two Delta tables, then Parquet; no limits",
                    ("--shared-only",), rounds=2,
                ),
                Contestant(
                    _SPARK, "benchmarks.features.by_spark",
                    "a grouping per window with count_distinct, joined; 8 partitions", rounds=1,
                ),
                Contestant(_WRITTEN, "benchmarks.features.by_duckdb", "one grouping, count(DISTINCT) per window"),
                Contestant(
                    _TWO, "benchmarks.features.by_duckdb", "by day, item and order first, then by user",
                    ("--two-level",),
                ),
            ],
            agree=("users", "table", "sums"),
            target="at least 10 times as fast as Spark as people write it, 2.5 times as DuckDB as people write it, no "
            "slower than DuckDB in two levels.",
            verdict=_of_full,
        ),
        Contest(
            "one more day", _MORE, per_day,
            lambda folder: work.make_lakes(folder, per_day, people, int(10_000 * min(1, scale))),
            [
                Contestant(_after(days), "benchmarks.features.one_more_day", "as shipped", ("--days", str(days)))
                for days in work.HISTORIES
            ],
            agree=(),
            target="seconds do not grow with the history: a slope of at most 0.05 in log-log.",
            verdict=_of_more,
        ),
    ]  # fmt: skip


def _of_full(seconds: Mapping[str, float]) -> str:
    peers = (_SPARK, _WRITTEN, _TWO)
    found = [
        ", ".join(f"{seconds[peer] / seconds[name]:.2f} times as fast as {peer}" for peer in peers)
        for name in (_ALL, _SHARED)
    ]
    return f"Found: {found[0]}, with {_SHOWN} features beside their {len(NAMES)}; with the same, {found[1]}."


def _after(days: int) -> str:
    return f"Shoal after {days} days"


def _of_more(seconds: Mapping[str, float]) -> str:
    points = [(log(days), log(seconds[_after(days)])) for days in work.HISTORIES]
    centre = [sum(side) / len(points) for side in zip(*points, strict=True)]
    slope = sum((x - centre[0]) * (y - centre[1]) for x, y in points) / sum((x - centre[0]) ** 2 for x, _ in points)
    return f"Found: a slope of {slope:.2f}."
