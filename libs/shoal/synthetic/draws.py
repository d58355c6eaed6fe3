"""Keyed chance: a number is a function of what it is for, so that neither order nor partitioning can change it."""

from collections.abc import Callable, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

Draw = Callable[..., Column]


def draws(seed: int) -> Draw:
    """The shop's dice: ``draw(purpose, *ids)`` is uniform in [0, 1), the same for the same seed, purpose and ids.

    The upper 53 bits of ``xxhash64(seed, purpose, ids...)``, as many as a double holds exactly. ``ids`` are whole
    numbers that are never null (the hash would skip a null).
    """

    def draw(purpose: str, *ids: Column) -> Column:
        mixed = F.xxhash64(F.lit(seed).cast("long"), F.lit(purpose), *(key.cast("long") for key in ids))
        return F.shiftrightunsigned(mixed, 11).cast("double") * F.lit(2.0**-53)

    return draw


def below(uniform: Column, n: Column | int) -> Column:
    """A whole number 0..n-1, each as likely, from a uniform number."""
    return F.floor(uniform * n)


def waiting_days(uniform: Column, scale: Column) -> Column:
    """Days until an event of a constant daily hazard h, geometric from 0: floor(-ln(1 - u) * scale).

    ``scale`` is -1 / ln(1 - h), which :func:`shoal.synthetic.groups.geometric_scale` gives; 0 means at once.
    P(days >= n) = P(u >= 1 - exp(-n / scale)) = (1 - h)^n.
    """
    return F.floor(-F.ln(1 - uniform) * scale)


def zipf_rank(uniform: Column, n: Column, exponent: float) -> Column:
    """A rank 0..n-1 whose chance falls like (rank + 1) ^ -exponent: Pareto cut to [1, n + 1), then floored.

    P(rank <= k) = ((k + 2)^a - 1) / ((n + 1)^a - 1) with a = 1 - exponent, which is inverted in closed form.
    """
    a = 1 - exponent
    span = F.pow(n + 1, F.lit(a)) - 1
    rank = F.floor(F.pow(uniform * span + 1, F.lit(1 / a))) - 1
    return F.least(rank, n - 1)  # rounding of pow must not leave the pool


def pick(number: Column, values: Sequence[object]) -> Column:
    """``values[number]`` for a whole number 0..len-1."""
    return F.element_at(F.lit([*values]), (number + 1).cast("int"))


def pick_by_share(uniform: Column, shares: Sequence[float | Column]) -> Column:
    """The index into ``shares``, which add up to 1, that a uniform number falls into; the last takes the rest."""
    chosen, reached = F.lit(len(shares) - 1), F.lit(0.0)
    bounds = [reached := reached + share for share in shares[:-1]]
    for index, bound in reversed([*enumerate(bounds)]):
        chosen = F.when(uniform < bound, F.lit(index)).otherwise(chosen)
    return chosen
