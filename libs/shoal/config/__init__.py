"""Composes the stages' settings from layers of YAML; the only package that knows YAML.

The layers: the packaged ``conf/default.yaml``, then each file, then each single value. Later layers win key
by key and replace lists whole. In the sections of named entries (segments, propensity, recommend) ``null``
removes an entry, and a new entry takes what it leaves out from the section's first packaged entry.

One layer is read in ``reading``, laid over the others in ``layers``, and the whole judged in ``checking``.
"""

from shoal.config.columns import check_columns
from shoal.config.loading import explain, load_config
from shoal.config.settings import Config, Setting, row_changing, settings_hash

__all__ = ["Config", "Setting", "check_columns", "explain", "load_config", "row_changing", "settings_hash"]
