"""Validation: the rules in one pass beside Great Expectations, and the whole of ingest and validate beside DuckDB."""

from collections.abc import Mapping

from benchmarks.contest import Contest, Contestant
from benchmarks.validate import work

_ALONE, _GX = "mapping and writing alone", "Great Expectations alone"

_RULES = (
    "Map raw rows in text form, judge each by the rules of the canonical feed, write good rows and bad rows with "
    "the names of the rules that they break, as Parquet. DuckDB has the 21 of 25 rules that speak of columns of these "
    "files."
)
_WHOLE = (
    "Read Parquet files, keep every raw row, map it, judge it by the rules, find what was told twice, write good and "
    "bad rows. Shoal also judges the batch by Great Expectations, keeps its books, derives orders, items and users, "
    "and commits everything to Delta tables by day; DuckDB does none of that."
)


def contests(scale: float) -> list[Contest]:
    """The contests of this stage.

    Args:
        scale: share of the full size.
    """
    few, many = int(2_000_000 * scale), int(10_000_000 * scale)
    return [
        Contest(
            "rules in one pass", _RULES, few, lambda folder: work.make(folder, few),
            [
                Contestant(_ALONE, "benchmarks.validate.one_pass", "no rule", ("--without-rules",)),
                Contestant("Shoal", "benchmarks.validate.one_pass"),
                Contestant("DuckDB", "benchmarks.validate.by_duckdb", "one query, one pass"),
                Contestant(
                    _GX, "benchmarks.validate.by_gx",
                    "mapped rows cached, a Boolean column per rule, COMPLETE results with the ids of bad rows",
                    rounds=1,
                ),
            ],
            agree=("good", "bad", "broken"),
            target="at least 30 times as fast as Great Expectations alone; at most 20 % on top of mapping and writing.",
            verdict=_of_rules,
        ),
        Contest(
            "ingest and validate", _WHOLE, many, lambda folder: work.make(folder, many),
            [
                Contestant("Shoal", "benchmarks.validate.whole"),
                Contestant("DuckDB", "benchmarks.validate.by_duckdb", "one query, ids made unique", ("--once",)),
            ],
            agree=("good", "bad", "broken"),
            target="no less than half the speed of DuckDB.",
            verdict=_of_whole,
        ),
    ]  # fmt: skip


def _of_rules(seconds: Mapping[str, float]) -> str:
    ours, alone = seconds["Shoal"], seconds[_ALONE]
    return (
        f"Found: {seconds[_GX] / ours:.1f} times as fast as Great Expectations alone, mapping and writing with both; "
        f"{(seconds[_GX] - alone) / (ours - alone):.1f} times by what the rules add to that alone; "
        f"{ours / alone - 1:+.0%} on top of mapping and writing; "
        f"{seconds['DuckDB'] / ours:.2f} times the speed of DuckDB."
    )


def _of_whole(seconds: Mapping[str, float]) -> str:
    return f"Found: {seconds['DuckDB'] / seconds['Shoal']:.2f} times the speed of DuckDB."
