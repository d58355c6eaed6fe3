"""Which version of an event wins, and what happens to the others.

Among versions of an event the greatest (updated_at, delivered_at, content_hash) wins, whatever the order of
arrival. A version is what an event says: its ``content_hash``. The same version delivered again is a duplicate,
though its later delivery counts in the contest.
"""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from shoal.tables import EVENT_VERSIONS, EVENTS, REJECTED_EVENTS

# Of a plan: rows that change what silver.events says, new ones and those they replace.
CHANGES = (
    "is_good AND (is_candidate AND wins AND NOT (content_hash <=> standing_content)"
    " OR NOT is_candidate AND content_hash <> winner_content)"
)
# Of a merge: the new row s has the stronger claim than the row t. Null is less than any time.
IS_NEWER = "struct(s.updated_at, s.delivered_at, s.content_hash) > struct(t.updated_at, t.delivered_at, t.content_hash)"


@dataclass(frozen=True)
class Contest:
    """What a batch does to silver; frames over one persisted plan."""

    upserts: DataFrame  # rows of silver.events that are new or changed
    moved: DataFrame  # rows of silver.events whose event now lies on another day
    replaced: DataFrame  # rows of silver.event_versions
    rejected: DataFrame  # rows of silver.rejected_events
    plan: DataFrame  # every candidate with is_good, is_known, and every current row it met; persist it


def distinct_versions(candidates: DataFrame) -> DataFrame:
    """One row per event and content, the one delivered last; ``copies`` counts what it stands for."""
    alike = Window.partitionBy("event_id", "content_hash")
    latest = alike.orderBy(F.col("delivered_at").desc(), "source_file", "position")
    return (
        candidates.withColumn("copies", F.count("*").over(alike))
        .withColumn("_place", F.row_number().over(latest))
        .where(F.col("_place") == 1)
        .drop("_place")
    )


def plan_contest(judged: DataFrame, current: DataFrame, versions: DataFrame, rejected: DataFrame) -> DataFrame:
    """Candidates and the current rows they meet, with what is known of each and who wins.

    Args:
        judged: distinct candidates with ``reasons``; empty for a good row.
        current: rows of ``silver.events`` that may be versions of the same events.
        versions: rows of ``silver.event_versions`` of the same days.
        rejected: rows of ``silver.rejected_events``.

    Returns:
        The candidates and ``current`` rows together, with ``is_candidate``, ``is_good``, ``is_known`` (this
        version was in the lake before), ``leads`` (the best of its event in this batch), ``wins`` and the winner's ``winner_delivered_at``, ``winner_content`` and
        ``winner_date``. Bad rows take no part and never win.
    """
    marks = ["event_id", "content_hash"]
    known_good = current.select(*marks).unionByName(versions.select(*marks)).distinct()
    known_bad = rejected.select(*marks).distinct()
    is_good = F.size("reasons") == 0
    flagged = (
        judged.withColumn("is_good", is_good)
        .join(known_good.withColumn("_good", F.lit(True)), on=marks, how="left")
        .join(known_bad.withColumn("_bad", F.lit(True)), on=marks, how="left")
        .withColumn(
            "is_known",
            F.coalesce(F.when(F.col("is_good"), F.col("_good")).otherwise(F.col("_bad")), F.lit(False)),
        )
        .drop("_good", "_bad")
        .withColumn("is_candidate", F.lit(True))
        .withColumn("leads", F.row_number().over(_newest(Window.partitionBy("event_id", "is_good"))) == 1)
    )
    met = current.join(flagged.where("is_good").select("event_id").distinct(), on="event_id", how="left_semi")
    there = met.withColumn("is_candidate", F.lit(False)).withColumn("is_good", F.lit(True))
    everyone = flagged.unionByName(there, allowMissingColumns=True)

    contest = Window.partitionBy("event_id", "is_good")
    # Of two rows with the same claim, the one that stands in the lake stays.
    newest = _newest(contest, "is_candidate")
    whole = newest.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    return (
        everyone.withColumn("wins", F.col("is_good") & (F.row_number().over(newest) == 1))
        .withColumn("winner_delivered_at", F.first("delivered_at").over(whole))
        .withColumn("winner_content", F.first("content_hash").over(whole))
        .withColumn("winner_date", F.first("event_date").over(whole))
        .withColumn("standing_content", F.max(F.when(~F.col("is_candidate"), F.col("content_hash"))).over(whole))
    )


def _newest(versions: WindowSpec, *then: str) -> WindowSpec:
    """The versions of each window in the order of their claim, the strongest first."""
    claim = (
        F.col("updated_at").desc_nulls_last(),
        F.col("delivered_at").desc(),
        F.col("content_hash").desc(),
    )
    return versions.orderBy(*claim, *then)


def outcome(plan: DataFrame) -> Contest:
    """The rows that a plan puts into each table."""
    good, candidate = F.col("is_good"), F.col("is_candidate")
    stands = ~candidate
    lost = F.col("content_hash") != F.col("winner_content")
    new = candidate & good & ~F.col("is_known")
    return Contest(
        upserts=EVENTS.select(plan.where(candidate & F.col("wins"))),
        moved=EVENTS.select(plan.where(stands & (F.col("event_date") != F.col("winner_date")))),
        replaced=EVENT_VERSIONS.select(
            plan.where(good & lost & (stands | new))
            .withColumn("known_from", F.col("delivered_at"))
            .withColumn("known_to", F.greatest("delivered_at", "winner_delivered_at"))
        ),
        rejected=REJECTED_EVENTS.select(
            plan.where(candidate & ~good & ~F.col("is_known"))
            .withColumn("raw", F.to_json("raw"))
            .withColumn("feed", F.col("source"))
        ),
        plan=plan,
    )


def book(plan: DataFrame) -> dict[str, int]:
    """How many candidates were accepted, rejected or duplicates; together they are the rows of the batch."""
    candidate, good, known = F.col("is_candidate"), F.col("is_good"), F.col("is_known")

    def count(which: Column) -> Column:
        return F.coalesce(F.sum(F.when(which, 1)), F.lit(0))

    copies = F.coalesce(F.sum(F.when(candidate, F.col("copies"))), F.lit(0))
    counted = plan.agg(
        copies.alias("rows"),
        count(candidate & good & ~known).alias("rows_accepted"),
        count(candidate & ~good & ~known).alias("rows_rejected"),
    ).first()
    assert counted is not None, "an aggregate has one row"
    accepted, rejected = int(counted["rows_accepted"]), int(counted["rows_rejected"])
    duplicates = int(counted["rows"]) - accepted - rejected
    return {"rows_accepted": accepted, "rows_rejected": rejected, "rows_duplicate": duplicates}
