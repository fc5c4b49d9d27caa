.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SECONDS ?= 120
SCALE ?= 1

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(READY): requirements-dev.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q cli devstack services shared simulator  # as pip does with what it installs
	@touch $@

env: $(READY)  ## the environment, from the locked and hashed requirements

check: $(READY)  ## format, lint, types and import walls
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(READY)  ## the whole suite, on real servers
	$(BIN)/pytest --numprocesses 3 --dist loadfile

unit: $(READY)  ## only what needs no server
	$(BIN)/pytest -m 'not connected' tests/unit

demo: $(READY)  ## one run of everything, with faults, and checks at the end
	$(BIN)/sluice demo

bench: $(READY)  ## latency, CPU and memory of the whole pipe, as a table
	$(BIN)/python -m benchmarks.pipe

chaos: $(READY)  ## everything under load while its parts die (SECONDS=120 SEED=any SCALE=1)
	$(BIN)/python -m chaos --seconds $(SECONDS) --scale $(SCALE) $(if $(SEED),--seed $(SEED))

bench-quota: $(READY)  ## is a provider fed exactly at its limit? Against other ways, as a table
	$(BIN)/python -m benchmarks.quota

bench-accounting: $(READY)  ## usage events a second into PostgreSQL, and after it was away, as a table
	$(BIN)/python -m benchmarks.accounting

bench-budget: $(READY)  ## 1,000 calls at once against a budget for 100: is it overshot, and how much is usable?
	$(BIN)/python -m benchmarks.budget

bench-analytics: $(READY)  ## every view over ten million rows of the ledger, as a table with plans
	$(BIN)/python -m benchmarks.analytics

bench-fairness: $(READY)  ## what a tenant's backlog costs the others, as a table
	$(BIN)/python -m benchmarks.fairness

soak: $(READY)  ## half an hour of steady load: does memory stay where it is?
	$(BIN)/python -m benchmarks.soak

docs: $(READY)  ## write the reference pages anew from the code
	$(BIN)/python -m docs.generators

format: $(READY)  ## rewrite the sources as the linter likes them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the environment and all caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: help env check test unit demo bench bench-accounting bench-analytics bench-budget bench-fairness bench-quota soak chaos docs format clean
