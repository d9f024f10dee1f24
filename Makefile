# Every command a developer needs. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# Two files of tests at once, in their order; each worker has a control plane and an operator of its own.
ABREAST := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.venv/.installed: requirements/dev.lock pyproject.toml
	@echo "Installing the locked dependencies into .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: venv
venv: .venv/.installed ## Install the locked dependencies

.PHONY: setup
setup: venv ## Also get the local control plane's binaries (built once from Go modules, then cached)
	@$(BIN)/ocdp dev build > /dev/null

.PHONY: demo
demo: setup ## Everything on this machine: a claim becomes a running workload (ONCE=1: end when it did)
	@$(BIN)/ocdp dev demo $(if $(ONCE),--once)

.PHONY: format
format: venv ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

.PHONY: lint
lint: venv ## Formatting, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: check
check: lint ## The fast part: lint and unit tests, under a minute
	@$(PYTEST) tests/unit

.PHONY: validate
validate: venv ## Build and judge all of apps/ and tests/kustomize (ARGS=--write-golden, ARGS=--server; docs/manifests.md)
	@$(BIN)/ocdp manifests validate $(ARGS)

.PHONY: contract
contract: setup ## One suite for each port, on the fake and the real adapter
	@$(PYTEST) tests/contract

.PHONY: integration
integration: setup ## Each adapter on its real outside world
	@$(PYTEST) tests/integration

.PHONY: e2e
e2e: setup ## The operator on a real control plane
	@$(PYTEST) tests/e2e

.PHONY: adversarial
adversarial: setup ## Attacks, crashes and faults, each test named after its number (about an hour)
	@$(PYTEST) tests/adversarial

.PHONY: programs
programs: ## Install the real code-server and LiteLLM for `test-programs`: 1.6 GB in the cache (docs/apps.md)
	@hack/install-programs

.PHONY: test-programs
test-programs: setup ## Those programs, as the rendered manifests start them; as root (not part of `test`)
	@$(PYTEST) tests/programs -v --capture=no

.PHONY: test
test: setup lint validate ## All but adversarial and test-programs: lint, types, import contracts, manifests, unit, contract, integration, e2e
	@$(PYTEST) tests --ignore=tests/adversarial --ignore=tests/programs $(ABREAST)

.PHONY: bench
bench: setup ## Floor and operator side by side, and the run before the tuning (ARGS="--claims 300 --concurrency 8")
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: image
image: ## Build the operator's image, with docker, podman or buildah (IMAGE=name:tag, KUSTOMIZE=a binary; docs/image.md)
	@hack/image

.PHONY: kind-up
kind-up: ## A kind cluster with our image, CRDs and rights (needs docker and kind)
	@hack/kind up

.PHONY: kind-down
kind-down: ## Remove that cluster
	@hack/kind down

.PHONY: test-kind
test-kind: setup ## The tests of CRDs, rights, install and cluster adapter, on that cluster
	@hack/kind test

.PHONY: lock
lock: venv ## Renew the hash-pinned locks from pyproject.toml
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev pyproject.toml -o requirements/dev.lock
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/runtime.lock
	@echo 'hatchling' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --constraint requirements/dev.lock - -o requirements/build.lock

.PHONY: clean
clean: ## Remove what was made here (not the cache of binaries)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
