"""Poisson bootstrap in Arrow batches: sums of users' figures under each replicate's weights. Only numpy and Arrow.

A replicate of a bootstrap draws as many users as there are, with replacement; how often one is drawn tends to a Poisson
variable of mean 1, independent of the others' (Hanley, MacGibbon 2006; Chamandy et al. 2012). So each user can be drawn
where it lies, and sums over users are all that has to travel.
"""

from collections.abc import Iterable, Iterator
from math import exp, factorial

import numpy as np
import pyarrow as pa

GROUPS = ("all", "warm", "cold")
AS_THEY_ARE = -1  # the replicate in which every user counts once
_USERS_AT_ONCE = 2048  # 16 MB of weights for a thousand replicates
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BELOW = np.cumsum([exp(-1) / factorial(n) for n in range(16)])[:-1]  # P(weight <= n); above 15: 1 in 10^14

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Words = np.ndarray[tuple[int, ...], np.dtype[np.uint64]]


def poisson_weights(users: Words, replicates: int) -> Floats:
    """How often each replicate draws each user: Poisson(1), a function of the user's hash and the replicate's number.

    Args:
        users: a 64-bit hash per user, which the seed has gone into.
        replicates: how many.

    Returns:
        ``replicates`` x ``users``, whole numbers as floats.
    """
    numbers = np.arange(1, replicates + 1, dtype=np.uint64)[:, None]
    return np.searchsorted(_BELOW, _uniform(_mixed(users[None, :]) + numbers * _GOLDEN), side="right").astype(
        np.float64
    )


def _mixed(words: Words) -> Words:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of a word moves every bit of the result."""
    with np.errstate(over="ignore"):
        mixed = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def _uniform(words: Words) -> Floats:
    """53 bits of each word, mixed, as a number within 0..1."""
    return (_mixed(words) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def with_differences(figures: Floats, models: int, baseline: int) -> Floats:
    """Each user's figures, model after model, and after them the same less those of the baseline."""
    by_model = figures.reshape(len(figures), models, -1)
    return np.hstack([figures, (by_model - by_model[:, baseline : baseline + 1, :]).reshape(len(figures), -1)])


def partial_sums(
    batches: Iterable[pa.RecordBatch], *, replicates: int, models: int, baseline: int
) -> Iterator[pa.RecordBatch]:
    """Of a partition's users, the weighted sums of their figures, and of the weights where there is a figure.

    Args:
        batches: ``user`` (64-bit hash), ``warm`` and ``figures``: as many per model, model after model; null or NaN
            where a user has none.
        replicates: how many, beside the one in which every user counts once.
        models: how many.
        baseline: the place of the model that others are compared with.

    Yields:
        Rows of ``grouping``, ``replicate``, ``sums`` and ``weights``.
    """
    found: dict[str, tuple[Floats, Floats]] = {}
    for batch in batches:
        for start in range(0, batch.num_rows, _USERS_AT_ONCE):
            part = batch.slice(start, _USERS_AT_ONCE)
            users = part.column("user").to_numpy(zero_copy_only=False).view(np.uint64)
            warm = part.column("warm").to_numpy(zero_copy_only=False).astype(bool)
            flat = part.column("figures").flatten().to_numpy(zero_copy_only=False).astype(np.float64)
            figures = with_differences(flat.reshape(part.num_rows, -1), models, baseline)
            weights = np.vstack([np.ones((1, len(users))), poisson_weights(users, replicates)])
            is_there = np.isfinite(figures)
            values, there = np.where(is_there, figures, 0.0), is_there.astype(np.float64)
            for name, mask in (("all", np.ones_like(warm)), ("warm", warm), ("cold", ~warm)):
                if mask.any():
                    _add(found, name, weights[:, mask] @ values[mask], weights[:, mask] @ there[mask])
    yield from _as_batches(found)


def total_sums(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of :func:`partial_sums` added up per group and replicate; all rows of a replicate are in one partition."""
    found: dict[tuple[str, int], tuple[Floats, Floats]] = {}
    for batch in batches:
        groups, numbers = batch.column("grouping").to_pylist(), batch.column("replicate").to_pylist()
        sums, weights = _matrix(batch.column("sums")), _matrix(batch.column("weights"))
        for row, key in enumerate(zip(groups, numbers, strict=True)):
            before = found.get(key)
            found[key] = (
                (sums[row].copy(), weights[row].copy())
                if before is None
                else (before[0] + sums[row], before[1] + weights[row])
            )
    if found:
        yield _batch([*found], [each[0] for each in found.values()], [each[1] for each in found.values()])


def _add(found: dict[str, tuple[Floats, Floats]], name: str, sums: Floats, weights: Floats) -> None:
    before = found.get(name)
    found[name] = (sums, weights) if before is None else (before[0] + sums, before[1] + weights)


def _as_batches(found: dict[str, tuple[Floats, Floats]]) -> Iterator[pa.RecordBatch]:
    for name, (sums, weights) in found.items():
        yield _batch([(name, number) for number in range(AS_THEY_ARE, len(sums) - 1)], [*sums], [*weights])


def _batch(keys: list[tuple[str, int]], sums: list[Floats], weights: list[Floats]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            pa.array([name for name, _ in keys], pa.string()),
            pa.array([number for _, number in keys], pa.int32()),
            pa.array(sums, pa.list_(pa.float64())),
            pa.array(weights, pa.list_(pa.float64())),
        ],
        names=["grouping", "replicate", "sums", "weights"],
    )


def _matrix(column: pa.Array) -> Floats:
    values: Floats = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
    return values
