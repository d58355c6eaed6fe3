"""What models are tried on: what they learn from, whom they serve, what was wanted, and what may be named."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.errors import DataError
from shoal.frames import few_rows, persisted

PAIR = ["user_id", "item_id"]


@dataclass(frozen=True)
class Sizes:
    """How large the parts are."""

    train_rows: int
    test_rows: int  # held out, before anything is removed from them
    test_pairs: int  # of them that are wanted, each once
    seen_pairs: int  # of these: known from train, and removed
    relevant_pairs: int  # what is left, and counts
    unknown_pairs: int  # of these: of items that train does not know, which no list can name
    warm_users: int  # have rows in train
    cold_users: int  # have none
    items: int  # of train: what lists are made of

    @property
    def users(self) -> int:
        """To whom something is relevant."""
        return self.warm_users + self.cold_users

    def as_json(self) -> dict[str, Any]:
        """As the report shows it."""
        return {
            "train_rows": self.train_rows,
            "test_rows": self.test_rows,
            "test_pairs": self.test_pairs,
            "seen_pairs_removed": self.seen_pairs,
            "relevant_pairs": self.relevant_pairs,
            "relevant_pairs_of_items_not_in_train": self.unknown_pairs,
            "users": {"all": self.users, "warm": self.warm_users, "cold": self.cold_users},
            "items": self.items,
        }


@dataclass(frozen=True)
class Trial:
    """One split, ready for any number of models; its frames hold for as long as it is open."""

    train: DataFrame  # interactions
    relevant: DataFrame  # user_id, item_id: what counts as a hit
    users: DataFrame  # user_id, warm: everyone to whom something is relevant
    barred: DataFrame  # user_id, item_id that must not be named
    items: DataFrame  # item_id, item_group_id of what may be named
    now: datetime | None  # the latest time of train
    sizes: Sizes


@contextmanager
def opened_trial(train: DataFrame, wanted: DataFrame, test_rows: int, *, keeps_seen: bool) -> Iterator[Trial]:
    """A trial of what was parted.

    Args:
        train: interactions to learn from.
        wanted: ``user_id`` and ``item_id`` of held-out rows that count; repeated pairs count once.
        test_rows: how many rows were held out.
        keeps_seen: whether a pair of train may be named, and counts. Otherwise it is removed from lists and from what
            is relevant.

    Raises:
        DataError: nothing is left to learn from, or nobody to measure on.
    """
    with ExitStack() as stack:

        def kept(rows: DataFrame) -> DataFrame:
            return stack.enter_context(persisted(rows))

        spark = train.sparkSession
        learned = kept(train)
        test_pairs = kept(wanted.select(*PAIR).distinct())
        seen = learned.select(*PAIR).distinct()
        relevant = test_pairs if keeps_seen else kept(test_pairs.join(seen, PAIR, how="left_anti"))
        items = kept(learned.select("item_id", F.col("item_id").alias("item_group_id")).distinct())
        known = learned.select("user_id", F.lit(True).alias("warm")).distinct()
        users = kept(
            relevant.select("user_id")
            .distinct()
            .join(known, "user_id", how="left")
            .select("user_id", F.coalesce("warm", F.lit(False)).alias("warm"))
        )
        nothing = few_rows(spark, "user_id string, item_id string", [])
        barred = nothing if keeps_seen else kept(seen.join(users.select("user_id"), "user_id", how="left_semi"))
        sizes, now = _measured(learned, test_pairs, relevant, users, items, test_rows)
        if not sizes.train_rows:
            raise DataError("no row is left to learn from; hold out less")
        if not sizes.relevant_pairs:
            raise DataError(
                f"no test user is left: {sizes.test_rows:,} rows were held out, {sizes.test_pairs:,} pairs of user and "
                f"item in them count, and {sizes.seen_pairs:,} of these are in train; hold out more, name other events "
                "with --relevant, or count what is in train with --keep-seen"
            )
        yield Trial(learned, relevant, users, barred, items, now, sizes)


def _measured(
    train: DataFrame, test_pairs: DataFrame, relevant: DataFrame, users: DataFrame, items: DataFrame, test_rows: int
) -> tuple[Sizes, datetime | None]:
    of_train = train.agg(F.count(F.lit(1)), F.max("time")).first()
    of_users = users.agg(F.count(F.lit(1)), F.count_if("warm")).first()
    unknown = relevant.join(items, "item_id", how="left_anti").count()
    assert of_train is not None, "an aggregate has one row"
    assert of_users is not None, "an aggregate has one row"
    pairs, left = test_pairs.count(), relevant.count()
    sizes = Sizes(
        train_rows=of_train[0], test_rows=test_rows, test_pairs=pairs, seen_pairs=pairs - left, relevant_pairs=left,
        unknown_pairs=unknown, warm_users=of_users[1], cold_users=of_users[0] - of_users[1], items=items.count(),
    )  # fmt: skip
    return sizes, of_train[1]
