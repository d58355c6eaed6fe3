"""The exact best inner products of each user's factor with those of all items, for blocks that come as Arrow tables.

Blocks of users x tiles of items are multiplied in single precision. Each user's running threshold, the score that is
needed to be among the best so far, lets nearly all scores pass unread. Items come by falling length, so a user whose
threshold no later item can reach is done (Teflioudi, Gemulla, Mykytiuk 2015). What is left, somewhat more than asked
for, is scored anew in double precision, and the bound on the rounding of single precision tells whether anything that
was passed over could belong among the best; where it could, the user is done again in full.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shoal.kernels.sparse import lists_of, places_of, values_of

Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]

NEVER = np.float32(-np.inf)  # the score of what must not be chosen
_USERS_AT_ONCE = 1024
_ITEMS_AT_ONCE = 4096  # 16 MB of scores
_SPARE = 16  # so many more than asked for are kept, so that what single precision ties is seldom a question


class Items(NamedTuple):
    """Items in the order in which they are looked at: groups by their longest factor, the items of a group together."""

    targets: Whole
    factors: Floats
    starts: Whole  # where each group begins, and the end
    bounds: npt.NDArray[np.float64]  # of each group: no factor from here on is longer


def best_inner_products(left: pa.Table, right: pa.Table, *, n: int) -> pa.Table:
    """For each user the ``n`` items with the highest inner products, of each group the best item.

    Args:
        left: ``key`` (of any type), ``factor`` and ``barred``, targets that must not come.
        right: ``target`` and ``group`` (whole numbers) and ``factor``.
        n: how many for each user.

    Returns:
        ``key``, ``target`` and ``score``: products in double precision, rounded to single, so that equal factors
        tie; of equal scores the lower target comes first. Neither the order of rows nor how they are cut into tables
        changes a digit.
    """
    items = _in_order(right)
    users = _factors(left)
    bounds, barred_targets = lists_of(left, "barred")
    by_target = np.argsort(items.targets)
    places = places_of(barred_targets, items.targets[by_target])
    barred = np.where(places >= 0, by_target[places] if len(by_target) else places, -1)
    rows, targets, scores = [], [], []
    for at in range(0, len(users), _USERS_AT_ONCE):
        here = slice(at, min(at + _USERS_AT_ONCE, len(users)))
        of_here = bounds[here.start : here.stop + 1]
        found = _best_of_block(users[here], items, of_here - of_here[0], barred[of_here[0] : of_here[-1]], n)
        rows.append(found[0] + at)
        targets.append(found[1])
        scores.append(found[2])
    return pa.table(
        {
            "key": left["key"].take(pa.array(_joined(rows, np.int64))),
            "target": pa.array(_joined(targets, np.int32)),
            "score": pa.array(_joined(scores, np.float64)),
        }
    )


def _joined(parts: list[npt.NDArray[Any]], as_type: type) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, as_type), *parts]).astype(as_type)


def _factors(table: pa.Table) -> Floats:
    values = values_of(table, "factor").astype(np.float32)
    return values.reshape(table.num_rows, len(values) // max(table.num_rows, 1))


def _in_order(right: pa.Table) -> Items:
    factors = _factors(right)
    targets = right["target"].to_numpy().astype(np.int64)
    _, groups = np.unique(right["group"].to_numpy(), return_inverse=True)
    lengths = np.linalg.norm(factors.astype(np.float64), axis=1) if len(factors) else np.empty(0)
    longest = np.zeros(groups.max(initial=-1) + 1)
    np.maximum.at(longest, groups, lengths)
    order = np.lexsort((targets, groups, -longest[groups]))
    ordered = groups[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
    return Items(
        targets[order], np.ascontiguousarray(factors[order]), np.r_[starts, len(order)].astype(np.int64),
        longest[ordered[starts]],
    )  # fmt: skip


def _best_of_block(
    users: Floats, items: Items, barred_bounds: Whole, barred: Whole, n: int
) -> tuple[Whole, Whole, npt.NDArray[np.float64]]:
    """Rows, targets and scores of the best of a block of users, each user's best first.

    Args:
        users: their factors.
        items: all items.
        barred_bounds: where each user's barred places begin.
        barred: places among the items; below 0 is passed over.
        n: how many.
    """
    from shoal.kernels.top_n_rows import push, settle  # numba is loaded in tasks only

    kept = n + _SPARE
    best = np.full((len(users), kept), NEVER, np.float32)
    groups = np.full((len(users), kept), -1, np.int64)
    lengths = np.linalg.norm(users.astype(np.float64), axis=1)
    barred_row = np.repeat(np.arange(len(users)), np.diff(barred_bounds))
    by_place = np.argsort(barred, kind="stable")
    barred_place, barred_row = barred[by_place], barred_row[by_place]
    for first, last in _tiles(items.starts):
        open_rows = np.flatnonzero(lengths * items.bounds[first] * (1 + 1e-6) > best[:, 0])
        if not len(open_rows):
            break
        start, end = items.starts[first], items.starts[last]
        whole = 2 * len(open_rows) > len(users)  # copying some rows does not pay where most are wanted
        rows = np.arange(len(users)) if whole else open_rows
        scores = (users if whole else users[rows]) @ items.factors[start:end].T
        within = slice(*np.searchsorted(barred_place, (start, end)))
        place_of_row = np.full(len(users), -1)
        place_of_row[rows] = np.arange(len(rows))
        at = place_of_row[barred_row[within]]
        scores[at[at >= 0], barred_place[within][at >= 0] - start] = NEVER
        if end - start > last - first:
            scores = np.maximum.reduceat(scores, items.starts[first:last] - start, axis=1)
        push(np.ascontiguousarray(scores), rows, first, best, groups)
    return _settled(users, lengths, items, barred_bounds, barred, best, groups, n, settle)


def _tiles(starts: Whole) -> list[tuple[int, int]]:
    """Ranges of groups with some ``_ITEMS_AT_ONCE`` items."""
    bounds = np.searchsorted(starts, np.arange(0, starts[-1], _ITEMS_AT_ONCE))
    return [*pairwise(np.unique([*bounds, len(starts) - 1]).tolist())]


def _settled(
    users: Floats,
    lengths: npt.NDArray[np.float64],
    items: Items,
    barred_bounds: Whole,
    barred: Whole,
    best: Floats,
    groups: Whole,
    n: int,
    settle: Any,
) -> tuple[Whole, Whole, npt.NDArray[np.float64]]:
    """The kept groups scored anew in double precision; users of whom that does not prove enough, in full."""
    rank = users.shape[1]
    longest = items.bounds[0] if len(items.bounds) else 0.0
    # |computed - exact| <= rank u / (1 - rank u) |x| |y| with u = 2^-24 (Higham 2002, section 3.1), and some more, as
    # scores are rounded to single before they are compared.
    slack = lengths * longest * (rank + 4) * 2.0**-24 * 1.01
    found, targets, scores = settle(users, items.factors, items.targets, items.starts, barred_bounds, barred, groups, n)
    last = scores[np.arange(len(users)), np.maximum(found - 1, 0)]
    full = groups[:, 0] >= 0  # as many groups as there was room for, so others may have been passed over
    unsure = np.flatnonzero(full & ~((found == n) & (last > best[:, 0] + slack)))
    for row in unsure:
        every = np.arange(len(items.bounds))
        if found[row] == n:  # nothing below the last of these can be among the best
            rough = items.factors @ users[row]
            rough = np.maximum.reduceat(rough, items.starts[:-1])
            every = np.flatnonzero(rough >= last[row] - slack[row])
        here = slice(barred_bounds[row], barred_bounds[row + 1])
        again = settle(
            users[row : row + 1], items.factors, items.targets, items.starts,
            barred_bounds[row : row + 2] - barred_bounds[row], barred[here], every[None, :], n,
        )  # fmt: skip
        for whole, part in zip((found, targets, scores), again, strict=True):
            whole[row] = part[0]
    chosen = np.arange(n) < found[:, None]
    return np.nonzero(chosen)[0], targets[chosen], scores[chosen].astype(np.float64)
