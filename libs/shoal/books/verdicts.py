"""The verdicts on a claimed batch, and on a run, as ``ops.quality`` keeps them."""

from collections.abc import Sequence

from pyspark.sql import functions as F

from shoal.books.batches import Claim
from shoal.books.runs import Run
from shoal.errors import GateError
from shoal.lake import Lake
from shoal.quality import gate
from shoal.quality.gate import Verdict
from shoal.tables import QUALITY

_OF_WHOM = ("batch_id", "sequence", "run_id")


def on_record(lake: Lake, claim: Claim, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Write the verdicts down, and return those of whoever first judged this claim: they hold.

    A rerun with other settings must not refuse a batch of which rows already stand in silver.
    """
    of_claim = {"batch_id": claim.batch.batch_id, "sequence": claim.sequence}
    rows = lake.frame(QUALITY, [{**of_claim, **vars(verdict)} for verdict in verdicts])
    lake.append(QUALITY, rows, once=f"quality/{claim.batch.batch_id}/{claim.sequence}")
    held = lake.read(QUALITY).where((F.col("batch_id") == claim.batch.batch_id) & (F.col("sequence") == claim.sequence))
    names = [column for column in QUALITY.names if column not in _OF_WHOM]
    return [Verdict(**row.asDict()) for row in held.select(*names).collect()]


def pass_gate(lake: Lake, run: Run, verdicts: Sequence[Verdict]) -> None:
    """Write the verdicts on a run down, say what is odd, and stop where it must not be released.

    The same run has the same rows, so whoever judges it again finds the same.

    Raises:
        GateError: a rule that stops does not hold; all are listed.
    """
    rows = lake.frame(QUALITY, [{"run_id": run.key, **vars(verdict)} for verdict in verdicts])
    lake.append(QUALITY, rows, once=f"quality/{run.key}")
    for verdict in verdicts:
        for sentence in gate.warnings([verdict]):
            run.warn(f"{verdict.table_name}: {sentence}")
    if refused := gate.refusal_of_run(verdicts):
        raise GateError(f"run {run.key} is not released: {refused}")
