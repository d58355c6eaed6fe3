"""Loops run where executors run them: out of a zip, with and without a folder that can be written."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import shoal

_FIT = """
import numpy as np
from shoal.kernels import als

one = np.array([0, 1]), np.array([0]), np.array([1.0])
users, items = als.fit(*one, 1, rank=2, iterations=9, reg=0.1, alpha=1.0, seed=1)
print("shoal.zip" in als.__file__, round(float(users[0] @ items[0]), 2))
"""


@pytest.mark.parametrize("home", ["home", "nobody/home"])
def test_a_zip_without_a_home(tmp_path, home):
    package = Path(shoal.__file__).parent
    with zipfile.ZipFile(tmp_path / "shoal.zip", "w") as zipped:
        for name in ("__init__.py", "kernels/__init__.py", "kernels/jit.py", "kernels/als.py", "kernels/als_rows.py",
                     "kernels/als_last.py", "kernels/pairs.py"):  # fmt: skip
            zipped.write(package / name, f"shoal/{name}")
    (tmp_path / "home").mkdir()
    (tmp_path / "nobody").write_text("a file, in which no folder can be made")
    place = str(tmp_path / home)
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'shoal.zip')!r})\n{_FIT}"],
        env={**os.environ, "HOME": place, "XDG_CACHE_HOME": place}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.stdout.split() == ["True", "0.95"], ran.stderr  # 1 - reg / (1 + alpha), as one pair has it
    assert [*(tmp_path / "home").rglob("*.nbi")] if home == "home" else True
