"""What feeds told of items, people and categories beside their events: one row per statement, with its own time.

A null is nothing said: what was said before still holds.
"""

from pyspark.sql.types import BooleanType, DateType, IntegerType, MapType, StringType, TimestampType

from shoal.tables.table import Column, Rule, Table, text
from shoal.tables.vocabulary import ACCOUNT_KINDS, MONEY

_BAND = r"^[0-9]{4}-[0-9]{4}$"
_LEAST_YEARS = 5  # of a band: fewer would be nearly a birthday


def _statement(holds: str) -> tuple[Column, ...]:
    """When it holds from."""
    return (
        Column("changed_at", TimestampType(), f"{holds}, UTC; else the delivery's time", required=True),
        Column("changed_date", DateType(), "shop-local day of changed_at, from which on it counts", required=True),
    )  # fmt: skip


def _change_id(of: str) -> Column:
    return text("change_id", f"hash of (source, {of}, changed_at, part): of a later version of it too", required=True)


_PROVENANCE = (
    Column("is_deleted", BooleanType(), "true: it is gone from then on; false: it is back; null: not said"),
    Column("updated_at", TimestampType(), "when the producer last changed this statement, UTC; null if unknown"),
    Column("delivered_at", TimestampType(), "when this version was last exported, UTC", required=True),
    text("source", "name of the feed", required=True),
    text("batch_id", "batch that brought this version", required=True),
    text("content_hash", "hash of what the statement says, without how it came here", required=True),
    Column("extra", MapType(StringType(), StringType()), "what the feed had and this contract does not know"),
)

ITEM_CHANGES = Table(
    name="silver.item_changes",
    doc="One row per version of what an item feed said of an item.",
    key=("change_id", "content_hash"),
    columns=(
        _change_id("item_id"),
        text("item_id", "the shop's own id of the article", required=True),
        *_statement("when it holds from"),
        text("item_group_id", "article that this is a variant of"),
        text("title", "what the shop calls it"),
        text("category", "category path, parts separated by '/'"),
        text("category_id", "category in silver.categories, whose path stands in where none is said"),
        text("brand", "its brand"),
        Column("price", MONEY, "price per piece, in `currency`", low=0),
        text("currency", "ISO 4217 code of price and cost"),
        Column("cost", MONEY, "what a piece costs the shop, in `currency`", low=0),
        Column("stock", IntegerType(), "pieces in stock; below 0 where more were sold than there are"),
        Column("recommendable", BooleanType(), "it may be offered"),
        *_PROVENANCE,
    ),
    sort_by=("item_id", "changed_at"),
    writer="validate",
)

USER_CHANGES = Table(
    name="silver.user_changes",
    doc="One row per version of what a user feed said of a user.",
    key=("change_id", "content_hash"),
    columns=(
        _change_id("user_id"),
        text("user_id", "the shop's own id of the account", required=True, personal=True),
        *_statement("when it holds from"),
        Column("registered_at", TimestampType(), "when the account was made, UTC", personal=True),
        text("region", "country or region of the user", personal=True),
        text("birth_year_band", "years within which the user was born, such as 1980-1989; never a birthday",
             personal=True),
        Column("account_kind", StringType(), "staff and test are neither trained on nor published",
               allowed=ACCOUNT_KINDS),
        text("merged_into", "account that goes on for this one", personal=True),
        Column("consents", MapType(StringType(), BooleanType()),
               "what is allowed (true) or objected to (false), by purpose or purpose/channel: profiling, "
               "marketing/email, ...", personal=True),
        *_PROVENANCE,
    ),
    rules=(
        Rule(
            "changed_at is not after delivered_at",  # a day of grace, as for events
            "changed_at <= delivered_at + INTERVAL 1 DAY",
        ),
        Rule(
            "birth_year_band spans 5 years or more, like 1980-1989",
            f"birth_year_band RLIKE '{_BAND}' AND try_cast(substr(birth_year_band, 6, 4) AS INT)"
            f" - try_cast(substr(birth_year_band, 1, 4) AS INT) >= {_LEAST_YEARS - 1}",
        ),
        Rule(
            "consents are named by purpose or purpose/channel",
            "forall(map_keys(consents), name -> name RLIKE '^[a-z0-9_]+(/[a-z0-9_]+)?$')",
        ),
        Rule("each consent is said once", "size(array_distinct(map_keys(consents))) = size(consents)"),
    ),
    sort_by=("user_id", "changed_at"),
    writer="validate",
)  # fmt: skip

CATEGORY_CHANGES = Table(
    name="silver.category_changes",
    doc="One row per version of what a category feed said of a category.",
    key=("change_id", "content_hash"),
    columns=(
        _change_id("category_id"),
        text("category_id", "the shop's own id of the category", required=True),
        *_statement("when it was said"),
        text("parent_id", "category that it is part of; null for one at the top"),
        text("title", "what the shop calls it; its id stands in paths where it is null"),
        *_PROVENANCE,
    ),
    sort_by=("category_id", "changed_at"),
    writer="validate",
)

CATEGORIES = Table(
    name="silver.categories",
    doc="One row per category of the shop's tree, as it was told last.",
    key=("category_id",),
    columns=(
        text("category_id", "the shop's own id of the category", required=True),
        text("parent_id", "category that it is part of; null for one at the top"),
        text("title", "what the shop calls it; null where no feed says"),
        text("path", "its titles, or ids, from the top, parts separated by '/'", required=True),
    ),
    writer="validate",
)
