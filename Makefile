# Every verb sets up what it needs: Python 3.11+ and make are all a machine must have.
# PYTHON=/path/to/python3 chooses the interpreter of .venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
DOCS := .venv-docs
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# How far an installation is, a line every 10 packages: pip's own bars are for one package each.
COUNTED := awk -v total="$$(grep -c '^[A-Za-z0-9]' requirements.lock)" '\
	/^Collecting / { if (++n % 10 == 0) { printf "setup: %d of %d packages\n", n, total; fflush() } } \
	/^Installing collected/ { print "setup: unpacking them"; fflush() }'

# One compile for the lock, kept here so that .ci/run checks exactly what `make lock` does: LOCK_OUT is where it writes.
LOCK_OUT ?= $(VENV)/requirements.lock
LOCK_FLAGS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --quiet

.PHONY: help setup run node test crash mutants fmt check lint types bench bench-peers docs lock lock-compile build clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## .venv from the lock; redone only when the lock or pyproject.toml changes

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo 'Headway needs Python 3.11 or later as "$(PYTHON)"; choose one with: make PYTHON=/path/to/python3' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
		|| { echo 'Python could not make a virtual environment; Debian and Ubuntu keep that in the package python3-venv' >&2; exit 1; }
	@echo 'setup: installing requirements.lock into $(VENV)'
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --requirement requirements.lock | $(COUNTED)
	@$(PIP) --no-deps --no-build-isolation --editable .
# As pip does for what it installs. Where PYTHONDONTWRITEBYTECODE is set, as in many containers, nobody else would.
	@$(BIN)/python -m compileall -q core bridge console
	@touch $@

run: $(STAMP) ## the console on a demo: headway up --demo
	$(BIN)/headway up --demo

node: ## the MCP servers in Node that tests connect to, where npm is; without them those tests are skipped
	@command -v npm >/dev/null || { echo 'node: there is no npm: tests of servers in Node will be skipped' >&2; exit 0; }; \
		cmp -s tests/node/package-lock.json tests/node/node_modules/.installed && exit 0; \
		npm ci --prefix tests/node --ignore-scripts --no-audit --no-fund --loglevel error \
			&& cp tests/node/package-lock.json tests/node/node_modules/.installed \
			|| echo 'node: npm could not install tests/node: those tests will be skipped' >&2

# More workers than cores: many tests wait for a process or a terminal. A file's tests stay together, and the longest
# files begin (tests/conftest.py has their order, which xdist would change).
WORKERS ?= 4
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(STAMP) ## the fast set of the tests; ARGS='-k name' is handed to pytest
	$(PYTEST) $(ARGS)

crash: $(STAMP) ## 1,000 kill -9 of a writer and of a process that runs jobs; HEADWAY_CRASH_CYCLES sets the number
	HEADWAY_CRASH_CYCLES=$${HEADWAY_CRASH_CYCLES:-1000} $(BIN)/python -m pytest -s tests/crash $(ARGS)

check: lint types ## all that must pass: lint, formatting, types, layers, all tests with all of their cases
	$(PYTEST) --long $(ARGS)

mutants: $(STAMP) ## faults that the tests must find, one at a time; ARGS='bucket --workers 1' for some of them
	$(BIN)/python -m tests.mutants $(ARGS)

lint: $(STAMP) ## ruff check, ruff format --check, lint-imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP) ## mypy, strict; pyright over what users of plans see
	$(BIN)/mypy
	$(BIN)/basedpyright --project tests/typing

fmt: $(STAMP) ## format, and mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(STAMP) ## the benchmarks, as a table; ARGS='executor --json' for some of them, for a program
	$(BIN)/python -m benchmarks $(ARGS)

# An environment for each file; one that cannot be installed here is taken away, and its rows say so.
bench-peers: $(STAMP) ## environments for what the benchmarks compare with: .venv-peers
	@for file in benchmarks/peers/*.txt; do \
		name=$$(basename $$file .txt); folder=.venv-peers/$$name; \
		cmp -s $$file $$folder/installed.txt && continue; \
		echo "bench-peers: installing $$name into $$folder"; rm -rf $$folder; \
		$(BIN)/python -m venv $$folder \
			&& $$folder/bin/python -m pip install --quiet --disable-pip-version-check --requirement $$file \
			&& cp $$file $$folder/installed.txt \
			|| { echo "bench-peers: $$name cannot be installed here" >&2; rm -rf $$folder; }; \
	done

docs: $(DOCS)/.stamp ## the docs site into build/site: strict, without the network
	@$(DOCS)/bin/zensical build --clean --strict

$(DOCS)/.stamp: docs/requirements.lock
	@test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	@echo 'docs: installing docs/requirements.lock into $(DOCS)'
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement docs/requirements.lock
	@touch $@

lock: $(STAMP) ## write both locks anew, pins kept; ARGS=--upgrade takes the newest
	@cp requirements.lock $(LOCK_OUT)
	@cp docs/requirements.lock $(LOCK_OUT).docs
	@$(MAKE) --no-print-directory lock-compile
	@cmp -s $(LOCK_OUT) requirements.lock || cp $(LOCK_OUT) requirements.lock
	@cmp -s $(LOCK_OUT).docs docs/requirements.lock || cp $(LOCK_OUT).docs docs/requirements.lock

# Pins in LOCK_OUT and LOCK_OUT.docs are kept as far as pyproject.toml allows.
lock-compile:
	@$(BIN)/uv pip compile pyproject.toml --python $(BIN)/python $(LOCK_FLAGS) --group dev $(ARGS) --output-file $(LOCK_OUT) >/dev/null
	@$(BIN)/uv pip compile --python $(BIN)/python $(LOCK_FLAGS) --group pyproject.toml:docs $(ARGS) --output-file $(LOCK_OUT).docs >/dev/null

build: $(STAMP) ## sdist and wheel into dist/
	$(BIN)/python -m hatchling build -t sdist -t wheel

clean: ## remove .venv, builds and caches
	rm -rf $(VENV) $(DOCS) .venv-peers tests/node/node_modules dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis snapshot_report.html
	find core bridge console tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
