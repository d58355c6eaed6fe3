"""A click log without a header: what each line becomes, and the published part line by line."""

from datetime import UTC, datetime

import duckdb
import pytest

from shoal.errors import DataError
from shoal.sources import FEEDS

CLICKS = FEEDS["taobao"]
AT = 1_511_544_070  # 2017-11-24 17:21:10 UTC: early on the 25th where the shop is


def test_each_kind_of_line_becomes_an_event_of_the_shops_day(read, judge, tmp_path):
    kinds = {"pv": "view", "cart": "cart", "fav": "favourite", "buy": "purchase", "like": "like"}
    (tmp_path / "log.csv").write_text("".join(f"1,2268318,2520377,{kind},{AT}\n" for kind in kinds))

    events = judge(read(CLICKS, tmp_path), CLICKS).orderBy("position").collect()

    assert [e.event_type for e in events] == [*kinds.values()]
    assert [e.position for e in events] == [1, 2, 3, 4, 5]  # no header: the first line is a row
    assert {(e.user_id, e.item_id, e.category) for e in events} == {("1", "2268318", "2520377")}
    assert {e.event_time.replace(tzinfo=UTC) for e in events} == {datetime(2017, 11, 24, 17, 21, 10, tzinfo=UTC)}
    assert {e.event_date.isoformat() for e in events} == {"2017-11-25"}
    assert {(e.quantity, e.unit_price, e.currency) for e in events} == {(None, None, None)}
    assert [e.line_kind for e in events] == [None, None, None, "goods", None]
    assert [e.reasons for e in events] == [[]] * 4 + [["event_type is one of its allowed values"]]


def test_a_header_that_somebody_added_is_a_bad_row(read, judge, tmp_path):
    (tmp_path / "log.csv").write_text(f"user,item,category,behavior,time\n1,2,3,pv,{AT}\n")

    header, view = judge(read(CLICKS, tmp_path), CLICKS).orderBy("position").collect()

    assert {"user_id is a whole number", "timestamp is a whole number"} <= set(header.reasons)
    assert view.reasons == []


def test_a_row_of_another_length_is_a_bad_row(read, judge, tmp_path):
    (tmp_path / "log.csv").write_text(f"1,2,3,pv,{AT}\n1,2,3,pv\n1,2,3,pv,{AT},6\n")

    whole, short, long = judge(read(CLICKS, tmp_path), CLICKS).orderBy("position").collect()

    assert whole.reasons == []
    assert "the row fits its header" in short.reasons
    assert "the row fits its header" in long.reasons


def test_a_file_of_other_columns_is_refused(read, tmp_path):
    (tmp_path / "log.csv").write_text(f"1,2,pv,{AT}\n")

    with pytest.raises(DataError, match="its first line has 4 columns, and a file without a header has 5 columns"):
        read(CLICKS, tmp_path)


def test_the_published_part_is_read_whole(read, judge, compiled, data):
    """84,475 rows; the kinds are counted by another engine, as those of its source add up to one row more."""
    source = data / "taobao_userbehavior_part" / "UserBehavior_first84k.csv.gz"
    lines = f"FROM read_csv('{source}', all_varchar = true, header = false)"
    oracle = dict(duckdb.sql(f"SELECT column3, count(*) {lines} GROUP BY 1").fetchall())

    with compiled():
        events = judge(read(CLICKS, source), CLICKS).persist()
        counts = {row.event_type: row["count"] for row in events.groupBy("event_type").count().collect()}
        bad = events.where("size(reasons) > 0").count()
        events.unpersist()

    assert counts == {
        "view": oracle["pv"], "cart": oracle["cart"], "favourite": oracle["fav"], "purchase": oracle["buy"],
    }  # fmt: skip
    assert (counts["cart"], counts["favourite"], counts["purchase"]) == (4_497, 2_356, 1_750)
    assert sum(counts.values()) == 84_475
    assert bad == 0
