"""What is prepared once per installation, so that no run has to wait for it: ``python -m shoal.prepare``.

Delta's jars beside Spark's own, an archive of the classes that every start loads, and loops as machine code.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from shoal.errors import ConfigError
from shoal.kernels.jit import compile_all
from shoal.session import IN_SPARK, class_archive, delta_coordinates, require_java


def prepare() -> None:
    """Prepare what is not there yet, and say what was done."""
    for jar in install_delta_jars():
        print(f"laid {jar.name} beside Spark's own jars")
    compile_all()
    if not class_archive().exists():
        archive_classes()


def install_delta_jars() -> list[Path]:
    """Fetch Delta's jars once and lay them beside Spark's own, so that sessions start without a look-up.

    Returns:
        The jars that were laid; empty where they already lay there.
    """
    import pyspark
    from pyspark.sql import SparkSession

    target = Path(pyspark.__file__).parent / "jars"
    if any(target.glob("delta-spark_*.jar")):
        return []
    require_java()
    with tempfile.TemporaryDirectory() as folder:
        spark = (
            SparkSession.builder.master("local[1]")
            .config("spark.jars.packages", ",".join(delta_coordinates()))
            .config("spark.jars.excludes", ",".join(IN_SPARK))
            .config("spark.jars.ivy", folder)
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
        spark.stop()
        laid = [
            Path(shutil.copy(jar, target / jar.name.removeprefix("io.delta_")))
            for jar in sorted(Path(folder, "jars").glob("io.delta_*.jar"))
        ]
    if not laid:
        raise ConfigError(f"could not fetch {', '.join(delta_coordinates())} from Maven Central")
    return laid


def archive_classes() -> None:
    """Keep the classes that a start and some first queries load; without it Shoal starts slower, and nothing else."""
    require_java()
    made = subprocess.run([sys.executable, "-c", _FIRST_QUERIES], capture_output=True, text=True, check=False)
    if not class_archive().exists():
        said = made.stderr.strip().splitlines()[-1:] or ["the JVM gave no reason"]
        print(f"no archive of classes could be made, so that commands start some seconds slower: {said[0]}")


_FIRST_QUERIES = """
import tempfile

from delta import DeltaTable
from pyspark import SparkContext

from shoal.session import JVM, build_session, class_archive

archived = f'{JVM} -Xlog:disable "-XX:ArchiveClassesAtExit={class_archive()}"'
spark = build_session("prepare", {"spark.driver.extraJavaOptions": archived})
with tempfile.TemporaryDirectory() as folder:
    rows = spark.range(10).selectExpr("id", "CAST(id AS string) AS name", "id % 2 AS part")
    rows.write.format("delta").partitionBy("part").save(folder)
    kept = spark.read.format("delta").load(folder)
    kept.where("part = 1").groupBy("name").count().orderBy("name").collect()
    kept.join(kept.select("id"), "id").agg({"id": "sum"}).collect()
    DeltaTable.forPath(spark, folder).history(1).collect()
    spark.stop()
gateway = SparkContext._gateway
jvm = gateway.proc
gateway.shutdown()
jvm.stdin.close()
jvm.wait()  # it writes the archive when it ends
"""


if __name__ == "__main__":
    prepare()
