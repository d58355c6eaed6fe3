"""Every kind of wrong command line ends with exit code 2 and its reason, before Spark starts; all kinds are counted."""

import pytest
from bad_calls import BAD_CALLS, BAD_SETTINGS
from bad_files import BAD_INPUTS
from bad_mappings import BAD_MAPPINGS, BAD_SQL, BAD_YAML
from bad_rows import BAD_FILES
from click.testing import CliRunner

from shoal.cli import shoal_command


@pytest.mark.parametrize(("call", "said"), BAD_CALLS, ids=[" ".join(call)[:60] for call, _ in BAD_CALLS])
def test_a_wrong_call(monkeypatch, call, said):
    def started(*_, **__):
        raise AssertionError("Spark was started")

    monkeypatch.setattr("shoal.running.job.build_session", started)
    ran = CliRunner().invoke(shoal_command, [*call])

    assert ran.exit_code == 2, ran.output
    assert said in " ".join(ran.output.split())
    assert ran.exception is None or isinstance(ran.exception, SystemExit)


def test_there_are_at_least_300_kinds_of_bad_input_and_no_kind_is_there_twice():
    kinds = [
        *((file.name, row.what) for file in BAD_FILES for row in file.bad),
        *(("file", bad.what) for bad in BAD_INPUTS),
        *(("mapping", repr(changes)) for changes, _ in (*BAD_MAPPINGS, *BAD_SQL)),
        *(("YAML", repr(content)) for content, _ in BAD_YAML),
        *(("setting", given) for given, _ in BAD_SETTINGS),
        *(("call", " ".join(call)) for call, _ in BAD_CALLS),
    ]

    twice = {kind for kind in kinds if kinds.count(kind) > 1}
    assert not twice
    assert len(kinds) >= 300
    print(f"{len(kinds)} kinds")
