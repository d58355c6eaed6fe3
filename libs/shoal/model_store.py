"""The only reader and writer of fitted models: small ones as JSON, factors as rows keyed by the shop's ids."""

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Any, TypeVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.lake import Lake
from shoal.runs import Run
from shoal.tables import FACTORS, MODELS

M = TypeVar("M")


def model_id(run_id: str, stage: str, entry: str) -> str:
    """Name of the model that a run fitted for an entry of a stage."""
    return f"{run_id}/{stage}/{entry}"


def save_model(lake: Lake, run: Run, stage: str, entry: str, kind: str, model: Any) -> str:
    """Store a fitted model, a frozen dataclass of plain data, in place of an earlier try; returns its id."""
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


def save_factors(lake: Lake, run: Run, stage: str, entry: str, factors: DataFrame) -> None:
    """Store the large part of a factor model, in place of an earlier try.

    Args:
        factors: columns side, id, number and factor of ``ops.factors``.
    """
    name = model_id(run.key, stage, entry)
    rows = factors.withColumn("model_id", F.lit(name)).withColumn("run_id", F.lit(run.key))
    lake.replace(FACTORS, rows, where=f"{run.slice} AND model_id = '{name}'", once=name)
