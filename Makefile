# Every command of the project. `make` alone lists them.
# Choices: ISTHMUS_BASE_PORT=8443 ISTHMUS_RUN_DIR=.run PROVIDERS=1 ISTHMUS_INSTANCES=2 PYTHON=python3
#          PYTEST="..." (arguments of pytest), WORKERS=2 (test processes), NAMES="gateway-1 ..." (for logs)

PYTHON ?= python3
WORKERS ?= 2
PYTEST ?=
NAMES ?=
ONLY ?=
BIN := .venv/bin
VARIABLES := ISTHMUS_BASE_PORT ISTHMUS_RUN_DIR ISTHMUS_INSTANCES ISTHMUS_PUBLIC_HOST ISTHMUS_FRONT_DOOR_HOST \
	ISTHMUS_TLS_CERT ISTHMUS_TLS_KEY ISTHMUS_TLS_CA PROVIDERS
export $(VARIABLES)

.DEFAULT_GOAL := help
.PHONY: help setup binaries lint format test demo up down status logs clean bench protos conformance lock compose-test

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## .venv from requirements.lock, hashes checked
	@PYTHON=$(PYTHON) stack/setup.sh

binaries: setup ## fetch mongod, Envoy and Consul
	@$(BIN)/python -m stack.binaries

lint: setup ## ruff, mypy --strict, import-linter, buf, generated code up to date
	@stack/lint.sh

format: setup ## let ruff put the code in order
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

test: setup binaries ## all tests, against real servers that they start themselves
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(PYTEST)

demo: setup ## the main job on real files, with processes killed meanwhile
	@$(BIN)/python -m stack.demo

up: setup ## start a zone and a provider (PROVIDERS=2: two) and keep them running
	@$(BIN)/python -m stack up

down: setup ## stop them; data stays
	@$(BIN)/python -m stack down

status: setup ## what runs, and whether a file can be stored and read
	@$(BIN)/python -m stack status

logs: setup ## the end of the logs (NAMES="gateway-1 zone-1" for some)
	@$(BIN)/python -m stack logs $(NAMES)

clean: setup ## stop, and remove all data
	@$(BIN)/python -m stack clean

bench: setup binaries ## ratios against nginx and wsgidav in one run (ONLY="large put": rows with one of these words)
	$(BIN)/python -m bench $(ONLY)

protos: setup ## make gen/ from protos/
	@stack/protos.sh

conformance: setup ## docs/cdmi-conformance.md from the marks of the tests
	@$(BIN)/python -m tests.support.conformance

lock: setup ## requirements.lock from pyproject.toml
	$(BIN)/pip-compile --quiet --allow-unsafe --extra=dev --generate-hashes --no-emit-find-links \
		--no-emit-index-url --no-emit-trusted-host --strip-extras --output-file=requirements.lock pyproject.toml

compose-test: setup ## the suite as containers, on a real Docker engine
	$(BIN)/python -m compose.test
