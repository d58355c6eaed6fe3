"""Which values are secrets, by the rule of Spark's own UI: neither settings shown nor errors print them."""

import re

from shoal.config.places import Place, dotted
from shoal.config.settings import NAMED

HIDDEN = "(hidden)"
_SECRET = re.compile("(?i)secret|password|token|access[.]?key|credential")  # spark.redaction.regex of Spark 4.1


def is_secret(at: Place, text: str = "") -> bool:
    """True where the value at this place must not be shown.

    The names of entries that users make up (segments.token_buyers) say nothing about their values.

    Args:
        at: judged by its keys.
        text: the value as it would be shown. Spark's options, and files that may hold them, are judged by it
            too: ``spark.driver.extraJavaOptions=-Dstore.password=...``.
    """
    keys = at[:1] + at[2:] if at and at[0] in NAMED else at
    return names_secret(dotted(keys)) or (at[:1] in ((), ("spark",)) and names_secret(text))


def names_secret(text: str) -> bool:
    """True where a text holds a word such as password."""
    return _SECRET.search(text) is not None


def without_secret(text: str) -> str:
    """The text up to the first word such as password; what follows is hidden."""
    found = _SECRET.search(text)
    return text if found is None else text[: found.end()] + HIDDEN
