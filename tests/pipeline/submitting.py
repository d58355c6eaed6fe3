"""spark-submit as a cluster's user has it: a built wheel, and executors whose Python does not have Shoal."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pyspark

ROOT = Path(__file__).parents[2]
SPARK = Path(pyspark.__file__).parent
# Real executor processes; for their short life no optimising compiler, neither of plans nor of the JVM.
LOCAL_CLUSTER = (
    "--master", "local-cluster[2,1,2048]", "--properties-file", str(ROOT / "conf" / "spark.properties"),
    *(part for setting in (
        *(f"spark.{who}.extraJavaOptions=-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
          for who in ("driver", "executor")),
        "spark.sql.codegen.wholeStage=false", "spark.sql.codegen.factoryMode=NO_CODEGEN",
        "spark.sql.shuffle.partitions=2", "spark.databricks.delta.snapshotPartitions=1", "spark.ui.enabled=false",
        "spark.log.level=ERROR",
    ) for part in ("--conf", setting)),
)  # fmt: skip


def build_wheel(copy: Path) -> Path:
    """The wheel, built from a copy of the sources so that nothing is left in the tree."""
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    for name in ("libs", "jobs", "conf"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build = [sys.executable, "-m", "build", "--quiet", "--wheel", "--no-isolation", "--outdir", "dist", "."]
    subprocess.run(build, cwd=copy, check=True, capture_output=True)
    (built,) = (copy / "dist").glob("shoal-*.whl")
    return built


def python_without_shoal(folder: Path) -> Path:
    """An interpreter with the dependencies only: ``-S`` leaves out what an editable install adds."""
    wrapper = folder / "python"
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


def submit(python: Path, *arguments: object, home: Path = SPARK) -> "subprocess.CompletedProcess[str]":
    """Run spark-submit of the pip distribution from a folder that is not the project's."""
    env = surroundings(SPARK_HOME=str(home), PYSPARK_PYTHON=str(python), SPARK_LOCAL_IP="127.0.0.1")
    command = [str(home / "bin" / "spark-submit"), *map(str, arguments)]
    return subprocess.run(
        command, env=env, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
