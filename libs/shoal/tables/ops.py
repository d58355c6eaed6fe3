"""The books: what came in, what ran, what was measured, what is published."""

from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from shoal.tables.table import Column, Rule, Table, text
from shoal.tables.vocabulary import BATCH_STATES, OUTCOMES, RELEASE_KINDS, SHIFT_STATES

LAKE = Table(
    name="ops.lake",
    doc="One row per lasting fact about the lake, set once.",
    key=("name",),
    columns=(
        text("name", "schema_version, time_zone, currency, tile_buckets or session_gap_minutes", required=True),
        text("value", "its value", required=True),
        text("reason", "where the value came from", required=True),
    ),
)

FILE = StructType([
    StructField("path", StringType()),
    StructField("size", LongType()),
    StructField("modified_at", TimestampType()),
    StructField("sha256", StringType()),
    StructField("rows", LongType()),
])  # fmt: skip

FILE_COLUMN = StructType([StructField("name", StringType()), StructField("type", StringType())])

DECLARED_FEEDS = Table(
    name="ops.feeds",
    doc="One row per version of a feed that a shop has declared itself; batches name the one they are judged by.",
    key=("feed", "version"),
    columns=(
        text("feed", "name of the feed", required=True),
        text("version", "hash of the declaration", required=True),
        text("definition", "the declaration, as JSON", required=True),
        Column("given_at", TimestampType(), "when it was last given in place of another, UTC", required=True),
    ),
)

BATCHES = Table(
    name="ops.batches",
    doc="One row per ingest call of one feed that found something new.",
    key=("batch_id",),
    columns=(
        text("batch_id", "derived from the feed and the content of the files", required=True),
        text("feed", "name of the feed", required=True),
        text("feed_version", "version in ops.feeds that it is judged by; null for a feed that is part of Shoal"),
        Column("state", StringType(), "how far it has come", required=True, allowed=BATCH_STATES),
        Column("files", ArrayType(FILE), "the files as planned; rows once they are in bronze", required=True),
        Column(
            "file_columns",
            ArrayType(FILE_COLUMN),
            "columns of the files as they were found, with their types where the format has them; null before "
            "schema version 3",
        ),
        Column("planned_at", TimestampType(), "when the plan was written, UTC", required=True),
        Column("sequence", LongType(), "place in the order in which batches entered silver; null before", low=1),
        Column("silver_versions", MapType(StringType(), LongType()), "versions of silver once it had entered"),
        Column("touched_days", ArrayType(DateType()), "shop-local days whose events or orders it changed"),
        Column("rows_in", LongType(), "rows in bronze", low=0),
        Column("rows_accepted", LongType(), "rows in silver, superseded versions among them", low=0),
        Column("rows_rejected", LongType(), "rows in silver.rejected_events", low=0),
        Column("rows_duplicate", LongType(), "rows that said nothing new", low=0),
        Column("rows_ignored", LongType(), "rows that are no events; null, as 0, before schema version 3", low=0),
        Column(
            "rows_unknown_items",
            LongType(),
            "accepted events of goods that no item feed had told of; null where none had brought anything yet",
            low=0,
        ),
        Column(
            "replay_reasons",
            ArrayType(StringType()),
            "of a replay that was asked for and is not done: rules whose rejected rows are judged again, empty for all",
        ),
        text("message", "why it, or its last replay, was refused; null otherwise"),
    ),
    checks=(
        Rule(
            "books_balance",
            "state != 'validated' OR "
            "rows_in = rows_accepted + rows_rejected + rows_duplicate + coalesce(rows_ignored, 0)",
        ),
    ),
)

FILES = Table(
    name="ops.files",
    doc="One row per file that was looked into and brought nothing new: it need not be opened again.",
    key=("path",),
    columns=(
        text("path", "where it lies", required=True),
        Column("size", LongType(), "bytes", required=True, low=0),
        Column("modified_at", TimestampType(), "its modification time, UTC", required=True),
        text("sha256", "hash of its content", required=True),
        Column("looked_at", TimestampType(), "when it was looked into, or before, UTC", required=True),
    ),
)

CLAIMS = Table(
    name="ops.claims",
    doc="One row per place in the one order in which batches enter silver.",
    key=("sequence",),
    columns=(
        Column("sequence", LongType(), "1, 2, 3, ... without gaps", required=True, low=1),
        text("batch_id", "batch that holds the place; it must be finished before the next is given", required=True),
        Column("silver_versions", MapType(StringType(), LongType()), "versions of silver it is judged against",
               required=True),
    ),
)  # fmt: skip

RUNS = Table(
    name="ops.runs",
    doc="One row per job that ran.",
    key=("run_id", "job", "started_at"),
    columns=(
        text("run_id", "run it belonged to; null before features"),
        text("job", "name of the stage", required=True),
        Column("as_of", DateType(), "first shop-local day that was not seen; null before features"),
        Column("started_at", TimestampType(), "UTC", required=True),
        Column("seconds", DoubleType(), "how long it took", required=True, low=0),
        Column("outcome", StringType(), "how it ended", required=True, allowed=OUTCOMES),
        Column("rows", LongType(), "rows it wrote", low=0),
        Column("versions_read", MapType(StringType(), LongType()), "table versions that the run is pinned to"),
        Column("versions_written", MapType(StringType(), LongType()), "table versions it made"),
        Column(
            "previous_seq",
            LongType(),
            "release that was current when the run was opened; null if none",
            low=0,
        ),
        Column("warnings", ArrayType(StringType()), "what it warned of", required=True),
        text("error", "why it failed; null otherwise"),
        text("settings_hash", "hash of the settings that can change a row", required=True),
        text("settings", "those settings, as JSON", required=True),
        text("code_version", "package version and hash of its files", required=True),
    ),
)

QUALITY = Table(
    name="ops.quality",
    doc="One row per rule or expectation and judgement of a batch, or of a run before it is released.",
    key=("batch_id", "sequence", "run_id", "table_name", "kind", "name"),
    columns=(
        text("batch_id", "batch that was judged; null where it was a run"),
        Column(
            "sequence",
            LongType(),
            "place the batch had claimed in the order: after a refusal it may be judged again; null of a run",
            low=1,
        ),
        text("kind", "rule: judged per row; expectation: judged by Great Expectations", required=True),
        text("name", "what must hold", required=True),
        text("severity", "how bad it is where it does not hold: critical, warning or info", required=True),
        Column("success", BooleanType(), "it held, within its tolerance", required=True),
        Column("rows", LongType(), "rows looked at", low=0),
        Column("failures", LongType(), "rows that broke it; null where it is not about rows", low=0),
        text("observed", "of an expectation what was found and what is allowed, in words; null for a rule"),
        text("run_id", "run that was judged; null where it was a batch"),
        text("table_name", "table that the rows were of or wanted to enter; null before schema version 4"),
        text(
            "policy",
            "what follows where it does not hold. quarantine: rows are rejected, and too many of them stop the batch; "
            "stop, warn or record; null before schema version 4",
        ),
        Column(
            "mostly",
            DoubleType(),
            "share of the rows that must keep it; null where it is not about rows",
            low=0,
            high=1,
        ),
        text("owner", "who is asked about it; null where nobody was named"),
        text("reason", "why it must hold; null where that was not said"),
        text("expectation", "type of the expectation of Great Expectations; null for a rule"),
        text("arguments", "its arguments, as JSON; of a rule its condition"),
    ),
)

DAYS = Table(
    name="ops.days",
    doc="One row per batch and day of which it told events that nobody had told before; the sum over the batches of a "
    "feed is what the feed has told of the day.",
    key=("sequence", "event_date"),
    columns=(
        text("feed", "name of the feed", required=True),
        text("batch_id", "batch that brought them", required=True),
        Column("sequence", LongType(), "place the batch had claimed in the order; a replay has one of its own",
               required=True, low=1),
        Column("event_date", DateType(), "shop-local day", required=True),
        Column("events", LongType(), "accepted events that silver did not know, each once in its best version; without "
               "corrections, duplicates and what was taken back", required=True, low=1),
        Column("event_types", MapType(StringType(), LongType()), "of them, how many are of each type", required=True),
        Column("missing", MapType(StringType(), LongType()), "of them, how many lack each column that may be null; "
               "where a column belongs to some types only, those of these types", required=True),
        Column("newest_event_at", TimestampType(), "the latest of them, UTC", required=True),
        Column("delivered_at", TimestampType(), "when the batch's newest file was exported, UTC", required=True),
        Column("planned_at", TimestampType(), "when the batch was planned, UTC: of history long after its days",
               required=True),
    ),
)  # fmt: skip

METRICS = Table(
    name="ops.metrics",
    doc="One row per run, stage, entry, model and metric.",
    key=("run_id", "stage", "entry", "model", "metric"),
    columns=(
        text("run_id", "run that measured it", required=True),
        text("stage", "segments, propensity or recommend", required=True),
        text("entry", "name of the entry in the settings", required=True),
        text("model", "what was measured: the model or a baseline", required=True),
        text("metric", "what was measured, in the field's own terms", required=True),
        Column("value", DoubleType(), "its value; null where it could not be measured"),
        text("note", "what to know when reading it", required=True),
    ),
)

FEATURE_DRIFT = Table(
    name="ops.feature_drift",
    doc="One row per run and feature of users: how it is distributed, and how far that is from a run before.",
    key=("run_id", "feature"),
    partition_by=("run_id",),
    columns=(
        text("run_id", "run whose features.users were counted", required=True),
        Column("as_of", DateType(), "first shop-local day that the run did not see", required=True),
        text("feature", "column of features.users; own.NAME for one of the shop's own", required=True),
        Column("users", LongType(), "users of the run", required=True, low=0),
        Column("nulls", LongType(), "of them, those without a value", required=True, low=0),
        Column("null_share", DoubleType(), "their share; null of nobody", low=0, high=1),
        Column("mean", DoubleType(), "mean of the values, to nine digits; of yes and no the share of yes, of days how "
               "long before as_of, of lists their length; null of text, and without a value"),
        Column(
            "histogram",
            ArrayType(StructType([
                StructField("bin", IntegerType()),
                StructField("low", DoubleType()),
                StructField("users", LongType()),
            ])),
            "users by bin, without nulls. Bins are the same for ever, so that histograms add up: 0 holds zeros, four "
            "to each doubling lie on either side, low is the bound nearest to 0. Text falls into bins 0 to 31 by crc32 "
            "modulo 32, without low",
            required=True,
        ),
        text("reference_run_id", "run it is compared with: the newest release that is older by the longest horizon of "
             "propensity, as what models learn from is, else the first; null without one that has the feature"),
        Column("reference_null_share", DoubleType(), "share of nulls there", low=0, high=1),
        Column("psi", DoubleType(), "population stability index beside the reference, over some ten groups of bins and "
               "nulls: the sum of (share now - share then) x ln(share now / share then); null without a reference",
               low=0),
        Column("psi_by_chance", DoubleType(), "what chance passes once in thirty thousand such comparisons, by the "
               "number of users", low=0),
        Column("state", StringType(), "stable; watch: psi above 0.1; drift: psi above 0.25, or the share of nulls "
               "moved by more than 0.2. What chance could do is stable; null without a reference",
               allowed=SHIFT_STATES),
    ),
)  # fmt: skip

MODELS = Table(
    name="ops.models",
    doc="One row per fitted model.",
    key=("model_id",),
    columns=(
        text("model_id", "run_id/stage/entry", required=True),
        text("run_id", "run that fitted it", required=True),
        text("stage", "segments, propensity or recommend", required=True),
        text("entry", "name of the entry in the settings", required=True),
        text("kind", "what it is: kmeans, logistic_regression, als", required=True),
        text("model", "the fitted model, as JSON", required=True),
    ),
)

FACTORS = Table(
    name="ops.factors",
    doc="One row per model and user or item: the large part of a factor model. Of a model into which users were "
    "folded, these users alone: the others are those of its base, which ops.models names, so the "
    "rows of a base must stay for as long as a model that names it is used.",
    key=("model_id", "side", "id"),
    partition_by=("run_id",),
    columns=(
        text("run_id", "run that fitted it", required=True),
        text("model_id", "model in ops.models", required=True),
        text("side", "user or item", required=True),
        text("id", "the shop's own id", required=True, personal=True),
        Column(
            "number",
            IntegerType(),
            "number inside the fit, in sorted order of id; 0 of users who were folded in",
            required=True,
            low=0,
        ),
        Column("factor", ArrayType(DoubleType()), "its factor", required=True),
        Column(
            "fingerprint",
            LongType(),
            "hash of what a user has done, by which a later run sees who has news; null of items, and where "
            "retrain_days is 0",
        ),
    ),
)

RELEASES = Table(
    name="ops.releases",
    doc="One row per release, oldest first by seq; the greatest seq that is no archive is current.",
    key=("seq",),
    columns=(
        Column("seq", LongType(), "1, 2, 3, ... without gaps", required=True, low=1),
        Column("kind", StringType(), "archive: not shown, as it is of an older day than what was, or was overtaken by "
               "a run of its day that knows more",
               required=True, allowed=RELEASE_KINDS),
        text("run_id", "run that is shown from here on", required=True),
        Column("as_of", DateType(), "first shop-local day that the run did not see", required=True),
        Column("released_at", TimestampType(), "UTC", required=True),
        Column("replaces_seq", LongType(), "release that was current before; null for the first", low=1),
        Column("fallbacks", ArrayType(StringType()), "what the models' stages warned of: which model did not pass its "
               "gate and what stood in, or what else to mind", required=True),
    ),
)  # fmt: skip
