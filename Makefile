# `make` alone lists the words. Everything runs from .venv, which the first word that needs it sets up.
PYTHON ?= python3
BIN := .venv/bin
# Most tests wait for something, so there are more of them at once than cores.
WORKERS ?= 4
.DEFAULT_GOAL := help
.PHONY: help setup demo bench test test-faults test-rules lint format types generate lock build clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

.venv/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Frontlist needs Python 3.11 or newer; $(PYTHON) is older. Say: make PYTHON=python3.12 ..."; exit 2; }
	@echo "Setting up .venv (once; a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; echo "No virtual environment could be made: install your system's venv package (Debian: python3-venv)."; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: .venv/.ready ## set up .venv and nothing else

demo: .venv/.ready ## the whole product on real Kafka, until Ctrl-C (ONCE=1: until all has converged)
	@$(BIN)/frontlist demo $(if $(ONCE),--once)

bench: .venv/.ready ## the figures of delivery, beside its peers (ONLY=distinct,intake; ARGS=--quick); needs Go, Java, Maven
	$(BIN)/python benchmarks/bench.py $(if $(ONLY),--only $(ONLY)) $(ARGS)

test: .venv/.ready lint types ## lint, types, all tests on real Kafka and PostgreSQL but what make test-faults adds
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not matrix" $(ARGS)

test-faults: .venv/.ready ## the whole fault matrix under load, and whole installations on SQLite too
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "fault or matrix" $(ARGS)

test-rules: .venv/.ready ## takes each rule of the engine out, and sees its tests fail (ONLY=breaker); an hour
	$(BIN)/python tests/taken_out.py $(ONLY)

lint: .venv/.ready ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.ready ## mypy, strict
	$(BIN)/mypy

format: .venv/.ready ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: .venv/.ready ## renew the generated files: schemas, AsyncAPI, docs tables
	$(BIN)/python -m frontlist.generate

LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet

lock: ## renew the pinned, hashed requirements (needs uv); no index address enters them
	$(LOCK) pyproject.toml --all-extras --group dev --output-file requirements.txt
	$(LOCK) --group build --constraints requirements.txt --output-file deploy/requirements/build.txt
	$(LOCK) pyproject.toml --extra postgresql --extra telemetry --constraints requirements.txt --output-file deploy/requirements/connector.txt
	$(LOCK) pyproject.toml --extra postgresql --extra sandbox --constraints requirements.txt --output-file deploy/requirements/sandbox.txt

build: .venv/.ready ## the wheel, into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean: ## remove what was built
	rm -rf .venv build dist .mypy_cache .ruff_cache .hypothesis
