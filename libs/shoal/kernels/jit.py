"""Loops compiled to machine code by numba, for what numpy would need a pass through memory at every step.

Importing numba takes half a second, so only the modules of loops import this one, and only tasks import those.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

# Sums may be split over the lanes of a vector register; what is not a number stays what it is.
_ANY_ORDER = {"reassoc", "contract", "arcp", "nsz"}


def compiled(function: F) -> F:
    """The function as machine code that adds up in the order in which it is written; the GIL is free meanwhile."""
    return _compiled(function)


def compiled_in_any_order(function: F) -> F:
    """The same where sums may be taken in any order, which is several times as fast; the last digits may differ."""
    return _compiled(function, fastmath=_ANY_ORDER)


def _compiled(function: F, **options: Any) -> F:
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        kept: Any = numba.njit(cache=True, **options)(function)  # compiled once per machine, some seconds
        # Of code in a zip, numba would find out when it has compiled that its folder cannot be written, and fail.
        kept._cache._impl.locator.ensure_cache_path()
    except (RuntimeError, OSError, AttributeError):  # no such folder, or another numba: compiled once per process
        kept = numba.njit(**options)(function)
    return cast(F, kept)
