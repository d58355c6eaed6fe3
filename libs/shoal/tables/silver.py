"""Events that passed validation, and what is derived from them."""

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

from shoal.tables.table import Column, Rule, Table, text
from shoal.tables.vocabulary import ACCOUNT_KINDS, EVENT_TYPES, LINE_KINDS, LINKED_BY, MONEY, MONEY_SUM

CONSENTS = MapType(
    StringType(), StructType([StructField("given", BooleanType()), StructField("since", TimestampType())])
)

EVENT_COLUMNS = (
    text("event_id", "id given by the feed, or a hash of (source, natural key, ordinal)", required=True),
    Column("event_type", StringType(), "what the user did", required=True, allowed=EVENT_TYPES),
    Column("event_time", TimestampType(), "when the user acted, UTC", required=True),
    Column("event_date", DateType(), "shop-local day of event_time", required=True),
    text("user_id", "the shop's own id of the account; null for a guest", personal=True),
    text(
        "visitor_id",
        "id of a person that is no account: device, cookie, loyalty card, hashed e-mail; null where the feed has none",
        personal=True,
    ),
    text("session_id", "visit, as the feed counts it; null where it does not", personal=True),
    text("item_id", "the shop's own id of the article; null for events without one"),
    text("item_title", "what the shop called the item in this event; null where the feed does not say"),
    text("category", "category path, parts separated by '/'"),
    text("brand", "brand of the item"),
    Column("quantity", IntegerType(), "pieces, also of a return; null unless bought or returned", low=1),
    Column("unit_price", MONEY, "price per piece as paid, in `currency`; null where the feed has none", low=0),
    text("currency", "ISO 4217 code of unit_price; null without a price"),
    Column(
        "amount_base",
        MONEY,
        "quantity x unit_price in the shop's currency, positive also for a return: the type is the sign",
        low=0,
    ),
    Column("discount_amount", MONEY, "taken off this line, in `currency`, already out of unit_price", low=0),
    Column(
        "line_kind", StringType(), "what was sold; null unless bought or returned", allowed=LINE_KINDS
    ),
    text("order_id", "order or invoice; null unless bought or returned"),
    text("original_event_id", "of a return: the purchase it takes back, where the feed says so"),
    text("coupon", "code the user entered"),
    text("campaign_id", "campaign that led here, or that was sent"),
    text("message_id", "one sending of a campaign to one user"),
    Column("rating", DoubleType(), "stars of a review, on the shop's scale", low=0),
    text("review_text", "what the user wrote", personal=True),
    text("query", "what the user searched for", personal=True),
    Column("duration_s", DoubleType(), "time spent, seconds", low=0),
    text("channel", "web, app, store, mail, ..."),
    text("region", "country or region of the user at that time"),
    text("device", "kind of device"),
    Column("updated_at", TimestampType(), "when the producer last changed the event, UTC; null if unknown"),
    Column("previous_event_time", TimestampType(), "of a correction that moves the event: its old time, UTC"),
    Column(
        "delivered_at",
        TimestampType(),
        "when the shop exported it, UTC: the export's own time or the file's modification time",
        required=True,
    ),
    Column(
        "first_delivered_at",
        TimestampType(),
        "when the shop first exported this version, UTC: since then it was known; null in rows of before this was kept",
    ),
    Column("is_deleted", BooleanType(), "true: the producer took the event back; readers skip it", required=True),
    text("source", "name of the feed", required=True),
    text("batch_id", "batch that brought this version", required=True),
    text("content_hash", "hash of what the event says, without how it came here", required=True),
    Column("extra", MapType(StringType(), StringType()), "what the feed had and this contract does not know"),
)  # fmt: skip

EVENTS = Table(
    name="silver.events",
    doc="One row per shop event, in its winning version.",
    key=("event_id", "event_date"),
    partition_by=("event_date",),
    columns=EVENT_COLUMNS,
    rules=(
        Rule(
            "item_id is set for what is done to an item",
            "event_type IN ('search', 'campaign') OR is_deleted OR item_id IS NOT NULL",
        ),
        Rule(
            "event_time is not after delivered_at",  # a day of grace for clocks and zones that are off
            "event_time <= delivered_at + INTERVAL 1 DAY",
        ),
    ),
    writer="validate",
)

EVENT_VERSIONS = Table(
    name="silver.event_versions",
    doc="One row per version of an event that a stronger one replaced, and one more where that is delivered again, "
    "earlier or later than was known.",
    key=("event_id", "content_hash", "known_from", "delivered_at"),
    partition_by=("event_date",),
    columns=(
        *EVENT_COLUMNS,
        Column("known_from", TimestampType(), "first delivery of this version, UTC", required=True),
        Column(
            "known_to",
            TimestampType(),
            "delivered_at of the version that took its place, UTC; known_from where that was known before",
            required=True,
        ),
    ),
    writer="validate",
)

REJECTED_EVENTS = Table(
    name="silver.rejected_events",
    doc="One row per raw row that broke a rule.",
    key=("event_id", "content_hash"),
    columns=(
        text("event_id", "id as for silver.events, or change_id, from whatever the row had", required=True),
        text("content_hash", "hash of what the row says", required=True),
        Column("reasons", ArrayType(StringType()), "name of every rule that the row broke", required=True),
        text("raw", "the row as it came, as JSON", required=True, personal=True),
        text("feed", "feed it came by", required=True),
        text("batch_id", "batch it came in", required=True),
        text("source_file", "file it came in", required=True),
        Column("position", LongType(), "line of a text file, row index of a Parquet file", low=0),
        Column(
            "resolved_by",
            LongType(),
            "place in ops.claims of the replay since which it is rejected no more; null while it is rejected",
            low=1,
        ),
    ),
    writer="validate",
)

ORDERS = Table(
    name="silver.orders",
    doc="One row per order with at least one purchase.",
    key=("order_id",),
    columns=(
        text("order_id", "the shop's own id of the order or invoice", required=True),
        text("user_id", "who bought; null for a guest", personal=True),
        Column("ordered_at", TimestampType(), "time of its first line, UTC", required=True),
        Column("order_date", DateType(), "shop-local day of its first line", required=True),
        Column("lines", LongType(), "purchase lines of every kind", required=True, low=1),
        Column("pieces", LongType(), "pieces of goods; null where the feed counts none", low=0),
        Column("gross", MONEY_SUM, "sum of all lines, shop's currency; null without prices", low=0),
        Column("discount", MONEY_SUM, "discounts of its lines, shop's currency; null if unknown", low=0),
        Column("shipping", MONEY_SUM, "its lines of kind shipping, shop's currency; null without prices", low=0),
        text("channel", "where it was placed"),
        text("region", "country or region it was placed from"),
    ),
    writer="validate",
)

ITEMS = Table(
    name="silver.items",
    doc="One row per item and span of days over which nothing changed: what item feeds say, else its latest events.",
    key=("item_id", "valid_from"),
    columns=(
        text("item_id", "the shop's own id of the article", required=True),
        text("item_group_id", "article that this is a variant of; itself without variants", required=True),
        text("title", "its title"),
        text("category", "its category path"),
        text("brand", "its brand"),
        Column("recommendable", BooleanType(), "may be offered: goods, not shipping, fees or vouchers", required=True),
        Column(
            "price",
            MONEY,
            "price per piece, in the shop's currency: the feed's, else that last paid; null if never said or sold",
            low=0,
        ),
        Column("valid_from", DateType(), "first shop-local day on which it holds, or the item is known", required=True),
        Column("valid_to", DateType(), "first day it no longer holds; null while it does"),
        Column("cost", MONEY, "what a piece costs the shop, in its currency; null if no feed says", low=0),
        Column("stock", IntegerType(), "pieces in stock at the end of the day; null if no feed says"),
    ),
    writer="validate",
)

USERS = Table(
    name="silver.users",
    doc="One row per user who acted, was merged into or was told of by a feed; a deleted one has none.",
    key=("user_id",),
    columns=(
        text("user_id", "the shop's own id of the account", required=True, personal=True),
        Column("first_seen", TimestampType(), "time of the first event, UTC; null without one"),
        Column("last_seen", TimestampType(), "time of the last event, UTC; null without one"),
        text("region", "country or region: the feed's, else where the user was last", personal=True),
        Column("account_kind", StringType(), "staff and test are neither trained on nor published",
               required=True, allowed=ACCOUNT_KINDS),
        Column("registered_at", TimestampType(), "when the account was made, UTC; null if no feed says",
               personal=True),
        text("birth_year_band", "years within which the user was born, such as 1980-1989; null if no feed says",
             personal=True),
        Column("consents", CONSENTS,
               "what is allowed or objected to, by purpose or purpose/channel, and since when, UTC; "
               "null if no feed says", personal=True),
    ),
    writer="validate",
)  # fmt: skip

IDENTITIES = Table(
    name="silver.identities",
    doc="One row per visitor id and user that met in an event: a link, known since the first of them.",
    key=("visitor_id", "user_id"),
    columns=(
        text(
            "visitor_id",
            "id of a person that is no account: device, cookie, loyalty card, hashed e-mail, as in silver.events",
            required=True,
            personal=True,
        ),
        text("user_id", "the shop's own id of the account", required=True, personal=True),
        Column("linked_at", TimestampType(), "time of the first event in which they met, UTC", required=True),
        Column("linked_date", DateType(), "shop-local day of linked_at: a cut after it knows the link", required=True),
        Column("last_met_at", TimestampType(), "time of the last event in which they met, UTC", required=True),
        Column("meetings", LongType(), "events in which they met", required=True, low=1),
    ),
    writer="validate",
)

ACCOUNT_ALIASES = Table(
    name="silver.account_aliases",
    doc="One row per account and account that the shop has merged it into.",
    key=("former_user_id", "user_id"),
    columns=(
        text("former_user_id", "account that was merged into another", required=True, personal=True),
        text("user_id", "account that it was merged into, which may be merged again", required=True, personal=True),
        Column("merged_at", TimestampType(), "when the shop merged them, UTC", required=True),
        Column("merged_date", DateType(), "shop-local day of merged_at: a cut after it knows the merge", required=True),
    ),
    writer="validate",
)

RETURN_LINKS = Table(
    name="silver.return_links",
    doc="One row per return and purchase that it takes pieces back from.",
    key=("return_event_id", "purchase_event_id"),
    columns=(
        text("return_event_id", "event_id of the return", required=True),
        text("purchase_event_id", "event_id of the purchase", required=True),
        Column("pieces", LongType(), "pieces taken back; a line without a quantity is one", required=True, low=1),
        Column(
            "how",
            StringType(),
            "original: the feed names the purchase; order: same order and item; latest: the user's latest purchase of "
            "the item with pieces left",
            required=True,
            allowed=LINKED_BY,
        ),
        Column("linked_at", TimestampType(), "time of the return, UTC", required=True),
        Column("linked_date", DateType(), "shop-local day of the return: a cut after it knows the link", required=True),
        Column("purchase_date", DateType(), "shop-local day of the purchase, never after linked_date", required=True),
    ),
    writer="validate",
)
