"""A feed whose columns change under way: the run says it once, and what cannot be read is said with a way out."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.errors import DataError
from shoal.tables import BATCHES, RUNS

TILL = """
feed: till
currency: EUR
columns:
  receipt: {from: Receipt}
  at: {from: Time, form: time}
  article: {from: "Art. Nr"}
  pieces: {from: Pieces, form: integer}
  customer: {from: Customer, optional: true}
natural_key: [receipt, article]
events:
  event_type: {value: purchase}
  event_time: at
  item_id: article
  order_id: receipt
  user_id: customer
  quantity: {sql: "try_cast(pieces AS INT)"}
"""
LINE = {"Receipt": "R1", "Time": "2025-03-01T10:00:00", "Art. Nr": "4711", "Pieces": 1, "Customer": "C1"}


@pytest.fixture
def deliver(shelf, tmp_path):
    """``deliver(name, rows)``: ingest a Parquet file; returns what the run warned of."""
    (tmp_path / "till.yaml").write_text(TILL)

    def ingest(name, *rows):
        pq.write_table(pa.Table.from_pylist([*rows]), tmp_path / name)
        shelf.run((str(tmp_path / "till.yaml"), tmp_path / name), until="ingest")
        last = max(shelf.read(RUNS).collect(), key=lambda run: run.started_at)
        return last.warnings

    return ingest


@pytest.mark.long
def test_a_run_says_what_is_new_about_the_columns_and_the_next_says_nothing(shelf, deliver, capsys):
    assert deliver("1.parquet", {**LINE, "Till": 1}) == [], "what a first delivery has is no change"
    assert "till: not declared, kept in extra: Till" in capsys.readouterr().err
    later = {"Receipt": "R2", "Time": LINE["Time"], "Art. Nr": "4711", "Pieces": "two", "Till": 1, "Shelf": "A"}

    assert deliver("2.parquet", later) == [
        "till: not declared, kept in extra: Shelf",
        "till: delivered before and missing now, null from here on: Customer",
        "till: of another type now, rows that do not convert are rejected: Pieces bigint -> string",
    ]
    assert deliver("3.parquet", {**later, "Receipt": "R3"}) == []
    kept = max(shelf.read(BATCHES).collect(), key=lambda batch: batch.planned_at).file_columns
    assert [(column.name, column.type) for column in kept][3:] == [
        ("Pieces", "string"), ("Till", "bigint"), ("Shelf", "string"),
    ]  # fmt: skip


@pytest.mark.long
def test_a_column_that_was_renamed_is_named_with_what_to_write(deliver):
    deliver("1.parquet", LINE)
    renamed = {{"Art. Nr": "Art.-Nr", "Pieces": "Menge"}.get(name, name): value for name, value in LINE.items()}

    with pytest.raises(DataError) as caught:
        deliver("2.parquet", {**renamed, "Receipt": "R2"})

    said = str(caught.value)
    assert "lacks Art. Nr, Pieces; it has Receipt, Time, Art.-Nr, Menge, Customer; " in said
    assert 'is Art.-Nr now what Art. Nr was? then add `from: "Art.-Nr"` to columns.article' in said
    assert 'is Menge now what Pieces was? then add `from: "Menge"` to columns.pieces' in said, "it stands in its place"
