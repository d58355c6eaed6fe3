"""What is said of items -> sparse rows of weighted terms, whose cosines say how alike items are.

An item is described by kinds of terms (words of its title, levels of its category, its brand) and by its price. Each
kind is a row of length 1 times the root of the kind's weight, so that the cosine of two items that tell all kinds is
the weighted mean of their cosines by kind. A price alone describes nothing: it would count as much as all kinds
together do where they are told.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from shoal.kernels.sparse import lists_of, places_of, values_of

PRICE = "price"
DESCRIBED = pa.schema([
    ("item_id", pa.string()), ("number", pa.int32()), ("sources", pa.list_(pa.int32())),
    ("weights", pa.list_(pa.float32())),
])  # fmt: skip
_LEVELS_PER_OCTAVE = 2  # of prices: 10 and 14 are a level apart, and 20 has nothing in common with 10
_ROWS_PER_BATCH = 8192


def terms_of_items(batches: Iterable[pa.RecordBatch], *, weights: Mapping[str, float]) -> Iterator[pa.RecordBatch]:
    """Items as sparse rows of length 1: TF-IDF within each kind of terms.

    Args:
        batches: ``item_id`` (one row each), a list of different strings for each kind of ``weights``, and ``price``
            (double; null, or not above 0, where it is not known).
        weights: by kind; ``price`` among them or not.

    Yields:
        Rows of ``DESCRIBED``: the item's place in byte order of the ids, its terms' numbers, ascending, and their
        weights. None of items that have no term in common with another, whatever their price; where only prices are
        weighed, one of each item with a price.
    """
    held = [*batches]
    if not held:
        return
    table = pa.Table.from_batches(held).sort_by("item_id")
    parts = {
        kind: of_length_1(_price_levels(table) if kind == PRICE else _tf_idf(table, kind)) * np.sqrt(weight)
        for kind, weight in weights.items()
        if weight > 0
    }
    rows = of_length_1(sp.hstack([*parts.values(), sp.csr_matrix((table.num_rows, 0))], format="csr"))
    rows.sort_indices()
    telling = [part for kind, part in parts.items() if kind != PRICE] or [*parts.values()]
    known = np.flatnonzero(sum(np.diff(part.indptr) for part in telling))
    ids = table["item_id"].take(pa.array(known)).cast(pa.string())
    numbers = pa.array(np.arange(len(known), dtype=np.int32))
    found = pa.table([ids, numbers, *_as_lists(rows[known])], schema=DESCRIBED)
    yield from found.to_batches(max_chunksize=_ROWS_PER_BATCH)


def _tf_idf(table: pa.Table, kind: str) -> Any:
    """Items x terms: ln((1 + items) / (1 + items with the term)) + 1 for each term that an item has.

    Terms that one item alone has make no item like another, and are left out.
    """
    lists = table[kind].combine_chunks()
    terms, rows = lists.flatten(), pc.list_parent_indices(lists).to_numpy()
    names = pc.unique(terms).sort()
    columns = pc.index_in(terms, value_set=names).to_numpy(zero_copy_only=False)
    has = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), (table.num_rows, len(names)))
    items = np.bincount(has.indices, minlength=len(names))
    shared = np.flatnonzero(items > 1)
    return has[:, shared] @ sp.diags(np.log((1 + table.num_rows) / (1 + items[shared])) + 1)


def _price_levels(table: pa.Table) -> Any:
    """Items x levels of the logarithm of the price; a price between two levels is of both, by nearness."""
    prices = np.nan_to_num(table[PRICE].to_numpy().astype(np.float64))
    rows = np.flatnonzero(prices > 0)
    if not len(rows):
        return sp.csr_matrix((table.num_rows, 0))
    at = np.log2(prices[rows]) * _LEVELS_PER_OCTAVE
    below = np.floor(at)
    columns = (np.r_[below, below + 1] - below.min()).astype(np.int64)
    shares = np.r_[1 - (at - below), at - below]
    told = shares > 0
    shape = (table.num_rows, int(columns.max()) + 1)
    return sp.csr_matrix((shares[told], (np.r_[rows, rows][told], columns[told])), shape)


def of_length_1(rows: Any) -> Any:
    """Rows divided by their lengths; a row of zeros stays one."""
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return (sp.diags(1 / np.where(lengths > 0, lengths, 1)) @ rows).tocsr()


def sparse_matrix(table: pa.Table) -> Any:
    """The ``sources`` and ``weights`` of a table as a matrix, in the table's order."""
    indptr, sources = lists_of(table, "sources")
    weights = values_of(table, "weights").astype(np.float64)
    return sp.csr_matrix((weights, sources, indptr), (table.num_rows, int(sources.max(initial=-1)) + 1))


def tastes(left: pa.Table, right: pa.Table, *, most: int) -> pa.Table:
    """For each user the terms of what the user likes: the weighted sum of the items' rows, its ``most`` heaviest terms.

    Args:
        left: ``key``; ``sources`` (numbers of items, ascending) and ``weights``.
        right: ``number`` of items, and ``sources`` (terms) and ``weights`` of them.
        most: of equal weights the first term stays.

    Returns:
        ``key``, ``sources`` (terms, ascending) and ``weights``; no row for a user of whose items nothing is known.
    """
    ordered = right.sort_by("number")
    known = ordered["number"].to_numpy().astype(np.int64)
    indptr, sources = lists_of(left, "sources")
    places = places_of(sources, known)
    weights = np.where(places >= 0, values_of(left, "weights").astype(np.float64), 0.0)
    likes = sp.csr_matrix((weights, np.maximum(places, 0), indptr), (left.num_rows, max(len(known), 1)))
    terms = sparse_matrix(ordered)
    terms.resize((max(len(known), 1), terms.shape[1]))
    found = _heaviest((likes @ terms).tocsr(), most)
    kept = np.flatnonzero(np.diff(found.indptr))
    lists = _as_lists(found[kept])
    return pa.table({"key": left["key"].take(pa.array(kept)), "sources": lists[0], "weights": lists[1]})


def _heaviest(rows: Any, most: int) -> Any:
    """The ``most`` greatest entries of each row, ascending by column; none of zeros."""
    rows.sort_indices()
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    order = np.lexsort((rows.indices, -np.round(rows.data, 9), row))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(rows.indptr[:-1], np.diff(rows.indptr))
    kept = (place < most) & (rows.data > 0)
    return sp.csr_matrix((rows.data[kept], (row[kept], rows.indices[kept])), rows.shape)


def _as_lists(rows: Any) -> tuple[pa.Array, pa.Array]:
    offsets = pa.array(rows.indptr.astype(np.int32))
    columns, values = rows.indices.astype(np.int32), rows.data.astype(np.float32)
    return pa.ListArray.from_arrays(offsets, pa.array(columns)), pa.ListArray.from_arrays(offsets, pa.array(values))
