"""Who bought what, with planted tastes, a part held out, and the settings that suit each loss on another part."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

from benchmarks.engines import cores
from benchmarks.recommend.quality import Held, matrix_of

Floats = npt.NDArray[np.float32]

RANK = 64
SEED = 7
_TASTES = 40
_SHARE_WITHIN = 0.8  # of what a user does within the own tastes
_HELD_OUT = 0.08  # of as many pairs as are learned from, once to choose settings by and once to measure
_TRIED, _MOST = 8, 25  # iterations of each choice of settings, and of those that were chosen
_ALPHAS = (1.0, 4.0, 16.0)
# Shoal's is times the pairs of a row, some 30 of them.
_REGS = {"shoal": (0.03, 0.1, 0.3, 1.0), "implicit": (3.0, 10.0, 30.0, 100.0)}
_ENOUGH = 0.99  # of the best nDCG


def named(users: npt.NDArray[np.int64], items: npt.NDArray[np.int64]) -> dict[str, Any]:
    """The columns that say of whom and of what a pair is.

    Ids in byte order are in the order of the numbers, so all contestants mean the same by a number.
    """
    return {
        "user_id": [f"u{number:08}" for number in users],
        "item_id": [f"i{number:08}" for number in items],
        "user": users.astype(np.int32),
        "item": items.astype(np.int32),
    }


def make(folder: Path, pairs: int, users: int, items: int) -> None:
    """Write ``pairs.parquet``, ``held_out.npz`` and ``settings.json``; the same for the same numbers, but for the
    last digits of what settings reach.
    """
    folder.mkdir(parents=True)
    user, item, times = drawn(pairs, users, items)
    order = np.random.default_rng(SEED + 1).permutation(len(user))
    learned, rest = order[:pairs], order[pairs:]
    known_users, user_numbers = np.unique(user[learned], return_inverse=True)
    known_items, item_numbers = np.unique(item[learned], return_inverse=True)
    pq.write_table(
        pa.table(
            {
                **named(user_numbers, item_numbers),
                "strength": times[learned].astype(np.float32),
            }
        ),
        folder / "pairs.parquet",
    )
    are_known = np.isin(user[rest], known_users) & np.isin(item[rest], known_items)
    rest = rest[are_known]
    held = np.searchsorted(known_users, user[rest]), np.searchsorted(known_items, item[rest])
    half = len(rest) // 2
    np.savez(
        folder / "held_out.npz",
        chosen_by=np.stack([side[:half] for side in held]), measured_by=np.stack([side[half:] for side in held]),
    )  # fmt: skip
    (folder / "settings.json").write_text(json.dumps(_settings(folder), indent=1))


def drawn(pairs: int, users: int, items: int) -> tuple[Any, Any, Any]:
    """Different pairs, more than ``pairs``, and how often each was drawn.

    A user has two tastes of 40 and a lognormal zest. An item is of one taste; within it, and among all, its chance
    falls with its rank as Zipf's.
    """
    rng = np.random.default_rng(SEED)
    zest = rng.lognormal(0, 0.8, users)
    tastes = rng.integers(0, _TASTES, (users, 2))
    rank = rng.permutation(items)  # over all, by which items are popular
    of_taste = np.arange(items) % _TASTES
    within = [np.flatnonzero(of_taste == taste) for taste in range(_TASTES)]
    chances = [np.cumsum((10.0 + rank[mine]) ** -0.9) for mine in within]
    over_all = np.cumsum((10.0 + rank) ** -0.9)
    drawn = np.empty(0, np.int64)
    found, times = drawn, drawn
    while len(found) < (1 + 2 * _HELD_OUT) * pairs:
        count = pairs // 2
        user = np.searchsorted(np.cumsum(zest) / zest.sum(), rng.random(count), side="right").clip(max=users - 1)
        taste = np.where(rng.random(count) < 0.7, tastes[user, 0], tastes[user, 1])
        luck = rng.random(count)
        item = np.searchsorted(over_all / over_all[-1], luck, side="right").clip(max=items - 1)
        is_within = rng.random(count) < _SHARE_WITHIN
        for one, (mine, chance) in enumerate(zip(within, chances, strict=True)):
            here = np.flatnonzero(is_within & (taste == one))
            item[here] = mine[np.searchsorted(chance / chance[-1], luck[here], side="right").clip(max=len(mine) - 1)]
        drawn = np.concatenate([drawn, user.astype(np.int64) * items + item])
        found, times = np.unique(drawn, return_counts=True)
    return found // items, found % items, times


def _settings(folder: Path) -> dict[str, Any]:
    """Per loss its ``alpha`` and ``reg``, and after how many ``iterations`` it is good ``enough``, which is for all.

    Enough is a share of the best of all; of the lower of both losses' best, where that loss cannot come so near.
    """
    matrix = matrix_of(folder)
    chosen_by, measured_by = Held(folder, "chosen_by", matrix), Held(folder, "measured_by", matrix)
    found, curves = dict[str, Any](), dict[str, list[float]]()
    for name, curve in (("shoal", _by_shoal), ("implicit", _by_implicit)):
        tried = {(alpha, reg): max(curve(matrix, alpha, reg, _TRIED, chosen_by.ndcg, (_TRIED,)))
                 for alpha in _ALPHAS for reg in _REGS[name]}  # fmt: skip
        alpha, reg = max(tried, key=lambda pair: tried[pair])
        found[name] = {"alpha": alpha, "reg": reg}
        curves[name] = curve(matrix, alpha, reg, _MOST, measured_by.ndcg, range(1, _MOST + 1))
    lower, best = sorted(max(seen) for seen in curves.values())
    enough = _ENOUGH * (best if lower >= _ENOUGH * best else lower)
    for name, seen in curves.items():
        reaching = [number + 1 for number, ndcg in enumerate(seen) if ndcg >= enough]
        found[name] |= {"iterations": min(reaching, default=_MOST), "curve": [round(ndcg, 4) for ndcg in seen]}
    return {**found, "enough": enough, "popularity": round(measured_by.popularity(), 4)}


def _by_shoal(
    matrix: sp.csr_matrix, alpha: float, reg: float, most: int, ndcg: Callable[..., float], at: Any
) -> list[float]:
    from shoal.kernels.als import fit

    seen, start = list[float](), None
    for number in range(1, most + 1):
        start = fit(
            matrix.indptr, matrix.indices, matrix.data, matrix.shape[1], rank=RANK, iterations=1, reg=reg, alpha=alpha,
            seed=SEED, threads=cores(), start=start,
        )  # fmt: skip
        if number in at:
            seen.append(ndcg(*start))
    return seen


def _by_implicit(
    matrix: sp.csr_matrix, alpha: float, reg: float, most: int, ndcg: Callable[..., float], at: Any
) -> list[float]:
    from benchmarks.recommend.by_implicit import model_of

    model, seen = model_of(reg, most), list[float]()

    def look(number: int, *_: Any) -> None:
        if number + 1 in at:
            seen.append(ndcg(model.user_factors, model.item_factors))

    confidences = matrix.copy()
    confidences.data = 1 + np.float32(alpha) * matrix.data
    model.fit(confidences, show_progress=False, callback=look)
    return seen
