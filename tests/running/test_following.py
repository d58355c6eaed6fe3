"""Streams ring for what has come until it is answered, and a signal lets work under way be finished."""

import os
import signal
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from shoal.errors import DataError
from shoal.ingest.streams import arriving, source_of
from shoal.lake import Lake
from shoal.running.following import _asked_to_stop, _Following


@pytest.fixture
def source(spark, tmp_path):
    """The folder ``in``, followed into a lake."""
    (tmp_path / "in").mkdir()
    return source_of(Lake(spark, str(tmp_path / "lake")), "shoal", "shoal", str(tmp_path / "in"))


def told(spark, source, most_files=10, answered=99):
    """Names of the files of each ring; those after the first few are not answered."""
    rings = []
    with closing(arriving(spark, [source], every=None, most_files=most_files)) as news:
        for ring in filter(None, news):
            rings.append(sorted(Path(name).name for name in ring.names))
            if len(rings) > answered:
                break
            ring.answer()
    return rings


def test_each_file_is_told_until_it_is_answered(spark, source):
    folder = Path(source.path)
    names = ["a b.csv", "c+d%20.csv", "day=1/x.parquet", "é.csv"]
    for age, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
        os.utime(folder / name, (1e9 * age / 2, 1e9 * age / 2))  # years apart
    (folder / "empty.csv").touch()
    (folder / "_marks.csv").write_text("x")

    first = told(spark, source, most_files=2, answered=1)
    assert [len(ring) for ring in first] == [2, 2]
    assert told(spark, source, most_files=2)[0] == first[1]
    assert told(spark, source) == []

    (folder / "late.csv").write_text("x")
    os.utime(folder / "late.csv", (1e8, 1e8))
    assert told(spark, source) == [["late.csv"]]


def test_a_checkpoint_that_is_spoilt_or_lost_is_begun_anew(spark, source):
    (Path(source.path) / "a.csv").write_text("x")
    assert told(spark, source) == [["a.csv"]]

    for spoilt in ("offsets/0", "metadata"):
        (Path(source.checkpoint) / spoilt).write_text("no such thing")
        (Path(source.checkpoint) / spoilt).with_name(f".{Path(spoilt).name}.crc").unlink(missing_ok=True)
        assert ["a.csv"] in told(spark, source)


def test_a_table_rings_for_what_is_added_or_changed_and_reads_nothing(spark, source):
    folder = Path(source.path)
    folder.rmdir()
    spark.range(3).write.format("delta").save(str(folder))
    told(spark, source)
    assert told(spark, source) == []

    spark.range(3).write.format("delta").mode("append").save(str(folder))
    spark.sql(f"UPDATE delta.`{folder}` SET id = 7 WHERE id = 1")
    assert told(spark, source) == [[]]


def test_an_input_that_is_not_there_is_named(spark, source):
    Path(source.path).rmdir()

    with pytest.raises(DataError, match=r"/in cannot be followed: "):
        told(spark, source)


def test_the_first_signal_asks_and_the_second_interrupts():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def ask_twice():
        with _asked_to_stop() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.wait(5)
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()

    with pytest.raises(KeyboardInterrupt):
        ask_twice()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(
    ("different", "more"), [(1, None), (12, None), (13, "  ... and 1 more"), (1200, "  ... and 1,188 more")]
)
def test_a_refusal_is_counted_once_however_often_it_is_met(different, more):
    following = _Following(None, None, None, SimpleNamespace(warned=lambda *_: None), {})
    for _ in range(3):  # looks at the whole
        for n in range(different):
            following._refuse(f"file {n} cannot be read")

    with pytest.raises(DataError) as refused:
        following.end()
    headline, *lines = str(refused.value).splitlines()
    assert headline == f"{different:,} refused, 0 batches came in:"
    assert lines == [f"  file {n} cannot be read" for n in range(min(different, 12))] + ([more] if more else [])
