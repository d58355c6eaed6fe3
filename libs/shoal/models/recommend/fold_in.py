"""Strengths of users with news -> their factors, those of the items being fixed."""

from functools import partial

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.kernels.als_last import fold_in_rows
from shoal.models.recommend.als import AlsModel
from shoal.models.recommend.grid import beside_all

_USERS = 10_000  # per task, some seconds of it


def folded_in(pairs: DataFrame, item_factors: DataFrame, model: AlsModel, users: int) -> DataFrame:
    """Factors of users, each solved exactly against the factors of a model's items.

    Args:
        pairs: ``user_id``, ``item_id`` and ``strength``, by the clock of the model; items that it does not know count
            for nothing.
        item_factors: ``id``, ``number`` and ``factor`` of all items of the model.
        model: what was fitted.
        users: how many there are; blocks are made by it and change no digit.

    Returns:
        ``id`` and ``factor`` of every user with an item that the model knows.
    """
    numbers = item_factors.select(F.col("id").alias("item_id"), "number")
    entry = F.struct("number", F.col("strength").cast("float").alias("strength"))
    lists = (
        pairs.join(numbers, "item_id", how="inner")
        .groupBy(F.col("user_id").alias("key"))
        .agg(F.sort_array(F.collect_list(entry)).alias("own"))
        .select("key", F.col("own.number").alias("numbers"), F.col("own.strength").alias("strengths"))
    )
    fixed = item_factors.select("number", F.col("factor").cast("array<float>").alias("factor"))
    kernel = partial(fold_in_rows, reg=model.reg, alpha=model.alpha)
    solved = beside_all(lists, fixed, kernel, "key string, factor array<double>", down=1 + users // _USERS)
    return solved.withColumnRenamed("key", "id")


def fingerprints(pairs: DataFrame, owned: DataFrame) -> DataFrame:
    """What each user has done, as a number that differs where anything of it does.

    Args:
        pairs: ``user_id``, ``item_id`` and ``strength``, one row per pair, by the clock of a model: ages by today's
            would change every number every day.
        owned: ``user_id`` and ``item_id`` of what was bought, one row per pair.

    Returns:
        ``user_id`` and ``fingerprint`` (64 bits) of everyone with a pair.
    """
    wanted = pairs.select("user_id", F.lit(True).alias("is_pair"), _hash("item_id", "strength"))
    bought = owned.select("user_id", F.lit(False).alias("is_pair"), _hash("item_id"))
    by_user = wanted.unionByName(bought).groupBy("user_id")
    found = by_user.agg(F.bit_xor("hash").alias("fingerprint"), F.bool_or("is_pair").alias("is_pair"))
    return found.where("is_pair").select("user_id", "fingerprint")


def _hash(*columns: str) -> Column:
    return F.xxhash64(*columns).alias("hash")
