"""Rows of the last release that a list keeps: those of users for whom nothing has changed that decides them."""

import hashlib
import json
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books.runs import code_version
from shoal.lake import Lake
from shoal.lists.assortment import Assortment
from shoal.lists.between import Kept
from shoal.models import recommend
from shoal.params import RecommendParams
from shoal.tables import RECOMMENDATIONS

_KEPT = ("user_id", "rank", "item_id", "item_group_id", "score", "source", "reason")


@dataclass(frozen=True)
class Offer:
    """What lists by a model can name."""

    # Hash of it and of what else decides a list by factors; empty: lists change from day to day by themselves.
    shown: str
    without_factors: int  # items that are offered and that the model does not know


@dataclass(frozen=True)
class Carried:
    """What is not named anew."""

    rows: DataFrame  # as :func:`shoal.models.recommend.told` gives them
    users: DataFrame  # user_id
    count: int  # of the users


def offer(shop: Assortment, params: RecommendParams, item_factors: DataFrame) -> Offer:
    """What a list can name by these factors.

    Two offers are shown alike only if all is equal that decides the list and the reasons of a user whose factors and
    acts are the same: the code, the length, whether purchases bar, and of each item that the model knows the title, the
    group and whether the list may name it. That last says all of stock, prices, exclusions and margins.
    """
    known = item_factors.select(F.col("id").alias("item_id"), F.lit(True).alias("is_known"))
    admitted = shop.admitted(params).select("item_id", F.lit(True).alias("is_admitted"))
    items = shop.items.join(known, "item_id", how="left").join(admitted, "item_id", how="left")
    said = F.xxhash64("item_id", "item_group_id", "title", F.coalesce("is_admitted", F.lit(False)))
    row = items.agg(
        F.bit_xor(F.when(F.col("is_known"), said)), F.count_if(F.col("is_admitted") & F.col("is_known").isNull())
    ).first()
    assert row is not None, "an aggregate has one row"
    ages = any(days is not None for days in params.rules.bought_within_days.values())
    if recommend.is_arranged(params) or params.new_items or ages:
        return Offer("", row[1])  # fame, usual prices, what is said of items and the age of purchases decide, too
    decides = json.dumps([code_version(), params.top_n, params.exclude_owned, row[0]])
    return Offer(hashlib.sha256(decides.encode()).hexdigest(), row[1])


def carried(
    lake: Lake, shop: Assortment, params: RecommendParams, entry: str, kept: Kept, shown: str, model_id: str
) -> Carried | None:
    """The lists of active users who are as the last release saw them, where that could name the same.

    Only lists that als has filled are carried: what others name after it, such as popularity, changes every day.

    Args:
        shown: what can be named now.
        model_id: of the model as it is now, which the rows name.

    Returns:
        None where all lists are to be made.
    """
    if not shown or kept.last.model.shown != shown:
        return None
    of_list = (F.col("run_id") == kept.last.run_id) & (F.col("list_name") == entry)
    before = lake.read(RECOMMENDATIONS).where(of_list)
    full = before.where((F.col("rank") == params.top_n) & (F.col("source") == recommend.ALS)).select("user_id")
    users = (
        shop.active(params.active_days)
        .join(kept.users.where("is_unchanged"), "user_id", how="left_semi")
        .join(full, "user_id", how="left_semi")
        .checkpoint()
    )
    rows = before.join(users, "user_id", how="left_semi").select(*_KEPT, F.lit(model_id).alias("model_id"))
    return Carried(rows, users, users.count())


def said(found: Carried | None, offer: Offer) -> str:
    """What became of lists, and why."""
    if found is not None:
        return f"the lists of {found.count:,} users stay as they were"
    why = "what they can name has changed" if offer.shown else "by their rules or new items they change from day to day"
    return f"all lists are made anew, as {why}"
