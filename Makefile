# Every target sets up what it needs: a virtual environment in .venv, filled from the lock in constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Some environments switch bytecode caches off, which makes each Airflow command compile its imports again.
unexport PYTHONDONTWRITEBYTECODE

# What make bench measures: how many rows, and which sections (everything by default).
ROWS ?= 1000000
SECTIONS ?=

.PHONY: help install demo up env test bench lint format lock clean

help:
	@echo "make demo     run the six exports end to end, from a generated Commerce replica to a sandbox ODP"
	@echo "make up       the same world with Airflow's UI and scheduler, until Ctrl-C"
	@echo 'make env      eval "$$(make -s env)" gives a shell whose airflow commands work against that world'
	@echo "make test     every test"
	@echo "make bench    measure the exports beside other tools and write docs/benchmarks.md; ROWS=20000 for a quick look"
	@echo "make lint     ruff, mypy and import-linter"
	@echo "make format   let ruff format the code"
	@echo "make lock     resolve constraints.txt anew"

install: $(VENV)/.installed

$(VENV)/.installed: $(wildcard requirements*.txt) constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || \
		{ echo "Python 3.10 to 3.13 is needed; name one with make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

demo: install
	$(BIN)/python -m sandbox.demo

up: install
	@$(BIN)/python -m sandbox.up

env: install
	@$(BIN)/python -m sandbox.env

# File by file (tests/conftest.py), two at a time: much of a test's time is waiting for real servers.
test: install
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

bench: install
	@$(BIN)/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt -c constraints.txt
	@$(BIN)/python -m benchmarks $(SECTIONS) --rows $(ROWS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: install
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-header --upgrade \
		requirements-dev.txt benchmarks/requirements.txt -o constraints.txt
	for tool in dlt singer; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-annotate --upgrade \
			--custom-compile-command "make lock" benchmarks/requirements-$$tool.in -o benchmarks/requirements-$$tool.txt; \
	done

clean:
	rm -rf $(VENV) .sandbox .benchmarks
