"""The population stability index is what its definition says, and chance is not taken for a shift."""

import random
from collections import Counter
from math import log

import pytest

from shoal.quality.shift import Distribution, shift


def of(*values: int | None) -> Distribution:
    return Distribution(sum(value is None for value in values), Counter(v for v in values if v is not None))


def test_the_index_is_its_definition() -> None:
    """Two values and nulls: 400, 500, 100 then; 700, 200, 100 now; half a user is put into each."""
    then = of(*[1] * 400, *[2] * 500, *[None] * 100)
    now = of(*[1] * 700, *[2] * 200, *[None] * 100)
    shares = [[(n + 0.5) / 1001.5 for n in counts] for counts in ([400, 500, 100], [700, 200, 100])]
    wanted = sum((q - p) * log(q / p) for p, q in zip(*shares, strict=True))
    found = shift(then, now)

    assert found is not None
    assert found.psi == pytest.approx(wanted)
    assert found.state == "drift"
    back = shift(now, then)
    assert back is not None
    assert back.psi == pytest.approx(wanted), "the index of two bins each is the same both ways"


def test_the_same_is_stable_and_nobody_says_nothing() -> None:
    some = of(1, 1, 2, 5, None)

    assert (found := shift(some, some)) is not None
    assert (found.psi, found.state) == (0.0, "stable")
    assert shift(some, of()) is None
    assert shift(of(), some) is None
    nulls = of(None, None)
    assert (of_nulls := shift(nulls, nulls)) is not None
    assert (of_nulls.psi, of_nulls.state) == (0.0, "stable")


def test_bins_that_are_new_or_gone_are_compared() -> None:
    found = shift(of(*range(1, 101)), of(*range(201, 301)))

    assert found is not None
    assert found.psi > 1
    assert found.state == "drift"


def test_groups_hold_a_tenth_each_whatever_the_bins() -> None:
    """A hundred bins, and the lowest tenth of the users moved: the first group is empty, the third double."""
    then = of(*(place for place in range(100) for _ in range(100)))
    now = of(*(max(place, 10) + 10 if place < 10 else place for place in range(100) for _ in range(100)))
    found = shift(then, now)
    n = 10_000
    groups = 11  # nulls are one
    shares = [[(count + 0.5) / (n + 0.5 * groups) for count in counts]
              for counts in ([1000, 1000, 1000], [0, 1000, 2000])]  # fmt: skip
    wanted = sum((q - p) * log(q / p) for p, q in zip(*shares, strict=True))

    assert found is not None
    assert found.psi == pytest.approx(wanted)


@pytest.mark.parametrize("users", [30, 100, 1_000])
def test_chance_is_no_shift(users: int) -> None:
    """Two samples of one distribution, again and again: of few users the index itself is often beyond 0.25."""
    rng = random.Random(users)
    found = [
        shift(of(*(round(rng.lognormvariate(3, 1)) for _ in range(users))),
              of(*(round(rng.lognormvariate(3, 1)) for _ in range(users))))
        for _ in range(1_000 if users < 1_000 else 100)
    ]  # fmt: skip
    states = Counter(one.state for one in found if one is not None)

    assert states["stable"] == len(found)
    if users == 30:
        assert sum(one is not None and one.psi > 0.25 for one in found) > 300


def test_many_users_show_what_few_cannot() -> None:
    def moved(users: int) -> str:
        rng = random.Random(users)
        found = shift(of(*(round(rng.gauss(100, 20)) for _ in range(users))),
                      of(*(round(rng.gauss(115, 20)) for _ in range(users))))  # fmt: skip
        assert found is not None
        return found.state

    assert [moved(users) for users in (20, 5_000)] == ["stable", "drift"]


def test_a_jump_of_nulls_is_a_drift() -> None:
    def of_nulls(share: int) -> Distribution:
        return of(*[None] * share * 10, *[1] * (100 - share) * 10)

    states = [shift(of_nulls(50), of_nulls(share)) for share in (50, 55, 71, 100)]
    assert [found and found.state for found in states] == ["stable", "stable", "drift", "drift"]
