# make setup | demo | test | check | bench | conformance | docs | train
# Everything happens in .venv; only Python >= 3.11 is needed on the machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: setup demo test check bench conformance docs train format clean

setup: $(STAMP)

NATIVE := setup.py $(wildcard cloud_coordinator/allocation/native/*)

$(STAMP): pyproject.toml constraints.txt $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vpp needs Python 3.11 or newer")'
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV) (once, about a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --progress-bar on \
	    -c constraints.txt -e '.[edge,cloud,sim,dev]'
	@touch $@

demo: setup
	@$(BIN)/vpp demo $(ARGS)

test: setup
	@$(BIN)/pytest -n 4 $(ARGS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(MAKE) --no-print-directory test

bench: setup
	@$(BIN)/vpp bench $(ARGS)

conformance: setup
	@$(BIN)/python scripts/conformance.py $(ARGS)

DATA ?= ../shared/data

train: setup
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]'
	@$(BIN)/vpp models train --data $(DATA) $(ARGS)

docs: setup
	@$(BIN)/python scripts/docs.py

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
