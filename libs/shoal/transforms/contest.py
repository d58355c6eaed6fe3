"""Which version of an event wins, and what happens to the others.

Among versions of an event the greatest (updated_at, delivered_at, content_hash) wins, whatever the order of
arrival. A version is what an event says: its ``content_hash``. The same version delivered again is a duplicate,
though its later delivery counts in the contest.

What a feed says of a thing from some moment on, a change, has versions too. They meet in the same way under their
``change_id``, but all of them are kept in one table, whose readers take the strongest.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from shoal.frames import persisted
from shoal.tables import EVENT_VERSIONS, EVENTS, REJECTED_EVENTS, WATCHED

# Of a plan: rows that change what silver.events says, new ones and those they replace.
CHANGES = (
    "is_good AND (kind = 'candidate' AND wins AND NOT (content_hash <=> standing_content)"
    " OR kind = 'standing' AND content_hash <> winner_content)"
)
# Of a plan of changes of things: rows that are new in their table, or claim more than the same version did there.
NEWS = "is_good AND kind = 'candidate' AND is_first AND (wins OR NOT is_known)"
# Of a merge: the new row s has the stronger claim than the row t, or is the same version and was known before. Null is
# less than any time.
IS_NEWER = (
    "struct(s.updated_at, s.delivered_at, s.content_hash) > struct(t.updated_at, t.delivered_at, t.content_hash)"
    " OR s.content_hash = t.content_hash AND s.first_delivered_at < coalesce(t.first_delivered_at, t.delivered_at)"
)
# Of a plan: what the gate judges, of each event its best version in the batch.
JUDGED = "kind = 'candidate' AND is_first AND (leads OR NOT is_good)"


@dataclass(frozen=True)
class Contest:
    """What a batch does to silver; frames over one persisted plan."""

    upserts: DataFrame  # rows of silver.events that are new or changed
    moved: DataFrame  # rows of silver.events whose event now lies on another day
    replaced: DataFrame  # rows of silver.event_versions
    rejected: DataFrame  # rows of silver.rejected_events


@contextmanager
def planned(judged: DataFrame, current: DataFrame, versions: DataFrame, rejected: DataFrame) -> Iterator[DataFrame]:
    """:func:`plan_contest` with its parts kept, for as long as the plan is read again and again."""
    with persisted(judged) as rows, persisted(_bad(rows)) as bad:
        # Once they are there, joins know their sizes; of no bad row nothing that was rejected has to be read.
        lake = (current, versions, _repeated(rejected, bad) if bad.count() else rejected.limit(0))
        with persisted(_contested(rows, *lake)) as contested:
            contested.count()
            with persisted(_fought(rows, *lake, contested)) as fought:
                yield _alone(rows, contested).unionByName(fought)


def plan_contest(judged: DataFrame, current: DataFrame, versions: DataFrame, rejected: DataFrame) -> DataFrame:
    """Every candidate beside what the lake knows of its event, and who wins.

    Most events are told once and by nobody before: they need no contest, and only their ids are shuffled.

    Args:
        judged: candidate events with ``reasons``; empty for a good row.
        current: rows of ``silver.events`` that may be versions of the same events.
        versions: rows of ``silver.event_versions`` of the same days.
        rejected: rows of ``silver.rejected_events``.

    Returns:
        The candidates, and the current rows of their events, with
        ``kind``: candidate, or standing for a current row;
        ``is_good``: it broke no rule; bad rows take no part and never win;
        ``is_first``: the one of identical rows that was delivered last; the others are duplicates;
        ``is_known``: this version was in the lake before;
        ``leads``, ``wins``: it is the best version of its event in this batch, or of all;
        ``first_delivered_at``: the first delivery of this version, here or before;
        ``is_wider``: the lake knew this version, but not so early, or one that loses not so late: true of one row of
        it;
        ``standing_content`` and the winner's ``winner_content``, ``winner_delivered_at``, ``winner_date``.
    """
    lake = (current, versions, _repeated(rejected, _bad(judged)))
    contested = _contested(judged, *lake)
    return _alone(judged, contested).unionByName(_fought(judged, *lake, contested))


def _bad(judged: DataFrame) -> DataFrame:
    """The versions of bad candidates."""
    return judged.where(F.size("reasons") > 0).select("event_id", "content_hash").distinct()


def _repeated(rejected: DataFrame, bad: DataFrame) -> DataFrame:
    """The rejected rows that candidates repeat: only for those, which are bad again, do they mean anything.

    Of all that was ever rejected, a batch meets next to nothing.
    """
    return rejected.select("event_id", "content_hash").join(bad, on=["event_id", "content_hash"], how="left_semi")


def _contested(judged: DataFrame, *lake: DataFrame) -> DataFrame:
    """The ``event_id`` of which there is more than one row, a candidate among them."""
    told = judged.select("event_id", F.lit(True).alias("is_candidate"))
    for known in lake:
        told = told.unionByName(known.select("event_id", F.lit(False).alias("is_candidate")))
    rows = told.groupBy("event_id").agg(F.count(F.lit(1)).alias("rows"), F.bool_or("is_candidate").alias("is_met"))
    return rows.where("rows > 1 AND is_met").select("event_id")


def _alone(judged: DataFrame, contested: DataFrame) -> DataFrame:
    """The plan of the candidates that meet no other row: each wins, if it is good."""
    good = F.size("reasons") == 0
    winner = {
        "winner_delivered_at": F.col("delivered_at"),
        "winner_content": F.col("content_hash"),
        "winner_date": F.col("event_date"),
    }
    return judged.join(contested, on="event_id", how="left_anti").withColumns({
        "kind": F.lit("candidate"),
        "is_good": good,
        "first_delivered_at": F.col("delivered_at"),
        "is_wider": F.lit(False),
        "is_known": F.lit(False),
        "is_first": F.lit(True),
        "leads": F.lit(True),
        "wins": good,
        "standing_content": F.lit(None).cast("string"),
        **winner,
    })  # fmt: skip


def _fought(
    judged: DataFrame, current: DataFrame, versions: DataFrame, rejected: DataFrame, contested: DataFrame
) -> DataFrame:
    """The plan of the events that have several rows."""
    marks = ["event_id", "content_hash"]
    of_version = F.lit(True).alias("is_good"), F.col("known_from").alias("_since"), "delivered_at"
    everyone = (
        _kind(judged.withColumns({"is_good": F.size("reasons") == 0, "_since": F.col("delivered_at")}), "candidate")
        .unionByName(_kind(_with_since(current), "standing"), allowMissingColumns=True)
        .unionByName(_kind(versions.select(*marks, *of_version), "mark"), allowMissingColumns=True)
        .unionByName(_kind(rejected.select(*marks, F.lit(False).alias("is_good")), "mark"), allowMissingColumns=True)
        .join(contested, on="event_id", how="left_semi")
        .repartition("event_id")
    )
    candidate, standing = F.col("kind") == "candidate", F.col("kind") == "standing"
    event = Window.partitionBy("event_id", "is_good")
    version = Window.partitionBy("event_id", "is_good", "content_hash")
    delivered_last = version.orderBy(F.col("delivered_at").desc_nulls_last(), "source_file", "position")
    best = _strongest(event)
    so_far = (Window.unboundedPreceding, Window.currentRow)
    whole = (Window.unboundedPreceding, Window.unboundedFollowing)
    nth_candidate = F.sum(F.when(candidate, 1).otherwise(0))
    winner = F.first(F.struct("delivered_at", "content_hash", "event_date")).over(best.rowsBetween(*whole))
    known = F.struct(
        F.min(F.when(~candidate, F.col("_since"))).over(version).alias("since"),
        F.max(F.when(~candidate, F.col("delivered_at"))).over(version).alias("until"),
        F.max(F.when(standing, 1).otherwise(0)).over(version).alias("stands"),
    )
    first = F.min("_since").over(version)
    earlier, later = F.col("_first") < F.col("_known.since"), F.col("delivered_at") > F.col("_known.until")
    is_wider = F.when(standing, earlier).when(
        F.col("is_first") & (F.col("_known.stands") == 0), earlier | ~F.col("wins") & later
    )
    # Two orders, so two sorts: by version, then by claim.
    return (
        everyone.withColumn("is_known", F.max(F.when(candidate, 0).otherwise(1)).over(version) == 1)
        .withColumn("is_first", candidate & (nth_candidate.over(delivered_last.rowsBetween(*so_far)) == 1))
        .withColumn("_known", known)
        .withColumn("_first", first)
        .withColumn("leads", candidate & (nth_candidate.over(best.rowsBetween(*so_far)) == 1))
        .withColumn("wins", F.col("is_good") & (F.row_number().over(best) == 1))
        .withColumn("_winner", winner)
        .withColumn("is_wider", F.coalesce(is_wider, F.lit(False)))
        .withColumn("first_delivered_at", F.col("_first"))
        .withColumn("standing_content", F.max(F.when(standing, F.col("content_hash"))).over(event))
        .withColumn("_is_met", F.max(F.when(candidate, 1).otherwise(0)).over(event) == 1)
        .where((F.col("kind") != "mark") & F.col("_is_met"))
        .select(
            "*",
            F.col("_winner.delivered_at").alias("winner_delivered_at"),
            F.col("_winner.content_hash").alias("winner_content"),
            F.col("_winner.event_date").alias("winner_date"),
        )
        .drop("_is_met", "_winner", "_since", "_known", "_first")
    )


def outcome(plan: DataFrame) -> Contest:
    """The rows that a plan puts into each table."""
    good = F.col("is_good")
    candidate, standing = F.col("kind") == "candidate", F.col("kind") == "standing"
    lost = F.col("content_hash") != F.col("winner_content")
    new = candidate & F.col("is_first") & (~F.col("is_known") | F.col("is_wider"))
    return Contest(
        upserts=EVENTS.select(plan.where(F.col("wins") & (candidate | F.col("is_wider")))),
        moved=EVENTS.select(plan.where(standing & (F.col("event_date") != F.col("winner_date")))),
        replaced=EVENT_VERSIONS.select(
            plan.where(good & lost & (standing | new))
            .withColumn("known_from", F.col("first_delivered_at"))
            .withColumn("known_to", F.greatest("delivered_at", "winner_delivered_at"))
        ),
        rejected=rejected_by(plan),
    )


def rejected_by(plan: DataFrame) -> DataFrame:
    """The rows of ``silver.rejected_events`` that a plan makes."""
    new = plan.where("kind = 'candidate' AND is_first AND NOT is_known AND NOT is_good")
    return REJECTED_EVENTS.select(new.withColumns({"feed": F.col("source"), "resolved_by": F.lit(None).cast("long")}))


def as_told(changes: DataFrame) -> DataFrame:
    """Rows of a table of changes under the names by which :func:`plan_contest` knows events."""
    return changes.withColumns({"event_id": F.col("change_id"), "event_date": F.col("changed_date")})


def strongest(changes: DataFrame, *about: str) -> DataFrame:
    """Of all versions of each change the one that wins.

    Args:
        about: the columns that say of whom or what; its changes lie together afterwards.
    """
    claim = Window.partitionBy(*about, "change_id").orderBy(
        F.col("updated_at").desc_nulls_last(), F.col("delivered_at").desc(), F.col("content_hash").desc()
    )
    return (
        changes.repartition(*about).withColumn("_claim", F.row_number().over(claim)).where("_claim = 1").drop("_claim")
    )


def told(plan: DataFrame) -> Sequence[Row]:
    """What a plan does with its candidates, counted in one pass: a few numbers per day and type of event.

    Returns:
        Rows with
        ``event_date``, ``event_type``: both null for all rejected rows together, which may say anything; of changes of
        things there is no type;
        ``rows``, ``rows_accepted``, ``rows_rejected``, and ``rows_unknown_items`` where the plan says whether items are
        listed;
        ``delivered_at``: the latest; ``events``, of which silver knew no version, each once, none that was taken
        back; ``newest_event_at``, the latest of them; for each column of ``WATCHED`` how many of them lack it. None of
        the last three for changes of things.
    """
    good, new = F.col("is_good"), F.col("is_first") & ~F.col("is_known")
    counts = {"rows": F.lit(True), "rows_accepted": new & good, "rows_rejected": new & ~good}
    if "is_listed" in plan.columns:
        counts["rows_unknown_items"] = new & good & ~F.col("is_listed")
    keys, latest = {"event_date": F.col("event_date")}, {"delivered_at": F.col("delivered_at")}
    if "event_type" in plan.columns:
        first_told = good & F.col("leads") & F.col("standing_content").isNull() & ~F.col("is_deleted")
        keys["event_type"] = F.col("event_type")
        latest["newest_event_at"] = F.when(first_told, F.col("event_time"))
        counts["events"] = first_told
        counts |= {name: first_told & F.col(name).isNull() for name in WATCHED}
    by = [F.when(good, key).alias(name) for name, key in keys.items()]
    return (
        plan.where("kind = 'candidate'").groupBy(*by)
        .agg(*(F.count_if(which).alias(name) for name, which in counts.items()),
             *(F.max(moment).alias(name) for name, moment in latest.items()))
        .collect()
    )  # fmt: skip


def book(rows: Sequence[Row]) -> dict[str, int]:
    """How many candidates were accepted, rejected or duplicates; together they are the rows of the batch.

    Where the plan says of events whether their item ``is_listed``, also how many accepted ones are not.

    Args:
        rows: of :func:`told`.
    """
    names = ["rows_accepted", "rows_rejected"]
    names += ["rows_unknown_items"] if rows and "rows_unknown_items" in rows[0] else []
    counted = {name: sum(row[name] for row in rows) for name in names}
    duplicates = sum(row["rows"] for row in rows) - counted["rows_accepted"] - counted["rows_rejected"]
    return {**counted, "rows_duplicate": duplicates}


def _with_since(current: DataFrame) -> DataFrame:
    """Good rows of the lake, and since when each was known; changes of things do not keep it."""
    kept = "first_delivered_at" in current.columns
    since = F.coalesce("first_delivered_at", "delivered_at") if kept else F.col("delivered_at")
    return current.withColumns({"is_good": F.lit(True), "_since": since})


def _kind(rows: DataFrame, kind: str) -> DataFrame:
    return rows.withColumn("kind", F.lit(kind))


def _strongest(versions: WindowSpec) -> WindowSpec:
    """The versions of each window in the order of their claim, the strongest first.

    Marks take no part; of two rows with the same claim the one that stands in the lake stays, and else any:
    they are identical.
    """
    return versions.orderBy(
        F.col("kind") == "mark",
        F.col("updated_at").desc_nulls_last(),
        F.col("delivered_at").desc_nulls_last(),
        F.col("content_hash").desc(),
        F.col("kind").desc(),  # standing before candidate
        "source_file",
        "position",
    )
