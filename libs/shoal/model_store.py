"""The only reader and writer of fitted models: small ones as JSON, factors as rows keyed by the shop's ids."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Generic, TypeVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal import releases
from shoal.lake import Lake
from shoal.runs import Run
from shoal.tables import FACTORS, MODELS

M = TypeVar("M")
LAST_MODEL = "last model"  # source of rows by the last model that was released, where today's did not pass its gate


@dataclass(frozen=True)
class Stored(Generic[M]):
    """A model that an earlier run has fitted and stored."""

    model_id: str
    run_id: str
    as_of: date  # first day that its run did not see
    model: M

    @property
    def stands_in(self) -> str:
        """What a run says that uses it."""
        return f"the last model, of {self.as_of}, stands in"


def model_id(run_id: str, stage: str, entry: str) -> str:
    """Name of the model that a run fitted for an entry of a stage."""
    return f"{run_id}/{stage}/{entry}"


def save_model(lake: Lake, run: Run, stage: str, entry: str, kind: str, model: Any) -> str:
    """Store a fitted model, a frozen dataclass of plain data, in place of an earlier try; returns its id.

    Only what is shown is stored: a model that did not pass its gate must not be the last one of a later run.
    """
    name = model_id(run.key, stage, entry)
    row = {
        "model_id": name,
        "run_id": run.key,
        "stage": stage,
        "entry": entry,
        "kind": kind,
        "model": json.dumps(asdict(model), sort_keys=True),
    }
    lake.merge(MODELS, lake.frame(MODELS, [row]))
    return name


def load_models(lake: Lake, names: Collection[str], as_type: type[M]) -> dict[str, M]:
    """Stored models by their ids; those that were never fitted are left out."""
    rows = lake.read(MODELS).where(F.col("model_id").isin([*names])).select("model_id", "model").collect()
    return {row["model_id"]: as_type(**json.loads(row["model"])) for row in rows}


def released(lake: Lake, run: Run, stage: str, entry: str, as_type: type[M]) -> tuple[Stored[M] | None, list[M]]:
    """The models of an entry that releases have shown.

    Returns:
        The last one before this run: of the release that was current when the run was opened or, where a stand-in
        was shown there, of the newest before it; None where there is none. And those of all releases.
    """
    book = releases.history(lake)
    found = load_models(lake, {model_id(row["run_id"], stage, entry) for row in book}, as_type)
    for row in releases.lineage(book, run.previous_seq):
        name = model_id(row["run_id"], stage, entry)
        if name in found:
            return Stored(name, row["run_id"], row["as_of"], found[name]), [*found.values()]
    return None, [*found.values()]


def last_good(lake: Lake, run: Run, stage: str, entry: str, as_type: type[M]) -> Stored[M] | None:
    """The last model of an entry that was released before this run; None where there is none."""
    return None if run.previous_seq is None else released(lake, run, stage, entry, as_type)[0]


def load_factors(lake: Lake, stored: Stored[Any]) -> DataFrame:
    """The large part of a stored factor model: columns side, id, number and factor of ``ops.factors``."""
    of_model = (F.col("run_id") == stored.run_id) & (F.col("model_id") == stored.model_id)
    return lake.read(FACTORS).where(of_model).select("side", "id", "number", "factor")


def save_factors(lake: Lake, run: Run, stage: str, entry: str, factors: DataFrame) -> None:
    """Store the large part of a factor model, in place of an earlier try.

    Args:
        factors: columns side, id, number and factor of ``ops.factors``.
    """
    name = model_id(run.key, stage, entry)
    rows = factors.withColumn("model_id", F.lit(name)).withColumn("run_id", F.lit(run.key))
    lake.replace(FACTORS, rows, where=f"{run.slice} AND model_id = '{name}'", once=name)
