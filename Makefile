# `make` lists the targets. ARGS reaches the command: make up ARGS="--port 9000", make test ARGS=tests/libs
.DEFAULT_GOAL := help
.PHONY: help install install-dev up test lint type bench soak licences reference lock clean
PY := .venv/bin/python
ARGS ?=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Build the environment that runs Hedgerow (.venv)
	@scripts/install

install-dev: ## The same, with what tests and linters need
	@scripts/install dev

up: ## Start Hedgerow on http://localhost:8000; Ctrl-C stops it
	@if [ -e .venv/.hedgerow-dev ]; then scripts/install dev; else scripts/install; fi
	@exec .venv/bin/hedgerow up $(ARGS)

test: install-dev ## Run all tests; what this machine lacks is skipped, with the reason
	@$(PY) -m pytest $(ARGS)

lint: install-dev ## Style, formatting, import directions
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports

type: install-dev ## mypy in strict mode
	@.venv/bin/mypy

bench: install-dev ## Run every benchmark of tests/bench
	@set -e; for file in tests/bench/bench_*.py; do echo "== $$file"; $(PY) -m tests.bench.$$(basename $$file .py) $(ARGS); done

soak: install-dev ## The generated tests and the ledger at full scale; takes long
	@HEDGEROW_TEST_SCALE=1 $(PY) -m pytest --timeout=0 $(ARGS)

licences: install-dev ## List what every dependency is licensed under; fail on one that does not fit
	@$(PY) -m scripts.licences

reference: install-dev ## Rewrite docs/reference and the ingress from the code
	@$(PY) -m scripts.reference
	@$(PY) -m scripts.manifests

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --quiet
lock: ## Resolve both lock files anew (needs uv)
	@$(LOCK) --extra build --output-file requirements.lock
	@$(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	@! grep -nE '://|^--' requirements.lock requirements-dev.lock

clean: ## Remove what was built; data stays
	@rm -rf .venv .cache build *.egg-info
	@find libs services -name "*.so" -delete -o -name "*.c" -delete
