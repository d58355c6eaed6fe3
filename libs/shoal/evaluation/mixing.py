"""How good mixtures of several models' scores are, many mixtures at once, in Arrow batches. Only numpy and Arrow."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

_DIGITS = 9  # as a blend rounds its scores

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def ndcg_of_mixtures(scores: Floats, is_wanted: Flags, wanted: int, weights: Floats, k: int) -> Floats:
    """One user's nDCG at ``k`` under each mixture.

    Args:
        scores: candidates x models, candidates in the order in which equal scores are ranked.
        is_wanted: which candidates are relevant.
        wanted: how many relevant items the user has, candidates or not.
        weights: mixtures x models.
        k: length of the list.

    Returns:
        One value per mixture.
    """
    gains = 1 / np.log2(np.arange(2, k + 2))
    mixed = np.round(scores @ weights.T, _DIGITS)
    best = np.argsort(-mixed, axis=0, kind="stable")[:k]
    found: Floats = gains[: len(best)] @ is_wanted[best] / gains[: min(k, wanted)].sum()
    return found


def summed_ndcg(batches: Iterable[pa.RecordBatch], *, weights: Floats, k: int) -> Iterator[pa.RecordBatch]:
    """Of a partition's users, the sums over users of :func:`ndcg_of_mixtures`.

    Args:
        batches: ``scores`` (array of doubles, models of a candidate side by side, candidates by item_id), ``hits`` (an
            array of booleans) and ``wanted``.
        weights: mixtures x models.
        k: length of the list.

    Yields:
        Rows of ``mixture`` and ``total``.
    """
    totals = np.zeros(len(weights))
    for batch in batches:
        all_scores, all_hits = batch.column("scores"), batch.column("hits")
        for row, wanted in enumerate(batch.column("wanted").to_pylist()):
            flat = all_scores[row].values.to_numpy(zero_copy_only=False)
            hits = all_hits[row].values.to_numpy(zero_copy_only=False).astype(bool)
            totals += ndcg_of_mixtures(flat.reshape(len(hits), -1), hits, wanted, weights, k)
    yield pa.RecordBatch.from_pydict({"mixture": pa.array(range(len(weights)), pa.int32()), "total": pa.array(totals)})
