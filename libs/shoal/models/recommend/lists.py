"""Who names what, one after the other -> a ranked list for every user."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.frames import few_rows
from shoal.models.recommend.filling import more, short_of
from shoal.models.recommend.recommender import Fitted

_SCHEMA = (
    "user_id string, rank int, item_id string, item_group_id string, score double, source string, reason string, "
    "model_id string"
)


class Explaining(Fitted, Protocol):
    """A fitted model whose lists are shown."""

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows of ``best`` with their ``reason``, in words."""


@dataclass(frozen=True)
class Voice:
    """Who names items in a list, and how its rows are marked."""

    fitted: Explaining
    source: str
    model_id: str | None = None  # of what is stored in ops.models


def lists(voices: Sequence[Voice], users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
    """A ranked list for every user: what the first voice names, then the next where it names too few or nothing.

    Each user gets exactly ``n`` items if the last voice can name every item, or as many as there are item groups with
    an item that is not barred to the user.

    Args:
        voices: in the order in which they are asked; none gives no rows.
        users, barred, items, n: as for :meth:`shoal.models.recommend.recommender.Fitted.best`. Other variants of a
            barred item may be given; bar them too where they must not.

    Returns:
        ``user_id``, ``rank``, ``item_id``, ``item_group_id``, ``score``, ``source``, ``reason`` and ``model_id``.
        Scores are comparable within one user and source.
    """
    rows, own = list[DataFrame](), None
    for place, voice in enumerate(voices):
        if own is None:
            best = voice.fitted.best(users, barred, items, n)
        else:
            short = short_of(users, own, n).checkpoint()
            if short.isEmpty():
                break
            best = more(voice.fitted, short, own, barred, items, n)
        best = best.checkpoint() if place < len(voices) - 1 else best  # others go on from it
        own = best if own is None else own.unionByName(best)
        rows.append(
            voice.fitted.explained(best).select(
                "user_id", F.col("rank").cast("int").alias("rank"), "item_id", "item_group_id", "score",
                F.lit(voice.source).alias("source"), "reason", F.lit(voice.model_id).cast("string").alias("model_id"),
            )
        )  # fmt: skip
    return reduce(DataFrame.unionByName, rows) if rows else few_rows(users.sparkSession, _SCHEMA, [])


def nothing(rows: DataFrame) -> DataFrame:
    """No pair of ``user_id`` and ``item_id``, in the session of these rows."""
    return few_rows(rows.sparkSession, "user_id string, item_id string", [])
