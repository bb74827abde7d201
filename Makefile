# `make` lists the targets. ARGS reaches the command: make up ARGS="--port 9000", make test ARGS=tests/libs
.DEFAULT_GOAL := help
.PHONY: help install install-dev up test lint type bench soak soak-fuzz soak-memory licences reference lock clean
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

soak: install-dev ## The generated tests and the ledger at full scale, from a new seed each time (SEED=N repeats one)
	@seed=$(or $(SEED),$$(od -An -N2 -tu2 /dev/urandom)); echo "SEED=$$((seed))"; \
	HEDGEROW_TEST_SCALE=1 HEDGEROW_TEST_SEED=$$((seed)) $(PY) -m pytest --timeout=0 $(ARGS)

soak-memory: install-dev ## Memory of capture and of the pipeline over ten minutes each, at 70% of the highest rate
	@$(PY) -m tests.bench.soak_memory capture $(ARGS) && $(PY) -m tests.bench.soak_memory pipeline $(ARGS)

SEEDS ?= 1 2 3 4 5 6 7 8 9 10
soak-fuzz: install-dev ## A million fuzzed requests to capture, in ten pieces; SEEDS="3 7" runs those two
	@set -e; for seed in $(SEEDS); do echo "== SEED=$$seed"; \
	HEDGEROW_TEST_SCALE=0.1 HEDGEROW_TEST_SEED=$$seed $(PY) -m pytest --timeout=0 \
	tests/services/capture/test_fuzz.py tests/services/capture/test_fuzz_sockets.py; done

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
