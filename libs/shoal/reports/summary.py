"""What the current release says, for people who want to look before they query."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import zip_longest
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from shoal.books import facts, releases
from shoal.books.model_store import LAST_MODEL
from shoal.lake import Lake
from shoal.models.propensity.model import LOGISTIC_REGRESSION, RECENCY
from shoal.models.recommend import BUY_AGAIN, OF_TASTE
from shoal.reports.text_tables import as_table
from shoal.tables import (
    BATCHES,
    BOUGHT_TOGETHER,
    EVENTS,
    METRICS,
    PROPENSITIES,
    RECOMMENDATIONS,
    RECOMMENDATIONS_BY_SEGMENT,
    REJECTED_EVENTS,
    SEGMENT_PROFILES,
    SEGMENTS,
    SIMILAR_ITEMS,
    Table,
)
from shoal.validate.replays import IS_REJECTED

_BATCHES = 10
_RULES = 10
_PEOPLE = 3
_ITEMS = 5
_SHOWN_METRICS = {
    "propensity": ("auc", "lift@decile1", "lift_ceiling", "log_loss", "calibration_slope", "mean_predicted",
                   "mean_observed", "stands_in"),
    "segments": ("silhouette", "k", "stands_in"),
}  # fmt: skip


def summary(lake: Lake) -> str:
    """Segments, propensities, three users with their history and lists, and how good the models are."""
    book = releases.history(lake)
    shown = releases.current(book)
    if shown is None:
        return f"nothing was released in {lake.location} yet; `shoal pipeline` does"
    run_id = shown["run_id"]
    currency = facts.known(lake).get("currency")
    parts = [
        f"Release {shown['seq']}: run {run_id}, what was known before {shown['as_of']}",
        came_in(lake),
        _turned_away(lake),
        _segments(lake, run_id, currency),
        _deciles(lake, run_id),
        _people(lake, run_id, shown["as_of"]),
        _lists(lake, run_id),
        _beside_items(lake, run_id),
        _metrics(lake, run_id),
        *([_listed("What the models' stages warned of", shown["fallbacks"])] if shown["fallbacks"] else []),
    ]
    return "\n\n".join(part for part in parts if part)


def _of_run(lake: Lake, table: Table, run_id: str) -> Any:
    return lake.read(table).where(F.col("run_id") == F.lit(run_id))


def _listed(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def came_in(lake: Lake) -> str:
    """The newest batches and what became of their rows; ignored ones are shown where there are some."""
    rows = lake.read(BATCHES).orderBy(F.col("sequence").desc_nulls_first()).limit(_BATCHES + 1).collect()
    names = ["feed", "state", "rows_in", "rows_accepted", "rows_rejected", "rows_duplicate"]
    names += ["rows_ignored"] if any(row["rows_ignored"] for row in rows[:_BATCHES]) else []
    title = "What came in" if len(rows) <= _BATCHES else f"What came in last ({BATCHES.name} has every batch)"
    return as_table(names, [[row[name] for name in names] for row in rows[:_BATCHES]], title=title)


def _turned_away(lake: Lake) -> str:
    """Which rules the rejected rows broke; a row may break several."""
    rules = (
        lake.read(REJECTED_EVENTS).where(IS_REJECTED).select(F.explode("reasons").alias("rule")).groupBy("rule").count()
    )
    rows = rules.orderBy(F.desc("count"), "rule").limit(_RULES).collect()
    if not rows:
        return ""
    title = f"Rejected, by rule ({REJECTED_EVENTS.name} has each row as it came)"
    return as_table(["rule", "rows"], [[row["rule"], row["count"]] for row in rows], title=title)


def _segments(lake: Lake, run_id: str, currency: str | None) -> str:
    rows = _of_run(lake, SEGMENT_PROFILES, run_id).orderBy("segmentation", "segment_rank").collect()
    table = [
        [r["segment_name"], r["users"], f"{r['user_share']:.0%}", _share(r["net_spend_share"]), r["marks"]]
        for r in rows
    ]
    title = f"Segments (money in {currency})" if currency else "Segments"
    return as_table(["segment", "users", "of users", "of spend", "what marks it"], table, title=title)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _deciles(lake: Lake, run_id: str) -> str:
    scored = _of_run(lake, PROPENSITIES, run_id).groupBy("target", "decile")
    rows = scored.agg(
        F.count("*").alias("users"), F.avg("probability").alias("mean"), F.min("probability").alias("least")
    )
    table = [
        [r["target"], r["decile"], r["users"], f"{r['mean']:.1%}", f"{r['least']:.1%}"]
        for r in rows.orderBy("target", "decile").where("decile IN (1, 2, 5, 10)").collect()
    ]
    return as_table(["target", "decile", "users", "mean probability", "at least"], table, title="Propensities")


def _people(lake: Lake, run_id: str, as_of: date) -> str:
    """One user each of the first segments: what they bought last, and what they are offered."""
    segments = _of_run(lake, SEGMENTS, run_id).where("segment_rank <= 3")
    lists = _of_run(lake, RECOMMENDATIONS, run_id)
    learned = lists.where(F.col("source").isin(*sorted(OF_TASTE), LAST_MODEL)).select("user_id", "list_name").distinct()
    with_list = segments.join(learned, on="user_id", how="inner")
    chosen = with_list.groupBy("segment_rank").agg(
        F.min("user_id").alias("user_id"),
        F.min("segment_name").alias("name"),
        F.min("list_name").alias("list_name"),
    )
    people = chosen.orderBy("segment_rank").limit(_PEOPLE).collect()
    ids = [row["user_id"] for row in people]
    bought = _bought_last(lake, ids, as_of)
    main = F.col("list_name").isin({row["list_name"] for row in people})
    offered, again = _offered(lists.where(main), ids), _offered(lists.where(F.col("source") == BUY_AGAIN), ids)
    return "\n\n".join(
        as_table(
            ["bought last", "recommended", "to buy again"],
            [
                [_name(row) for row in rows]
                for rows in zip_longest(bought.get(user, []), offered.get(user, []), again.get(user, []))
            ],
            title=f"User {user} ({row['name']})",
        )
        for user, row in zip(ids, people, strict=True)
    )


def _lists(lake: Lake, run_id: str) -> str:
    """How many users have each list, and how many segments and regions one of their own."""
    firsts = _of_run(lake, RECOMMENDATIONS, run_id).where("rank = 1").groupBy("list_name").count()
    users = {row["list_name"]: row["count"] for row in firsts.orderBy("list_name").collect()}
    groups = _of_run(lake, RECOMMENDATIONS_BY_SEGMENT, run_id).where("rank = 1").count()
    counts = ", ".join(f"{name} {count:,}" for name, count in users.items())
    return f"Users with a list: {counts}; segments and regions with one, and the whole shop: {groups:,}"


def _beside_items(lake: Lake, run_id: str) -> str:
    """How many items have others beside them."""
    tables = (SIMILAR_ITEMS, BOUGHT_TOGETHER)
    similar, together = (_of_run(lake, table, run_id).agg(F.countDistinct("item_id")) for table in tables)
    found = similar.toDF("similar").crossJoin(together.toDF("together")).first()
    assert found is not None, "an aggregate has one row"
    return f"Items with similar ones beside them: {found[0]:,}; with others that were bought together: {found[1]:,}"


def _bought_last(lake: Lake, users: Sequence[str], as_of: date) -> dict[str, list[Row]]:
    """The goods that a few users bought last before a day, newest first."""
    goods = F.expr(
        f"event_type = 'purchase' AND line_kind = 'goods' AND NOT is_deleted AND event_date < DATE '{as_of}'"
    )
    bought = lake.read(EVENTS).where(goods & F.col("user_id").isin([*users]))
    items = bought.groupBy("user_id", "item_id").agg(
        (-F.unix_micros(F.max("event_time"))).alias("age"), F.max("item_title").alias("title")
    )
    newest = F.sort_array(F.collect_list(F.struct("age", "item_id", "title")))
    rows = items.groupBy("user_id").agg(F.slice(newest, 1, _ITEMS).alias("items")).collect()
    return {row["user_id"]: row["items"] for row in rows}


def _offered(lists: DataFrame, users: Sequence[str]) -> dict[str, list[Row]]:
    """What the first list offers a few users, best first."""
    rows = lists.where(F.col("user_id").isin([*users]) & (F.col("rank") <= _ITEMS)).orderBy("list_name", "rank")
    offered: dict[str, list[Row]] = {}
    for row in rows.collect():
        offered.setdefault(row["user_id"], []).append(row)
    return {user: items[:_ITEMS] for user, items in offered.items()}


def _name(row: Row | None) -> str:
    return "" if row is None else f"{row['title'] or row['item_id']}"


def _metrics(lake: Lake, run_id: str) -> str:
    rows = _of_run(lake, METRICS, run_id).orderBy("stage", "entry", "metric", "model").collect()
    wanted = [r for r in rows if r["stage"] not in _SHOWN_METRICS or r["metric"] in _SHOWN_METRICS[r["stage"]]]
    table = [[f"{r['stage']}.{r['entry']}", r["metric"], r["model"], r["value"]] for r in wanted]
    shown = as_table(["of", "metric", "model", "value"], table, title="How good the models are, beside their baselines")
    return "\n".join([shown, *worse_than_recency(rows)])


def worse_than_recency(metrics: Iterable[Row]) -> list[str]:
    """A sentence for each figure in which a plain ranking by recency did better than the model that is shown."""
    values = {(m["entry"], m["metric"], m["model"]): m["value"] for m in metrics if m["stage"] == "propensity"}
    return [
        f"propensity.{entry}: by {metric}, recency alone ({plain:.3f}) did better than the model ({value:.3f})"
        for (entry, metric, model), value in values.items()
        if model == LOGISTIC_REGRESSION and (plain := values.get((entry, metric, RECENCY))) is not None
        and value is not None and plain > value
    ]  # fmt: skip
