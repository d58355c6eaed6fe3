"""What is visible: ``ops.releases``."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from pyspark.sql import Row

from shoal.errors import ConfigError, PublishRaceError, RaceError
from shoal.lake import Lake
from shoal.tables import RELEASES


def history(lake: Lake) -> list[Row]:
    """Every release, oldest first."""
    return sorted(lake.read(RELEASES).collect(), key=lambda row: row["seq"])


def current(releases: Sequence[Row]) -> Row | None:
    """The release that the views show; None before the first."""
    return next((row for row in reversed(releases) if row["kind"] != "archive"), None)


def run_of(lake: Lake, seq: int | None) -> str | None:
    """The run that a release shows; None without a release."""
    return next((str(row["run_id"]) for row in history(lake) if row["seq"] == seq), None)


def lineage(releases: Sequence[Row], seq: int | None) -> list[Row]:
    """The releases that were shown one in place of the other up to one of them, newest first.

    What a rollback took away is not among them. Each is the release that its run made itself; one of an older day
    that was filled in later came in no other's place, and is the last.
    """
    found, by_seq = list[Row](), {row["seq"]: row for row in releases}
    while seq in by_seq:
        run_id = by_seq[seq]["run_id"]
        own = next(row for row in releases if row["run_id"] == run_id and row["kind"] != "rollback")
        found.append(own)
        seq = None if own["kind"] == "archive" else own["replaces_seq"]
    return found


def is_released(releases: Sequence[Row], run_id: str) -> bool:
    """True once a run was made visible or archived; its rows are then never rewritten."""
    return any(row["run_id"] == run_id for row in releases)


def release(
    lake: Lake,
    run_id: str,
    as_of: date,
    *,
    now: datetime,
    fallbacks: Sequence[str],
    max_retries: int,
    is_older_than: Callable[[str], bool] = lambda _: False,
) -> Row:
    """Make a run visible in one commit.

    What the current release knows better is archived and not shown: an older day, and the same day from older data.

    Args:
        is_older_than: whether this run knows less than another of the same day, given by its id.

    Raises:
        PublishRaceError: other runs took the next place ``max_retries`` times in a row.
    """

    def proposal(releases: Sequence[Row]) -> dict[str, Any]:
        shown = current(releases)
        stale = shown is not None and (
            as_of < shown["as_of"] or (as_of == shown["as_of"] and is_older_than(shown["run_id"]))
        )
        return {
            "kind": "archive" if stale else "release",
            "run_id": run_id,
            "as_of": as_of,
            "fallbacks": [*fallbacks],
        }

    def done(releases: Sequence[Row]) -> Row | None:
        return next((row for row in releases if row["run_id"] == run_id and row["kind"] != "rollback"), None)

    return _take_place(lake, proposal, done=done, now=now, max_retries=max_retries)


def roll_back(lake: Lake, to: int | None, *, now: datetime, max_retries: int) -> Row:
    """Show an earlier release again, by a new one that points back.

    Args:
        to: seq of the release to show; None takes the one that was shown before the current run was released.

    Raises:
        ConfigError: there is no such release.
    """

    def proposal(releases: Sequence[Row]) -> dict[str, Any]:
        shown = current(releases)
        if shown is None:
            raise ConfigError(f"nothing was released in {lake.location} yet")
        # Of a run that is shown again, what its own release has replaced: a second rollback goes further back.
        wanted = lineage(releases, shown["seq"])[0]["replaces_seq"] if to is None else to
        target = next((row for row in releases if row["seq"] == wanted), None)
        if target is None:
            known = ", ".join(str(row["seq"]) for row in releases)
            asked = "release before the current one" if to is None else f"release {to}"
            raise ConfigError(f"there is no {asked} in {lake.location}; there are {known}")
        return {k: target[k] for k in ("run_id", "as_of", "fallbacks")} | {"kind": "rollback"}

    return _take_place(lake, proposal, done=lambda _: None, now=now, max_retries=max_retries)


def _take_place(
    lake: Lake,
    proposal: Callable[[Sequence[Row]], Mapping[str, Any]],
    *,
    done: Callable[[Sequence[Row]], Row | None],
    now: datetime,
    max_retries: int,
) -> Row:
    """Write the next release, unless what was wanted is ``done`` already: a run is released once."""
    for _ in range(max_retries + 1):
        releases = history(lake)
        if (already := done(releases)) is not None:
            return already
        shown = current(releases)
        row = {
            **proposal(releases),
            "seq": len(releases) + 1,
            "released_at": now,
            "replaces_seq": shown["seq"] if shown else None,
        }
        try:
            held = lake.insert_new(RELEASES, row)
        except RaceError:
            continue
        if (held["run_id"], held["kind"]) == (row["run_id"], row["kind"]):
            return held
    raise PublishRaceError(
        f"{max_retries + 1} times another run took the next release of {lake.location}; run publish again"
    )
