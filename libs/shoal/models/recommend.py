"""features.user_item_days -> gold.recommendations: implicit ALS, and popular items where it knows nothing."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from pyspark.ml.recommendation import ALS
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.errors import ConfigError, bulleted
from shoal.kernels.top_n import best_of_blocks
from shoal.models.numbering import number
from shoal.params import RecommendParams

WEIGHTED = ("views", "favourites", "carts", "purchases")  # columns of the tiles that may carry a weight
SAME_TASTE = "chosen by people with the same taste"

_UNIT = 1e-9  # strengths are summed as whole multiples of this, so that no order of addition can change a sum
_PAIRS_PER_BLOCK = 250_000  # of ALS; blocks depend on the data's size alone, as the first factors depend on them
_USERS_PER_BLOCK = 1024
_FLOATS_PER_ITEM_BLOCK = 131_072  # 4,096 items at rank 32: 32 MB of scores for a block of users
_PAIRS_PER_TASK = 64  # pairs of blocks that may be in memory at once, some 0.7 MB each
_BROADCAST_BLOCKS = 64  # of items, some 34 MB; more are shuffled


@dataclass(frozen=True)
class AlsModel:
    """What there is to know about a fit beside its factors; ``dataclasses.asdict`` makes it JSON."""

    rank: int  # length of the factors
    users: int
    items: int
    interactions: int  # user-item pairs with a strength
    max_iter: int
    reg: float
    alpha: float
    seed: int


@dataclass(frozen=True)
class FittedAls:
    """A fitted model and its factors: rows of ``ops.factors`` without run_id and model_id."""

    model: AlsModel
    user_factors: DataFrame
    item_factors: DataFrame


def strengths(user_item_days: DataFrame, *, as_of: date, params: RecommendParams) -> DataFrame:
    """How much each user has shown to want each item: faded, weighted counts of acts before ``as_of``.

    Each tile counts weight x count x 0.5^(age / half_life_days), with its age in days from event_date to
    as_of. A return takes back the latest purchases of the item that are not taken back yet
    (:func:`_kept_share`), so a purchase wholly returned counts 0.

    Returns:
        ``user_id``, ``item_id`` and ``strength``, rounded to six digits; pairs that come to 0 are left out.

    Raises:
        ConfigError: ``weights`` names something that is not counted.
    """
    unknown = [f"weights.{name}: not one of {', '.join(WEIGHTED)}" for name in params.weights if name not in WEIGHTED]
    if unknown:
        raise ConfigError(bulleted("cannot weigh interactions:", unknown))
    seen = user_item_days.where(F.col("event_date") < F.lit(as_of))
    age_days = F.date_diff(F.lit(as_of), F.col("event_date"))
    fading = F.pow(F.lit(0.5), age_days / F.lit(params.half_life_days))

    def units(amount: Column) -> Column:
        return F.round(amount * fading / F.lit(_UNIT)).cast("long").alias("units")

    shown = sum((F.col(name) * F.lit(weight) for name, weight in params.weights.items()), F.lit(0.0))
    taken = F.col("purchases") * F.lit(params.weights.get("purchases", 0.0)) * (1 - F.col("kept_share"))
    return (
        seen.select("user_id", "item_id", units(shown))
        .unionByName(_kept_share(seen).select("user_id", "item_id", units(-taken)))
        .groupBy("user_id", "item_id")
        .agg(F.round(F.sum("units") * F.lit(_UNIT), 6).alias("strength"))
        .where(F.col("strength") > 0)
    )


def _kept_share(tiles: DataFrame) -> DataFrame:
    """The purchase tiles of pairs that know a return, with the share that stayed with the user.

    Purchases lie on a stack, and each return takes from its top what lies there on that day: returned
    yesterday and bought again today leaves today's. A return of what was bought before the tiles begin
    takes nothing. Pieces are counted where all these tiles count them, else lines.

    Returns:
        The tiles with ``kept_share`` within 0..1.
    """
    key = ["user_id", "item_id"]
    returning = tiles.where("returns > 0").select(*key).distinct()
    by_pair = Window.partitionBy(*key)
    by_day = by_pair.orderBy("event_date")
    to_here = by_day.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    from_here = by_day.rowsBetween(Window.currentRow, Window.unboundedFollowing)
    in_pieces = F.min(F.expr("(purchases = 0 OR pieces > 0) AND (returns = 0 OR returned_pieces > 0)")).over(by_pair)
    return (
        tiles.where("purchases > 0 OR returns > 0")
        .join(returning, key, how="left_semi")
        .withColumn("in_pieces", in_pieces)
        .withColumn("bought", F.expr("if(in_pieces, pieces, purchases)"))
        .withColumn("balance", F.sum(F.expr("bought - if(in_pieces, returned_pieces, returns)")).over(to_here))
        # What goes below 0 was bought before the tiles begin.
        .withColumn("held", F.col("balance") - F.least(F.lit(0), F.min("balance").over(to_here)))
        .withColumn("left", F.min("held").over(from_here))
        .withColumn("below", F.lag("held", 1, 0).over(by_day))
        .where("purchases > 0")
        .withColumn("kept_share", F.expr("greatest(0, left - below) / bought"))
    )


def owned(user_item_days: DataFrame, *, as_of: date) -> DataFrame:
    """What each user bought before ``as_of``, kept or returned: ``user_id``, ``item_id``."""
    bought = user_item_days.where((F.col("event_date") < F.lit(as_of)) & (F.col("purchases") > 0))
    return bought.select("user_id", "item_id").distinct()


def popular(user_item_days: DataFrame, allowed_items: DataFrame, *, as_of: date, days: int, limit: int) -> DataFrame:
    """The allowed items by their distinct buyers in the ``days`` before ``as_of``, ties by item_id.

    Where no allowed item was bought, viewers count instead. Items that nobody bought come last, with score
    0, so that a list can be filled as long as there are items.

    Args:
        user_item_days: rows of ``features.user_item_days``.
        allowed_items: ``item_id`` and, where there are variants, ``item_group_id``.
        as_of: first shop-local day that must not be seen.
        days: how far back buyers count.
        limit: how many item groups are kept, each with all its variants; :func:`popular_limit` says what
            :func:`recommend` needs.

    Returns:
        ``item_id``, ``score``, ``rank`` (1, 2, 3, ...) and ``reason``.
    """
    recent = user_item_days.where(
        F.col("event_date").between(F.lit(as_of - timedelta(days=days)), F.lit(as_of - timedelta(days=1)))
    )
    users = recent.groupBy("user_id", "item_id").agg(F.sum("purchases").alias("bought"), F.sum("views").alias("seen"))
    counts = users.groupBy("item_id").agg(
        F.count_if(F.col("bought") > 0).alias("buyers"), F.count_if(F.col("seen") > 0).alias("viewers")
    )
    items = _one_row_per_item(allowed_items).join(counts, "item_id", how="left")
    most = items.agg(F.max("buyers").alias("buyers")).first()
    who = "buyers" if most is not None and most["buyers"] else "viewers"
    scored = items.withColumn("score", F.coalesce(F.col(who), F.lit(0)).cast("double"))
    best = F.min(F.struct(-F.col("score"), F.col("item_id")))
    groups = scored.groupBy("item_group_id").agg(best.alias("best")).orderBy("best").limit(limit)
    in_order = Window.orderBy(F.desc("score"), "item_id")  # over no more than `limit` groups
    return scored.join(groups, "item_group_id", how="left_semi").select(
        "item_id",
        "score",
        F.row_number().over(in_order).alias("rank"),
        F.format_string(f"{who} in the last {days} days: %.0f", "score").alias("reason"),
    )


def popular_limit(owned: DataFrame | None, allowed_items: DataFrame, params: RecommendParams) -> int:
    """How many popular item groups fill every list: ``top_n``, and as many as one user owns at most."""
    if owned is None or not params.exclude_owned:
        return params.top_n
    counts = owned.join(allowed_items.select("item_id").distinct(), "item_id", how="left_semi").groupBy("user_id")
    most = counts.agg(F.countDistinct("item_id").alias("items")).agg(F.max("items").alias("items")).first()
    return params.top_n + int(most["items"] or 0 if most is not None else 0)


def fit(strengths: DataFrame, params: RecommendParams) -> FittedAls | None:
    """Factors of users and items whose products say who wants what (Hu, Koren, Volinsky 2008, as in MLlib).

    The same pairs give the same factors, whatever their order and partitioning: ids are numbered in sorted
    order, and rows, partitions and blocks are laid out by the numbers and by how many pairs there are. On a
    cluster, the order in which shuffled blocks arrive may still move the last digits.

    Returns:
        The model, or None with fewer than ``min_interactions`` pairs: popularity stands in.
    """
    pairs = strengths.select("user_id", "item_id", "strength").checkpoint()
    interactions = pairs.count()
    if interactions < params.min_interactions:
        return None
    users = number(pairs.select(F.col("user_id").alias("id")))
    items = number(pairs.select(F.col("item_id").alias("id")))
    blocks = 2 + interactions // _PAIRS_PER_BLOCK
    ratings = (
        pairs.join(users.select(F.col("id").alias("user_id"), F.col("number").alias("user")), "user_id", how="inner")
        .join(items.select(F.col("id").alias("item_id"), F.col("number").alias("item")), "item_id", how="inner")
        .select("user", "item", F.col("strength").cast("float").alias("strength"))
        .repartition(blocks, "user")
        .sortWithinPartitions("user", "item")
        .checkpoint()
    )
    als = ALS(
        rank=params.rank, maxIter=params.max_iter, regParam=params.reg, alpha=params.alpha, seed=params.seed,
        implicitPrefs=True, nonnegative=False, numUserBlocks=blocks, numItemBlocks=blocks,
        userCol="user", itemCol="item", ratingCol="strength", coldStartStrategy="drop", checkpointInterval=10,
    ).fit(ratings)  # fmt: skip
    user_factors = _factors("user", als.userFactors, users)
    item_factors = _factors("item", als.itemFactors, items)
    model = AlsModel(
        rank=params.rank, users=user_factors.count(), items=item_factors.count(), interactions=interactions,
        max_iter=params.max_iter, reg=params.reg, alpha=params.alpha, seed=params.seed,
    )  # fmt: skip
    return FittedAls(model, user_factors, item_factors)


def _factors(side: str, factors: DataFrame, ids: DataFrame) -> DataFrame:
    """MLlib's factors under the shop's own ids."""
    numbered = factors.select(F.col("id").alias("number"), F.col("features").cast("array<double>").alias("factor"))
    return (
        ids.join(numbered, "number", how="inner")
        .select(F.lit(side).alias("side"), "id", "number", "factor")
        .checkpoint()
    )


def recommend(
    fitted: FittedAls | None,
    users: DataFrame,
    popular: DataFrame,
    owned: DataFrame | None,
    allowed_items: DataFrame,
    params: RecommendParams,
) -> DataFrame:
    """A ranked list for every user: the best by ALS, then popular items where ALS knows too few or nothing.

    Each user gets exactly ``top_n`` items, or as many as there are allowed item groups with an item that
    the user does not own, provided that ``popular`` goes as deep as :func:`popular_limit` says. A user who
    owns much is filled from further down the popular items; how far is known per user, so no other list
    costs more for it.

    Args:
        fitted: the model; None lets popularity stand in for all.
        users: ``user_id`` of everyone who gets a list.
        popular: rows of :func:`popular`.
        owned: ``user_id`` and ``item_id`` never to be given, where ``exclude_owned`` is set. Other variants
            of an owned item may be given; list them here too where they must not.
        allowed_items: ``item_id`` and, where there are variants, ``item_group_id``; a group comes once.
        params: the list's settings.

    Returns:
        ``user_id``, ``rank``, ``item_id``, ``score``, ``source`` (als or popularity) and ``reason``. Equal
        scores are ordered by item_id. ALS scores are inner products, about 0 to 1; popularity's are heads.
    """
    wanted = users.select("user_id").dropna().distinct()
    items = _one_row_per_item(allowed_items)
    barred = owned if params.exclude_owned and owned is not None else users.sparkSession.createDataFrame(
        [], "user_id string, item_id string"
    )  # fmt: skip
    barred = barred.select("user_id", "item_id").distinct()
    if fitted is None:
        none = wanted.withColumn("found", F.lit(0))
        return _filled(none, None, popular, barred, items, params.top_n)
    learned = _learned(fitted, wanted, barred, items, params.top_n).checkpoint()
    counts = learned.groupBy("user_id").agg(F.count(F.lit(1)).cast("int").alias("found"))
    short = (
        wanted.join(counts, "user_id", how="left")
        .select("user_id", F.coalesce("found", F.lit(0)).alias("found"))
        .where(F.col("found") < params.top_n)
    )
    return learned.drop("item_group_id").unionByName(_filled(short, learned, popular, barred, items, params.top_n))


def _one_row_per_item(items: DataFrame) -> DataFrame:
    """``item_id`` and ``item_group_id``, which is the item itself where no group is known."""
    group = F.col("item_group_id") if "item_group_id" in items.columns else F.lit(None).cast("string")
    return items.groupBy("item_id").agg(F.coalesce(F.min(group), F.col("item_id")).alias("item_group_id"))


def _learned(fitted: FittedAls, users: DataFrame, barred: DataFrame, items: DataFrame, top_n: int) -> DataFrame:
    """Each known user's best ``top_n`` item groups by ALS, exactly: user blocks x item blocks, merged."""
    known_items = items.join(
        fitted.item_factors.withColumnRenamed("id", "item_id"), "item_id", how="inner"
    ).checkpoint()
    known_users = users.join(fitted.user_factors.withColumnRenamed("id", "user_id"), "user_id", how="inner")
    known_users = known_users.select("user_id", "number", "factor").checkpoint()
    item_blocks = 1 + known_items.count() * fitted.model.rank // _FLOATS_PER_ITEM_BLOCK
    user_blocks = 1 + known_users.count() // _USERS_PER_BLOCK
    tasks = 1 + user_blocks * item_blocks // _PAIRS_PER_TASK
    left = _user_blocks(known_users, _owned_numbers(barred, known_items), user_blocks).repartition(tasks, "user_block")
    right = _item_blocks(known_items, item_blocks)
    best = left.crossJoin(F.broadcast(right) if item_blocks <= _BROADCAST_BLOCKS else right).mapInArrow(
        partial(best_of_blocks, n=top_n), "user int, item int, score double"
    )
    by_user = Window.partitionBy("user").orderBy(F.desc("score"), "item")  # numbers are in order of item_id
    return (
        best.withColumn("rank", F.row_number().over(by_user))
        .where(F.col("rank") <= top_n)
        .join(known_users.select(F.col("number").alias("user"), "user_id"), "user", how="inner")
        .join(known_items.select(F.col("number").alias("item"), "item_id", "item_group_id"), "item", how="inner")
        .withColumns({"source": F.lit("als"), "reason": F.lit(SAME_TASTE)})
        .select("user_id", "rank", "item_id", "score", "source", "reason", "item_group_id")
    )


def _owned_numbers(barred: DataFrame, items: DataFrame) -> DataFrame:
    """Per user the numbers of the items that it must not get."""
    numbers = barred.join(items.select("item_id", "number"), "item_id", how="inner")
    return numbers.groupBy("user_id").agg(F.sort_array(F.collect_list("number")).alias("owned"))


def _user_blocks(users: DataFrame, owned_numbers: DataFrame, blocks: int) -> DataFrame:
    """One row per block of users: ``users``, ascending by number."""
    nothing = F.array().cast("array<int>")
    row = F.struct(
        "number",
        F.col("factor").cast("array<float>").alias("factor"),
        F.coalesce("owned", nothing).alias("owned"),
    )
    return (
        users.join(owned_numbers, "user_id", how="left")
        .groupBy(F.pmod(F.hash("number"), F.lit(blocks)).alias("user_block"))
        .agg(F.sort_array(F.collect_list(row)).alias("users"))
    )


def _item_blocks(items: DataFrame, blocks: int) -> DataFrame:
    """One row per block of items: ``items``, ascending by number; all variants of a group share a block."""
    groups = items.groupBy("item_group_id").agg(F.min("number").alias("group_number"))
    row = F.struct("number", F.col("factor").cast("array<float>").alias("factor"), "group_number")
    return (
        items.join(groups, "item_group_id", how="inner")
        .groupBy(F.pmod(F.hash("group_number"), F.lit(blocks)).alias("item_block"))
        .agg(F.sort_array(F.collect_list(row)).alias("items"))
    )


def _filled(
    short: DataFrame,
    learned: DataFrame | None,
    popular: DataFrame,
    barred: DataFrame,
    items: DataFrame,
    top_n: int,
) -> DataFrame:
    """Popular items for users who ``found`` fewer than ``top_n``, ranked after what they found.

    The first (top_n + owned) groups of the popular items are enough for a user who owns that many of these
    items: each owned item and each item found already can spoil but one group.
    """
    by_rank = Window.orderBy("rank").rowsBetween(Window.unboundedPreceding, Window.currentRow)  # a short list
    of_group = Window.partitionBy("item_group_id").orderBy("rank")
    offers = (
        popular.join(items, "item_id", how="inner")
        .withColumn("is_first", (F.row_number().over(of_group) == 1).cast("int"))
        .withColumn("depth", F.sum("is_first").over(by_rank).cast("int"))  # groups named up to here
        .drop("is_first")
    )
    owned_offers = barred.join(short, "user_id", how="left_semi").join(offers, "item_id", how="left_semi")
    owned_counts = owned_offers.groupBy("user_id").agg(F.count(F.lit(1)).cast("int").alias("owned"))
    depths = F.explode(F.sequence(F.lit(1), F.lit(top_n) + F.coalesce("owned", F.lit(0)))).alias("depth")
    choices = (
        short.join(owned_counts, "user_id", how="left")
        .select("user_id", "found", depths)
        .join(F.broadcast(offers), "depth", how="inner")
        .join(owned_offers, ["user_id", "item_id"], how="left_anti")
    )
    if learned is not None:
        choices = choices.join(
            learned.select("user_id", "item_group_id"), ["user_id", "item_group_id"], how="left_anti"
        )
    offer = F.min(F.struct("rank", "item_id", "score", "reason")).alias("offer")
    by_user = Window.partitionBy("user_id").orderBy("offer.rank")
    return (
        choices.groupBy("user_id", "found", "item_group_id")
        .agg(offer)
        .withColumn("place", F.col("found") + F.row_number().over(by_user))
        .where(F.col("place") <= top_n)
        .select(
            "user_id", F.col("place").alias("rank"), "offer.item_id", "offer.score",
            F.lit("popularity").alias("source"), "offer.reason",
        )
    )  # fmt: skip
