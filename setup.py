"""Packaging: one wheel that carries the library, the jobs (shoal.jobs) and the settings (shoal.conf)."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'__version__ = "([^"]+)"', (here / "libs/shoal/__init__.py").read_text())
assert version is not None, "libs/shoal/__init__.py names no version"

setup(
    name="shoal",
    version=version[1],
    description="Raw shop events in, segments, recommendations and propensities out, on Spark and Delta Lake",
    long_description=(here / "README.md").read_text() if (here / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[*find_packages("libs"), "shoal.jobs", "shoal.conf"],
    package_dir={"": "libs", "shoal.jobs": "jobs", "shoal.conf": "conf"},
    package_data={"shoal": ["py.typed"], "shoal.conf": ["*.yaml", "*.properties"]},
    entry_points={"console_scripts": ["shoal = shoal.cli:main"]},
    install_requires=[
        "click>=8.1",  # the command line
        "great-expectations>=1.24,<1.25",  # gates; without its [spark] extra, which caps pyspark
        "numba>=0.61",  # loops of ALS and neighbours as machine code; from 0.61 on also in code shipped as a zip
        "numpy>=2.0",
        "pandas>=2.2,<3",  # pyspark does not support pandas 3 before 4.3
        "pyarrow>=18",
        "pydantic>=2.7,<3",  # settings
        "pyyaml>=6.0",
        "rich>=13",  # progress and tables on a terminal
        "scipy>=1.11",  # matching of segments between runs, sparse matrices
        "tzdata",  # zones, where the system has none
    ],
    extras_require={
        "local": ["pyspark>=4.0.1,<4.3", "delta-spark>=4.0.0,<4.4.1"],  # clusters bring their own
        "dev": [
            "build", "deltalake>=1.0", "duckdb>=1.1", "hypothesis", "import-linter", "mypy", "pandas-stubs",
            "polars", "pytest", "pytest-xdist", "ruff", "scikit-learn", "setuptools", "types-pyyaml", "wheel",
        ],
        "bench": ["deltalake>=1.0", "duckdb>=1.1", "implicit>=0.7", "polars", "scikit-learn", "threadpoolctl"],
    },
)  # fmt: skip
