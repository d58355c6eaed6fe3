"""A lake in a folder, and stages run on it as the command line runs them."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame

import shoal.lake
from shoal.config import load_config
from shoal.lake import Lake
from shoal.progress import Progress
from shoal.running.following import follow_on
from shoal.running.job import Arguments, run_on
from shoal.stages import NAMES, STAGES
from shoal.tables import Table

SMALL = (  # settings for shops of a few hundred users
    "recommend.for_you.rank=8", "recommend.for_you.max_iter=5", "recommend.for_you.min_interactions=200",
    "features.tile_buckets=2", "segments.default.max_iter=20",
)  # fmt: skip

TINY = (  # and for one of 150 users and 30 days
    "recommend.for_you.rank=4", "recommend.for_you.max_iter=2", "recommend.for_you.min_interactions=50",
    "segments.default.k=3", "segments.default.max_iter=5", "features.tile_buckets=2",
    "propensity.buys_30d.horizon_days=5", "propensity.buys_30d.min_positives=5", "propensity.buys_30d.min_auc=0",
)  # fmt: skip

# A process that dies after half a minute: no optimising compiler, neither of plans nor of the JVM.
SHORT_LIFE = {
    "spark.master": "local[2]", "spark.driver.memory": "2g", "spark.sql.shuffle.partitions": "2",
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1", "spark.ui.enabled": "false",
    "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.databricks.delta.snapshotPartitions": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Shelf:
    """A lake in a folder, and how to run stages on it."""

    lake: Lake

    def run(
        self, *inputs: tuple[str, Path | str], as_of: date | None = None, first: str = "ingest", until: str = "publish",
        sets: tuple[str, ...] = SMALL, **more: Any,
    ) -> str | None:  # fmt: skip
        """Run stages from ``first`` to ``until``; returns the run's id."""
        stages = STAGES[NAMES.index(first) : NAMES.index(until) + 1]
        config = load_config(sets=sets, lake=self.lake.location)
        arguments = Arguments(as_of=as_of, inputs=tuple((feed, str(path)) for feed, path in inputs), **more)
        fresh = Lake(self.lake.spark, self.lake.location)
        return run_on(fresh, stages, config, arguments, Progress())

    def follow(self, *inputs: tuple[str, Path | str], sets: tuple[str, ...] = (), **more: Any) -> None:
        """Stream, by default what is there now and no more."""
        config = load_config(sets=(*SMALL, *sets), lake=self.lake.location)
        given = tuple((feed, str(path)) for feed, path in inputs)
        arguments = Arguments(inputs=given, stream=True, **{"once": "every" not in more, **more})
        follow_on(Lake(self.lake.spark, self.lake.location), config, arguments, Progress())

    def read(self, table: Table, where: str = "true") -> DataFrame:
        return self.lake.read(table).where(where)


def stopped_after(commit: str, shelf: Shelf, *inputs: tuple[str, Path | str], **more: Any) -> None:
    """Run stages that die right after a commit, as ``append silver.events``."""

    def stop(moment: str, operation: str, table: str) -> None:
        if (moment, f"{operation} {table}") == ("after", commit):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shoal.lake, "observe", stop)
        with pytest.raises(KeyboardInterrupt):
            shelf.run(*inputs, **more)
