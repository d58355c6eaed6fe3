"""`shoal demo`: a shop, every stage, what they found; the second time nothing is new."""

import contextlib

import pytest

import shoal.demo
from shoal.demo import demonstrate
from shoal.lake import Lake
from shoal.progress import Progress
from shoal.stages import NAMES


@pytest.mark.long
def test_a_demo_shows_what_it_found_and_the_second_time_nothing_is_new(spark, tmp_path, monkeypatch, capsys):
    @contextlib.contextmanager
    def opened_lake(config, name, arguments, progress):
        yield Lake(spark, config.lake)

    monkeypatch.setattr(shoal.demo, "opened_lake", opened_lake)
    monkeypatch.setattr(shoal.demo, "USERS", 300)
    out = tmp_path / "demo"
    (out / "shop.unfinished").mkdir(parents=True)  # as a kill leaves it
    (out / ".shoal-demo").touch()

    first = demonstrate(out, Progress())
    capsys.readouterr()
    second = demonstrate(out, Progress())
    told = capsys.readouterr().err

    assert second == first
    assert first.startswith("Release 1: run 2025-06-30-")
    for part in ("What came in", "Rejected, by rule", "Segments", "Propensities", "How good the models are"):
        assert f"\n{part}" in first
    assert [line.split()[0] for line in told.splitlines() if " nothing new  " in line] == [*NAMES]
