"""Tables of every kind become the same interactions; what cannot be used is refused with its place and a way out."""

import gzip
import re
from datetime import UTC, datetime

import pytest

from shoal.errors import ConfigError, DataError
from shoal.evaluation.reading import interactions, opened

ROLES = {"user": "visitor", "item": "sku", "event": "what", "rating": "stars", "time": "at"}
AT = datetime(2011, 9, 10, 8, 26, tzinfo=UTC)
SECONDS = int(AT.timestamp())
ROWS = [("1", "sku 1", "view", 4.0, AT), ("Ω,ü\"'", "a,b", "buy", 0.5, AT)]


@pytest.fixture
def read(spark, tmp_path):
    """``read("a.csv", "text")``: the interactions of a file with that text."""

    def build(name, text, columns=ROLES, events=None, positive=False, **given):
        path = tmp_path / name
        raw = text.encode()
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        found = interactions(opened(spark, str(path), columns, **given), events, needs_positive=positive)
        return rows_of(found)

    return build


def rows_of(frame):
    found = [tuple(row) for row in frame.rows.collect()]
    return sorted((*row[:4], row[4] and row[4].astimezone(UTC)) for row in found)


CSV = """visitor,sku,what,stars,at
1,sku 1,view,4,{0}
"Ω,ü""'","a,b",buy,0.5,{0}
"""


@pytest.mark.parametrize(
    "time",
    [str(SECONDS), f"{SECONDS}.0", str(SECONDS * 1000), str(SECONDS * 1_000_000), "2011-09-10T08:26:00Z",
     "2011-09-10 08:26:00", "2011-09-10T10:26:00+02:00"],
)  # fmt: skip
def test_times_are_numbers_or_iso(read, time):
    assert read("a.csv", CSV.format(time)) == ROWS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", CSV.format(SECONDS)),
        ("a.csv.gz", CSV.format(SECONDS)),
        ("a.txt", CSV.format(SECONDS).replace(",", ";").replace("a;b", "a,b").replace("Ω;", "Ω,")),
        ("a.tsv", f'visitor\tsku\twhat\tstars\tat\n1\tsku 1\tview\t4\t{SECONDS}\n"Ω,ü""\'"\ta,b\tbuy\t.5\t{SECONDS}\n'),
        ("a.csv", "\ufeff" + CSV.format(SECONDS)),
    ],
)
def test_text_with_a_header(read, name, text):
    assert read(name, text) == ROWS


@pytest.mark.parametrize(("name", "sign"), [("u.data.gz", "\t"), ("ratings.dat", "::"), ("u.csv", ",")])
def test_text_without_a_header(read, name, sign):
    columns = {"user": "1", "item": "2", "rating": "3", "time": "4"}
    lines = "".join(sign.join(map(str, row)) + "\n" for row in [(196, 242, 3, SECONDS), (22, 377, 1, SECONDS)])

    assert read(name, lines, columns) == [("196", "242", None, 3.0, AT), ("22", "377", None, 1.0, AT)]


def test_parquet_and_delta_and_folders(spark, tmp_path):
    frame = spark.createDataFrame([(17850.0, 7, SECONDS), (None, 8, SECONDS)], "user double, item long, at long")
    frame.repartition(2).write.parquet(str(tmp_path / "p"))
    frame.write.format("delta").save(str(tmp_path / "d"))
    columns = {"user": "user", "item": "item", "time": "at"}

    for name in ("p", "d"):
        known = opened(spark, str(tmp_path / name), columns, where="user IS NOT NULL")
        assert rows_of(interactions(known)) == [("17850", "7", None, None, AT)]


def test_identical_rows_are_one(read):
    assert read("a.csv", "u,i\na,x\na,x\na,y\n", {"user": "u", "item": "i"}) == [
        ("a", "x", None, None, None),
        ("a", "y", None, None, None),
    ]


FAULTS = [
    ("user", ",x,view,1,5", "1 of 2 rows have no user in column visitor, such as visitor=null, sku=x"),
    ("item", "a,,view,1,5", "no item in column sku"),
    ("event", "a,x,,1,5", "no event type in column what"),
    (
        "unknown event",
        "a,x,wink,1,5",
        "an event type without a weight in column what, such as visitor=a, sku=x, what=wink",
    ),
    ("rating", "a,x,view,good,5", "a rating that is no number in column stars"),
    ("no rating", "a,x,view,,5", "a rating that is no number in column stars"),
    ("NaN", "a,x,view,NaN,5", "a rating that is no number in column stars"),
    ("zero", "a,x,view,0,5", "a rating of 0 or below in column stars"),
    ("time", "a,x,view,1,yesterday", "a time that is none in column at"),
    ("no time", "a,x,view,1,", "a time that is none in column at"),
    ("date of no year", "a,x,view,1,2011-02-30", "a time that is none in column at"),
]


def test_every_fault_is_told_with_its_place_value_and_way_out(read):
    """Each alone, and all of them in one table together."""
    header, good = "visitor,sku,what,stars,at", "b,y,view,1,5"
    for _, line, said in FAULTS:
        with pytest.raises(DataError) as told:
            read("a.csv", f"{header}\n{good}\n{line}\n", events=["view"], positive=True)
        assert said in str(told.value)
        assert "a.csv: 1 of 2 rows" in str(told.value)
    with pytest.raises(DataError) as told:
        read("a.csv", "\n".join([header, *(line for _, line, _ in FAULTS)]), events=["view"], positive=True)
    assert len(str(told.value).splitlines()) == 1 + 7  # kinds: user, item, two of events, two of ratings, time


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "visitor,sku,what,star,at\n", "has no column 'stars' for rating; did you mean star?"),
        ("a.csv", "visitor,sku,what,stars,at\n", "has no row to evaluate"),
        ("a.csv", "", "has no column 'visitor' for user"),
        ("a.json", "{}", ".json cannot be read; give CSV, TSV, Parquet or a Delta table"),
        ("a.parquet", "no parquet", "cannot be read"),
        ("a.csv", "\x00\x01\x02", "is not text in UTF-8"),
    ],
)
def test_tables_that_cannot_be_used(read, name, text, said):
    with pytest.raises(DataError, match=re.escape(said)):
        read(name, text)


def test_places_beyond_the_columns(read):
    with pytest.raises(DataError, match="has no column '9' for item"):
        read("u.data", "1\t2\n", {"user": "1", "item": "9"})


def test_a_condition_that_cannot_be_used_and_a_path_that_is_not_there(read, spark, tmp_path):
    with pytest.raises(ConfigError, match="--where 'vistor > 1' cannot be used"):
        read("a.csv", CSV.format(5), where="vistor > 1")
    with pytest.raises(ConfigError, match="does not exist, or matches no file"):
        opened(spark, str(tmp_path / "x*.csv"), ROLES)


def test_a_test_file_may_lack_roles(read):
    found = read("t.csv", "visitor,sku\na,x\n", optional=("event", "rating", "time"))

    assert found == [("a", "x", None, None, None)]
