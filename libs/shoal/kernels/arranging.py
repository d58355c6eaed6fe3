"""Candidates of users, as Arrow tables -> which of them make the lists, and in which order."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shoal.kernels.content import of_length_1, sparse_matrix
from shoal.kernels.sparse import lists_of, places_of, values_of

Whole = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


def arrange(
    left: pa.Table, right: pa.Table, *, n: int, caps: Mapping[str, int], diversity: float, popularity_penalty: float
) -> pa.Table:
    """For each user the ``n`` candidates that make the list.

    Place by place comes the best candidate that breaks no cap. The best is the one of the first voice that has any;
    of that, the one with the highest (1 - diversity) x worth - diversity x likeness (maximal marginal relevance;
    Carbonell, Goldstein 1998). Worth is the score, spread over 0 to 1 among the user's candidates of that voice, less
    popularity_penalty x popularity; likeness the highest cosine of its factor with that of an item which is in the
    list already. Pins have their places, or the last one where the list is shorter; what a cap leaves no room for
    beside earlier pins is left out.

    Without diversity and penalty this is the first list by rank, among all that break no cap: none that breaks none
    has a better item at the first place in which they differ.

    Args:
        left: ``key``; per user the lists ``item_id``, ``item_group_id``, ``voice``, ``pin`` (0 for none), ``score``,
            ``popularity``, ``number`` (of the item among the factors; -1 for none), and one for each cap. A null is not
            capped.
        right: ``number`` and ``factor`` of items; read with ``diversity`` only, and may have no rows.
        n: how many for each user.
        caps: by column how many of a list's items may have the same value.
        diversity: within 0 and 1.
        popularity_penalty: 0 or more.

    Returns:
        ``key``, ``item_id``, ``item_group_id``, ``rank``, ``score`` and ``voice``, a row for each item of a list.
    """
    from shoal.kernels.arranging_rows import choose  # numba is loaded in tasks only

    bounds, voices = lists_of(left, "voice")
    worth = _worth(bounds, voices, values_of(left, "score").astype(np.float64))
    worth -= popularity_penalty * values_of(left, "popularity").astype(np.float64)
    codes = [_codes(left, name) for name in caps]
    capped = np.stack(codes) if codes else np.empty((0, len(voices)), np.int64)
    factors, places = np.empty((0, 0), np.float32), np.full(len(voices), -1, np.int64)
    if diversity > 0 and right.num_rows:
        ordered = right.sort_by("number")
        factors = _directions(ordered)
        places = places_of(values_of(left, "number").astype(np.int64), ordered["number"].to_numpy().astype(np.int64))
    counts, chosen = choose(
        bounds, voices, values_of(left, "pin").astype(np.int64), worth, capped,
        np.array([*caps.values()], np.int64), int(capped.max(initial=-1)) + 1, places, factors, float(diversity), n,
    )  # fmt: skip
    ends = np.cumsum(counts)
    ranks = np.arange(len(chosen)) - np.repeat(ends - counts, counts) + 1
    at = pa.array(chosen)
    return pa.table(
        {
            "key": left["key"].take(pa.array(np.repeat(np.arange(left.num_rows), counts))),
            "item_id": _flat(left, "item_id").take(at),
            "item_group_id": _flat(left, "item_group_id").take(at),
            "rank": pa.array(ranks.astype(np.int32)),
            "score": _flat(left, "score").take(at),
            "voice": pa.array(voices[chosen].astype(np.int32)),
        }
    )


def _worth(bounds: Whole, voices: Whole, scores: Numbers) -> Numbers:
    """The scores of each user and voice, spread over 0 to 1; 1 where all are equal."""
    users = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    _, of = np.unique(np.stack([users, voices]), axis=1, return_inverse=True)
    of = of.reshape(-1)
    low, high = np.full(of.max(initial=-1) + 1, np.inf), np.full(of.max(initial=-1) + 1, -np.inf)
    np.minimum.at(low, of, scores)
    np.maximum.at(high, of, scores)
    spread = (high - low)[of]
    return np.where(spread > 0, (scores - low[of]) / np.where(spread > 0, spread, 1), 1.0)


def _codes(table: pa.Table, name: str) -> Whole:
    """A number for each different value of a column of lists; -1 for null."""
    codes = _flat(table, name).dictionary_encode().indices.fill_null(-1)
    found: Whole = codes.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _flat(table: pa.Table, name: str) -> pa.Array:
    """The values of all lists of a column, one after the other."""
    none = pa.array([], table.schema.field(name).type.value_type)
    return pa.concat_arrays([chunk.flatten() for chunk in table[name].chunks] or [none])


def _directions(table: pa.Table) -> npt.NDArray[np.float32]:
    """Factors of length 1; one of length 0 stays as it is."""
    values = values_of(table, "factor").astype(np.float32).reshape(table.num_rows, -1)
    lengths = np.linalg.norm(values.astype(np.float64), axis=1, keepdims=True)
    return (values / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def explain(left: pa.Table, right: pa.Table) -> pa.Table:
    """For each item that is named, which of the user's own items is most like it.

    Args:
        left: ``key``; per user the lists ``named`` and ``own``, numbers of items.
        right: ``number`` of items, and ``factor``, or ``sources`` and ``weights`` of sparse rows.

    Returns:
        ``key``, ``named`` and ``own``: of each named item the own one with the highest cosine of their rows, of
        equal ones the first; no row where none is above 0 or no row is known, and never the item itself.
    """
    ordered = right.sort_by("number")
    known = ordered["number"].to_numpy().astype(np.int64)
    if "sources" in ordered.column_names:
        cosines_of: Callable[[Whole, Whole], Numbers] = partial(_of_sparse, of_length_1(sparse_matrix(ordered)))
    else:
        cosines_of = partial(_of_dense, _directions(ordered) if len(known) else np.empty((0, 1), np.float32))
    named_bounds, named = lists_of(left, "named")
    own_bounds, own = lists_of(left, "own")
    named_at, own_at = places_of(named, known), places_of(own, known)
    best = np.full(len(named), -1, np.int64)
    for user in range(left.num_rows):
        those = slice(named_bounds[user], named_bounds[user + 1])
        mine = np.flatnonzero(own_at[own_bounds[user] : own_bounds[user + 1]] >= 0) + own_bounds[user]
        if not len(mine) or those.start == those.stop:
            continue
        # Rounded, so that the order of addition, and of blocks, decides nothing.
        cosines = np.round(cosines_of(named_at[those], own_at[mine]), 9)
        cosines[named[those][:, None] == own[mine][None, :]] = -1
        cosines[named_at[those] < 0] = -1
        first = cosines.argmax(axis=1)
        best[those] = np.where(cosines[np.arange(len(first)), first] > 0, own[mine[first]], -1)
    keys = np.repeat(np.arange(left.num_rows), np.diff(named_bounds))
    kept = np.flatnonzero(best >= 0)
    return pa.table(
        {
            "key": left["key"].take(pa.array(keys[kept])),
            "named": pa.array(named[kept].astype(np.int32)),
            "own": pa.array(best[kept].astype(np.int32)),
        }
    )


def _of_dense(rows: npt.NDArray[np.float32], some: Whole, others: Whole) -> Numbers:
    found: Numbers = rows[some].astype(np.float64) @ rows[others].astype(np.float64).T
    return found


def _of_sparse(rows: Any, some: Whole, others: Whole) -> Numbers:
    found: Numbers = (rows[some] @ rows[others].T).toarray()
    return found
