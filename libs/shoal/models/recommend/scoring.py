"""Factors -> each user's best items: :func:`shoal.kernels.top_n.best_inner_products` on a grid of blocks."""

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.kernels.top_n import best_inner_products
from shoal.models.recommend.grid import best_of_grid, named, with_barred, with_groups

_USER_FLOATS = 1_000_000  # per block: 31,250 users at rank 32
_ITEM_FLOATS = 16_000_000  # per block: 500,000 items at rank 32, some 200 MB in a task


def best_by_factors(
    user_factors: DataFrame,
    item_factors: DataFrame,
    size: tuple[int, int, int],
    users: DataFrame,
    barred: DataFrame,
    items: DataFrame,
    n: int,
) -> DataFrame:
    """Each known user's best ``n`` item groups by inner products.

    Args:
        user_factors: ``id``, ``number`` and ``factor``.
        item_factors: the same of items.
        size: users and items of the model, and the length of their factors; blocks are made by it.
        users, barred, items, n: as for :meth:`shoal.models.recommend.recommender.Fitted.best`.

    Returns:
        As that method does.
    """
    factor = F.col("factor").cast("array<float>").alias("factor")
    numbered = item_factors.select(F.col("id").alias("item_id"), "number", factor)
    known = user_factors.select(F.col("id").alias("key"), factor).join(
        users.select(F.col("user_id").alias("key")), "key", how="left_semi"
    )
    targets = with_groups(numbered, items)
    users_count, items_count, rank = size
    best = best_of_grid(
        with_barred(known, barred, numbered.select("item_id", "number"), items_count),
        targets.select("target", "group", "factor"),
        partial(best_inner_products, n=n),
        n,
        down=2 + users_count * rank // _USER_FLOATS,
        across=1 + items_count * rank // _ITEM_FLOATS,
    )
    return named(best, targets, items_count)
