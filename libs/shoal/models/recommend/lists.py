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


class Reasons(Protocol):
    """Says why items are named."""

    def explained(self, best: DataFrame) -> DataFrame:
        """Rows of ``best`` with their ``reason``, in words; with ``source`` too, where some are marked otherwise than
        the voice is (null: as it is)."""


class Explaining(Fitted, Reasons, Protocol):
    """A fitted model whose lists are shown."""


@dataclass(frozen=True)
class Voice:
    """Who names items in a list, and how its rows are marked."""

    fitted: Explaining
    source: str
    model_id: str | None = None  # of what is stored in ops.models


@dataclass(frozen=True)
class Named:
    """What was named, by whom and why."""

    rows: DataFrame  # user_id, item_id, item_group_id, rank and score
    reasons: Reasons
    source: str
    model_id: str | None = None


def named_by(voices: Sequence[Voice], users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> list[Named]:
    """For every user what the first voice names, then the next where it names too few or nothing.

    Each user gets exactly ``n`` items if the last voice can name every item, or as many as there are item groups with
    an item that is not barred to the user.

    Args:
        voices: in the order in which they are asked; none gives no rows.
        users, barred, items, n: as for :meth:`shoal.models.recommend.recommender.Fitted.best`. Other variants of a
            barred item may be given; bar them too where they must not.
    """
    found, own = list[Named](), None
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
        found.append(Named(best, voice.fitted, voice.source, voice.model_id))
    return found


def told(named: Sequence[Named], like: DataFrame) -> DataFrame:
    """The rows of lists, with who named them and why.

    Args:
        named: of :func:`named_by`, or arranged.
        like: any rows of this session.

    Returns:
        ``user_id``, ``rank``, ``item_id``, ``item_group_id``, ``score``, ``source``, ``reason`` and ``model_id``.
        Scores are comparable within one user and source.
    """
    rows = [_told(one) for one in named]
    return reduce(DataFrame.unionByName, rows) if rows else few_rows(like.sparkSession, _SCHEMA, [])


def _told(one: Named) -> DataFrame:
    explained, source = one.reasons.explained(one.rows), F.lit(one.source)
    if "source" in explained.columns:
        source = F.coalesce("source", source)
    return explained.select(
        "user_id", F.col("rank").cast("int").alias("rank"), "item_id", "item_group_id", "score",
        source.alias("source"), "reason",
        F.lit(one.model_id).cast("string").alias("model_id"),
    )  # fmt: skip


def lists(voices: Sequence[Voice], users: DataFrame, barred: DataFrame, items: DataFrame, n: int) -> DataFrame:
    """A ranked list for every user: :func:`named_by` and :func:`told`."""
    return told(named_by(voices, users, barred, items, n), users)


def nothing(rows: DataFrame) -> DataFrame:
    """No pair of ``user_id`` and ``item_id``, in the session of these rows."""
    return few_rows(rows.sparkSession, "user_id string, item_id string", [])
