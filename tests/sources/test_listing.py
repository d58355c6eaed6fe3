"""What an input names: files by folder, glob or name, and tables by their version."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shoal.errors import ConfigError, DataError
from shoal.sources import listing
from shoal.sources.listing import find_files, find_news, is_table


@pytest.fixture
def shelf(tmp_path) -> Path:
    """A folder as Spark and people leave it: data of every format, marks and checksums beside it."""
    content = {
        "a.csv": "data", "b.PARQUET": "data", "c.jsonl": "data", "deep/down/d.tsv.gz": "data", "e.ndjson": "data",
        "f.json": "other", "_SUCCESS": "", ".a.csv.crc": "crc", "_tmp/half.csv": "half", ".cache/old.csv": "old",
        "g.csv.tmp": "half", "g.csv._COPYING_": "half", "g.csv.inprogress": "half", "g.csv.crdownload": "half",
        "staged.tmp/h.csv": "half",
    }  # fmt: skip
    for name, text in content.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(files, folder):
    return [str(Path(file.path).relative_to(folder)) for file in files]


def test_a_folder_names_its_data_files_in_order_and_nothing_hidden_or_half_written(spark, shelf):
    found = find_files(spark, str(shelf))

    formats = {"a.csv": "csv", "b.PARQUET": "parquet", "c.jsonl": "json", "deep/down/d.tsv.gz": "csv"}
    assert names(found, shelf) == [*formats, "e.ndjson", "f.json"]
    assert [file.format for file in found] == [*formats.values(), "json", "json"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("c.jsonl", ["c.jsonl"]),
        ("deep", ["deep/down/d.tsv.gz"]),
        ("[ac].*", ["a.csv", "c.jsonl"]),
        ("{a.csv,deep}", ["a.csv", "deep/down/d.tsv.gz"]),
        ("*", ["a.csv", "b.PARQUET", "c.jsonl", "deep/down/d.tsv.gz", "e.ndjson", "f.json"]),
        ("_tmp/half.csv", ["_tmp/half.csv"]),  # who names it means it
        ("staged.tmp", ["staged.tmp/h.csv"]),
    ],
)
def test_a_path_is_a_name_or_a_glob(spark, shelf, path, found):
    assert names(find_files(spark, f"{shelf}/{path}"), shelf) == found


def test_a_name_that_is_there_is_no_glob(spark, shelf):
    (shelf / "a[1].csv").write_text("data")

    assert names(find_files(spark, f"{shelf}/a[1].csv"), shelf) == ["a[1].csv"]


def test_a_file_is_known_by_its_content(spark, shelf):
    os.utime(shelf / "a.csv", (1_600_000_000, 1_600_000_000))
    found = {Path(file.path).name: file for file in find_files(spark, str(shelf))}

    assert found["a.csv"].sha256 == hashlib.sha256(b"data").hexdigest()
    assert found["a.csv"].sha256 == found["e.ndjson"].sha256 != found["f.json"].sha256
    assert found["a.csv"].size == len("data")
    assert found["a.csv"].modified_at == datetime.fromtimestamp(1_600_000_000, UTC)


def test_only_files_that_are_not_known_as_they_are_listed_are_opened(spark, shelf, opened):
    folder = f"{shelf}/*.*"
    known = {file.state: file.sha256 for file in find_files(spark, folder)}
    opened.clear()

    again = find_files(spark, folder, known)
    assert (opened, {file.state: file.sha256 for file in again}) == ([], known)

    (shelf / "a.csv").write_text("date")  # of the same size
    os.utime(shelf / "a.csv", (1_600_000_000, 1_600_000_000))
    (shelf / "new.csv").write_text("data")
    find_files(spark, folder, known)
    assert opened == ["a.csv", "new.csv"]


def test_a_file_that_goes_while_others_are_read_is_not_there(spark, shelf, monkeypatch):
    hashed = listing._hashed

    def racing(spark, fs, entry):
        (shelf / "c.jsonl").unlink(missing_ok=True)
        return hashed(spark, fs, entry)

    monkeypatch.setattr(listing, "_hashed", racing)

    assert names(find_files(spark, f"{shelf}/*.*"), shelf) == ["a.csv", "b.PARQUET", "e.ndjson", "f.json"]
    monkeypatch.setattr(listing, "_hashed", lambda *_: None)
    with pytest.raises(ConfigError, match=r"a\.csv does not exist any more"):
        find_files(spark, f"{shelf}/a.csv")


def test_an_empty_file_among_others_is_a_quiet_hour(spark, shelf, opened):
    (shelf / "quiet.csv").touch()

    empty = [file for file in find_files(spark, str(shelf)) if file.is_empty]

    assert names(empty, shelf) == ["quiet.csv"]
    assert "quiet.csv" not in opened


def test_a_folder_of_nothing_but_empty_files_is_a_broken_export(spark, tmp_path):
    for hour in range(3):
        (tmp_path / f"{hour}.csv").touch()

    with pytest.raises(DataError) as caught:
        find_files(spark, str(tmp_path))

    assert str(caught.value).count("is empty (0 bytes)") == 3


def test_what_cannot_be_read_is_named_together(spark, tmp_path):
    (tmp_path / "nothing.csv").touch()
    (tmp_path / "notes.txt").write_text("hello")

    with pytest.raises(DataError) as caught:
        find_files(spark, str(tmp_path))

    assert "nothing.csv: is empty (0 bytes)" in str(caught.value)
    assert "notes.txt: cannot tell its format" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "said"),
    [("nowhere", "does not exist"), ("*.xlsx", "matches no file"), ("empty", "holds no file")],
)
def test_where_nothing_is_the_path_is_wrong(spark, shelf, path, said):
    (shelf / "empty").mkdir()

    with pytest.raises(ConfigError, match=f"{shelf.name}/.*{said}"):
        find_files(spark, f"{shelf}/{path}")


def test_a_file_system_that_cannot_be_reached_is_named_with_what_it_says(spark):
    with pytest.raises(DataError, match=r"input s3a://shop/events cannot be read: .*S3AFileSystem"):
        find_files(spark, "s3a://shop/events")


def test_a_delta_table_is_one_thing_at_its_version_however_it_is_named(spark, tmp_path):
    table = tmp_path / "shop 100%" / "events"
    rows = spark.range(3).coalesce(1)
    rows.write.format("delta").save(str(table))

    (first,) = find_files(spark, os.path.relpath(table))
    rows.write.format("delta").mode("overwrite").save(str(table))
    (second,) = find_files(spark, f"{table.parent}/*")

    assert (first.path, first.format) == (f"{table}@v0", "delta")
    assert second.path == f"{table}@v1"  # not the Parquet files of either version
    assert second.sha256 != first.sha256


def test_news_are_the_files_that_are_named_or_else_those_that_are_not_known(spark, shelf, opened):
    known = {file.state: file.sha256 for file in find_files(spark, f"{shelf}/*.*")}
    opened.clear()
    (shelf / "notes.txt").write_text("hello")
    (shelf / "a.csv").write_text("more data")
    told = [f"{shelf}/{name}" for name in ("a.csv", "b.PARQUET", "g.csv.tmp", "gone.csv", "notes.txt")]

    named, problems = find_news(spark, str(shelf), told, known, most=1)
    assert names(named, shelf) == ["a.csv", "b.PARQUET"]
    assert opened == ["a.csv"], "the other one is as it was"
    assert [problem.partition(":")[0] for problem in problems] == [f"{shelf}/notes.txt"]

    assert names(find_news(spark, str(shelf), None, known, most=9)[0], shelf) == ["a.csv", "deep/down/d.tsv.gz"]
    assert names(find_news(spark, str(shelf), None, known, most=1)[0], shelf) == ["a.csv"]
    assert find_news(spark, f"{shelf}/*.xlsx", None, known, most=9) == ([], [])


def test_a_table_among_files_is_said(spark, shelf):
    spark.range(3).coalesce(1).write.format("delta").save(str(shelf / "table"))

    files, problems = find_news(spark, str(shelf), [f"{shelf}/a.csv"], {}, most=9)

    assert names(files, shelf) == ["a.csv"]
    assert problems == [f"{shelf}/table: is a Delta table among files; give it an --input of its own"]
    assert (is_table(spark, str(shelf)), is_table(spark, str(shelf / "table"))) == (False, True)
