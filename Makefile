# ICS Hub. `make` alone lists what can be done.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ENV := .venv
PY := $(ENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help setup demo test check faults bench

help: ## List these commands.
	@echo "ICS Hub. Each command sets up $(ENV) first where that is needed."
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(ENV)/.ready ## Make the environment in .venv; does nothing while it is up to date.
	@echo "setup: $(ENV) is ready"

# Made again only when what it is made from has changed.
$(ENV)/.ready: pyproject.toml constraints.txt
	@python=""
	for found in python3 python3.14 python3.13 python3.12 python3.11; do
	  if $$found -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$found; break; fi
	done
	if [ -z "$$python" ]; then
	  echo "setup: ICS Hub needs Python 3.11 or newer and found none; install it (Debian, Ubuntu: apt install python3 python3-venv)." >&2
	  exit 2
	fi
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then
	  echo "setup: this Python cannot make an environment; install its venv package (Debian, Ubuntu: apt install python3-venv)." >&2
	  exit 2
	fi
	echo "setup: installing into $(ENV) with $$($$python --version); the first time takes a minute"
	rm -f $@
	$$python -m venv --clear $(ENV)
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation --editable '.[test,check]'
	touch $@

$(ENV)/.bench: $(ENV)/.ready
	@echo "setup: adding what the benchmarks compare with"
	$(PIP) --no-build-isolation --editable '.[bench]'
	touch $@

demo: $(ENV)/.ready ## Translate a made-up council, then carry it through a running hub; BROKER=rabbitmq: over RabbitMQ.
	@echo "demo: translating the sample council, then carrying it through a hub"
	$(PY) demo/demo.py

test: $(ENV)/.ready ## Run all the tests.
	@bash tests/install.sh
	echo "test: running pytest, three processes at a time: they wait for something most of the time"
	$(PY) -m pytest -n 3 --dist worksteal

check: $(ENV)/.ready ## Run the linters, the types, the layers, and look for stale generated files.
	@echo "check: ruff (faults)"
	$(ENV)/bin/ruff check .
	echo "check: ruff (layout)"
	$(ENV)/bin/ruff format --check .
	echo "check: mypy --strict, and meanwhile:"
	said=$$(mktemp)
	$(ENV)/bin/mypy >"$$said" 2>&1 & types=$$!
	trap 'kill $$types 2>/dev/null || true; rm -f "$$said"' EXIT
	echo "check: layers"
	$(ENV)/bin/lint-imports
	echo "check: mappings (accounts, code tables, samples and the laws on them; 'make test' makes up records)"
	$(ENV)/bin/ics-hub mapping check --records 0
	wait $$types || { cat "$$said"; exit 1; }
	cat "$$said"

faults: $(ENV)/.ready ## Kill everything at every step and judge what arrived; ARGS="--seed 1 --seconds 600".
	@bash tests/install.sh
	$(PY) -m tests.faults $(ARGS)

bench: $(ENV)/.bench ## Measure the bars side by side with other tools and print the ratios.
	@if [ ! -f tests/benchmarks/__main__.py ]; then echo "bench: tests/benchmarks is not there yet" >&2; exit 2; fi
	bash tests/peers.sh --bench
	echo "bench: this takes some minutes"
	$(PY) -m tests.benchmarks

.ONESHELL:
