# `make` lists the targets. Everything installs into .venv; a change of setup.py or constraints.txt renews it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.made
DEMO   ?= demo
STAGE  ?= validate
TESTS  ?= tests
export SHOAL_DATA_DIR ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-long test-slow bench check format wheel docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Shoal needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version); try make PYTHON=python3.12"; exit 2; }
	@PYTHONPATH=libs $(PYTHON) -c 'from shoal.session import check_java; check_java()'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv"; exit 2; }
	@echo "installing into $(VENV), which takes some minutes the first time ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade --constraint constraints.txt setuptools wheel
	@$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[local,dev]'
	@$(BIN)/python -m shoal.prepare
	@touch $@

venv: $(STAMP)  ## make or renew the virtual environment

demo: $(STAMP)  ## make a synthetic shop, run the whole pipeline on it, show what it found
	@$(BIN)/shoal demo --out $(DEMO)

test: $(STAMP)  ## run the tests, two files at a time
	@$(BIN)/python -c 'from shoal.session import check_java; check_java()'
	$(BIN)/pytest -m 'not long and not slow' --numprocesses=2 --dist=loadfile --no-loadscope-reorder --durations=15

test-long: $(STAMP)  ## run the tests of what is rare, an hour (TESTS=tests/pipeline/test_replay.py: some of them)
	@$(BIN)/python -c 'from shoal.session import check_java; check_java()'
	$(BIN)/pytest -m long $(TESTS) --numprocesses=2 --dist=loadfile --no-loadscope-reorder --durations=15

test-slow: $(STAMP)  ## run the exhaustive tests, which take hours
	$(BIN)/pytest -m slow --durations=0

bench: $(STAMP)  ## measure a stage beside its peers (STAGE=validate, features, recommend) and write docs/benchmarks.md
	@$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[local,dev,bench]'
	$(BIN)/python -m benchmarks $(STAGE)

check: $(STAMP)  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## write the generated pages
	$(BIN)/python -m shoal.pages.dictionary > docs/tables.md
	$(BIN)/python -m shoal.pages.feature_pages > docs/features.md

wheel: $(STAMP)  ## build dist/shoal-*.whl
	rm -rf build dist
	$(BIN)/python -m build --quiet --wheel --no-isolation

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist $(DEMO) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis libs/*.egg-info spark-warehouse
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
