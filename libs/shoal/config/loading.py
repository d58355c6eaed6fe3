"""Files and single values -> checked settings, or each setting with where it came from."""

from collections.abc import Sequence
from pathlib import Path

from shoal.config.checking import checked
from shoal.config.layers import compose
from shoal.config.places import dotted, leaves
from shoal.config.secrecy import HIDDEN, is_secret
from shoal.config.settings import Config, Setting


def load_config(files: Sequence[Path] = (), sets: Sequence[str] = (), lake: str | None = None) -> Config:
    """The settings after all layers.

    Args:
        files: YAML files, the last one wins.
        sets: single values as ``KEY.PATH=VALUE``, the value written as in YAML; they win over files.
        lake: wins over everything; null leaves it to the layers.

    Raises:
        ConfigError: every problem of every layer, each with where it came from.
    """
    return checked(compose(files, sets, lake))


def explain(files: Sequence[Path] = (), sets: Sequence[str] = (), lake: str | None = None) -> list[Setting]:
    """Every effective value with the layer that set it; an empty list or mapping is a value too.

    Secrets are hidden, so that all of it can be printed.

    Raises:
        ConfigError: as for :func:`load_config`.
    """
    layers = compose(files, sets, lake)
    tree = checked(layers).model_dump(mode="json", by_alias=True)
    return [
        Setting(dotted(at), HIDDEN if is_secret(at, str(value)) else value, layers.origin(at))
        for at, value in leaves(tree, ())
    ]
