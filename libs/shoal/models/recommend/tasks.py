"""What a single task may do: loops that run whole in one, on all cores of its executor."""

import os
import re

from pyspark.sql import SparkSession

PAIRS_IN_ONE_TASK = 50_000_000  # some 2 GB of one executor's memory for Python; more are spread over the cluster


def threads_of_a_task(spark: SparkSession) -> int:
    """How many cores the executor of a task has; 1 where that is not known."""
    local = re.fullmatch(r"local(?:\[(\d+|\*).*\])?", spark.conf.get("spark.master", "") or "")
    if local is None:
        return int(spark.conf.get("spark.executor.cores", "1") or 1)
    return (os.cpu_count() or 1) if local[1] == "*" else int(local[1] or 1)
