"""The shape of the pipeline: every table has one writer, no job reads to its right, everything says what it means."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from shoal import tables
from shoal.pages.dictionary import dictionary
from shoal.pages.feature_pages import item_sources, page, sources
from shoal.sources import FEEDS
from shoal.stages import STAGES
from shoal.tables.item_features import OF_ITEMS
from shoal.tables.user_features import FEATURES

ROOT = Path(__file__).parents[2]
LAYERS = ["files", "bronze", "silver", "features", "gold", "ops"]
DECLARED = [*tables.ALL, *(feed.table for feed in FEEDS.values())]
JOBS = [stage.job for stage in STAGES]


def flow(job: str) -> tuple[list[str], list[str]]:
    """Inputs and outputs of a job, from its first line."""
    first = (ast.get_docstring(ast.parse((ROOT / "jobs" / f"{job}.py").read_text())) or "").split("\n\n")[0]
    reads, arrow, writes = " ".join(first.split()).partition(" -> ")
    assert arrow, f"jobs/{job}.py: the first line must read 'inputs -> outputs', not {first!r}"
    return reads.split(", "), writes.split(", ")


def test_every_table_has_one_writer():
    written = [name for job in JOBS for name in flow(job)[1] if not name.startswith("ops.")]

    assert sorted(written) == sorted(set(written))
    assert {t.name for t in tables.ALL if t.layer != "ops"} <= set(written)


@pytest.mark.parametrize("job", JOBS)
def test_no_job_reads_to_its_right(job):
    reads, writes = flow(job)

    def place(name: str) -> int:
        return LAYERS.index(name.split(".")[0])

    assert max(map(place, reads)) <= min(map(place, writes))


@pytest.mark.parametrize("job", JOBS)
def test_a_job_writes_what_the_declarations_say(job):
    declared = {table.name for table in tables.ALL if table.writer == job and table.layer != "ops"}
    written = {name for name in flow(job)[1] if name.split(".")[0] not in {"ops", "bronze"}}

    assert written == declared


# The rooms whose modules may name tables: what stages are made of.
ROOMS = ("books", "ingest", "validate", "features", "lists", "publish")


def file_of(module: str) -> Path:
    return ROOT / "libs" / "shoal" / (module.replace(".", "/") + ".py")


def imported(path: Path) -> set[str]:
    """The modules of these rooms that a file imports, as ``features.people``."""
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shoal."):
            module = str(node.module).removeprefix("shoal.")
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] in ROOMS and file_of(name).exists()}


def stands_on(job: str) -> set[str]:
    """The modules of these rooms that a job imports, and those that they import."""
    found, waiting = set[str](), imported(ROOT / "jobs" / f"{job}.py")
    while waiting - found:
        name = (waiting - found).pop()
        found.add(name)
        waiting |= imported(file_of(name))
    return found


def test_modules_of_one_job_are_told_from_those_of_several():
    assert {"validate.judging", "validate.silver", "validate.deriving"} <= stands_on("validate") - stands_on("publish")
    assert "publish.gate_of_run" in stands_on("publish") - stands_on("validate")
    assert "features.people" in stands_on("build_features") & stands_on("recommend_items")


@pytest.mark.parametrize("job", JOBS)
def test_a_job_reads_and_writes_only_what_its_first_line_says(job):
    """Tables are named in code by the constants of shoal.tables: those of a job, and of what no other job stands on."""
    others = {name for other in JOBS if other != job for name in stands_on(other)}
    own = [f"shoal.jobs.{job}", *(f"shoal.{name}" for name in sorted(stands_on(job) - others))]
    values = [value for name in own for value in vars(importlib.import_module(name)).values()]
    used = {t.name for t in tables.ALL if t.layer != "ops" for value in values if value is t}
    reads, writes = flow(job)

    assert used <= {*reads, *writes}


@pytest.mark.parametrize("table", DECLARED, ids=lambda table: table.name)
def test_every_column_says_what_it_means(table):
    assert table.doc.startswith("One row per ")
    assert all(column.doc for column in table.columns)


def test_the_data_dictionary_is_current():
    assert (ROOT / "docs" / "tables.md").read_text() == dictionary(), "run `make docs`"


def test_the_page_of_features_is_current():
    assert (ROOT / "docs" / "features.md").read_text() == page(), "run `make docs`"


def test_every_feature_is_made_of_columns_that_there_are():
    columns = {f"{table.name}.{name}" for table in tables.ALL for name in table.names}

    for name, feature in FEATURES.items():
        assert feature.is_shown <= bool(sources(name)), name
        assert {*sources(name)} <= columns, name
    for name, feature in OF_ITEMS.items():
        assert feature.is_shown <= bool(item_sources(name)), name
        assert {*item_sources(name)} <= columns, name


def test_the_project_names_no_machine_path_and_no_registry():
    named = []
    for path in [
        *ROOT.glob("*.*"),
        *(p for d in ("jobs", "libs", "conf", "docs", "tests") for p in (ROOT / d).rglob("*")),
    ]:
        if path.suffix in {".py", ".md", ".yaml", ".toml", ".txt", ".properties"}:
            text = path.read_text()
            named += [path.name for _ in re.finditer(r"/(?:work|root)/|index[-]url", text)]
    assert named == []
