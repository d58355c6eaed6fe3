"""silver.identities, silver.account_aliases -> who is whose at a cut.

Accounts are the shop's own and stay apart whatever device they share; only the shop can merge them. A visitor is
somebody's from the first meeting on that a cut knows.
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.transforms.cuts import Cut


def resolved(
    identities: DataFrame, *, as_of: date | None, max_users_per_visitor: int, accounts: DataFrame | None = None
) -> DataFrame:
    """Whose each visitor is, by the links that were known before ``as_of``.

    A visitor is of the user it met first, of two in the same moment the one whose id comes first: a later link takes
    nothing away. Who met more than ``max_users_per_visitor`` is a device that many share, and nobody's.

    Args:
        identities: rows of ``silver.identities``.
        as_of: first shop-local day that must not be seen; None: of each row its own, in the column ``as_of``.
        accounts: of :func:`accounts_at` for the same cut; merged accounts are one user.

    Returns:
        ``visitor_id``, ``user_id``: one row per visitor that is somebody's; with ``as_of`` where each row has its own.
    """
    cut = Cut(as_of)
    met = _met(identities, cut, accounts)
    first = F.min(F.struct("linked_at", "user_id")).alias("first")
    owners = met.groupBy("visitor_id", *cut.own).agg(first, F.count(F.lit(1)).alias("users"))
    return owners.where(F.col("users") <= max_users_per_visitor).select("visitor_id", *cut.own, "first.user_id")


def shared(
    identities: DataFrame, *, as_of: date, max_users_per_visitor: int, accounts: DataFrame | None = None
) -> DataFrame:
    """How many visitors met how many users, of those that are nobody's for having met too many.

    Returns:
        ``users``, ``visitors``: one row per number of users; arguments as for :func:`resolved`.
    """
    counts = _met(identities, Cut(as_of), accounts).groupBy("visitor_id").agg(F.count(F.lit(1)).alias("users"))
    many = counts.where(F.col("users") > max_users_per_visitor)
    return many.groupBy("users").agg(F.count(F.lit(1)).alias("visitors"))


def _met(identities: DataFrame, cut: Cut, accounts: DataFrame | None) -> DataFrame:
    """Who met whom before a cut: one row per visitor and user, with the first ``linked_at``."""
    pair = ["visitor_id", "user_id", *cut.own]
    known = cut.before(identities, "linked_date").select(*pair, "linked_at")
    if accounts is None:
        return known
    return merged(known, accounts, *cut.own).groupBy(*pair).agg(F.min("linked_at").alias("linked_at"))


def accounts_at(aliases: DataFrame, *, as_of: date | None) -> DataFrame:
    """The account that each merged account had become before ``as_of``, at the end of its chain.

    Of several merges of one account the last holds. Accounts that were merged into each other in a circle are the one
    that the last of these merges names. Chains are followed by pointer jumping, which doubles its stride every round:
    n merges need at most 1 + log2(n) rounds, each one join.

    Args:
        aliases: rows of ``silver.account_aliases``.
        as_of: first shop-local day that must not be seen; None: of each row its own, in the column ``as_of``.

    Returns:
        ``former_user_id``, ``user_id``: one row per account that is another now; with ``as_of`` where each row has its
        own.
    """
    cut = Cut(as_of)
    former = ["former_user_id", *cut.own]
    step = ["at", *cut.own]
    seen = cut.before(aliases, "merged_date").where(F.col("former_user_id") != F.col("user_id"))
    last = seen.groupBy(*former).agg(F.max(F.struct("merged_at", "user_id")).alias("last"))
    merge = F.struct("last.merged_at", "former_user_id", "last.user_id")  # ordered: the latest is the greatest
    chains = last.select(*former, F.col("last.user_id").alias("at"), merge.alias("newest")).checkpoint()
    for _ in range(chains.count().bit_length()):
        further = chains.select(
            F.col("former_user_id").alias("at"), F.col("at").alias("on"), F.col("newest").alias("n"), *cut.own
        )
        if chains.join(further, on=step, how="left_semi").isEmpty():
            break
        # ``newest`` is the latest merge on the way from the account to where its chain has come by now.
        chains = chains.join(further, on=step, how="left").select(
            *former, F.coalesce("on", "at").alias("at"), F.greatest("newest", "n").alias("newest")
        ).checkpoint()  # fmt: skip
    # Who has not arrived by now is in a circle or leads into one, and the way from any account in it is all of it.
    circles = chains.select(F.col("former_user_id").alias("at"), F.col("newest.user_id").alias("survivor"), *cut.own)
    ends = chains.join(circles, on=step, how="left")
    became = ends.select(*former, F.coalesce("survivor", "at").alias("user_id"))
    return became.where("former_user_id <> user_id")


def merged(rows: DataFrame, accounts: DataFrame, *own: str) -> DataFrame:
    """Rows with ``user_id``, under the accounts that theirs have become.

    Args:
        accounts: of :func:`accounts_at`.
        own: ``as_of``, where rows and accounts have each their own.
    """
    now = accounts.select(F.col("former_user_id").alias("user_id"), F.col("user_id").alias("now"), *own)
    on = ["user_id", *own]
    return rows.join(now, on=on, how="left").withColumn("user_id", F.coalesce("now", "user_id")).drop("now")


def of_same_people(users: DataFrame, accounts: DataFrame, *own: str) -> DataFrame:
    """Every account of the people who have one of these: what theirs have become, and all that have become it.

    Args:
        users: ``user_id``.
        accounts: of :func:`accounts_at`.
        own: ``as_of``, where users and accounts have each their own.

    Returns:
        ``user_id``, each once; with ``as_of`` where each row has its own.
    """
    by_user = ["user_id", *own]
    now = merged(users.select(*by_user), accounts, *own).select(*by_user).distinct()
    former = accounts.join(now, on=by_user, how="left_semi")
    return now.unionByName(former.select(F.col("former_user_id").alias("user_id"), *own))
