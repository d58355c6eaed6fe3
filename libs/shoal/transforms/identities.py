"""silver.identities, silver.account_aliases -> who is whose at a cut.

Accounts are the shop's own and stay apart whatever device they share; only the shop can merge them. A visitor is
somebody's from the first meeting on that a cut knows.
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def resolved(
    identities: DataFrame, *, as_of: date, max_users_per_visitor: int, accounts: DataFrame | None = None
) -> DataFrame:
    """Whose each visitor is, by the links that were known before ``as_of``.

    A visitor is of the user it met first, of two in the same moment the one whose id comes first: a later link takes
    nothing away. Who met more than ``max_users_per_visitor`` is a device that many share, and nobody's.

    Args:
        identities: rows of ``silver.identities``.
        as_of: first shop-local day that must not be seen.
        accounts: of :func:`accounts_at` for the same cut; merged accounts are one user.

    Returns:
        ``visitor_id``, ``user_id``: one row per visitor that is somebody's.
    """
    met = _met(identities, as_of, accounts)
    first = F.min(F.struct("linked_at", "user_id")).alias("first")
    owners = met.groupBy("visitor_id").agg(first, F.count(F.lit(1)).alias("users"))
    return owners.where(F.col("users") <= max_users_per_visitor).select("visitor_id", "first.user_id")


def shared(
    identities: DataFrame, *, as_of: date, max_users_per_visitor: int, accounts: DataFrame | None = None
) -> DataFrame:
    """How many visitors met how many users, of those that are nobody's for having met too many.

    Returns:
        ``users``, ``visitors``: one row per number of users; arguments as for :func:`resolved`.
    """
    counts = _met(identities, as_of, accounts).groupBy("visitor_id").agg(F.count(F.lit(1)).alias("users"))
    many = counts.where(F.col("users") > max_users_per_visitor)
    return many.groupBy("users").agg(F.count(F.lit(1)).alias("visitors"))


def _met(identities: DataFrame, as_of: date, accounts: DataFrame | None) -> DataFrame:
    """Who met whom before a cut: one row per visitor and user, with the first ``linked_at``."""
    known = identities.where(F.col("linked_date") < F.lit(as_of)).select("visitor_id", "user_id", "linked_at")
    if accounts is None:
        return known
    return merged(known, accounts).groupBy("visitor_id", "user_id").agg(F.min("linked_at").alias("linked_at"))


def accounts_at(aliases: DataFrame, *, as_of: date) -> DataFrame:
    """The account that each merged account had become before ``as_of``, at the end of its chain.

    Of several merges of one account the last holds. Accounts that were merged into each other in a circle are the one
    that the last of these merges names. Chains are followed by pointer jumping, which doubles its stride every round:
    n merges need at most 1 + log2(n) rounds, each one join.

    Args:
        aliases: rows of ``silver.account_aliases``.
        as_of: first shop-local day that must not be seen.

    Returns:
        ``former_user_id``, ``user_id``: one row per account that is another now.
    """
    seen = aliases.where((F.col("merged_date") < F.lit(as_of)) & (F.col("former_user_id") != F.col("user_id")))
    last = seen.groupBy("former_user_id").agg(F.max(F.struct("merged_at", "user_id")).alias("last"))
    merge = F.struct("last.merged_at", "former_user_id", "last.user_id")  # ordered: the latest is the greatest
    chains = last.select("former_user_id", F.col("last.user_id").alias("at"), merge.alias("newest")).checkpoint()
    for _ in range(chains.count().bit_length()):
        further = chains.select(
            F.col("former_user_id").alias("at"), F.col("at").alias("on"), F.col("newest").alias("n")
        )
        if chains.join(further, on="at", how="left_semi").isEmpty():
            break
        # ``newest`` is the latest merge on the way from the account to where its chain has come by now.
        chains = chains.join(further, on="at", how="left").select(
            "former_user_id", F.coalesce("on", "at").alias("at"), F.greatest("newest", "n").alias("newest")
        ).checkpoint()  # fmt: skip
    # Who has not arrived by now is in a circle or leads into one, and the way from any account in it is all of it.
    circles = chains.select(F.col("former_user_id").alias("at"), F.col("newest.user_id").alias("survivor"))
    ends = chains.join(circles, on="at", how="left")
    became = ends.select("former_user_id", F.coalesce("survivor", "at").alias("user_id"))
    return became.where("former_user_id <> user_id")


def merged(rows: DataFrame, accounts: DataFrame) -> DataFrame:
    """Rows with ``user_id``, under the accounts that theirs have become; of :func:`accounts_at`."""
    now = accounts.select(F.col("former_user_id").alias("user_id"), F.col("user_id").alias("now"))
    return rows.join(now, on="user_id", how="left").withColumn("user_id", F.coalesce("now", "user_id")).drop("now")


def of_same_people(users: DataFrame, accounts: DataFrame) -> DataFrame:
    """Every account of the people who have one of these: what theirs have become, and all that have become it.

    Args:
        users: ``user_id``.
        accounts: of :func:`accounts_at`.

    Returns:
        ``user_id``, each once.
    """
    now = merged(users.select("user_id"), accounts).distinct()
    former = accounts.join(now, on="user_id", how="left_semi").select(F.col("former_user_id").alias("user_id"))
    return now.unionByName(former)
