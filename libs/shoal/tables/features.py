"""What the shop knows about each user: mergeable day tiles, and windows over them."""

from pyspark.sql.types import (
    ArrayType,
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
from shoal.tables.user_features import FEATURES
from shoal.tables.vocabulary import ARROWS, ITEM_MEASURES, LIMIT_SCOPES, MONEY_SUM, USER_MEASURES

_EARLIER = "in days that were put together before this was counted"
CONTEXTS = ArrayType(
    StructType(
        [
            StructField("channel", StringType()),
            StructField("region", StringType()),
            StructField("device", StringType()),
            StructField("events", LongType()),
            StructField("last_at", TimestampType()),
        ]
    )
)

SESSIONS = ArrayType(
    StructType(
        [
            StructField("first_at", TimestampType()),
            StructField("last_at", TimestampType()),
            StructField("ends_at", TimestampType()),
            StructField("acts", LongType()),
            StructField("views", LongType()),
            StructField("carts", LongType()),
            StructField("purchases", LongType()),
        ]
    )
)

_VISITOR = text(
    "visitor_id", "id of a person that is no account: device, cookie, loyalty card", required=True, personal=True
)


def _bucket(who: Column) -> Column:
    doc = f"crc32({who.name}) modulo the lake's number of buckets"
    return Column("bucket", IntegerType(), doc, required=True, low=0)


def _count(name: str, doc: str) -> Column:
    return Column(name, LongType(), doc, required=True, low=0)


def _money(name: str, doc: str) -> Column:
    return Column(name, MONEY_SUM, doc + "; null where none of them has a price", low=0)


_DAY_COUNTS = (
    _count("views", "views and clicks"),
    _count("favourites", "items marked as favourite"),
    _count("carts", "items put into the cart"),
    _count("purchases", "purchase lines of goods"),
    _count("pieces", "pieces of goods bought; 0 where the feed counts none"),
    _count("returns", "return lines of goods"),
    _count("returned_pieces", "pieces of goods returned"),
)


def _later(name: str, doc: str) -> Column:
    """A count that tiles did not always have."""
    return Column(name, LongType(), f"{doc}; null {_EARLIER}", low=0)


def _days(name: str, who: Column, doc: str) -> Table:
    return Table(
        name=name,
        doc=doc,
        key=(who.name, "event_date"),
        partition_by=("bucket",),
        sort_by=("event_date", who.name),
        columns=(
            _bucket(who),
            who,
            Column("event_date", DateType(), "shop-local day", required=True),
            _count("events", "events of every type"),
            _count("searches", "searches"),
            *_DAY_COUNTS,
            _count("orders", "orders whose first line is of this day"),
            _count("purchase_lines", "purchase lines of every kind"),
            _money("gross", "purchase lines of every kind"),
            _money("returned", "return lines of every kind"),
            _money("discount", "discounts of purchase lines"),
            Column("first_at", TimestampType(), "first event of the day, UTC", required=True),
            Column("last_at", TimestampType(), "last event of the day, UTC", required=True),
            Column("last_order_at", TimestampType(), "last order begun on the day, UTC; null without one"),
            Column(
                "look_hours",
                IntegerType(),
                "hours of the day, UTC, with a view, click, search, favourite or cart: a bit each, the lowest is "
                f"midnight; null without any, and {_EARLIER}",
                low=0,
            ),
            _later("discounted_lines", "purchase lines of goods with a discount"),
            _later("reviews", "reviews"),
            _later("contacts", "campaign events: messages sent to the user, opened or clicked"),
            _later(
                "timed_acts",
                "views, clicks, searches, favourites, carts and purchase lines, without those at "
                "midnight sharp, which is what feeds say that know the day only",
            ),
            Column("hour_x", ARROWS, f"sum of the cosines of their local times, a day being a circle; null {_EARLIER}"),
            Column("hour_y", ARROWS, f"sum of the sines of their local times; null {_EARLIER}"),
            Column(
                "contexts",
                CONTEXTS,
                "channels, regions and devices that events name, each combination with its events and the time of "
                f"the last, UTC; null where none does, and {_EARLIER}",
            ),
            Column(
                "sessions",
                SESSIONS,
                "what the day saw of each session, in the order of time: its first and last act (those of timed_acts), "
                "the moment until which a further act would be one of it (ends_at, features.session_gap_minutes after "
                "the last), all UTC, and how many acts, views and clicks, carts and purchase lines of goods; null "
                f"{_EARLIER}",
            ),
        ),
        writer="build_features",
    )


def _item_days(name: str, who: Column, doc: str) -> Table:
    return Table(
        name=name,
        doc=doc,
        key=(who.name, "item_id", "event_date"),
        partition_by=("bucket",),
        sort_by=("event_date", who.name, "item_id"),
        columns=(
            _bucket(who),
            who,
            text("item_id", "the shop's own id of the article", required=True),
            Column("event_date", DateType(), "shop-local day", required=True),
            *_DAY_COUNTS,
            _money("gross", "purchase lines"),
            _money("returned", "return lines"),
            Column(
                "priced_pieces",
                LongType(),
                "pieces of the purchase lines that have a price, of which gross is the sum; a line without a count is "
                f"one; null where none has a price, and {_EARLIER}",
                low=0,
            ),
            _later("ratings", "reviews with a rating"),
            Column(
                "rating_sum",
                MONEY_SUM,
                f"their ratings, stars; null without one, and {_EARLIER}",
                low=0,
            ),
            Column("last_cart_at", TimestampType(), f"last time put into the cart, UTC; null if never, and {_EARLIER}"),
            Column(
                "left_cart_at",
                TimestampType(),
                f"last time bought or taken out of the cart, UTC; null if never, and {_EARLIER}",
            ),
        ),
        writer="build_features",
    )


USER_DAYS = _days(
    "features.user_days",
    USER,
    "One row per user and shop-local day with an event: partial aggregates that add up.",
)
USER_ITEM_DAYS = _item_days(
    "features.user_item_days",
    USER,
    "One row per user, item and shop-local day: partial aggregates of goods that add up.",
)
VISITOR_DAYS = _days(
    "features.visitor_days",
    _VISITOR,
    "One row per visitor and shop-local day with an event without a user: as features.user_days.",
)
VISITOR_ITEM_DAYS = _item_days(
    "features.visitor_item_days",
    _VISITOR,
    "One row per visitor, item and shop-local day, of events without a user: as features.user_item_days.",
)


USER_FEATURES = Table(
    name="features.users",
    doc="One row per run and user who acted before as_of.",
    key=("run_id", "user_id"),
    partition_by=("run_id",),
    columns=(
        RUN,
        USER,
        AS_OF,
        *(feature.column for feature in FEATURES.values() if feature.is_shown),
        Column(
            "own",
            MapType(StringType(), DoubleType()),
            "features of the shop's own by name, as features.own of its settings declares them; a value is null where "
            "its feature is, and the map in rows of before there were any",
        ),
    ),
    writer="build_features",
)

LIMITS = Table(
    name="features.limits",
    doc="One row per run, measure and whose values it is of: the limit beyond which a value is no usual one.",
    key=("run_id", "scope", "measure", "item_id"),
    partition_by=("run_id",),
    columns=(
        RUN,
        AS_OF,
        Column(
            "scope",
            StringType(),
            "user: learned from all users, and holds for each; item: from what was bought of the item; shop: from what "
            "was bought of all items, and holds for the pieces of those without a limit of their own",
            required=True,
            allowed=LIMIT_SCOPES,
        ),
        text("item_id", "the shop's own id of the article; null unless scope is item"),
        Column(
            "measure",
            StringType(),
            "rate: most views, clicks, searches, favourites and carts of a day; breadth: most different goods of these "
            "on a day; hours: most hours of a day with such an act; pace: most such acts per second between the first "
            "and the last event of a day; regularity: mean over variance of such acts a day; "
            "pieces: that a user bought of an item on a day; price: per piece, mean of that day, shop's currency",
            required=True,
            allowed=(*USER_MEASURES, *ITEM_MEASURES),
        ),
        Column("observed", LongType(), "values it was learned from", required=True, low=1),
        Column("median", DoubleType(), "their median", required=True, low=0),
        Column("mad", DoubleType(), "median distance of their natural logarithms from that of the median",
               required=True, low=0),
        Column("lower", DoubleType(), "values below are beyond the limit; null where none is too low", low=0),
        Column("upper", DoubleType(), "values above are beyond the limit", required=True, low=0),
    ),
    writer="build_features",
)  # fmt: skip
