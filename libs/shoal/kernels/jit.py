"""Loops compiled to machine code by numba, for what numpy would need a pass through memory at every step.

Importing numba takes half a second, so only the modules of loops import this one, and only tasks import those.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar, cast

import numba

from shoal import kernels

F = TypeVar("F", bound=Callable[..., Any])

# Sums may be split over the lanes of a vector register; what is not a number stays what it is.
_ANY_ORDER = {"reassoc", "contract", "arcp", "nsz"}


LOOPS: list[tuple[Any, str]] = []  # each loop that was imported, with what it is called with


def compiled(called_with: str) -> Callable[[F], F]:
    """The function as machine code that adds up in the order in which it is written; the GIL is free meanwhile.

    Args:
        called_with: types of its arguments as numba writes them, for :func:`compile_all`; a call with others is
            compiled when it comes. Empty for functions of other loops, which are compiled with those.
    """
    return partial(_compiled, called_with)


def compiled_in_any_order(called_with: str) -> Callable[[F], F]:
    """The same where sums may be taken in any order, which is several times as fast; the last digits may differ."""
    return partial(_compiled, called_with, fastmath=_ANY_ORDER)


def _compiled(called_with: str, function: F, **options: Any) -> F:
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        kept: Any = numba.njit(cache=True, **options)(function)  # compiled once per machine, some seconds
        # Of code in a zip, numba would find out when it has compiled that its folder cannot be written, and fail.
        kept._cache._impl.locator.ensure_cache_path()
    except (RuntimeError, OSError, AttributeError):  # no such folder, or another numba: compiled once per process
        kept = numba.njit(**options)(function)
    if called_with:
        LOOPS.append((kept, called_with))
    return cast(F, kept)


def compile_all() -> None:
    """Compile every loop and keep its code, so that the first run on this machine does not have to."""
    for module in iter_modules(kernels.__path__):
        import_module(f"{kernels.__name__}.{module.name}")
    for loop, called_with in LOOPS:
        loop.compile(called_with)
