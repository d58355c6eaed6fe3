"""The verdicts on a claimed batch, as ``ops.quality`` keeps them."""

from collections.abc import Sequence

from pyspark.sql import functions as F

from shoal.batches import Claim
from shoal.lake import Lake
from shoal.quality.gate import Verdict
from shoal.tables import QUALITY


def on_record(lake: Lake, claim: Claim, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Write the verdicts down, and return those of whoever first judged this claim: they hold.

    A rerun with other settings must not refuse a batch of which rows already stand in silver.
    """
    of_claim = {"batch_id": claim.batch.batch_id, "sequence": claim.sequence}
    rows = lake.frame(QUALITY, [{**of_claim, **vars(verdict)} for verdict in verdicts])
    lake.append(QUALITY, rows, once=f"quality/{claim.batch.batch_id}/{claim.sequence}")
    held = lake.read(QUALITY).where((F.col("batch_id") == claim.batch.batch_id) & (F.col("sequence") == claim.sequence))
    names = [column for column in QUALITY.names if column not in of_claim]
    return [Verdict(**row.asDict()) for row in held.select(*names).collect()]
