"""What factors are worth on pairs that were held out, and the fewest iterations that are good enough."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import scipy.sparse as sp

from benchmarks.contest import told

Floats = npt.NDArray[np.float32]

_K = 10
_USERS = 4000  # that are measured, at most
_AT_ONCE = 500
_MORE = 3  # iterations than Shoal's kernel needs that are tried: MLlib solves rows exactly, which may take others


def matrix_of(given: Path) -> sp.csr_matrix:
    """The pairs that are learned from: users x items."""
    table = pq.read_table(given / "pairs.parquet", columns=["user", "item", "strength"])
    user, item, strength = (table[name].to_numpy() for name in table.column_names)
    return sp.csr_matrix((strength, (user, item)), dtype=np.float32)


class Held:
    """Pairs that were held out."""

    def __init__(self, given: Path, name: str, matrix: sp.csr_matrix) -> None:
        user, item = np.load(given / "held_out.npz")[name]
        self._relevant = sp.csr_matrix((np.ones(len(user), np.float32), (user, item)), matrix.shape)
        self._matrix = matrix
        with_any = np.flatnonzero(np.diff(self._relevant.indptr))
        count = min(_USERS, len(with_any))
        self._users = np.sort(np.random.default_rng(0).choice(with_any, count, replace=False))

    def ndcg(self, users: Floats, items: Floats) -> float:
        """Mean binary nDCG@10 of the measured users, what was learned from left out."""
        return self._mean(lambda here: users[here] @ items.T)

    def popularity(self) -> float:
        """The same where everybody gets what most have."""
        counts = np.bincount(self._matrix.indices, minlength=self._matrix.shape[1]).astype(np.float32)
        return self._mean(lambda here: np.tile(counts, (len(here), 1)))

    def _mean(self, scored: Callable[[npt.NDArray[Any]], Floats]) -> float:
        gains = 1 / np.log2(np.arange(2, _K + 2))
        total = 0.0
        for at in range(0, len(self._users), _AT_ONCE):
            here = self._users[at : at + _AT_ONCE]
            scores = scored(here)
            seen = self._matrix[here]
            scores[np.repeat(np.arange(len(here)), np.diff(seen.indptr)), seen.indices] = -np.inf
            best = np.argpartition(-scores, _K, axis=1)[:, :_K]
            ranked = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)
            relevant = self._relevant[here].toarray() > 0
            hits = np.take_along_axis(relevant, ranked, 1)
            ideal = np.cumsum(gains)[np.minimum(relevant.sum(axis=1), _K) - 1]
            total += float(((hits @ gains) / ideal).sum())
        return total / len(self._users)


class Fit(NamedTuple):
    """What some iterations took and made."""

    seconds: float
    users: Floats
    items: Floats


def fewest(given: Path, loss: str, fit: Callable[[int], Fit], exactly: int | None) -> None:
    """Find the fewest iterations that are good enough, and tell of them: their seconds are those of the fit alone.

    Args:
        given: the folder of the input.
        loss: "shoal" or "implicit", whose settings it has.
        fit: reads, learns in so many iterations, and writes.
        exactly: so many iterations, however good they are.
    """
    settings = json.loads((given / "settings.json").read_text())
    matrix = matrix_of(given)
    held = Held(given, "measured_by", matrix)
    number = exactly or settings[loss]["iterations"]
    most, least = (number + _MORE, 1) if exactly is None else (number, number)
    made = fit(number)
    ndcg = held.ndcg(made.users, made.items)
    while ndcg < settings["enough"] and number < most:
        number += 1
        made = fit(number)
        ndcg = held.ndcg(made.users, made.items)
    while number > least and ndcg >= settings["enough"]:
        before = fit(number - 1)
        less = held.ndcg(before.users, before.items)
        if less < settings["enough"]:
            break
        number, made, ndcg = number - 1, before, less
    facts: dict[str, Any] = {
        "is good enough": bool(ndcg >= settings["enough"]), "nDCG@10": round(ndcg, 4), "iterations": number,
        "best nDCG@10 of its loss": max(settings[loss]["curve"]), "nDCG@10 of popularity": settings["popularity"],
        "alpha": settings[loss]["alpha"], "reg": settings[loss]["reg"],
    }  # fmt: skip
    if loss == "shoal":
        from shoal.kernels.als import loss as loss_of

        own = settings["shoal"]
        facts["nDCG@10 by this loss"] = ndcg
        facts["loss"] = loss_of(
            matrix.indptr, matrix.indices, matrix.data, made.users, made.items, reg=own["reg"], alpha=own["alpha"]
        )
    told(made.seconds, facts)


def own_settings(given: Path, loss: str) -> tuple[float, float]:
    """``alpha`` and ``reg`` of a loss."""
    own = json.loads((given / "settings.json").read_text())[loss]
    return own["alpha"], own["reg"]


def read_factors(written: Path, number: str, factor: str) -> Floats:
    """Factors that Spark wrote, by their numbers."""
    table = pq.read_table(written, columns=[number, factor])
    numbers = table[number].to_numpy()
    rank = len(table[factor][0])
    values = np.concatenate([chunk.flatten().to_numpy() for chunk in table[factor].chunks])
    factors = np.zeros((numbers.max() + 1, rank), np.float32)
    factors[numbers] = values.reshape(-1, rank)
    return factors
