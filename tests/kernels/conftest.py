"""What every test of a kernel shows beside its own subject."""

from collections.abc import Iterator

import pytest
from numba.core.sigutils import normalize_signature

from shoal.kernels.jit import LOOPS


@pytest.fixture(autouse=True)
def compiled_for_what_comes() -> Iterator[None]:
    """A loop is called with what it was compiled for beforehand, so that no run waits for a compiler."""
    yield
    for loop, called_with in LOOPS:
        arguments, _ = normalize_signature(called_with)
        assert {*loop.signatures} <= {arguments}, loop.__name__
