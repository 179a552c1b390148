# Every target is one line in `make help`; paths are relative, so a space in the checkout's does no harm.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PY := .venv/bin/python
PENGUIN := .venv/bin/penguin

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## Install what is needed: packages, Python, Pulumi engine
	@python3 -m tools.bootstrap

.PHONY: demo
demo: setup ## Run the main job: a tenant file becomes one mail, then 1,000
	@$(PENGUIN) demo

.PHONY: up
up: setup ## Keep the demo's sandbox running: lab, servers, control plane
	@$(PENGUIN) up

.PHONY: down
down: ## Stop and remove the sandbox of `make up`
	@if test -x $(PENGUIN); then $(PENGUIN) down; else echo "nothing is set up"; fi

.PHONY: test
test: setup ## Set up the same things and run all tests
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n auto --dist loadgroup  # each process would compile all again

.PHONY: unit
unit: setup ## Run the tests that need no server, engine or host
	@$(PY) -m pytest tests/unit

.PHONY: mailu-contract
mailu-contract: setup ## Hold Mailu, or its stand-in, to the calls we make
	@$(PY) -m tests.contract.mailu

.PHONY: lint
lint: setup ## Check style, types, playbooks, and the rules between rooms
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@MYPY_CACHE_DIR="$$($(PY) -c 'from kit.paths import cache_dir; print(cache_dir() / "mypy")')" $(PY) -m mypy
	@.venv/bin/lint-imports
	@cd playbooks && PATH="$$PWD/../.venv/bin:$$PATH" ANSIBLE_ROLES_PATH="$$PWD/roles" \
		ANSIBLE_LIBRARY="$$PWD/library" ANSIBLE_ACTION_PLUGINS="$$PWD/action_plugins" \
		ansible-lint --offline --profile production -q

.PHONY: format
format: setup ## Format the code and sort its imports
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

.PHONY: bench
bench: setup ## Measure against named peers; results in build/bench.json
	@$(PY) -m tests.bench

.PHONY: bench-queue
bench-queue: setup ## Measure the queue beside others, installed below build/
	@$(PY) -m tests.bench.queue

.PHONY: bench-sender
bench-sender: setup ## Measure the sender from the claim to the outcome
	@$(PY) -m tests.bench.sender

.PHONY: bench-reconciler
bench-reconciler: setup ## Measure 10,000 tenants (TENANTS), and 40 orders (ORDERS)
	@$(PY) -m tests.bench.reconciler $(if $(TENANTS),--tenants $(TENANTS))
	@$(PY) -m tests.bench.reconciler.ordering $(if $(ORDERS),--tenants $(ORDERS))

.PHONY: bench-hosts
bench-hosts: setup ## Measure runs of the playbooks, and a host of 2 GB with Mailu
	@$(PY) -m tests.bench.hosts

.PHONY: soak-queue
soak-queue: setup ## Let the queue work for an hour, and on 10 million mails
	@$(PY) -m tests.bench.soak

.PHONY: chaos-queue
chaos-queue: setup ## End senders and servers at the worst moments; count mails
	@$(PY) -m tests.chaos.queue

.PHONY: chaos
chaos: setup ## End reconcilers and engines anywhere; audit what they bought
	@$(PY) -m tests.chaos.reconciler

.PHONY: chaos-model
chaos-model: setup ## Let anything happen to tenants; compare with documents
	@$(PY) -m tests.chaos.model $(if $(EXAMPLES),--examples $(EXAMPLES))

.PHONY: test-hosts
test-hosts: setup ## Let trouble befall a lab host; it ends Ready, no mail lost
	@$(PY) -m tests.chaos.hosts

.PHONY: docs
docs: setup ## Write the reference pages from the code
	@$(PY) -m sandbox.reference

.PHONY: texts
texts: setup ## Print every text shown to users on one page, for review
	@$(PY) -m sandbox.reference.texts

.PHONY: lock
lock: setup ## Write requirements/lock.txt again from pyproject.toml
	@.venv/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --group dev pyproject.toml -o requirements/lock.txt
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate requirements/bench-queue.in \
		-o requirements/bench-queue.txt
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --no-deps requirements/chaos-queue.in \
		-o requirements/chaos-queue.txt

.PHONY: clean
clean: down ## Remove environment and build results; shared caches stay
	@rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
