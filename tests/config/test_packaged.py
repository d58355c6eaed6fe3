"""The settings that come packaged, what it costs to load them, and from where."""

import re
import subprocess
import sys
import zipfile
from importlib.resources import files as packaged
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.config import Config, check_columns, load_config, settings_hash

# What comes packaged
from shoal.errors import ConfigError


def test_the_defaults_load_and_lose_nothing(defaults):
    assert load_config().model_dump(mode="json", by_alias=True) == defaults


def test_the_defaults_name_columns_that_exist_and_a_wrong_one_is_named():
    check_columns(load_config())  # raises where one does not

    with pytest.raises(ConfigError, match="no_such_column"):
        check_columns(load_config(sets=["segments.default.inputs=[recency_days, no_such_column]"]))


def bare_settings(text: str) -> list[str]:
    """Lines that set a value and give no reason; a line that only opens a section sets none."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    leaf = re.compile(r"\s*[\w.]+:\s+[^\s#]")
    return [line.strip() for line in lines if leaf.match(line) and not re.search(r"\s# \S", line)]


def test_a_setting_without_a_reason_is_seen():
    text = "a: 1  # why\nb:\n  c: 2\n  d: [1,\n     2]\n"

    assert bare_settings(text) == ["c: 2", "d: [1,"]


def test_every_default_has_its_reason(default_text):
    assert bare_settings(default_text) == []


# What it costs and where it runs


def run_python(code: str, *options: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": path} if path else None
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


def test_settings_cost_no_heavy_import():
    code = "from shoal.config import *; c = load_config(); settings_hash(c); explain()"

    log = run_python(code, "-X", "importtime").stderr

    imported = {line.rpartition("|")[2].strip() for line in log.splitlines()}
    assert {"shoal.config", "shoal.params", "yaml"} <= imported
    heavy = {"pyspark", "great_expectations", "pandas", "numpy", "pyarrow", "delta"}
    assert {name for name in imported if name.split(".")[0] in heavy} == set()


def test_settings_load_from_a_zip(tmp_path):
    roots = {"shoal": Path(shoal.__file__).parent, "shoal/conf": Path(str(packaged("shoal.conf")))}
    archive = tmp_path / "shoal.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, root in roots.items():
            for file in (f for f in root.rglob("*") if f.suffix in {".py", ".yaml"}):
                zipped.write(file, f"{name}/{file.relative_to(root)}")
    code = "import shoal.config as c; print(c.__file__); print(c.settings_hash(c.load_config()))"

    place, found = run_python(code, path=str(archive)).stdout.split()

    assert place.startswith(str(archive))
    assert found == settings_hash(load_config())


def test_a_config_cannot_be_changed():
    config: Any = load_config()

    with pytest.raises(ValueError, match="frozen"):
        config.strict = True
    assert isinstance(config, Config)
