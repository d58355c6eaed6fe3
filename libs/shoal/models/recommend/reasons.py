"""Lists by models that know how alike items are -> which of the user's own items explains each best."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.kernels.arranging import explain
from shoal.models.recommend.blend import FittedBlend
from shoal.models.recommend.grid import beside_all
from shoal.models.recommend.lists import Explaining
from shoal.models.recommend.recommender import Fitted

_MOST = 50  # of a user's own items that may be named
_ENTRIES = 100_000_000  # of all items' rows, 400 MB in a task; beyond, the reason is the general one
_USERS = 50_000  # per task
SEVERAL = "chosen by several models"
GOES_WITH = "goes with what you chose"


@runtime_checkable
class Likening(Explaining, Protocol):
    """A fitted model by which items are more or less alike. Its own reasons are general."""

    @property
    def item_rows(self) -> DataFrame:
        """``item_id``, ``number`` and, of a row whose cosines say how alike items are, ``factor`` (array of float), or
        ``sources`` and ``weights``."""

    @property
    def entries(self) -> int:
        """Numbers in all of these rows."""

    @property
    def users_count(self) -> int:
        """How many users are known, or more; blocks are made by it."""


@dataclass(frozen=True)
class Because:
    """A model whose lists say why: the own item whose row points most nearly where that of the named one does.

    The cosine of factors says that both are wanted by the same people, that of terms that the same is said of them. The
    score itself is a sum over all that a user has (Hu, Koren, Volinsky 2008, section 5); who wants that sum would need
    a matrix per user.
    """

    model: Explaining  # which names
    own: DataFrame  # user_id, item_id, strength, bought and title: what users have done; title may be null
    likeness: Likening

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's best items; see :class:`shoal.models.recommend.recommender.Fitted`."""
        return self.model.best(users, barred, items, n)

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows of :meth:`best` with their ``reason``."""
        general = self.model.explained(best)
        if self.likeness.entries > _ENTRIES:
            return general
        rows = self.likeness.item_rows
        numbers = rows.select("item_id", "number")
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
            rows.drop("item_id"),
            explain,
            "key string, named int, own int",
            down=2 + self.likeness.users_count // _USERS,
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
            general.join(said, ["user_id", "item_id"], how="left")
            .withColumn("reason", F.coalesce("why", "reason"))
            .drop("why")
        )


@dataclass(frozen=True)
class InGeneral:
    """A model that says the same of all its rows."""

    model: Fitted
    reason: str

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's best items; see :class:`shoal.models.recommend.recommender.Fitted`."""
        return self.model.best(users, barred, items, n)

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows of :meth:`best` with their ``reason``."""
        return best.withColumn("reason", F.lit(self.reason))


def because(model: Fitted, own: DataFrame) -> Explaining:
    """A model of taste whose lists say why, as exactly as it can tell.

    Args:
        model: fitted. Of a blend the first of its models by which items are alike explains the rows.
        own: as of :class:`Because`.
    """
    if isinstance(model, Likening):
        return Because(model, own, model)
    if isinstance(model, FittedBlend):
        said = InGeneral(model, SEVERAL)
        likeness = next((one for one in model.models if isinstance(one, Likening)), None)
        return said if likeness is None else Because(said, own, likeness)
    return InGeneral(model, GOES_WITH)
