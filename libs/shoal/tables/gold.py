"""What marketing reads. Every row carries its run; ``gold.current_*`` show the released one."""

from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from shoal.tables.columns import AS_OF, RUN, USER
from shoal.tables.table import Column, Table, text
from shoal.tables.vocabulary import MONEY, MONEY_SUM

_MODEL = text(
    "model_id", "model in ops.models that computed it, of an earlier run where that stood in; null for a baseline"
)
_SOURCE = text(
    "source",
    "how the row came about: the model's name, `last model` where the last one that was released stood in for today's, "
    "or the baseline that did",
    required=True,
)

_SEGMENTATION = text("segmentation", "name of the entry under `segments` in the settings", required=True)
_SEGMENT = (
    Column("segment_id", IntegerType(), "permanent number of the segment; some are never shown", required=True, low=1),
    Column("segment_rank", IntegerType(), "1 is the segment with the highest mean net spend", required=True, low=1),
    text("segment_name", "name derived from what marks the segment", required=True),
)
_ITEM = text("item_id", "the shop's own id of the article", required=True)
_RANK = Column("rank", IntegerType(), "1 is the best", required=True, low=1)
_REASON = text("reason", "why this item, in words", required=True)

SEGMENTS = Table(
    name="gold.segments",
    doc="One row per run, segmentation and buyer.",
    key=("run_id", "segmentation", "user_id"),
    partition_by=("run_id",),
    columns=(
        RUN,
        _SEGMENTATION,
        USER,
        *_SEGMENT,
        Column("distance", DoubleType(), "to the centre, in standard deviations; 0 without a model", low=0),
        _SOURCE,
        _MODEL,
    ),
    writer="segment_users",
)  # fmt: skip

SEGMENT_PROFILES = Table(
    name="gold.segment_profiles",
    doc="One row per run, segmentation and segment.",
    key=("run_id", "segmentation", "segment_id"),
    partition_by=("run_id",),
    columns=(
        RUN,
        _SEGMENTATION,
        *_SEGMENT,
        Column("users", LongType(), "users in the segment", required=True, low=1),
        Column("user_share", DoubleType(), "their share of all users in the segmentation",
               required=True, low=0, high=1),
        Column("net_spend", MONEY_SUM, "their net spend, shop's currency; null without prices"),
        Column("net_spend_share", DoubleType(), "their share of all net spend; null without prices"),
        Column("mean_net_spend", DoubleType(), "net spend per user; null without prices"),
        Column("median_recency_days", DoubleType(), "median days since the last order", low=0),
        Column("mean_frequency", DoubleType(), "orders per user", low=0),
        Column("mean_order_value", DoubleType(), "spend per order; null without prices", low=0),
        text("marks", "what sets the segment apart from the average buyer, in words", required=True),
        _SOURCE,
        _MODEL,
    ),
    writer="segment_users",
)  # fmt: skip

PROPENSITIES = Table(
    name="gold.propensities",
    doc="One row per run, target and user.",
    key=("run_id", "target", "user_id"),
    partition_by=("run_id",),
    columns=(
        RUN,
        text("target", "name of the entry under `propensity` in the settings", required=True),
        USER,
        Column("probability", DoubleType(), "that the user does it within the target's horizon",
               required=True, low=0, high=1),
        Column("decile", IntegerType(), "1 holds the tenth of users that is most likely",
               required=True, low=1, high=10),
        Column(
            "drivers",
            ArrayType(StructType([
                StructField("feature", StringType()),
                StructField("effect", DoubleType()),
            ])),
            "features that moved it most against the average user, in log-odds; empty for a baseline",
            required=True,
        ),
        _SOURCE,
        _MODEL,
    ),
    writer="score_propensity",
)  # fmt: skip

_GROUP = text("item_group_id", "article that it is a variant of, once in a list; itself without variants")
_FACTS = (
    text("title", "its title before as_of; null if never said"),
    Column(
        "price",
        MONEY,
        "per piece, in the shop's currency, before as_of: the feed's, else that last paid; null if unknown",
        low=0,
    ),
    Column("in_stock", BooleanType(), "any pieces were in stock before as_of; null if no feed says"),
)

RECOMMENDATIONS = Table(
    name="gold.recommendations",
    doc="One row per run, list, user and rank. Lists are full as long as there are items; those of what a user knows, "
    "buy_again and abandoned_cart, have as many rows as there is of that; `short_lists` in ops.metrics says how many.",
    key=("run_id", "list_name", "user_id", "rank"),
    partition_by=("run_id",),
    columns=(
        RUN,
        text("list_name", "name of the entry under `recommend` in the settings", required=True),
        USER,
        _RANK,
        _ITEM,
        _GROUP,
        *_FACTS,
        Column("score", DoubleType(), "comparable within one user and source only", required=True),
        text(
            "source",
            "als: learned from users alike; als_new_item: als has no factor of it yet, and what is said of it is like "
            "what als would name; last model: as als, by the last one that was released, which stood in for "
            "today's; ease, item_knn, user_knn, content, blend: the list's other model; popularity_by_segment: what "
            "sells most in the user's segment and region; popularity: what sells most; buy_again: what the user bought "
            "before; trending: what gains buyers; abandoned_cart: what was left in the cart; pinned: the shop's choice",
            required=True,
        ),
        _REASON,
        _MODEL,
    ),
    writer="recommend_items",
)

RECOMMENDATIONS_BY_SEGMENT = Table(
    name="gold.recommendations_by_segment",
    doc="One row per run, segment, region and rank: what most of their buyers bought lately. Segments and regions with "
    "too few buyers have no rows; rows without either are of the whole shop.",
    key=("run_id", "segment_id", "region", "rank"),
    partition_by=("run_id",),
    columns=(
        RUN,
        AS_OF,
        Column("segment_id", IntegerType(), "segment in the settings' first segmentation; null for all users", low=1),
        text("segment_name", "its name; null for all users"),
        text("region", "where the users were last; null for all of them"),
        _RANK,
        _ITEM,
        _GROUP,
        *_FACTS,
        Column("buyers", LongType(), "users of the group who bought it in the settings' days", required=True, low=1),
        Column(
            "group_buyers", LongType(), "users of the group who bought anything in these days", required=True, low=1
        ),
        Column(
            "score",
            DoubleType(),
            "share of the group's buyers who bought it, drawn towards that of the whole shop",
            required=True,
            low=0,
            high=1,
        ),
        text("source", "popularity_by_segment, or popularity for the whole shop", required=True),
        _REASON,
    ),
    writer="recommend_items",
)

_OTHER_GROUP = text(
    "item_group_id", "article that the other item is a variant of; itself without variants", required=True
)

SIMILAR_ITEMS = Table(
    name="gold.similar_items",
    doc="One row per run, item and rank: another item that the same users want.",
    key=("run_id", "item_id", "rank"),
    partition_by=("run_id",),
    sort_by=("item_id", "rank"),
    columns=(
        RUN,
        AS_OF,
        _ITEM,
        _RANK,
        text("similar_item_id", "the other item", required=True),
        _OTHER_GROUP,
        Column("score", DoubleType(), "cosine of the two items' users x common / (common + shrink)",
               required=True, low=0, high=1),
        Column("common_users", LongType(), "users who want both, of those pairs that count", required=True, low=1),
        text("source", "item_knn: neighbours by cosine", required=True),
        _REASON,
    ),
    writer="recommend_items",
)  # fmt: skip

BOUGHT_TOGETHER = Table(
    name="gold.bought_together",
    doc="One row per run, item and rank: another item that is in the same orders more often than by chance.",
    key=("run_id", "item_id", "rank"),
    partition_by=("run_id",),
    sort_by=("item_id", "rank"),
    columns=(
        RUN,
        AS_OF,
        _ITEM,
        Column("rank", IntegerType(), "1 has the highest lift_low", required=True, low=1),
        text("other_item_id", "the other item", required=True),
        _OTHER_GROUP,
        Column("orders_together", LongType(), "orders that hold both", required=True, low=1),
        Column("orders_item", LongType(), "orders that hold the item", required=True, low=1),
        Column("orders_other", LongType(), "orders that hold the other item", required=True, low=1),
        Column("orders", LongType(), "all orders that count: of two to max_items different goods", required=True,
               low=1),
        Column("lift", DoubleType(), "how many times more often both are in an order than if each were in orders by "
               "chance: orders_together x orders / (orders_item x orders_other)", required=True, low=0),
        Column("lift_low", DoubleType(), "lower end of its 95 % interval, above 1", required=True, low=0),
        Column("lift_high", DoubleType(), "upper end of it", required=True, low=0),
        text("source", "co_purchase: counted in orders", required=True),
        _REASON,
    ),
    writer="recommend_items",
)  # fmt: skip

GOLD_USERS = Table(
    name="gold.users",
    doc="One row per run and user: everything a marketer filters by.",
    key=("run_id", "user_id"),
    partition_by=("run_id",),
    columns=(
        RUN,
        USER,
        AS_OF,
        Column("segment_id", IntegerType(), "segment in the settings' first segmentation; null for prospects", low=1),
        text("segment_name", "its name; null for prospects"),
        text("segmentation", "that first segmentation; null for prospects, and in rows of before it was told"),
        Column("segment_since", DateType(), "as_of of the first of the unbroken row of releases in this segment"),
        Column("probability", MapType(StringType(), DoubleType()), "of each configured target", required=True),
        Column("recency_days", IntegerType(), "days from the last order to as_of; null if never bought", low=1),
        Column("frequency", LongType(), "distinct orders", required=True, low=0),
        Column("recency_score", IntegerType(), "1 to 5 among buyers, 5 most recent; null if never bought. The edges of "
               "all scores are those of the month's first day", low=1, high=5),
        Column("frequency_score", IntegerType(), "1 to 5 among buyers, 5 most orders", low=1, high=5),
        Column("monetary_score", IntegerType(), "1 to 5 among buyers, 5 highest net spend; null without prices",
               low=1, high=5),
        text("rfm", "the three scores side by side, as 543; null if never bought, or without prices"),
        Column("gross_spend", MONEY_SUM, "all purchases, shop's currency; null without prices", low=0),
        Column("net_spend", MONEY_SUM, "purchases less returns; may be negative; null without prices"),
        Column("last_order_at", TimestampType(), "time of the last order, UTC; null if never bought"),
        text("region", "where the user was last; null if unknown", personal=True),
        Column("hold_out", BooleanType(), "true: never contact, so that an effect can be proved", required=True),
        Column(
            "is_suspect",
            BooleanType(),
            "behaves as no human does (features.users says in what): in no segment, no list, and without probabilities",
            required=True,
        ),
    ),
    writer="publish",
)  # fmt: skip
