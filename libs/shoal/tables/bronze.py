"""Raw rows of each feed, as text, with where they came from."""

from collections.abc import Sequence

from pyspark.sql.types import LongType, MapType, StringType, TimestampType

from shoal.tables.table import Column, Table, text

PROVENANCE = (
    Column("extra", MapType(StringType(), StringType()), "columns that the feed does not declare"),
    text("malformed", "the whole line where it does not fit its header; null for a well-formed row"),
    text("source_file", "file the row came in", required=True),
    Column("position", LongType(), "line of a text file (the header is line 1), row index of a Parquet file",
           required=True, low=0),
    text("batch_id", "ingest call that brought it", required=True),
    Column("delivered_at", TimestampType(), "modification time of the file, UTC", required=True),
)  # fmt: skip


def bronze(feed: str, columns: Sequence[tuple[str, str]]) -> Table:
    """The table of a feed: its own columns (name, meaning) as text, then provenance."""
    return Table(
        name=f"bronze.{feed}",
        doc=f"One row per raw row of the feed {feed}, as it came.",
        key=("batch_id", "source_file", "position"),
        partition_by=("batch_id",),
        columns=(*(Column(n, StringType(), d, personal=True) for n, d in columns), *PROVENANCE),
        writer="ingest",
    )
