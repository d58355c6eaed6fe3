"""RetailRocket's raw sample: clicks without prices, by visitor."""

from datetime import date

import duckdb
import pytest
from feature_oracle import of_a_lake

from shoal.tables import BATCHES, EVENTS, USER_FEATURES


@pytest.fixture(scope="module")
def source(data):
    return data / "retailrocket" / "sample_5000_visitors_events.csv.gz"


@pytest.fixture(scope="module")
def clicks(shelf_at, source, tmp_path_factory):
    shelf = shelf_at(tmp_path_factory.mktemp("rocket") / "lake")
    shelf.run(("retailrocket", source), as_of=date(2015, 9, 19), until="features")
    return shelf


def test_three_exact_duplicates_are_found(clicks):
    (batch,) = clicks.read(BATCHES).collect()

    assert (batch.rows_in, batch.rows_accepted, batch.rows_rejected, batch.rows_duplicate) == (9_385, 9_382, 0, 3)


def test_events_are_typed_as_the_source_counts_them(clicks, source):
    """Different lines of the file, counted by another engine; with repeats, 9,076 views, 263 carts, 46 transactions."""
    lines = f"SELECT DISTINCT * FROM read_csv('{source}', all_varchar = true)"
    oracle = dict(duckdb.sql(f"SELECT event, count(*) FROM ({lines}) GROUP BY 1").fetchall())
    counts = {row.event_type: row["count"] for row in clicks.read(EVENTS).groupBy("event_type").count().collect()}

    assert counts == {"view": oracle["view"], "cart": oracle["addtocart"], "purchase": oracle["transaction"]}
    assert sum(counts.values()) == 9_076 + 263 + 46 - 3


def test_every_feature_is_what_another_engine_finds_in_the_events(clicks):
    assert of_a_lake(clicks, date(2015, 9, 19), "UTC") == []


def test_what_is_absent_is_absent_and_not_zero(clicks):
    money = clicks.read(EVENTS).where("quantity IS NOT NULL OR unit_price IS NOT NULL OR amount_base IS NOT NULL")
    users = clicks.read(USER_FEATURES)

    assert money.count() == 0
    assert users.where("spend IS NOT NULL OR net_spend IS NOT NULL OR return_rate IS NOT NULL").count() == 0
    assert users.where("is_buyer").count() == 39
