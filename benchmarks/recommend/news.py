"""Lists of the day after a fit: what contestants of that share, and what their lists are worth."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.engines import spark_session
from benchmarks.recommend.quality import Held, matrix_of
from benchmarks.recommend.work_news import N
from shoal.models.recommend.als import FittedAls

SCORED = ("user_id", "item_id", "rank", "score")


def opened(out: Path) -> SparkSession:
    """A session of a contestant, with a folder for checkpoints."""
    spark = spark_session("news")
    spark.sparkContext.setCheckpointDir(str(out / "checkpoints"))
    return spark


def pairs_of(spark: SparkSession, given: Path, strength: str) -> DataFrame:
    """Pairs by one of the two clocks."""
    pairs = spark.read.parquet(str(given / "pairs.parquet"))
    return pairs.select("user_id", "item_id", F.col(strength).alias("strength"), "is_new")


def lists_of(fitted: FittedAls, users: DataFrame, pairs: DataFrame) -> DataFrame:
    """The best items of these users, what they have left out."""
    items = fitted.item_factors.select(F.col("id").alias("item_id"), F.col("id").alias("item_group_id"))
    return fitted.best(users, pairs.select("user_id", "item_id"), items, N).select(*SCORED)


def facts_of(given: Path, factors: Path, lists: Path) -> dict[str, Any]:
    """nDCG@10 on pairs that were held out, of everybody and of those with news, and how many lists there are."""
    table = pq.read_table(factors, columns=["side", "id", "factor"])
    number = np.array([int(name[1:]) for name in table["id"].to_pylist()])
    is_user = np.array(table["side"].to_pylist()) == "user"
    rows = np.array(table["factor"].to_pylist(), np.float32)
    sides = [np.zeros((number[which].max() + 1, rows.shape[1]), np.float32) for which in (is_user, ~is_user)]
    for side, which in zip(sides, (is_user, ~is_user), strict=True):
        side[number[which]] = rows[which]
    matrix = matrix_of(given)
    rank = pq.read_table(lists, columns=["rank"])["rank"].to_numpy()
    return {
        "nDCG@10": round(Held(given, "measured_by", matrix).ndcg(*sides), 4),
        "nDCG@10 of users with news": round(Held(given, "with_news", matrix).ndcg(*sides), 4),
        "nDCG@10 of popularity": round(Held(given, "measured_by", matrix).popularity(), 4),
        "lists": int((rank == 1).sum()), "items of lists": len(rank),
    }  # fmt: skip


def written(rows: DataFrame, folder: Path) -> Path:
    """Parquet of rows."""
    rows.write.mode("overwrite").parquet(str(folder))
    return folder
