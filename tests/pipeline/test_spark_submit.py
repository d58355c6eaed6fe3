"""What spark-submit needs, and what it says without it. That the pipeline runs on it, the synthetic shop shows."""

import subprocess

from submitting import ROOT, SPARK, submit, surroundings


def test_that_python_has_no_shoal(bare_python):
    command = [str(bare_python), "-c", "import pyspark, pandas, shoal"]
    tried = subprocess.run(command, env=surroundings(), cwd="/", capture_output=True, text=True, check=False)

    assert "No module named 'shoal'" in tried.stderr


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
        bare_python, "--master", "local[1]", "--py-files", wheel, ROOT / "jobs" / "validate.py",
        "--lake", tmp_path / "lake", home=home,
    )  # fmt: skip

    assert ended.returncode == 2, ended.stdout[-3000:]
    said = [line for line in ended.stdout.splitlines() if "this Spark runs without Delta" in line]
    assert len(said) == 1, ended.stdout[-3000:]
    assert "--properties-file conf/spark.properties" in said[0]
