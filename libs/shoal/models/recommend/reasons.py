"""Lists by factors -> which of the user's own items explains each best."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.kernels.arranging import explain
from shoal.models.recommend.als import SAME_TASTE, FittedAls
from shoal.models.recommend.grid import beside_all

_MOST = 50  # of a user's own items that may be named
_FLOATS = 100_000_000  # of all items' factors, 400 MB in a task; beyond, the reason is the general one
_USERS = 50_000  # per task


@dataclass(frozen=True)
class Because:
    """Als whose lists say why: the own item whose factor points most nearly where that of the named one does.

    The cosine of factors says that both are wanted by the same people. The score itself is a sum over all that a user
    has (Hu, Koren, Volinsky 2008, section 5); who wants that sum would need a matrix per user.
    """

    als: FittedAls
    own: DataFrame  # user_id, item_id, strength, bought and title: what users have done; title may be null

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's best items; see :class:`shoal.models.recommend.recommender.Fitted`."""
        return self.als.best(users, barred, items, n)

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows of :meth:`best` with their ``reason``."""
        size = self.als.model
        if size.items * size.rank > _FLOATS:
            return self.als.explained(best)
        numbers = self.als.item_factors.select(F.col("id").alias("item_id"), "number")
        named = best.select("user_id", "item_id").join(numbers, "item_id", how="inner")
        by_user = Window.partitionBy("user_id").orderBy(F.desc("strength"), "item_id")
        recent = (
            self.own.join(best.select("user_id").distinct(), "user_id", how="left_semi")
            .join(numbers, "item_id", how="inner")
            .withColumn("place", F.row_number().over(by_user))
            .where(F.col("place") <= _MOST)
        )
        lists = named.groupBy("user_id").agg(F.sort_array(F.collect_list("number")).alias("named"))
        has = recent.groupBy("user_id").agg(
            F.transform(F.sort_array(F.collect_list(F.struct("place", "number"))), lambda one: one["number"]).alias(
                "own"
            )
        )
        found = beside_all(
            lists.join(has, "user_id", how="inner").withColumnRenamed("user_id", "key"),
            self.als.item_factors.select("number", F.col("factor").cast("array<float>").alias("factor")),
            explain,
            "key string, named int, own int",
            down=2 + size.users // _USERS,
        )
        acted = F.when(F.col("bought"), F.lit("because you bought ")).otherwise(F.lit("because you looked for "))
        why = F.concat(acted, F.coalesce("title", "item_id")).alias("why")
        said = (
            found.select(F.col("key").alias("user_id"), "named", F.col("own").alias("number"))
            .join(recent.select("user_id", "number", why), ["user_id", "number"], how="inner")
            .join(numbers.withColumnRenamed("number", "named"), "named", how="inner")
            .select("user_id", "item_id", "why")
        )
        return (
            best.join(said, ["user_id", "item_id"], how="left")
            .withColumn("reason", F.coalesce("why", F.lit(SAME_TASTE)))
            .drop("why")
        )
