"""The same code under spark-submit: a built wheel, real executor processes whose Python does not have Shoal."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pyspark
import pytest
from published import published

from shoal.synthetic import synthesize, write
from shoal.tables import PROPENSITIES, RECOMMENDATIONS, SEGMENTS

ROOT = Path(__file__).parents[2]
SPARK = Path(pyspark.__file__).parent
QUICK = (  # a short life on two cores: no optimising compiler, few partitions
    *(f"spark.{who}.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
      for who in ("driver", "executor")),
    "spark.sql.shuffle.partitions=2", "spark.databricks.delta.snapshotPartitions=1", "spark.ui.enabled=false",
)  # fmt: skip
SETS = ("recommend.for_you.rank=4", "recommend.for_you.max_iter=2", "recommend.for_you.min_interactions=50",
        "segments.default.k=3", "segments.default.max_iter=10", "features.tile_buckets=2",
        "propensity.buys_30d.horizon_days=5", "propensity.buys_30d.min_positives=5")  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the sources so that nothing is left in the tree."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    for name in ("libs", "jobs", "conf"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build = [sys.executable, "-m", "build", "--quiet", "--wheel", "--no-isolation", "--outdir", "dist", "."]
    subprocess.run(build, cwd=copy, check=True, capture_output=True)
    (built,) = (copy / "dist").glob("shoal-*.whl")
    return built


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """An interpreter with the dependencies and without Shoal: ``-S`` leaves out what an editable install adds."""
    wrapper = tmp_path_factory.mktemp("bin") / "python"
    packages = sysconfig.get_paths()["purelib"]
    wrapper.write_text(
        f'#!/bin/sh\nexport PYTHONPATH="{packages}${{PYTHONPATH:+:$PYTHONPATH}}"\nexec "{sys.executable}" -S "$@"\n'
    )
    wrapper.chmod(0o755)
    return wrapper


def surroundings(**more: str) -> dict[str, str]:
    """This process's environment without what leads a Python to Shoal."""
    return {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYSPARK_GATEWAY_PORT"}
    } | more


def submit(python: Path, *arguments: str, home: Path = SPARK) -> "subprocess.CompletedProcess[str]":
    """Run spark-submit of the pip distribution from a folder that is not the project's."""
    env = surroundings(SPARK_HOME=str(home), PYSPARK_PYTHON=str(python), SPARK_LOCAL_IP="127.0.0.1")
    command = [str(home / "bin" / "spark-submit"), *arguments]
    return subprocess.run(
        command, env=env, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def test_that_python_has_no_shoal(bare_python):
    command = [str(bare_python), "-c", "import pyspark, pandas, shoal"]
    tried = subprocess.run(command, env=surroundings(), cwd="/", capture_output=True, text=True, check=False)

    assert "No module named 'shoal'" in tried.stderr


def test_the_whole_pipeline_passes_on_executor_processes(spark, shelf_at, wheel, bare_python, tmp_path):
    shop = synthesize(spark, users=150, items=48, days=30, seed=5)
    write(shop, tmp_path / "shop")
    conf = [part for setting in QUICK for part in ("--conf", setting)]
    sets = [part for setting in SETS for part in ("--set", setting)]

    ended = submit(
        bare_python,
        "--properties-file", str(ROOT / "conf" / "spark.properties"), "--master", "local-cluster[2,1,2048]", *conf,
        "--py-files", str(wheel), str(ROOT / "jobs" / "pipeline.py"),
        "--feed", "shoal", "--input", str(tmp_path / "shop" / "events"), "--lake", str(tmp_path / "lake"),
        "--as-of", str(shop.as_of), *sets,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout[-3000:]
    rows = published(shelf_at(tmp_path / "lake"))
    assert all(rows[table.name] for table in (SEGMENTS, PROPENSITIES, RECOMMENDATIONS))
    checkpoints = tmp_path / "lake" / "_checkpoints"
    assert [*checkpoints.iterdir()] == [], "they lay where every executor sees them, and were removed"


def test_without_delta_one_sentence_says_what_to_do(wheel, bare_python, tmp_path):
    home = tmp_path / "spark"
    (home / "jars").mkdir(parents=True)
    for entry in SPARK.iterdir():
        if entry.name != "jars":
            (home / entry.name).symlink_to(entry)
    for jar in (SPARK / "jars").iterdir():
        if not jar.name.startswith("delta-"):
            (home / "jars" / jar.name).symlink_to(jar)

    ended = submit(
        bare_python, "--master", "local[1]", "--py-files", str(wheel), str(ROOT / "jobs" / "validate.py"),
        "--lake", str(tmp_path / "lake"), home=home,
    )  # fmt: skip

    assert ended.returncode == 2, ended.stdout[-3000:]
    said = [line for line in ended.stdout.splitlines() if "this Spark runs without Delta" in line]
    assert len(said) == 1, ended.stdout[-3000:]
    assert "--properties-file conf/spark.properties" in said[0]
