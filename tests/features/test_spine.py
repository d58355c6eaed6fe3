"""A list of users and times: a row's cut is the shop-local day of its time; what cannot be read is told at once."""

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from shoal.errors import ConfigError
from shoal.features.spine import WHEN, WHO, checked, opened

FIRST, LAST = date(2025, 1, 1), date(2026, 1, 1)
AUCKLAND = "Pacific/Auckland"  # thirteen hours ahead of UTC in March


def read(spark, path, zone="UTC", taken=()):
    rows = opened(spark, str(path), zone=zone, taken=taken)
    return checked(rows, str(path), first=FIRST, last=LAST)


def pairs(spine):
    return [(row[WHO], str(row[WHEN])) for row in spine.rows.collect()]


def test_days_and_what_goes_along(spark, tmp_path):
    path = tmp_path / "spine.csv"
    path.write_text("user_id;as_of;my label\n007;2025-03-01;yes\n007;2025-03-01;yes\nann;2025-04-01 00:00:00;\n")
    spine = read(spark, path)

    assert pairs(spine) == [("007", "2025-03-01"), ("007", "2025-03-01"), ("ann", "2025-04-01")]
    assert (spine.size, spine.users, spine.cuts) == (3, 2, (date(2025, 3, 1), date(2025, 4, 1)))
    assert spine.columns == ("user_id", "as_of", "my label")
    assert [row["my label"] for row in spine.rows.collect()] == ["yes", "yes", None]


@pytest.mark.parametrize(
    ("written", "utc", "auckland"),
    [
        ("2025-03-01T12:00:00Z", "2025-03-01", "2025-03-02"),
        ("2025-03-01 10:59:59", "2025-03-01", "2025-03-01"),  # UTC, as no zone is named: a second before midnight there
        ("2025-03-01T10:59:59+13:00", "2025-02-28", "2025-03-01"),
        ("1740783600", "2025-02-28", "2025-03-01"),  # 23:00 UTC
        ("1740783600000", "2025-02-28", "2025-03-01"),
        ("2025-03-01", "2025-03-01", "2025-03-01"),  # a day is itself
    ],
)
def test_a_moment_is_of_the_shops_day(spark, tmp_path, written, utc, auckland):
    path = tmp_path / "spine.csv"
    path.write_text(f"user_id,time\nann,{written}\n")

    assert [pairs(read(spark, path, zone)) for zone in ("UTC", AUCKLAND)] == [[("ann", utc)], [("ann", auckland)]]


def test_types_of_parquet(spark, tmp_path):
    """Ids that a gap has made floats, and days that pandas knows as times only."""
    rows = {"user_id": [17850.0, 13047.0], "as_of": pd.to_datetime(["2025-03-01", "2025-05-06"]), "time": ["x", "y"]}
    pd.DataFrame(rows).to_parquet(tmp_path / "days.parquet", coerce_timestamps="us")
    noon = [datetime(2025, 3, 1, 12, tzinfo=UTC)] * 2
    pd.DataFrame({"user_id": [1, 2], "time": noon}).to_parquet(tmp_path / "times.parquet", coerce_timestamps="us")
    pd.DataFrame({"user_id": ["a"], "time": [date(2025, 3, 1)]}).to_parquet(tmp_path / "dates.parquet")

    assert pairs(read(spark, tmp_path / "days.parquet", AUCKLAND)) == [("17850", "2025-03-01"), ("13047", "2025-05-06")]
    assert pairs(read(spark, tmp_path / "times.parquet", AUCKLAND)) == [("1", "2025-03-02"), ("2", "2025-03-02")]
    assert pairs(read(spark, tmp_path / "dates.parquet", AUCKLAND)) == [("a", "2025-03-01")]


def test_all_columns_that_are_wrong_are_told_at_once(spark, tmp_path):
    path = tmp_path / "spine.csv"
    path.write_text("userid,day,Spend,label\nann,2025-03-01,1,2\n")

    with pytest.raises(ConfigError) as refused:
        read(spark, path, taken=["spend", "is_known"])
    said = str(refused.value)
    assert refused.value.exit_code == 2
    for part in ("no column user_id; did you mean userid?", "neither a column as_of (a day) nor time (a moment)",
                 "column Spend has the name of one that is added"):  # fmt: skip
        assert part in said
    assert "label" not in said.replace("day, Spend, label", "")


def test_all_values_that_are_wrong_are_told_at_once(spark, tmp_path):
    path = tmp_path / "spine.csv"
    rows = ["ann,2025-02-30", "ben,01.03.2025", "cat,2025-03-01 10:00:00", "dan,", ",2025-03-01", "eve,2025-01-01",
            "fay,2024-05-01", "gus,2062-03-01", "hal,2026-01-01", "ida,2025-01-02"]  # fmt: skip
    path.write_text("user_id,as_of\n" + "\n".join(rows) + "\n")

    with pytest.raises(ConfigError) as refused:
        read(spark, path)
    lines = [" ".join(line.split()) for line in str(refused.value).splitlines()[1:]]
    assert [line.split(" rows have")[0].rsplit(": ", 1)[1] for line in lines] == [
        "1 of 10", "4 of 10", "2 of 10", "1 of 10",
    ]  # fmt: skip
    assert "no user_id, such as user_id=null, as_of=2025-03-01" in lines[0]
    assert "no as_of that is a day such as 2025-03-01, such as user_id=ann, as_of=2025-02-30" in lines[1]
    assert "a cut at or before 2025-01-01, the first day with an event" in lines[2]
    assert "a cut after 2026-01-01" in lines[3]
    assert "as_of=2062-03-01; is that day meant?" in lines[3]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("empty.csv", "user_id,as_of\n", "has no row"),
        ("rows.json", '{"user_id": 1}\n', ".json cannot be read"),
    ],
)
def test_a_file_that_is_no_list_is_refused(spark, tmp_path, name, text, said):
    (tmp_path / name).write_text(text)

    with pytest.raises(ConfigError, match=said):
        read(spark, tmp_path / name)


def test_a_list_that_is_not_there_is_refused(spark, tmp_path: Path):
    with pytest.raises(ConfigError, match="matches no file"):
        opened(spark, str(tmp_path / "no*.csv"), zone="UTC", taken=())
