"""Every kind of wrong setting is refused with its place."""

import pytest
from bad_calls import BAD_SETTINGS


@pytest.mark.parametrize(("given", "said"), BAD_SETTINGS, ids=[f"{given:.40}" for given, _ in BAD_SETTINGS])
def test_a_wrong_setting(problems_of, given, said):
    assert any(said in line for line in problems_of(given)), problems_of(given)
