"""At which run the report of features looks."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest
from pyspark.sql import SparkSession

from shoal.books.runs import Run, record_runs
from shoal.config import Config, load_config, row_changing, settings_hash
from shoal.errors import ConfigError
from shoal.features.selecting import look
from shoal.features.selection_request import Request
from shoal.lake import Lake
from shoal.tables import RELEASES, RUNS

OWN = {"name": "half", "sql": "sum(views) / 2", "doc": "d", "unit": "u"}


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two runs that were opened before a feature was declared, that of the earlier day last, as a backfill does."""
    made = Lake(spark, str(tmp_path_factory.mktemp("selecting") / "lake"))
    made.create(RUNS)
    made.create(RELEASES)
    then = config([])
    for hour, day in enumerate((date(2025, 5, 1), date(2025, 4, 1))):
        run = Run("features", datetime(2025, 5, 2, hour, tzinfo=UTC), as_of=day, id=f"run of {day}")
        record_runs(made, [run], seconds=1, error=None, settings=row_changing(then), settings_hash=settings_hash(then))
    return made


def config(own: Sequence[dict[str, str]], *sets: str) -> Config:
    return load_config(sets=[f"features.own={json.dumps(own)}", *sets])


def refused(lake: Lake, settings: Config, run_id: str | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        look(lake, settings, Request(run_id, (), None), print)
    return str(error.value)


def test_a_run_whose_features_mean_something_else_is_not_looked_at(lake: Lake) -> None:
    assert refused(lake, config([OWN], "features.outliers=cap")) == (
        "run run of 2025-05-01 was opened with other settings of features.outliers, features.own; "
        "`shoal features --as-of 2025-05-01` opens one with these, to be named with --run-id"
    )


def test_without_a_release_it_is_the_run_of_the_latest_day_or_that_which_is_named(lake: Lake) -> None:
    assert "run of 2025-05-01 was" in refused(lake, config([OWN]))
    assert "run of 2025-04-01 was" in refused(lake, config([OWN]), "run of 2025-04-01")
    assert "there is no run r7" in refused(lake, config([OWN]), "r7")
