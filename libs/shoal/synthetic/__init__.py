"""A shop with planted truth, of any size: customer groups, tastes, churn, chances of an order, and bad rows.

Every choice is a keyed hash (:mod:`shoal.synthetic.draws`), so the same arguments give the same rows whatever the
partitioning, and a longer life of the shop begins with the same days: the rows of ``days`` days are those rows of
``days + n`` that happen (in ``bad_rows``: are meant to happen) before ``as_of``. Only ``truth.users`` looks from
``as_of``: who has left, who has come, and how likely an order is from there on.

Days are UTC days.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from shoal.errors import ConfigError, bulleted
from shoal.synthetic.catalogue import POOLS, catalogue
from shoal.synthetic.draws import draws
from shoal.synthetic.faults import fault_truth, is_repeated, spoil, with_copies
from shoal.synthetic.people import Plan, people, user_truth
from shoal.synthetic.purchases import actions
from shoal.synthetic.rows import COLUMNS, raw_rows
from shoal.synthetic.visits import visits

__all__ = ["SyntheticShop", "synthesize", "write"]


@dataclass(frozen=True)
class SyntheticShop:
    """A shop's raw events, and what only its maker can know. Nothing is computed before it is read."""

    events: DataFrame  # raw rows of the feed `shoal`, bad ones and duplicates among them, in no order
    truth: dict[str, DataFrame]
    """Per name one frame.

    ``users``: user_id, group, taste, arrived_on, churned_on, probability of an order in the 30 days from ``as_of`` on.
    ``items``: item_id, taste, tier, popularity_rank, title, category, brand, list_price.
    ``bad_rows``: event_id, kind, reasons (rules of silver.events that the row breaks), event_date it stands for.
    ``duplicates``: event_id of each event that is delivered twice.
    """
    as_of: date  # the first day after the events


def synthesize(
    spark: SparkSession, *, users: int, items: int, days: int, seed: int, start: date = date(2025, 1, 1)
) -> SyntheticShop:
    """Plan a shop; its rows are made when they are read.

    Args:
        spark: session that will make the rows.
        users: accounts; a few never act, and newcomers arrive over the months.
        items: articles, at least one for each of the 24 pools of taste and price.
        days: how long the shop is watched.
        seed: another seed, another shop.
        start: first day.

    Raises:
        ConfigError: a size is too small; all problems are listed.
    """
    least = {"users": (users, 1), "items": (items, POOLS), "days": (days, 1)}
    problems = [f"{name}: must be at least {low}, got {got}" for name, (got, low) in least.items() if got < low]
    if problems:
        raise ConfigError(bulleted("cannot make a synthetic shop:", problems))
    plan, draw = Plan(users, items, days, seed, start), draws(seed)
    everybody = people(spark, plan, draw)
    happened = raw_rows(actions(visits(everybody, plan, draw), plan, draw), plan, draw)
    delivered = with_copies(happened, draw)
    return SyntheticShop(
        events=spoil(delivered).select(*COLUMNS),
        truth={
            "users": user_truth(everybody, plan),
            "items": catalogue(spark, draw, items),
            "bad_rows": fault_truth(delivered),
            "duplicates": happened.where(is_repeated(draw)).select("event_id"),
        },
        as_of=plan.as_of,
    )


def write(shop: SyntheticShop, out: Path | str) -> None:
    """Write Parquet: ``out/events`` and ``out/truth/<name>``.

    Args:
        shop: what to write.
        out: a folder, or the URL of one.

    Raises:
        ConfigError: ``out`` is there already; nothing was written.
    """
    if "://" not in str(out) and Path(out).exists():
        raise ConfigError(f"{out} is there already; name a new folder, or remove it first")
    frames = {"events": shop.events, **{f"truth/{name}": rows for name, rows in shop.truth.items()}}
    for name, rows in frames.items():
        try:
            rows.write.mode("error").parquet(f"{out}/{name}")
        except AnalysisException as error:
            if error.getCondition() != "PATH_ALREADY_EXISTS":
                raise
            raise ConfigError(f"{out}/{name} is there already; name a new folder, or remove it first") from error
