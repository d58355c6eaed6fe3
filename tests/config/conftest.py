"""Files of settings, the packaged ones, and the lines of a refusal."""

import re
from collections.abc import Callable
from importlib.resources import files as packaged
from pathlib import Path
from typing import Any

import pytest
import yaml

from shoal.config import load_config
from shoal.errors import ConfigError

Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """``written(text, name)``: a file with this text, or these bytes."""

    def write(content: str | bytes, name: str = "mine.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(scope="session")
def default_text() -> str:
    """``conf/default.yaml`` as it is packaged."""
    return packaged("shoal.conf").joinpath("default.yaml").read_text(encoding="utf-8")


@pytest.fixture
def defaults(default_text: str) -> dict[str, Any]:
    """``conf/default.yaml`` as YAML alone reads it; what a named entry leaves out is as in the first of its section."""
    tree: dict[str, Any] = yaml.safe_load(default_text)
    for section in ("segments", "propensity", "recommend"):
        first = next(iter(tree[section].values()))
        tree[section] = {name: {**first, **entry} for name, entry in tree[section].items()}
    return tree


@pytest.fixture
def problems_of() -> Callable[..., list[str]]:
    """``problems_of("key=value", files=(path,))``: the lines of the refusal below its headline, without folders."""

    def problems(*sets: str, files: tuple[Path, ...] = (), lake: str | None = None) -> list[str]:
        with pytest.raises(ConfigError) as refused:
            load_config(files, sets, lake)
        headline, *lines = str(refused.value).splitlines()
        assert headline == "cannot use the settings:"
        assert refused.value.exit_code == 2
        assert all(line.startswith("  ") for line in lines)
        folders = "|".join(re.escape(f"{path.parent}/") for path in files)
        return [re.sub(folders, "", line.strip()) if folders else line.strip() for line in lines]

    return problems
