"""What the shop knows about each user: mergeable day tiles, and windows over them."""

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
from shoal.tables.item_features import OF_ITEMS
from shoal.tables.table import Column, Table, text
from shoal.tables.user_features import FEATURES
from shoal.tables.vocabulary import (
    ARROWS,
    ITEM_MEASURES,
    LIMIT_SCOPES,
    MONEY,
    MONEY_SUM,
    SCORED,
    TASTE_FACETS,
    USER_MEASURES,
)

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

USER_CATEGORIES = Table(
    name="features.user_categories",
    doc="One row per run, user and category or brand: the strongest that the user looked at, put into the cart or "
    "bought; suspects have none.",
    key=("run_id", "user_id", "facet", "name"),
    partition_by=("run_id",),
    columns=(
        RUN,
        AS_OF,
        USER,
        Column("facet", StringType(), "what name is of", required=True, allowed=TASTE_FACETS),
        text("name", "brand; or category, the first features.affinity.category_levels parts of the path",
             required=True),
        Column("rank", IntegerType(), "among the user's of this facet: 1 has the highest affinity, of equals the most "
               "lines, then the most looks", required=True, low=1),
        Column("lines", LongType(), "purchase lines of goods of it", required=True, low=0),
        Column("looks", LongType(), "views, clicks and carts of goods of it", required=True, low=0),
        Column("share", DoubleType(), "its share of the user's purchase lines of goods of which the facet is known; "
               "null without any", low=0, high=1),
        Column("affinity", DoubleType(), "(lines + prior) / (the user's lines x its share of all users' lines + "
               "prior), prior being features.affinity.prior_lines: 1 is as others do, 2 is twice as much",
               required=True, low=0),
        Column("percentile", DoubleType(), "share of the users who met it whose affinity is lower, and half of those "
               "alike to three digits", required=True, low=0, high=1),
        Column("last_met", DateType(), "last day on which the user looked at it, put it into the cart or bought it",
               required=True),
        Column("days_bought", LongType(), "days on which it was bought", required=True, low=0),
        Column("first_bought", DateType(), "the first of them; null if never"),
        Column("last_bought", DateType(), "the last of them; null if never"),
        Column("interval_days", DoubleType(), "median days from one of them to the next; null before the third", low=0),
        Column("interval_variation", DoubleType(), "spread of the days from one to the next over their mean: 0 is a "
               "clock, about 1 is chance; null before the third", low=0),
        Column("due_on", DateType(), "when it is due again, interval_days after last_bought, which may be past; null "
               "unless it was bought on four days or more, with an interval_variation of 0.3 at most"),
    ),
    writer="build_features",
)  # fmt: skip

ITEM_FEATURES = Table(
    name="features.items",
    doc="One row per run and item that is in the catalogue before as_of or that a user met; of what users did, without "
    "guests, staff and suspects.",
    key=("run_id", "item_id"),
    partition_by=("run_id",),
    columns=(
        RUN,
        AS_OF,
        text("item_id", "the shop's own id of the article", required=True),
        Column("in_catalogue", BooleanType(), "silver.items has it before as_of", required=True),
        text("item_group_id", "article that it is a variant of; itself without variants; null unless in the catalogue"),
        text("title", "its title; null if never said"),
        text("category", "its category path; null if never said"),
        text("brand", "its brand; null if never said"),
        Column("price", MONEY, "per piece, in the shop's currency: the feed's, else that last paid; null if unknown",
               low=0),
        Column("stock", IntegerType(), "pieces in stock; null if no feed says"),
        Column("recommendable", BooleanType(), "whether it may be recommended; null unless in the catalogue"),
        *(feature.column for feature in OF_ITEMS.values() if feature.is_shown),
    ),
    writer="build_features",
)  # fmt: skip

LIMITS = Table(
    name="features.limits",
    doc="One row per run, measure and whose values it is of: the limit beyond which a value is no usual one, or of "
    "buyers the edges of their scores.",
    key=("run_id", "scope", "measure", "item_id"),
    partition_by=("run_id",),
    columns=(
        RUN,
        AS_OF,
        Column(
            "scope",
            StringType(),
            "user: learned from all users, and holds for each; item: from what was bought of the item; shop: from what "
            "was bought of all items, and holds for the pieces of those without a limit of their own; buyer: edges of "
            "scores, learned from the buyers of before as_of, here the first day of the run's month",
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
            "pieces: that a user bought of an item on a day; price: per piece, mean of that day, shop's currency; of "
            "buyers the feature of features.users that is scored",
            required=True,
            allowed=(*USER_MEASURES, *ITEM_MEASURES, *SCORED),
        ),
        Column("observed", LongType(), "values it was learned from", required=True, low=1),
        Column("median", DoubleType(), "their median; null of buyers", low=0),
        Column("mad", DoubleType(), "median distance of their natural logarithms from that of the median; null of "
               "buyers", low=0),
        Column("lower", DoubleType(), "values below are beyond the limit; null where none is too low", low=0),
        Column("upper", DoubleType(), "values above are beyond the limit; null of buyers", low=0),
        Column("edges", ArrayType(DoubleType()), "of buyers the fifths of their values, rounded to three digits, "
               "ascending: 20, 40, 60 and 80 % of the buyers have at most as much; null otherwise"),
    ),
    writer="build_features",
)  # fmt: skip
