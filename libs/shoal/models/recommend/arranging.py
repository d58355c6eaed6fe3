"""Candidates -> lists that keep a shop's rules: caps, pins, usual prices, and settings of diversity."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.frames import few_rows
from shoal.kernels.arranging import arrange
from shoal.models.recommend.grid import beside_all
from shoal.models.recommend.lists import Named
from shoal.models.recommend.rules import usual_prices
from shoal.params import RecommendParams

PINNED = "pinned"  # source of rows
_USERS = 10_000  # per task: with 100 candidates each some 100 MB
_CAPS = {"category": "max_per_category", "brand": "max_per_brand"}


@dataclass(frozen=True)
class _Pins:
    """A person's word, which has no model."""

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows with their ``reason``."""
        return best.withColumn("reason", F.lit("placed here by the shop"))


def candidates(params: RecommendParams) -> int:
    """How many items each voice is to name for each user, so that rules leave enough of them."""
    return max(params.top_n, params.candidates) if is_arranged(params) else params.top_n


def is_arranged(params: RecommendParams) -> bool:
    """Whether anything is asked for that a filter before the ranking cannot give."""
    rules = params.rules
    per_list = (rules.max_per_category, rules.max_per_brand, rules.price_tier)
    return bool(rules.pinned or params.diversity or params.popularity_penalty) or per_list != (None, None, None)


def arranged(
    named: Sequence[Named],
    users: DataFrame,
    barred: DataFrame,
    items: DataFrame,
    acts: DataFrame,
    params: RecommendParams,
    factors: DataFrame | None = None,
) -> list[Named]:
    """Of what the voices named, the ``top_n`` that make each list: :func:`shoal.kernels.arranging.arrange`.

    Cost: one row per user with ``candidates`` items passes a shuffle.

    Args:
        named: what each voice named, :func:`candidates` items at most of all of them.
        users: ``user_id`` of everyone who gets a list.
        barred: ``user_id`` and ``item_id`` that must not be named.
        items: ``item_id``, ``item_group_id``, ``category``, ``brand`` and ``price`` of what may be named.
        acts: rows of :func:`shoal.models.recommend.acts.acts`.
        params: the list's settings.
        factors: ``id``, ``number`` and ``factor`` of items; without them nothing is known of how alike they are.

    Returns:
        What is left of each voice, ranked anew over all of them, and the pins.
    """
    rules = params.rules
    rows = reduce(
        DataFrame.unionByName,
        (one.rows.select(*_ROW, F.lit(place).alias("voice"), F.lit(0).alias("pin")) for place, one in enumerate(named)),
        few_rows(users.sparkSession, _SCHEMA, []),
    )
    if rules.price_tier is not None:
        rows = _of_usual_price(rows, items, acts, rules.price_tier)
    if rules.pinned:
        pins = _pinned(users, barred, items, params)
        held = pins.select("user_id", "item_group_id")
        rows = rows.join(held, ["user_id", "item_group_id"], how="left_anti").unionByName(pins)
    known = rows.join(items.select("item_id", "category", "brand"), "item_id", how="left")
    if params.popularity_penalty:
        known = known.join(_fame(acts), "item_id", how="left")
    else:
        known = known.withColumn("fame", F.lit(0.0))
    numbers = few_rows(users.sparkSession, "number int, factor array<float>", [])
    if params.diversity and factors is not None:
        numbers = factors.select("number", F.col("factor").cast("array<float>").alias("factor"))
        known = known.join(factors.select(F.col("id").alias("item_id"), "number"), "item_id", how="left")
    else:
        known = known.withColumn("number", F.lit(-1))
    entry = F.struct(
        "voice", "rank", "item_id", "item_group_id", "score", "pin", "category", "brand",
        F.coalesce("fame", F.lit(0.0)).alias("popularity"), F.coalesce("number", F.lit(-1)).alias("number"),
    )  # fmt: skip
    of_user = known.groupBy(F.col("user_id").alias("key")).agg(F.sort_array(F.collect_list(entry)).alias("all"))
    caps = {name: most for name, setting in _CAPS.items() if (most := getattr(rules, setting)) is not None}
    columns = ("item_id", "item_group_id", "voice", "pin", "score", "popularity", "number", *caps)
    kept = (
        beside_all(
            of_user.select("key", *(F.col(f"all.{name}").alias(name) for name in columns)),
            numbers,
            partial(
                arrange,
                n=params.top_n,
                caps=caps,
                diversity=params.diversity,
                popularity_penalty=params.popularity_penalty,
            ),
            "key string, item_id string, item_group_id string, rank int, score double, voice int",
            down=2 + users.count() // _USERS,
        )
        .withColumnRenamed("key", "user_id")
        .checkpoint()
    )

    def of(voice: int) -> DataFrame:
        return kept.where(F.col("voice") == voice).drop("voice")

    found = [replace(one, rows=of(place)) for place, one in enumerate(named)]
    return [*found, Named(of(-1), _Pins(), PINNED)] if rules.pinned else found


_ROW = ("user_id", "item_id", "item_group_id", "rank", "score")
_SCHEMA = (
    "user_id string, item_id string, item_group_id string, rank int, score double, voice int not null, pin int not null"
)


def _of_usual_price(rows: DataFrame, items: DataFrame, acts: DataFrame, tier: float) -> DataFrame:
    """Rows whose price lies within a factor of what the user usually pays; what is unknown stays."""
    ratio = F.col("price").cast("double") / F.col("usual")
    return (
        rows.join(items.select("item_id", "price"), "item_id", how="left")
        .join(usual_prices(acts), "user_id", how="left")
        .where(F.coalesce(ratio.between(F.lit(1 / tier), F.lit(tier)), F.lit(True)))
        .drop("price", "usual")
    )


def _pinned(users: DataFrame, barred: DataFrame, items: DataFrame, params: RecommendParams) -> DataFrame:
    """What the shop has placed, for each user to whom it is not barred."""
    given = [(pin.item, pin.rank) for pin in params.rules.pinned]
    pins = few_rows(users.sparkSession, "item_id string, pin int", given)
    offered = items.select("item_id", "item_group_id").join(F.broadcast(pins), "item_id", how="inner")
    everyone = users.select("user_id").crossJoin(F.broadcast(offered))
    left = everyone.join(barred.select("user_id", "item_id"), ["user_id", "item_id"], how="left_anti")
    # Of variants of one article the one with the first place: a list names an article once.
    first = left.groupBy("user_id", "item_group_id").agg(F.min(F.struct("pin", "item_id")).alias("first"))
    return first.select(
        "user_id", "first.item_id", "item_group_id", F.lit(0).alias("rank"), F.lit(0.0).alias("score"),
        F.lit(-1).alias("voice"), "first.pin",
    )  # fmt: skip


def _fame(acts: DataFrame) -> DataFrame:
    """How well known each item is: the logarithm of its buyers, 1 for that with the most."""
    buyers = acts.where("times > 0").groupBy("item_id").agg(F.log1p(F.count(F.lit(1))).alias("log"))
    most = F.broadcast(buyers.agg(F.max("log").alias("most")))
    return buyers.crossJoin(most).select("item_id", (F.col("log") / F.col("most")).alias("fame"))
