"""What the books say of rejected rows and of quality over time, for people."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from pyspark.sql import Row
from pyspark.sql import functions as F

from shoal.books import day_book, facts
from shoal.errors import ConfigError, did_you_mean
from shoal.lake import Lake
from shoal.params import ValidateParams
from shoal.quality.bands import LEAST_DAYS, WEEKS, Found, found_on
from shoal.quality.usual import DayLimits, is_outside, newest_over
from shoal.reports.text_tables import as_table
from shoal.tables import BATCHES, QUALITY, REJECTED_EVENTS
from shoal.validate.replays import IS_REJECTED

_BATCHES = 10
_DAYS = 14
_WIDTH = 200  # characters shown of a row as it came


def rejected_report(lake: Lake, *, feed: str | None, batch_ids: Sequence[str]) -> str:
    """The rejected rows by rule, each with its first row as it came, and how many each batch has.

    Args:
        feed: only rows of this feed; None: of every feed.
        batch_ids: only rows of these batches; none: of every batch.

    Raises:
        ConfigError: there is no such feed or batch.
    """
    book = lake.read(BATCHES).select("batch_id", "feed", "planned_at").collect()
    _require("--batch", batch_ids, [row["batch_id"] for row in book])
    _require("--feed", [feed] if feed else [], sorted({row["feed"] for row in book}))
    rows = lake.read(REJECTED_EVENTS).where(IS_REJECTED)
    if feed:
        rows = rows.where(F.col("feed") == F.lit(feed))
    if batch_ids:
        rows = rows.where(F.col("batch_id").isin([*batch_ids]))
    first = F.min(F.struct("source_file", "position", F.substring("raw", 1, _WIDTH).alias("raw")))
    rules = (
        rows.select("*", F.explode("reasons").alias("rule"))
        .groupBy("rule").agg(F.count("*").alias("rows"), first.alias("first"))
        .orderBy(F.desc("rows"), "rule").collect()
    )  # fmt: skip
    if not rules:
        return "no row is rejected"
    report = [as_table(["rule", "rows"], [[row["rule"], row["rows"]] for row in rules], title="Rejected, by rule"), ""]
    for row in rules:
        report += [f"{row['rule']}: first in {row['first']['source_file']}, row {row['first']['position']}",
                   f"  {row['first']['raw']}"]  # fmt: skip
    planned = {row["batch_id"]: row["planned_at"] for row in book}
    counts = rows.groupBy("feed", "batch_id").count().collect()
    newest = sorted(counts, key=lambda row: (planned[row["batch_id"]], row["batch_id"]), reverse=True)[:_BATCHES]
    shown = [[row["batch_id"], row["feed"], row["count"]] for row in newest]
    more = f" (the newest {_BATCHES} of {len(counts)} batches)" if len(counts) > _BATCHES else ""
    report += ["", as_table(["batch", "feed", "rows"], shown, title=f"Rejected, by batch{more}")]
    report += ["", f"once a rule or a mapping is mended: shoal replay --batch {newest[0]['batch_id']}"]
    return "\n".join(report)


def quality_report(lake: Lake, *, feed: str, batches: int) -> str:
    """What the newest batch of a feed broke, beside the batches before it.

    Args:
        batches: how many batches before the newest one it is compared with.

    Raises:
        ConfigError: no batch of that feed was judged.
    """
    of_feed = lake.read(BATCHES).where(F.col("feed") == F.lit(feed)).select("batch_id", "planned_at")
    # A replay is judged by rules alone, and is no delivery; of a batch that was judged twice the last time counts.
    judged = (
        lake.read(QUALITY).where("kind = 'expectation'").groupBy("batch_id").agg(F.max("sequence").alias("sequence"))
    )
    deliveries = judged.join(of_feed, on="batch_id", how="inner").collect()
    order = sorted(deliveries, key=lambda row: row["sequence"], reverse=True)[: batches + 1]
    if not order:
        raise ConfigError(f"--feed {feed}: no batch of it was judged in {lake.location}")
    places = [row["sequence"] for row in order]
    found: dict[tuple[str, str], dict[int, Row]] = defaultdict(dict)  # (kind, name) -> sequence -> verdict
    for row in lake.read(QUALITY).where(F.col("sequence").isin(places)).collect():
        found[row["kind"], row["name"]][row["sequence"]] = row
    lines = [_line(name, held, places) for (_, name), held in sorted(found.items()) if _is_worth_a_line(held)]
    newest = order[0]
    title = (
        f"{feed}: batch {newest['batch_id']} of {newest['planned_at']:%Y-%m-%d %H:%M}, and {len(order) - 1} before it"
    )
    if not lines:
        return f"{title}\nnothing was broken by a row of these batches"
    lines.sort(key=lambda line: (-line[2], line[0]))
    table = [[name, severity, f"{now:.3%}", f"{usual:.3%}" if usual is not None else "", times, trend]
             for name, severity, now, usual, times, trend in lines]  # fmt: skip
    return as_table(["what must hold", "severity", "broken now", "usually", "failed", "trend"], table, title=title)


def days_report(lake: Lake, params: ValidateParams, *, feed: str) -> str:
    """The newest days of a feed beside what is usual for such a weekday; empty where it has told of none."""
    newest = day_book.newest_of(lake, feed)
    if newest is None:
        return ""
    place, last = newest
    limits = day_book.limits_of(params)
    past = day_book.past_of(lake, feed, before=place + 1, since=last - timedelta(days=_DAYS))
    assert past.delivered_at is not None, "the newest batch is among those that were read"
    over = newest_over(last, past.delivered_at, ZoneInfo(facts.known(lake)["time_zone"]))
    shown = []
    for day in (last - timedelta(days=back) for back in range(_DAYS)):
        found = [*found_on(past.days, day, width=limits.width, apart=limits.apart)]
        band = [f"{found[0].usual:,.0f}", f"{found[0].low:,.0f} to {found[0].high:,.0f}"] if found else ["", ""]
        events = past.days[day].events if day in past.days else 0
        shown.append([f"{day:%Y-%m-%d %a}", events, *band, _remark(day, found, limits, over)])
    names = ["day", "events", "usual", "expected", ""]
    return as_table(names, shown, title=f"{feed}: its newest days beside the same weekday of the {WEEKS} weeks before")


def _remark(day: date, found: Sequence[Found], limits: DayLimits, over: date) -> str:
    """What is odd about a day, or why nothing is said of it."""
    if day in limits.apart:
        return "in the calendar"
    if day > over:
        return "not over when it was delivered"
    if not found:
        return f"fewer than {LEAST_DAYS} such days before"
    odd = [one for one in found if is_outside(one, limits.width)]
    return "; ".join(_short(one) for one in sorted(odd, key=lambda one: -abs(one.deviation))[:3])


def _short(found: Found) -> str:
    if found.measure == "volume":
        return "no event" if not found.value else "few" if found.value < found.usual else "many"
    missing = "missing " if found.measure == "missing values" else ""
    return f"{missing}{found.what} {found.value:.1%}, usually {found.usual:.1%}"


def _is_worth_a_line(held: dict[int, Row]) -> bool:
    return any(row["failures"] or not row["success"] for row in held.values())


def _line(name: str, held: dict[int, Row], places: Sequence[int]) -> tuple[str, str, float, float | None, str, str]:
    """Name, severity, share of rows that broke it now and in the median of the batches before, failures, trend."""
    now, before = held.get(places[0]), [_share(held[place]) for place in places[1:] if place in held]
    usual = median(before) if before else None
    share = _share(now) if now else 0.0
    failed = sum(not row["success"] for row in held.values() if row["kind"] == "expectation")
    any_row: Any = next(iter(held.values()))
    times = f"{failed} of {len(held)}" if any_row["kind"] == "expectation" else ""
    trend = "" if usual is None or share == usual else "more" if share > usual else "less"
    return name, any_row["severity"], share, usual, times, trend


def _share(row: Row) -> float:
    if not row["rows"]:
        return 0.0 if row["success"] else 1.0
    return float((row["failures"] or 0) / row["rows"])


def _require(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"{option} {name}: nothing of that name came in{did_you_mean(name, known)}")
