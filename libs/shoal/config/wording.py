"""The words of a refusal: what was wanted, what was got instead, and what may have been meant."""

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml
from pydantic_core import ErrorDetails

from shoal.config.places import Place
from shoal.config.secrecy import HIDDEN, is_secret
from shoal.errors import ConfigError, bulleted

_MOST_PROBLEMS = 40  # lines of one message

_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
    "bool_type": "true or false",
    "literal_error": "{expected}",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "string_too_long": "at most {max_length} signs long",
    "string_unicode": "text without half characters",
    "tuple_type": "a list",
    "too_short": "at least {min_length} long",
    "too_long": "at most {max_length} long",
    "model_type": "a mapping of settings",
}
_PATTERNS = {"^[A-Z]{3}$": "three capital letters such as EUR"}


def refusal(problems: Iterable[str]) -> ConfigError:
    """All problems as one error, bounded."""
    return ConfigError(bulleted("cannot use the settings:", problems, _MOST_PROBLEMS))


def wanted(error: ErrorDetails) -> str:
    """What pydantic would have taken, to follow "must be"."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":  # in a list of fixed length
        return f"at least {int(error['loc'][-1]) + 1} long"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"text that matches {context['pattern']}")
    plain = {
        name: f"{limit:.15g}" if isinstance(limit, float) else str(limit).replace("'", "")
        for name, limit in context.items()
    }
    return _WANTED[kind].format(**plain) if kind in _WANTED else f"different ({error['msg']})"


def got(at: Place, value: Any, text: str | None = None) -> str:
    """The value as YAML made it, and where that may surprise, from what and how to get the other.

    Args:
        at: where it stands; of a secret only null, or that it is a mapping, is told.
        value: what YAML made.
        text: what was written, where YAML took it for more than text.
    """
    if isinstance(value, dict):
        return "a mapping"
    if value is None or isinstance(value, bool | int | float | str | list):
        shown = json.dumps(value, ensure_ascii=False, default=str)
    else:  # such as a date
        shown = f"a {type(value).__name__}"
    if value is not None and is_secret(at, shown):
        return HIDDEN
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    if isinstance(value, str):
        return shown + _unquote(value)
    if text is not None and text.lower() != shown.lower():
        return f"{shown} (what YAML makes of {text or 'an empty value'}; quotes make it text)"
    return shown


def _unquote(text: str) -> str:
    if re.fullmatch(r"[-+]?[0-9.]+[eE][-+]?[0-9]+", text):
        return " (YAML reads it as text: write a point and a sign, such as 1.0e-3)"
    resolver: Any = yaml.SafeLoader("")  # its stubs leave `resolve` without types
    plain = resolver.resolve(yaml.ScalarNode, text, (True, False))
    is_text = not text or plain == "tag:yaml.org,2002:str"
    return "" if is_text else " (text: leave out the quotes)"
