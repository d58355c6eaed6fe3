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


def test_times_are_numbers_or_iso(read):
    """The same moment in seven forms, a row each."""
    forms = [SECONDS, f"{SECONDS}.0", SECONDS * 1000, SECONDS * 1_000_000, "2011-09-10T08:26:00Z",
             "2011-09-10 08:26:00", "2011-09-10T10:26:00+02:00"]  # fmt: skip
    found = read("a.csv", "u,i,t\n" + "".join(f"u,{n},{form}\n" for n, form in enumerate(forms)),
                 {"user": "u", "item": "i", "time": "t"})  # fmt: skip

    assert found == [("u", str(n), None, None, AT) for n in range(len(forms))]


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


HEADER, GOOD = "visitor,sku,what,stars,at", "b,y,view,1,5"
FAULTS = (
    (",x,view,1,5", "1 of 12 rows have no user in column visitor, such as visitor=null, sku=x"),
    ("a,,view,1,5", "1 of 12 rows have no item in column sku"),
    ("a,x,,1,5", "1 of 12 rows have no event type in column what"),
    (
        "a,x,wink,1,5",
        "1 of 12 rows have an event type without a weight in column what, such as visitor=a, sku=x, what=wink",
    ),
    ("a,x,view,good,5", "3 of 12 rows have a rating that is no number in column stars"),
    ("a,x,view,,5", "3 of 12 rows have a rating that is no number"),
    ("a,x,view,NaN,5", "3 of 12 rows have a rating that is no number"),
    ("a,x,view,0,5", "1 of 12 rows have a rating of 0 or below in column stars"),
    ("a,x,view,1,yesterday", "3 of 12 rows have a time that is none in column at"),
    ("a,x,view,1,", "3 of 12 rows have a time that is none in column at"),
    ("a,x,view,1,2011-02-30", "3 of 12 rows have a time that is none in column at"),
)


def test_every_fault_is_told_with_its_place_value_and_way_out(read):
    with pytest.raises(DataError) as told:
        read("a.csv", "\n".join([HEADER, GOOD, *(line for line, _ in FAULTS)]), events=["view"], positive=True)

    for _, said in FAULTS:
        assert said in str(told.value)
    assert len(str(told.value).splitlines()) == 1 + 7  # kinds: user, item, two of events, two of ratings, time


def test_one_fault_is_one_line(read):
    with pytest.raises(DataError) as told:
        read("a.csv", f"{HEADER}\n{GOOD}\na,x,view,1,yesterday\n", events=["view"], positive=True)

    assert re.fullmatch(
        r"cannot evaluate:\n  .*a\.csv: 1 of 2 rows have a time that is none in column at, such as visitor=a, sku=x, "
        r"what=view, stars=1, at=yesterday; write seconds or milliseconds since 1970, or ISO 8601",
        str(told.value),
    )


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
