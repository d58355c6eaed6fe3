"""What is prepared once: a start takes it where it is, and does without where it is not."""

from pathlib import Path

import pytest

from shoal import prepare, session


def test_a_start_names_the_archive_only_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "with a space" / "classes.jsa"
    monkeypatch.setattr(session, "class_archive", lambda: archive)
    (without,) = session._jvm().values()
    archive.parent.mkdir()
    archive.touch()
    (started,) = session._jvm().values()

    assert without == session.JVM
    assert started == f'{session.JVM} -Xlog:cds=off -Xlog:cds+dynamic=off "-XX:SharedArchiveFile={archive}"'


def test_where_no_archive_can_be_made_it_is_said_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prepare, "class_archive", lambda: tmp_path / "classes.jsa")
    monkeypatch.setattr(prepare, "_FIRST_QUERIES", "raise OSError('no space left')")
    prepare.archive_classes()

    said = capsys.readouterr().out
    assert "start some seconds slower: OSError: no space left" in said
