"""Factors and what is said of items -> factors of items of which als has none yet, and their places in lists."""

from dataclasses import dataclass, replace
from functools import partial

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from shoal.kernels.mapping import mapped_factors
from shoal.models.recommend.als import FittedAls
from shoal.models.recommend.content import Content
from shoal.models.recommend.lists import Explaining

NEW_ITEM = "als_new_item"  # source of rows

_REG = 1.0  # of the regression. Of Online Retail's items a fifth held out: nDCG@10 among them 0.313 by 1, 0.295 by 10
_LEAST_USERS = 5
_MOST_TERMS = 4000  # with 100,000 items some 4 s of one core, in one task


def with_new_items(als: FittedAls, pairs: DataFrame, content: Content) -> tuple[FittedAls, DataFrame]:
    """Als that knows items of the catalogue of which it has no factor, by what is said of them.

    These are items that no user had touched when the model was fitted: of a model that is kept for some days, users may
    have by now.

    The factors of items with at least 5 users are regressed on the rows of terms (ridge; Gantner et al. 2010); all of
    it runs in one task.

    Args:
        als: a fitted model.
        pairs: what users like: ``user_id``, ``item_id``, one row each.
        content: with the catalogue.

    Returns:
        The model with more items, and these, kept: ``item_id``. There are none of which no term is known.
    """
    assert content.catalogue is not None, "new items are items of a catalogue"
    users = pairs.groupBy("item_id").agg(F.count(F.lit(1)).alias("users"))
    known = als.item_factors.select(F.col("id").alias("item_id"), "factor")
    rows = (
        content.described(content.catalogue)
        .select("item_id", "sources", "weights")
        .join(known, "item_id", how="left")
        .join(users, "item_id", how="left")
    )
    mapped = (
        rows.repartition(1)
        .mapInArrow(
            partial(mapped_factors, first=als.model.items, reg=_REG, least_users=_LEAST_USERS, most_terms=_MOST_TERMS),
            "id string, number int, factor array<double>",
        )
        .checkpoint()
    )
    factors = als.item_factors.select("id", "number", "factor").unionByName(mapped)
    size = replace(als.model, items=als.model.items + mapped.count())
    return replace(als, model=size, item_factors=factors), mapped.select(F.col("id").alias("item_id"))


@dataclass(frozen=True)
class WithNewItems:
    """A model's lists, in which items of which als has no factor yet have some places at most."""

    model: Explaining  # which names these items too
    known: DataFrame  # item_id of those of which it has one
    new: DataFrame  # item_id of the others that it names
    places: int  # of a list

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's best items; see :class:`shoal.models.recommend.recommender.Fitted`.

        By score, so a new item has a place only where it belongs among the best. A new variant of an article is not
        named where als has a factor of another that may be named.
        """
        known = items.join(self.known.select("item_id"), "item_id", how="left_semi")
        new = items.join(self.new, "item_id", how="left_semi").join(
            known.select("item_group_id"), "item_group_id", how="left_anti"
        )
        by_user = Window.partitionBy("user_id").orderBy(F.desc("score"), "item_id")
        return (
            self.model.best(users, barred, known, n)
            .unionByName(self.model.best(users, barred, new, self.places))
            .withColumn("rank", F.row_number().over(by_user))
            .where(F.col("rank") <= n)
        )

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows of :meth:`best` with their ``reason``, and ``source`` where it is not that of the list."""
        is_new = self.new.select("item_id", F.lit(NEW_ITEM).alias("source"))
        return self.model.explained(best).join(is_new, "item_id", how="left")
