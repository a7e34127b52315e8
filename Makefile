# The commands of the house.  They need GNU make and Python >= 3.11; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
PYTEST_ARGS ?=
MATRIX_ARGS ?=
LIVE ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help demo test lint deep live matrix bench pins clean

help:
	@echo 'make demo    six simulated clouds, two of them lost, everything back'
	@echo 'make test    the fast tests'
	@echo 'make lint    style, types, layers'
	@echo 'make deep    every test, for hours'
	@echo 'make live    LIVE=KIND: the conformance suite on an account of yours (docs/testing.md)'
	@echo 'make matrix  docs/backends/README.md anew; MATRIX_ARGS=--deep for every server'
	@echo 'make bench   benchmarks'
	@echo 'make pins    requirements/*.txt anew from what .venv holds'
	@echo 'make clean   remove .venv and everything generated'

# A second run finds the stamp and starts at once.
$(READY): requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "WebRAID needs Python 3.11 or newer, and there is no '$(PYTHON)'."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "WebRAID needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(PY) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Installing into $(VENV) (once) ...'
	@$(PY) -m pip install --quiet -r requirements/dev.txt
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)
	@$(PY) demo/demo.py

test: $(READY)
	@$(PY) tests/programs.py
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q $(PYTEST_ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

deep: $(READY)
	WEBRAID_DEEP=1 $(PY) -m pytest -n 2 --timeout 0 -m 'deep or not deep' $(PYTEST_ARGS)

live: $(READY)
	@test -n '$(LIVE)' || { echo 'Which kind? For example: make live LIVE=s3'; exit 1; }
	$(PY) -m pytest tests/live --live=$(LIVE) -n 0 --timeout 0 $(PYTEST_ARGS)

matrix: $(READY)
	$(PY) -m tests.conformance.matrix --date "$$(date +%F)" $(MATRIX_ARGS)

bench: $(READY)
	$(PY) -m bench

pins: $(READY)
	$(PY) tools/pins.py

clean:
	rm -rf $(VENV) .demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
