"""The only builder of a SparkSession, and what must be right before one starts."""

import atexit
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shoal.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DELTA_VERSION = "4.4.0"
DELTA_JARS = (
    f"io.delta:delta-spark_{{spark}}_2.13:{DELTA_VERSION}",
    f"io.delta:delta-storage:{DELTA_VERSION}",
)
JAVA_VERSIONS = (17, 21)

_ALWAYS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",  # event_time is UTC; shop days are computed, never implied
    "spark.sql.ansi.enabled": "true",  # overflow and bad casts are errors, not nulls
    "spark.sql.execution.arrow.pyspark.enabled": "true",  # the default differs between Spark 4.1 and 4.2
    # Java never compiles a method of more than 8,000 bytecodes. Spark makes such methods of wide queries unless it is
    # told; as smaller ones, mapping and judging a million rows took 7.5 s instead of 9.9 on two cores.
    "spark.sql.codegen.hugeMethodLimit": "8000",
}

# Throughput counts here, not pauses: ParallelGC saves 5 % of a run's time on two cores. And a run is short for a JVM:
# most of its code is planning that runs now and then, and with Java's own thresholds half of all CPU time goes to
# compiling it anew. Ten times as many calls before the optimising compiler comes: a fifth less CPU, a tenth less time.
JVM = (
    "-XX:+UseParallelGC -XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000"
    " -XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)

_EMBEDDED = {
    "spark.master": "local[*]",
    "spark.driver.memory": "3g",
    "spark.sql.shuffle.partitions": "8",  # the default 200 is for clusters; AQE merges the rest
    "spark.databricks.delta.snapshotPartitions": "2",  # table logs here are small; the default is 50 tasks
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # A run has thousands of generated classes, and what is read again and again, as the logs of tables, is among them:
    # of 100, which are Spark's default, none is left when it comes back, and it is compiled anew.
    "spark.sql.codegen.cache.maxEntries": "3000",
    "spark.sql.ui.explainMode": "simple",
    "spark.sql.debug.maxToStringFields": "8",  # Spark writes each query's plan out, although nobody reads it here
    "spark.log.level": "ERROR",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.warehouse.dir": f"{tempfile.gettempdir()}/shoal-warehouse-{os.getuid()}",  # nothing is kept there
}


def build_session(name: str, options: Mapping[str, str] | None = None, *, quiet: bool = False) -> "SparkSession":
    """A session for the job ``name``; options given to spark-submit win over ours.

    Under spark-submit the JVM already runs and its class path is fixed: Delta must be on it.

    Args:
        name: shown in Spark's UI.
        options: ``spark.*`` settings beside the defaults.
        quiet: what a JVM started here prints goes to a temporary file for as long as this process lives.

    Raises:
        ConfigError: Java is missing or of the wrong version, or Delta is not on the class path.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else tasks import nothing of a virtual environment
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ or "DATABRICKS_RUNTIME_VERSION" in os.environ
    if not submitted:
        require_java()

    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(f"shoal {name}")
    defaults = _ALWAYS if submitted else {**_ALWAYS, **_EMBEDDED, **_jvm(), **_delta_packages()}
    for key, value in {**defaults, **(options or {})}.items():
        if not (submitted and _given_to_submit(key)):
            builder = builder.config(key, value)
    with _jvm_output_aside() if quiet and not submitted else contextlib.nullcontext():
        spark = builder.getOrCreate()
    _require_delta(spark)
    _ship_shoal(spark)
    if quiet:
        _errors_told_once()
    return spark


def class_archive() -> Path:
    """Where :mod:`shoal.prepare` lays the classes of a start, as the JVM has loaded and checked them."""
    import pyspark

    return Path(pyspark.__file__).parent / "shoal-classes.jsa"


def _jvm() -> dict[str, str]:
    """How a JVM is started here: with the archive of classes where there is one, which saves a quarter of a start.

    A JVM that cannot use it, as it is another one than that which made it, says nothing and goes without.
    """
    archive = class_archive()
    shared = f' -Xlog:cds=off -Xlog:cds+dynamic=off "-XX:SharedArchiveFile={archive}"' if archive.exists() else ""
    return {"spark.driver.extraJavaOptions": JVM + shared}


def _errors_told_once() -> None:
    """Keep pyspark from printing each failed query, with the JVM's whole trace, before it raises the error."""
    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True


@contextlib.contextmanager
def _jvm_output_aside() -> Iterator[None]:
    """Have a JVM that starts meanwhile write to a file what it would print on stderr: start-up chatter."""
    sys.stderr.flush()
    ours = os.dup(2)
    path = Path(tempfile.gettempdir()) / f"shoal-spark-{os.getpid()}.log"
    atexit.register(path.unlink, missing_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    try:
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)
        os.close(log)


def require_java() -> None:
    """Refuse to start without a Java that Spark can run on.

    Raises:
        ConfigError: one sentence with the command that installs it.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    wanted = " or ".join(map(str, JAVA_VERSIONS))
    install = "on Debian or Ubuntu: apt-get install openjdk-17-jre-headless; on macOS: brew install openjdk@17"
    if java is None or not Path(java).exists():
        where = f"JAVA_HOME is {home}, which has no bin/java" if home else "no java was found"
        raise ConfigError(f"Spark needs Java {wanted}, but {where}; {install}")
    printed = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', printed)
    if found is None or int(found[1]) not in JAVA_VERSIONS:
        version = found[1] if found else "of an unknown version"
        raise ConfigError(f"Spark needs Java {wanted}, but {java} is Java {version}; {install}")


def _given_to_submit(key: str) -> bool:
    """True where spark-submit's own options, which land in the JVM's system properties, set ``key``."""
    from pyspark import SparkContext
    from pyspark.conf import SparkConf

    SparkContext._ensure_initialized()
    return SparkConf().contains(key)


def _delta_packages() -> dict[str, str]:
    """Where Delta's jars are not beside Spark's own, have Spark fetch them from Maven Central."""
    import pyspark

    jars = Path(pyspark.__file__).parent / "jars"
    if any(jars.glob("delta-spark_*.jar")):
        return {}
    return {"spark.jars.packages": ",".join(delta_coordinates()), "spark.jars.excludes": ",".join(IN_SPARK)}


# What Delta's jars depend on and Spark already brings: 10 MB to fetch instead of 87.
IN_SPARK = (
    "org.apache.hadoop:*", "org.apache.parquet:*", "org.apache.logging.log4j:*", "org.slf4j:*",
    "com.fasterxml.jackson.core:*", "com.fasterxml.jackson.datatype:*", "io.unitycatalog:*",
    "io.delta:delta-kernel-api", "io.delta:delta-kernel-defaults", "io.delta:delta-kernel-unitycatalog",
)  # fmt: skip


def delta_coordinates() -> list[str]:
    """Maven coordinates of Delta for the installed Spark, always with Spark's version in the name."""
    import pyspark

    spark = ".".join(pyspark.__version__.split(".")[:2])
    return [jar.format(spark=spark) for jar in DELTA_JARS]


def _require_delta(spark: "SparkSession") -> None:
    """Refuse a JVM without Delta on its class path."""
    # Spark Connect has no JVM to ask; its server brings its own Delta.
    jvm = getattr(spark, "_jvm", None)
    if jvm is None:
        return
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    try:
        loader.loadClass("io.delta.sql.DeltaSparkSessionExtension")
    except Exception as error:  # py4j has one class for every Java exception
        raise ConfigError(
            "this Spark runs without Delta, which cannot be added once its JVM runs; "
            "start it with spark-submit --properties-file conf/spark.properties "
            f"or --packages {','.join(delta_coordinates())}"
        ) from error


def _ship_shoal(spark: "SparkSession") -> None:
    """Give the executors Shoal's own code as a zip: ``--py-files x.whl`` reaches the driver only."""
    if (spark.conf.get("spark.master", "local") or "").startswith("local[") or not hasattr(spark, "_jvm"):
        return
    folder = Path(tempfile.mkdtemp(prefix="shoal-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # executors fetch it for as long as this process lives
    spark.sparkContext.addPyFile(str(_zip_of_shoal(folder)))


def _zip_of_shoal(folder: Path) -> Path:
    """``shoal.zip`` with every source file of this package, from a folder or from a zipped wheel alike."""
    from importlib.resources import files
    from importlib.resources.abc import Traversable

    archive = folder / "shoal.zip"

    def add(zipped: zipfile.ZipFile, entry: Traversable, name: str) -> None:
        if entry.is_dir():
            for child in entry.iterdir():
                if child.name != "__pycache__":
                    add(zipped, child, f"{name}/{child.name}")
        elif name.endswith(".py"):
            zipped.writestr(name, entry.read_bytes())

    with zipfile.ZipFile(archive, "w") as zipped:
        add(zipped, files("shoal"), "shoal")
    return archive


def check_java() -> None:
    """End this process with one sentence unless there is a Java that Spark can run on; for the Makefile."""
    try:
        require_java()
    except ConfigError as error:
        sys.exit(f"shoal: {error}")
