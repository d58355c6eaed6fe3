"""What user feeds said of people: who they are, and what they allow and object to."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shoal.tables import ACCOUNT_ALIASES, USERS
from shoal.transforms.contest import strongest
from shoal.transforms.cuts import Cut
from shoal.transforms.identities import merged, of_same_people

PROFILING = "profiling"  # the consent without which nobody is scored, once it was refused
_CUSTOMERS = "account_kind IN ('consumer', 'business')"  # others are staff and test accounts
_TOLD = ("registered_at", "region", "birth_year_band", "account_kind", "is_deleted")


def accounts(seen: DataFrame, changes: DataFrame, survivors: DataFrame | None = None) -> DataFrame:
    """Everyone whom events or feeds know: what feeds said last, else what events show.

    An account that others were merged into is a user, though it may never have acted itself: what they did is its own.

    Args:
        seen: ``user_id``, ``first_seen``, ``last_seen`` and ``region`` of who acted.
        changes: rows of ``silver.user_changes``, of each user all.
        survivors: ``user_id`` of the accounts that others were merged into; None where there are none.

    Returns:
        Rows of ``silver.users``; deleted accounts have none.
    """
    said = strongest(changes, "user_id")
    latest = said.groupBy("user_id").agg(
        *(F.max_by(name, F.when(F.col(name).isNotNull(), _moment())).alias(name) for name in _TOLD)
    )
    met = seen.withColumnRenamed("region", "_region").join(latest, on="user_id", how="full_outer")
    if survivors is not None:
        met = met.join(survivors.select("user_id").distinct(), on="user_id", how="full_outer")
    everyone = met.where("NOT coalesce(is_deleted, false)").join(_consents(said), on="user_id", how="left")
    return USERS.select(
        everyone.withColumns(
            {
                "region": F.coalesce("region", "_region"),
                "account_kind": F.coalesce("account_kind", F.lit("consumer")),
            }
        )
    )


def _consents(said: DataFrame) -> DataFrame:
    """Of each user what is allowed or objected to, and since when."""
    spoken = said.select(
        "user_id", "changed_at", _moment().alias("moment"), F.explode("consents").alias("name", "given")
    )
    by_time = Window.partitionBy("user_id", "name").orderBy("moment")
    turns = spoken.withColumn("before", F.lag("given").over(by_time)).where("NOT given <=> before")
    now = turns.groupBy("user_id", "name").agg(
        F.max_by("given", "moment").alias("given"), F.max("changed_at").alias("since")
    )
    entry = F.struct("name", F.struct("given", "since"))
    return now.groupBy("user_id").agg(F.map_from_entries(F.array_sort(F.collect_list(entry))).alias("consents"))


def consents_at(changes: DataFrame, *, as_of: date | None, accounts: DataFrame | None = None) -> DataFrame:
    """What each user allowed or objected to, as far as it was said before ``as_of``.

    Accounts that were merged are one user, who allows what was asked of any of them and objected to under none.

    Args:
        changes: rows of ``silver.user_changes``.
        as_of: first shop-local day that must *not* be seen; None: of each row its own, in the column ``as_of``.
        accounts: of ``identities.accounts_at`` for the same cut; None where no account was merged.

    Returns:
        ``user_id``, ``consents``: a map of yes or no by purpose, or purpose/channel; users of whom nothing was said
        have no row. With ``as_of`` where each row has its own.
    """
    cut = Cut(as_of)
    by_user = ["user_id", *cut.own]
    spoken = strongest(cut.before(changes, "changed_date"), *by_user).select(
        *by_user, _moment().alias("moment"), F.explode("consents").alias("name", "given")
    )
    last = spoken.groupBy(*by_user, "name").agg(F.max_by("given", "moment").alias("given"))
    if accounts is not None:
        last = merged(last, accounts, *cut.own).groupBy(*by_user, "name").agg(F.bool_and("given").alias("given"))
    entries = F.array_sort(F.collect_list(F.struct("name", "given")))
    return last.groupBy(*by_user).agg(F.map_from_entries(entries).alias("consents"))


def objectors(changes: DataFrame, *, as_of: date | None) -> DataFrame:
    """Who objected to profiling, as far as it was said before ``as_of``: ``user_id``.

    Who never said anything did not object.

    Args:
        changes: rows of ``silver.user_changes``.
        as_of: first shop-local day that must *not* be seen; None: of each row its own, in the column ``as_of``, which
            the result has as well.
    """
    cut = Cut(as_of)
    by_user = ["user_id", *cut.own]
    given = F.try_element_at("consents", F.lit(PROFILING))
    before = strongest(cut.before(changes, "changed_date"), *by_user)
    said = before.withColumn("given", given).where("given IS NOT NULL")
    last = said.groupBy(*by_user).agg(F.max_by("given", _moment()).alias("given"))
    return last.where("NOT given").select(*by_user)


def counted(
    users: DataFrame, user_changes: DataFrame | None, *, as_of: date | None, accounts: DataFrame | None = None
) -> DataFrame:
    """Who is summarised and learned from: neither staff, nor test accounts, nor :func:`objectors`.

    Accounts that were merged are one person: what keeps one of them out keeps out all of them, so that nobody is
    profiled again under another account. An objection ends where it is taken back under the account that made it.

    Args:
        users: rows of ``silver.users``.
        user_changes: rows of ``silver.user_changes``, also those after the cut: who is of the staff, or a test, is
            known as of now, as in ``silver.users``; None in a shop without a user feed.
        as_of: first shop-local day whose objections must *not* be seen; None: of each row its own, in the column
            ``as_of``, with users and changes there once for every cut.
        accounts: of ``identities.accounts_at`` for the same cut; None where no account was merged.

    Returns:
        ``user_id``, of former accounts too; with ``as_of`` where each row has its own.
    """
    own = Cut(as_of).own
    by_user = ["user_id", *own]
    kept = users.where(_CUSTOMERS).select(*by_user)
    if user_changes is None:
        return kept
    barred = objectors(user_changes, as_of=as_of)
    if accounts is not None:
        barred = of_same_people(barred.unionByName(_no_customers(user_changes, by_user)), accounts, *own)
    return kept.join(barred, on=by_user, how="left_anti")


def _no_customers(changes: DataFrame, by_user: Sequence[str]) -> DataFrame:
    """Staff and test accounts, also those that are deleted and have no row in ``silver.users``: ``by_user``."""
    said = strongest(changes, *by_user).where("account_kind IS NOT NULL")
    last = said.groupBy(*by_user).agg(F.max_by("account_kind", _moment()).alias("account_kind"))
    return last.where(f"NOT {_CUSTOMERS}").select(*by_user)


def account_aliases(changes: DataFrame) -> DataFrame:
    """Which accounts the shop has merged into which, and since when: the first time that it said so of each pair.

    Args:
        changes: rows of ``silver.user_changes``, of each user all.

    Returns:
        Rows of ``silver.account_aliases``.
    """
    said = strongest(changes, "user_id").where("merged_into <> user_id")
    first = F.min(F.struct("changed_at", "changed_date"))
    merged = said.groupBy(F.col("user_id").alias("former_user_id"), F.col("merged_into").alias("user_id")).agg(
        first.alias("first")
    )
    return ACCOUNT_ALIASES.select(
        merged.withColumns({"merged_at": F.col("first.changed_at"), "merged_date": F.col("first.changed_date")})
    )


def _moment() -> Column:
    """Orders what was said of one user."""
    return F.struct("changed_at", "updated_at", "delivered_at", "change_id")
