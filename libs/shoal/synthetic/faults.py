"""Rows that must be refused, each for a known reason, and rows that come twice."""

from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shoal.synthetic.draws import Draw, below, pick

BAD_SHARE = 0.005  # bad rows added per good event
DUPLICATE_SHARE = 0.002  # good events delivered twice, word for word


@dataclass(frozen=True)
class Fault:
    """One way in which a row is bad: what it changes in a good row, and the rules it breaks."""

    kind: str
    reasons: tuple[str, ...]  # names of the rules of silver.events, then of the feed
    changes: dict[str, Any] = field(default_factory=dict)  # column: value


# A bought line, so that a fault of quantity or price is the only one; its own order, so that no good order changes.
_LINE: dict[str, Any] = {"event_type": "purchase", "line_kind": "goods", "quantity": 1, "unit_price": 9.99,
                         "currency": "EUR", "discount_amount": None, "original_event_id": None}  # fmt: skip

# Neither amount_base = quantity x unit_price may be negative: that would break a second rule.
FAULTS = (
    Fault("unknown event type", ("event_type is one of its allowed values",), {"event_type": "teleport"}),
    Fault("no event type", ("event_type is set",), {"event_type": None}),
    Fault("no item", ("item_id is set for what is done to an item",), {"item_id": None}),
    Fault("no time", ("event_time is set",), {"event_time": None}),
    Fault("unreadable time", ("event_time is set", "event_time is a time"), {"event_time": "2025-13-45T99:00:00Z"}),
    Fault("future time", ("event_time is not after delivered_at",), {"event_time": "2099-01-01T12:00:00Z"}),
    Fault("quantity of zero", ("quantity >= 1",), {**_LINE, "quantity": 0}),
    Fault("negative quantity", ("quantity >= 1",), {**_LINE, "quantity": -1, "unit_price": None}),
    Fault("negative price", ("unit_price >= 0",), {**_LINE, "quantity": None, "unit_price": -9.99}),
    Fault("negative discount", ("discount_amount >= 0",), {**_LINE, "discount_amount": -1.0}),
    Fault("unknown line kind", ("line_kind is one of its allowed values",), {**_LINE, "line_kind": "mystery"}),
    Fault("negative duration", ("duration_s >= 0",), {"duration_s": -1.0}),
)


def with_copies(events: DataFrame, draw: Draw) -> DataFrame:
    """Each event once, some a second time, and beside some a bad row: adds ``fault``, null for a good row.

    ``fault`` is the index into ``FAULTS`` of a row that :func:`spoil` will make bad.
    """
    copy = F.col("copy")
    kind = below(draw("fault kind", *_event()), len(FAULTS)).cast("int")
    return (
        events.withColumn("copy", F.explode(F.lit(["once", "again", "bad"])))
        .where((copy == "once") | ((copy == "again") & is_repeated(draw)) | ((copy == "bad") & _has_bad(draw)))
        .withColumn("fault", F.when(copy == "bad", kind))
        .drop("copy")
    )


def is_repeated(draw: Draw) -> Column:
    """True for an event that is delivered twice."""
    return draw("duplicate", *_event()) < DUPLICATE_SHARE


def _has_bad(draw: Draw) -> Column:
    return draw("bad row", *_event()) < BAD_SHARE


def _event() -> tuple[Column, ...]:
    """The whole numbers that name an event."""
    return F.col("visit_no"), F.col("slot"), F.hash("action")


def spoil(rows: DataFrame) -> DataFrame:
    """Make the rows with a ``fault`` bad, each by its fault alone; their ids are their own, and so are their orders."""
    changed = sorted({name for fault in FAULTS for name in fault.changes})
    spoiled = rows.withColumns({name: _changed(rows, name) for name in changed})
    is_bad, own_id = F.col("fault").isNotNull(), _bad_id()
    own_order = F.when(F.col("line_kind").isNotNull(), own_id)
    return spoiled.withColumns(
        {
            "event_id": F.when(is_bad, own_id).otherwise(F.col("event_id")),
            "order_id": F.when(is_bad, own_order).otherwise(F.col("order_id")),
        }
    )


def fault_truth(delivered: DataFrame) -> DataFrame:
    """truth.bad_rows; ``event_date`` is the day of the good event beside it."""
    return delivered.where(F.col("fault").isNotNull()).select(
        _bad_id().alias("event_id"),
        pick(F.col("fault"), [fault.kind for fault in FAULTS]).alias("kind"),
        _by_fault([F.lit([*fault.reasons]) for fault in FAULTS]).alias("reasons"),
        "event_date",
    )


def _bad_id() -> Column:
    return F.concat("event_id", F.lit("x"))


def _changed(rows: DataFrame, name: str) -> Column:
    """The column, with the value that each fault gives it; in its own type."""
    value = F.col(name)
    for number, fault in enumerate(FAULTS):
        if name in fault.changes:
            wrong = F.lit(fault.changes[name]).cast(rows.schema[name].dataType)
            value = F.when(F.col("fault") == number, wrong).otherwise(value)
    return value


def _by_fault(values: list[Column]) -> Column:
    chosen = values[-1]
    for number, value in reversed([*enumerate(values[:-1])]):
        chosen = F.when(F.col("fault") == number, value).otherwise(chosen)
    return chosen
