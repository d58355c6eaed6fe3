"""What the machine can do, measured in the same run: distances from it mean more than seconds."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

_PACKAGES = (
    "pyspark", "delta-spark", "great-expectations", "duckdb", "pyarrow", "numpy", "scipy", "numba", "implicit",
)  # fmt: skip


def measure(work: Path, cores: int) -> dict[str, str]:
    """The machine's limits, in words, from a fresh process."""
    command = ["taskset", "-c", f"0-{cores - 1}", sys.executable, "-m", "benchmarks.machine", str(work)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "SHOAL_BENCH_CORES": str(cores)}
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **threads, "SPARK_LOCAL_IP": "127.0.0.1"},
    )
    versions = {name: version(name) for name in _PACKAGES}
    fixed = {"processor": _processor(), "cores": str(cores), "python": platform.python_version(), **versions}
    found: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    return fixed | found


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _best(times: int, act: Callable[[], object]) -> float:
    """The shortest of several runs, in seconds."""
    spans = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        spans.append(time.perf_counter() - started)
    return min(spans)


def _main(work: Path) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    square = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    sgemm = 2 * 2048**3 / _best(5, lambda: square @ square) / 1e9
    long = np.ones(64 * 2**20, dtype=np.float64)
    copied = np.empty_like(long)
    bandwidth = 2 * long.nbytes / _best(5, lambda: np.copyto(copied, long)) / 1e9
    rng = np.random.default_rng(0)
    table = pa.table({f"c{n}": rng.integers(0, 10**6, 2_000_000) for n in range(8)})
    file = work / "calibration.parquet"
    pq.write_table(table, file, compression="snappy")
    decoded = table.nbytes / _best(3, lambda: pq.read_table(file, use_threads=False)) / 1e9
    file.unlink()

    from benchmarks.engines import spark_session

    spark = spark_session("machine")
    empty = _best(20, lambda: spark.range(1).count())
    spark.stop()
    print(json.dumps({
        "SGEMM, one core": f"{sgemm:.0f} GFLOP/s", "memory copy": f"{bandwidth:.1f} GB/s",
        "Parquet decoding, one core": f"{decoded:.2f} GB/s", "empty Spark job": f"{1000 * empty:.0f} ms",
    }))  # fmt: skip


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
