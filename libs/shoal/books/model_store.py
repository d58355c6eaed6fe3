"""The only reader and writer of fitted models: small ones as JSON, factors as rows keyed by the shop's ids."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Generic, TypeVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shoal.books import releases
from shoal.books.runs import Run
from shoal.lake import Lake
from shoal.tables import FACTORS, MODELS

M = TypeVar("M")
_LOOKED_UP = 8  # releases whose models are asked for at once; then as many times more
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


def last_good(lake: Lake, run: Run, stage: str, entry: str, as_type: type[M]) -> Stored[M] | None:
    """The last model of an entry that was released before this run, and that has seen no later day than it.

    It is of the release that was current when the run was opened or, where a stand-in was shown there or an older day
    is filled in, of the newest before it; None where there is none. The newest releases are looked up first, as nearly
    always one of them has it.
    """
    if run.previous_seq is None:
        return None
    lineage = releases.lineage(releases.history(lake), run.previous_seq)
    shown = [row for row in lineage if row["as_of"] <= run.day]
    looked_up, most = 0, _LOOKED_UP
    while part := shown[looked_up : looked_up + most]:
        names = {model_id(row["run_id"], stage, entry): row for row in part}
        found = load_models(lake, names, as_type)
        for name, row in names.items():  # newest first
            if name in found:
                return Stored(name, row["run_id"], row["as_of"], found[name])
        looked_up, most = looked_up + most, most * _LOOKED_UP
    return None


def stored_by_now(
    lake: Lake, run: Run, stage: str, entry: str, as_type: type[M], *, greatest: str
) -> tuple[M | None, int]:
    """What is stored for an entry of a stage, whether or not it was released: it may be yet.

    Args:
        greatest: a whole-numbered field of the models.

    Returns:
        The model that an earlier try of this run has stored, None where there is none; and the greatest value of the
        field in the models of other runs, 0 where there are none.
    """
    is_own = F.col("run_id") == run.key
    value = F.get_json_object("model", f"$.{greatest}").cast("long")
    of_entry = lake.read(MODELS).where((F.col("stage") == stage) & (F.col("entry") == entry))
    row = of_entry.agg(F.max(F.when(is_own, F.col("model"))), F.max(F.when(~is_own, value))).first()
    assert row is not None, "an aggregate has one row"
    return None if row[0] is None else as_type(**json.loads(row[0])), int(row[1] or 0)


def run_of_model(name: str) -> str:
    """The run that fitted a model, of whose :func:`model_id` it is the first part."""
    return name.split("/", 1)[0]


def load_factors(lake: Lake, name: str, base: str | None = None) -> DataFrame:
    """The large part of a stored factor model.

    Args:
        name: its id.
        base: the model into which its users were folded; None: it has all of its own.

    Returns:
        Columns side, id, number, factor and fingerprint of ``ops.factors``.
    """
    own = own_factors(lake, name)
    if base is None:
        return own
    others = own_factors(lake, base).join(own.select("side", "id"), ["side", "id"], how="left_anti")
    return own.unionByName(others)


def own_factors(lake: Lake, name: str) -> DataFrame:
    """What :func:`save_factors` has stored for a model, as :func:`load_factors` gives it."""
    of_model = (F.col("run_id") == run_of_model(name)) & (F.col("model_id") == name)
    return lake.read(FACTORS).where(of_model).select("side", "id", "number", "factor", "fingerprint")


def save_factors(lake: Lake, run: Run, stage: str, entry: str, factors: DataFrame) -> None:
    """Store the large part of a factor model, in place of an earlier try.

    Args:
        factors: columns side, id, number, factor and, where there is one, fingerprint of ``ops.factors``.
    """
    name = model_id(run.key, stage, entry)
    if "fingerprint" not in factors.columns:
        factors = factors.withColumn("fingerprint", F.lit(None).cast("long"))
    rows = factors.withColumn("model_id", F.lit(name)).withColumn("run_id", F.lit(run.key))
    lake.replace(FACTORS, rows, where=f"{run.slice} AND model_id = '{name}'", once=name)
