"""What every model of who wants what can do: learn from pairs of user and item, and name each user's best items."""

from typing import ClassVar, Protocol

from pyspark.sql import DataFrame


class Fitted(Protocol):
    """What a model has learned."""

    def best(self, users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
        """Each user's best items, of those that the model knows anything of.

        Args:
            users: ``user_id`` of everyone who wants a list, one row each.
            barred: ``user_id`` and ``item_id`` that must not be named, one row each.
            items: ``item_id`` and ``item_group_id`` of what may be named, one row per item; of a group only the best
                item is named.
            n: how many for each user.

        Returns:
            ``user_id``, ``item_id``, ``item_group_id``, ``rank`` (1, 2, ... to at most ``n``) and ``score``. Equal
            scores are ordered by item_id. A user may have fewer than ``n`` rows, or none.
        """


class Recommender(Protocol):
    """A model with its settings, not fitted yet."""

    name: ClassVar[str]

    def fit(self, pairs: DataFrame) -> Fitted | None:
        """Learn; the same pairs give the same model, whatever their order and partitioning.

        Args:
            pairs: one row per user and item: ``user_id`` and ``item_id`` (strings), ``strength`` (double, above 0),
                ``times`` (long, acts of the user on the item), ``first_at`` and ``last_at`` (timestamps of the first
                and the latest of them, UTC; null where no times are known).

        Returns:
            What was learned, or None where the pairs are too few to learn anything.
        """
